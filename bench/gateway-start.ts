import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Ready } from './gateway-child.ts'
import { freePort } from './oidc/ports.ts'

/** One of the modes of `gateway-child.ts` in a process of its own. */
export interface GatewayChild extends AsyncDisposable {
  readonly pid: number
  readonly ready: Ready
  cpuSeconds(): Promise<number>
  /** Resident memory after a collection, in bytes. */
  memory(): Promise<number>
}

/** @param sessions - how many sessions there are cookies of */
export async function startGatewayChild(mode: string, target: string, sessions = 1): Promise<GatewayChild> {
  const port = await freePort()
  const file = fileURLToPath(new URL('gateway-child.ts', import.meta.url))
  const child: ChildProcess = fork(file, [mode, target, String(port), String(sessions)], { execArgv: ['--expose-gc'] })
  const [ready] = (await once(child, 'message')) as [Ready]
  const ask = async <T>(question: string): Promise<T> => {
    child.send(question)
    const [said] = (await once(child, 'message')) as [T]
    return said
  }
  return {
    pid: child.pid ?? 0,
    ready,
    async cpuSeconds() {
      const { user, system } = await ask<NodeJS.CpuUsage>('cpu')
      return (user + system) / 1e6
    },
    memory: () => ask('memory'),
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit')
      child.kill()
      await ended
    }
  }
}
