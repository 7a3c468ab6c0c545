import type { Clock, Timer } from '../../platform/clock.ts'
import type { Store } from '../../stores/store.ts'

/** How often the list is looked at while somebody waits for it: other processes write to it as well. */
export const lookMs = 50

/** Tells many readers of something new on the revocation list at the price of one look at the store. */
export interface RevocationHub {
  /** Resolves when the list goes on after `position`, when the time is over, or when `gone` says that nobody waits any more. */
  waitForNews(position: number, timeoutMs: number, gone?: AbortSignal): Promise<void>
  close(): void
}

interface Waiter {
  readonly position: number
  readonly untilMs: number
  readonly wake: () => void
}

export function createRevocationHub(deps: { readonly store: Pick<Store, 'revocationFeed'>; readonly clock: Clock }): RevocationHub {
  const { store, clock } = deps
  const waiting = new Set<Waiter>()
  let timer: Timer | undefined
  let isClosed = false
  /** The greatest position that the list goes on after: then it does so after every smaller one, too. */
  const lastWithNews = async (): Promise<number> => {
    const positions = [...new Set([...waiting].map(({ position }) => position))].toSorted((a, b) => a - b)
    let [first, beyond] = [-1, positions.length]
    // Nearly always everybody waits at the end of the list, which is one question.
    for (let middle = beyond - 1; first + 1 < beyond; middle = Math.floor((first + beyond) / 2)) {
      if ((await store.revocationFeed(positions[middle] ?? 0, 1)).length > 0) first = middle
      else beyond = middle
    }
    return positions[first] ?? -1
  }
  const look = async (): Promise<void> => {
    const last = await lastWithNews()
    const nowMs = clock.nowMs()
    for (const waiter of [...waiting]) if (waiter.position <= last || nowMs >= waiter.untilMs) waiter.wake()
  }
  const schedule = (): void => {
    if (timer !== undefined || waiting.size === 0 || isClosed) return
    timer = clock.after(lookMs, () => {
      // A store that fails once is asked again; who waits notices by the silence.
      void look()
        .catch(() => undefined)
        .finally(() => {
          timer = undefined
          schedule()
        })
    })
  }
  return {
    waitForNews: (position, timeoutMs, gone) =>
      new Promise((resolve) => {
        if (isClosed || timeoutMs <= 0 || gone?.aborted === true) return resolve()
        const waiter: Waiter = {
          position,
          untilMs: clock.nowMs() + timeoutMs,
          wake: () => {
            waiting.delete(waiter)
            gone?.removeEventListener('abort', waiter.wake)
            resolve()
          }
        }
        gone?.addEventListener('abort', waiter.wake)
        waiting.add(waiter)
        schedule()
      }),
    close() {
      isClosed = true
      timer?.cancel()
      for (const waiter of [...waiting]) waiter.wake()
    }
  }
}
