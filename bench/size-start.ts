import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { parse, stringify } from 'yaml'
import { freePorts } from '../interop/harness/ports.ts'
import { get } from '../interop/harness/programs.ts'

const bin = fileURLToPath(new URL('../packages/curfew/bin/curfew.js', import.meta.url))
const msMax = 60_000

/**
 * Milliseconds from `curfew start` on this database until it says that it is well and, by its admin API, whom it knows.
 *
 * @throws Error when it does not answer in a minute, or knows nobody of this name
 */
export async function startOf(folder: string, file: string, capacity: number, user: string): Promise<number> {
  const [port = 0, adminPort = 0] = await freePorts(2)
  const baseUrl = `http://curfew.localhost:${port}`
  await promisify(execFile)(
    process.execPath,
    [bin, 'init', '--base-url', baseUrl, '--organisation', 'Bench', '--user', 'ana', '--user-password', 'correct horse'],
    {
      cwd: folder
    }
  )
  const configFile = join(folder, 'curfew.yaml')
  const config = parse(readFileSync(configFile, 'utf8')) as Record<string, object>
  const next = {
    ...config,
    server: { ...config['server'], listen: [`127.0.0.1:${port}`] },
    admin: { listen: [`127.0.0.1:${adminPort}`] },
    store: { kind: 'sqlite', file, capacity }
  }
  writeFileSync(configFile, stringify(next), { mode: 0o600 })
  const startedMs = performance.now()
  const child = spawn(process.execPath, [bin, 'start', '--config', configFile], { cwd: folder, stdio: 'ignore' })
  try {
    await untilGood(() => get(`${baseUrl}/pf/heartbeat.ping`))
    const authorization = `Bearer ${readFileSync(join(folder, 'data/admin.token'), 'utf8').trim()}`
    const known = await get(`http://127.0.0.1:${adminPort}/v1/sessions?user=${user}`, { authorization })
    const tookMs = performance.now() - startedMs
    if ((JSON.parse(known.body) as { readonly items: readonly unknown[] }).items.length !== 1) throw new Error(`${user} is not known: ${known.body}`)
    return tookMs
  } finally {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  }
}

async function untilGood(ask: () => ReturnType<typeof get>): Promise<void> {
  const untilMs = performance.now() + msMax
  while (performance.now() < untilMs) {
    const answer = await ask().catch(() => undefined)
    if (answer?.status === 200) return
    await sleep(5)
  }
  throw new Error('it does not answer')
}
