import { type FeedReader, revocationFingerprint, type RevocationList, revocationPageEntriesMax } from '@curfew/codecs'
import type { Clock, Timer } from '../../platform/clock.ts'
import type { Store } from '../../stores/store.ts'

/** How often the store is looked at. */
const lookMs = 50

/** Follows the revocation list in the store itself, for a gateway in the process of the authority. */
export function startLocalFeed(deps: {
  readonly store: Pick<Store, 'revocationFeed' | 'revocationList'>
  readonly list: RevocationList
  readonly clock: Clock
  onProblem(error: unknown): void
}): FeedReader {
  const { store, list, clock } = deps
  const state = { isStopped: false, timer: undefined as Timer | undefined, turn: Promise.resolve() }
  const look = async (): Promise<void> => {
    for (let hasMore = true; hasMore && !state.isStopped; ) {
      const found = await store.revocationFeed(list.position, revocationPageEntriesMax)
      const { id, end } = await store.revocationList()
      const entries = found.map(({ sri, untilMs }) => ({ fingerprint: revocationFingerprint(sri), untilSeconds: Math.ceil(untilMs / 1000) }))
      const nowMs = clock.nowMs()
      hasMore = found.length === revocationPageEntriesMax
      const { position } = list
      const page = { prev: position, seq: found.at(-1)?.cursor ?? position, list: id, end, hasMore, issuedAtMs: nowMs, entries }
      if (list.take(page, nowMs) === 'other') hasMore = true
    }
  }
  const turn = (): void => {
    state.turn = look()
      .catch((error: unknown) => deps.onProblem(error))
      .then(() => {
        if (!state.isStopped) state.timer = clock.after(lookMs, turn)
      })
  }
  turn()
  return {
    async stop() {
      state.isStopped = true
      state.timer?.cancel()
      await state.turn
    }
  }
}
