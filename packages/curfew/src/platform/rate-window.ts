/** Counts calls by caller over one minute. */
export interface RateWindow {
  /** False when this caller had its share in the minute that `nowMs` lies in. */
  take(caller: string, nowMs: number): boolean
}

const windowMs = 60_000
/** Callers that are counted apart; more share what is left. */
const callersMax = 10_000

/** @param perMinuteMax - calls of one caller in a minute */
export function createRateWindow(perMinuteMax: number): RateWindow {
  let window = 0
  const counts = new Map<string, number>()
  return {
    take(caller, nowMs) {
      const current = Math.floor(nowMs / windowMs)
      if (current !== window) counts.clear()
      window = current
      const key = counts.has(caller) || counts.size < callersMax ? caller : ''
      const count = (counts.get(key) ?? 0) + 1
      counts.set(key, count)
      return count <= perMinuteMax
    }
  }
}
