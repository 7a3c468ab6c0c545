import type { SessionId } from '../core/ids.ts'
import type { Clock } from '../platform/clock.ts'
import type { FactPage, FactStore } from '../stores/fact-store.ts'
import type { RevocationEntry, Store } from '../stores/store.ts'
import type { GroupLinks } from './group-links.ts'
import { handedBefore, handOut } from './handed-artifacts.ts'
import { handedBefore as sentBefore, handedTo, noteHanded } from './handed-transactions.ts'
import {
  artifactsTake,
  artifactsTakeBody,
  type ExportAnswer,
  factsExport,
  factsExportBody,
  factsRead,
  factsReadBody,
  factsSession,
  factsSessionBody,
  revocationsRead,
  revocationsReadBody,
  transactionsTake,
  transactionsTakeBody
} from './replication-calls.ts'

export interface ServeDeps {
  readonly links: Pick<GroupLinks, 'serve'>
  readonly store: Store
  readonly facts: FactStore
  readonly clock: Clock
  /** Another group may have transactions of this one. */
  readonly handsOver: boolean
}

/** How often the stream is looked at while another group waits for it. */
const lookMs = 100

/** Answers what other groups ask about facts, revocations and transactions. */
export function serveReplication({ links, store, facts, clock, handsOver }: ServeDeps): void {
  const reported = new Map<string, string>()
  links.serve(
    factsRead,
    factsReadBody,
    async ({ cursor, max, waitMs }, { group }) => {
      // Said again only when it has changed: each saying is a write.
      if (reported.get(group.letter) !== cursor) {
        await facts.acknowledge(group.letter, cursor)
        reported.set(group.letter, cursor)
      }
      return waited(clock, waitMs, () => facts.read(cursor, max), isNews)
    },
    { isRead: true }
  )
  links.serve(
    factsExport,
    factsExportBody,
    async ({ place, max }): Promise<ExportAnswer> => {
      const head = place === undefined ? await facts.head() : undefined
      return { ...(await facts.export(place, max, clock.nowMs())), ...(head === undefined ? {} : { head }) }
    },
    { isRead: true }
  )
  links.serve(factsSession, factsSessionBody, async ({ sessionId }) => ({ facts: await facts.ofSession(sessionId as SessionId) }), { isRead: true })
  links.serve(
    revocationsRead,
    revocationsReadBody,
    async ({ cursor, max, waitMs }) => ({
      store: await facts.streamId(),
      entries: await waited(
        clock,
        waitMs,
        () => store.revocationFeed(cursor, max),
        (entries: readonly RevocationEntry[]) => entries.length > 0
      )
    }),
    { isRead: true }
  )
  links.serve(transactionsTake, transactionsTakeBody, async ({ key, isLost }, { group }) => {
    if (!handsOver) return { isFound: false }
    const nowMs = clock.nowMs()
    const { value } = await store.txTake(key, nowMs)
    if (value !== undefined) {
      await noteHanded(store, key, { to: group.letter, value }, nowMs)
      return { isFound: true, value }
    }
    const again = isLost === true ? await sentBefore(store, key, group.letter, nowMs) : undefined
    return again === undefined ? { isFound: false, ...(await handedTo(store, key, nowMs)) } : { isFound: true, value: again.value }
  })
  links.serve(artifactsTake, artifactsTakeBody, async ({ kind, id, isKnown }, { group }) => {
    if (!handsOver) return {}
    const [name, nowMs] = [{ kind, id }, clock.nowMs()]
    const handed = await handOut(store, name, group.letter, nowMs)
    const artifact = handed ?? (isKnown === true ? undefined : await handedBefore(store, name, group.letter, nowMs))
    return artifact === undefined ? {} : { artifact }
  })
}

function isNews(page: FactPage): boolean {
  return page.kind === 'behind' || page.facts.length > 0
}

/** Looks until there is something or the time is over. */
async function waited<T>(clock: Clock, waitMs: number, look: () => Promise<T>, isThere: (found: T) => boolean): Promise<T> {
  const untilMs = clock.nowMs() + waitMs
  for (;;) {
    const found = await look()
    if (isThere(found) || clock.nowMs() >= untilMs) return found
    await new Promise<void>((resolve) => {
      clock.after(lookMs, resolve)
    })
  }
}
