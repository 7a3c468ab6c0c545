/** The calls that were taken within the window: none is taken twice. */
export interface Nonces {
  /** `full`: so many are remembered that this one can't be; it has to be refused. */
  take(nonce: string, untilMs: number, nowMs: number): 'fresh' | 'seen' | 'full'
}

export function createNonces(max: number): Nonces {
  const untilOf = new Map<string, number>()
  /** Insertion order is nearly the order of expiry, so the front is looked at only. */
  const clear = (nowMs: number): void => {
    for (const [nonce, untilMs] of untilOf) {
      if (untilMs > nowMs) return
      untilOf.delete(nonce)
    }
  }
  return {
    take(nonce, untilMs, nowMs) {
      clear(nowMs)
      if (untilOf.has(nonce)) return 'seen'
      if (untilOf.size >= max) return 'full'
      untilOf.set(nonce, untilMs)
      return 'fresh'
    }
  }
}
