import { setTimeout as sleep } from 'node:timers/promises'

export interface Patience {
  /** How long it may take until it holds. Default: a minute, for slow machines. */
  readonly patienceMs?: number
  /** Between two looks. */
  readonly everyMs?: number
}

/**
 * Looks again and again until something holds.
 * @param what - for the error
 * @returns how long it took, in milliseconds
 */
export async function until(what: string, holds: () => boolean | Promise<boolean>, { patienceMs = 60_000, everyMs = 20 }: Patience = {}): Promise<number> {
  const startMs = performance.now()
  for (;;) {
    const isSo = await holds()
    const tookMs = performance.now() - startMs
    if (tookMs > patienceMs) throw new Error(`not within ${patienceMs} ms: ${what}`)
    if (isSo) return tookMs
    await sleep(everyMs)
  }
}
