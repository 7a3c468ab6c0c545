/** Lets sessions be opened as long as there is room for them. */
export interface SessionCapacity {
  /**
   * Opens one. Near the capacity one at a time: then `isFull` is given, and has to be asked before anything is written.
   * Far from it nobody waits for the others, nor for the count.
   */
  open<T>(work: (isFull?: () => Promise<boolean>) => Promise<T>): Promise<T>
}

/** From so few free places on, this process opens one after the other, each with a count of its own. */
const tightMax = 200
/** The live sessions are counted again after so many openings of this process; other processes open, too. Less where less room was left. */
const uncountedMax = 2_000
/** Which part of the room may be used up without a count. */
const share = 64

/** @param count - how many sessions live now; asks every bucket */
export function createSessionCapacity(capacity: number, count: () => Promise<number>): SessionCapacity {
  /** As of the last count, with the openings that it may not have seen. */
  let known = Number.POSITIVE_INFINITY
  let since = 0
  /** Openings under way that do not wait for each other. */
  let underWay = 0
  let whenDone: (() => void) | undefined
  /** Somebody opens near the capacity; these wait for their turn. */
  let isTaken = false
  const waiting: (() => void)[] = []
  let counting: Promise<void> | undefined

  const isTight = (): boolean => known + since + tightMax >= capacity
  const uncounted = (): number => Math.min(uncountedMax, Math.max(tightMax, Math.floor((capacity - known) / share)))
  const countInBackground = (): Promise<void> => {
    const [sinceBefore, unseen] = [since, underWay]
    counting ??= count()
      .then((live) => {
        known = live + unseen
        since -= sinceBefore
      })
      // What was opened stays counted here; the next opening asks again.
      .catch(() => undefined)
      .finally(() => {
        counting = undefined
      })
    return counting
  }
  const loose = async <T>(work: () => Promise<T>): Promise<T> => {
    since += 1
    underWay += 1
    if (since >= uncounted()) void countInBackground()
    try {
      return await work()
    } finally {
      underWay -= 1
      if (underWay === 0) whenDone?.()
    }
  }
  const isFull = async (): Promise<boolean> => {
    if (underWay > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      whenDone = resolve
      await promise
    }
    await counting
    known = await count()
    since = 0
    if (known >= capacity) return true
    since = 1
    return false
  }
  /** The next one, or all of them where there is room again. */
  const wake = (): void => {
    for (const next of isTight() ? waiting.splice(0, 1) : waiting.splice(0)) next()
  }
  return {
    async open(work) {
      for (;;) {
        if (isTight()) {
          if (!isTaken) break
          const { promise, resolve } = Promise.withResolvers<void>()
          waiting.push(resolve)
          await promise
        } else {
          wake()
          if (counting === undefined || since < 2 * uncounted()) return loose(work)
          await counting
        }
      }
      isTaken = true
      try {
        return await work(isFull)
      } finally {
        isTaken = false
        wake()
      }
    }
  }
}
