import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { until } from '../../packages/curfew/test/stores/redis/servers.ts'

/** `curfew start` as an operator starts it, and killed as nobody wishes to. */
export interface Authority {
  readonly baseUrl: string
  /** Resolves when it answers. @throws what it said when it ends before */
  start(): Promise<void>
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM; resolves when the process has ended in order. */
  stop(): Promise<void>
  /** Asks the admin API. @throws for any answer but 200 */
  ask<T>(path: string, body?: object): Promise<T>
}

const bin = fileURLToPath(new URL('../../packages/curfew/bin/curfew.js', import.meta.url))
const startMsMax = 60_000
/** How long one answer may take. */
const answerMsMax = 10_000

export function createAuthority(config: string, baseUrl: string, adminUrl: string): Authority {
  let child: ChildProcess | undefined
  let said = ''
  const isGone = (): boolean => child === undefined || child.exitCode !== null || child.signalCode !== null
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || isGone()) return
    child.kill(signal)
    await once(child, 'close')
  }
  const token = (): string => readFileSync(join(dirname(config), 'data/admin.token'), 'utf8').trim()
  return {
    baseUrl,
    async start() {
      said = ''
      child = spawn(process.execPath, [bin, 'start', '--config', config], {
        stdio: ['ignore', 'ignore', 'pipe'],
        // It is started hundreds of times.
        env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(config), 'compiled') }
      })
      child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-4_000)))
      await until(async () => isGone() || (await isUp(baseUrl)), startMsMax)
      if (isGone()) throw new Error(`the server ended at its start: ${said}`)
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    async ask<T>(path: string, body?: object) {
      const headers = { authorization: `Bearer ${token()}`, 'content-type': 'application/json' }
      const signal = AbortSignal.timeout(answerMsMax)
      const answer = await fetch(adminUrl + path, body === undefined ? { headers, signal } : { method: 'POST', headers, signal, body: JSON.stringify(body) })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${text.slice(0, 300)}`)
      return JSON.parse(text) as T
    }
  }
}

async function isUp(baseUrl: string): Promise<boolean> {
  // One that took the connection and says nothing is asked again.
  const answer = await fetch(`${baseUrl}/pf/heartbeat.ping`, { signal: AbortSignal.timeout(answerMsMax) })
  await answer.body?.cancel()
  return answer.ok
}
