/** Time, by argument: production passes {@link systemClock}, tests and the simulation their own. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number
  /** Calls `fn` once, not before `delayMs` have passed. Does not keep the process alive. */
  after(delayMs: number, fn: () => void): Timer
}

export interface Timer {
  cancel(): void
}

/** The clock of this machine. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  after(delayMs, fn) {
    const handle = setTimeout(fn, Math.max(0, delayMs))
    handle.unref()
    return { cancel: () => clearTimeout(handle) }
  }
}

/** Milliseconds since some moment in the past: what is done to the date of the machine does not move them. */
export const steadyMs = (): number => performance.now()
