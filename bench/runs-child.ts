import crypto from 'node:crypto'
import { once } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { RunsServerOptions } from './runs-server.ts'

/** A server of logouts in a process of its own; the applications are in another one. */
export interface RunsChildOptions extends RunsServerOptions {
  /** Whose thread makes the signatures: that of the event loop, or, as in the product, one of the pool. */
  readonly signs: 'on the loop' | 'beside it'
}

export interface RunsWish {
  readonly sessions: number
  readonly participants: number
  readonly atOnce: number
}

/** How one round went, in milliseconds. */
export interface RunsRound {
  readonly perSecond: number
  /** How late timers of the event loop came while the logouts went. */
  readonly loop: { readonly p50: number; readonly p99: number; readonly max: number }
}

const [options] = (await once(process, 'message')) as [RunsChildOptions]
if (options.signs === 'on the loop') {
  const { sign } = crypto
  // The product signs RSA beside the loop alone, so the function that it calls is made to do it here.
  crypto.sign = ((algorithm, data, key, callback?: (error: Error | null, signature: Buffer) => void) => {
    const signature = sign(algorithm, data, key)
    if (callback === undefined) return signature
    process.nextTick(callback, null, signature)
    return undefined
  }) as typeof sign
  syncBuiltinESMExports()
}
const { startRunsServer } = await import('./runs-server.ts')
const server = await startRunsServer(options)
const loop = monitorEventLoopDelay({ resolution: 1 })
process.on('message', (wish) => void round(wish as RunsWish).then((result) => process.send?.(result)))
process.on('disconnect', () => void server[Symbol.asyncDispose]().then(() => process.exit()))
process.send?.('ready')

async function round({ sessions, participants, atOnce }: RunsWish): Promise<RunsRound> {
  const opened = await server.open(sessions, participants)
  loop.reset()
  loop.enable()
  const startedMs = performance.now()
  await server.endAll(opened, atOnce)
  const perSecond = sessions / ((performance.now() - startedMs) / 1_000)
  loop.disable()
  return { perSecond, loop: { p50: loop.percentile(50) / 1e6, p99: loop.percentile(99) / 1e6, max: loop.max / 1e6 } }
}
