import { LRUCache } from 'lru-cache'
import { groupOf } from '../core/group.ts'
import type { SessionId } from '../core/ids.ts'
import type { Clock } from '../platform/clock.ts'
import type { FactStore } from '../stores/fact-store.ts'
import type { Store } from '../stores/store.ts'
import type { GroupLinks } from './group-links.ts'
import { forgetHanded, handedMs, handedTo } from './handed-transactions.ts'
import { factsSession, factsSessionAnswer, transactionsTake, transactionsTakeAnswer } from './replication-calls.ts'

export interface ForeignStateDeps {
  readonly links: Pick<GroupLinks, 'self' | 'others' | 'call'>
  readonly facts: FactStore
  readonly clock: Clock
  readonly logger: { debug(fields: object, message: string): void }
  /** Sessions of other groups are looked for there once. */
  readonly fetchesSessions: boolean
  /** Transactions of other groups are fetched from there. */
  readonly fetchesTransactions: boolean
}

/** How long another group may take; then what was asked for is not known here. */
const fetchMs = 300
/** A transaction is worth more patience: a person waits, and without it has to begin again. */
const transactionMs = 3_000
/** What was not found is not asked for again so soon: ids can be made up by anybody. */
const missesMax = 10_000
const missMs = 5_000
/** Questions to other groups under way at once; beyond it what is not known here is unknown. */
const askingMax = 64

/**
 * The store with what other groups have: a session that is not known yet, or a transaction that changes region, is fetched
 * once from the group named in its identifier.
 */
export function withForeignState<S extends Store>(store: S, deps: ForeignStateDeps): S {
  const missed = new LRUCache<string, number>({ max: missesMax })
  let asking = 0
  const ask = async (key: string, letter: string | undefined, question: (group: string) => Promise<boolean>): Promise<boolean> => {
    const group = letter === deps.links.self.letter ? undefined : deps.links.others.find((other) => other.letter === letter)
    if (group === undefined || asking >= askingMax || (missed.get(key) ?? 0) > deps.clock.nowMs()) return false
    asking += 1
    try {
      if (await question(group.id)) return true
    } catch (error) {
      deps.logger.debug({ event: 'replication.fetch-failed', group: group.id, err: error }, 'Another group could not be asked')
    } finally {
      asking -= 1
    }
    missed.set(key, deps.clock.nowMs() + missMs)
    return false
  }
  const fetchSession = (id: SessionId): Promise<boolean> =>
    ask(id, groupOf(id), async (group) => {
      const { facts } = await deps.links.call(group, factsSession, { sessionId: id }, { answer: factsSessionAnswer, timeoutMs: fetchMs })
      if (facts.length === 0) return false
      await deps.facts.apply({ source: group, facts, nowMs: deps.clock.nowMs() })
      return true
    })
  const sessions: Pick<Store, 'getSession'> = {
    async getSession(id) {
      const known = await store.getSession(id)
      return known === undefined && (await fetchSession(id)) ? store.getSession(id) : known
    }
  }
  return { ...store, ...(deps.fetchesSessions ? sessions : {}), ...(deps.fetchesTransactions ? foreignTransactions(store, deps, ask) : {}) }
}

type Ask = (key: string, letter: string | undefined, question: (group: string) => Promise<boolean>) => Promise<boolean>

function foreignTransactions(store: Store, { links, clock }: ForeignStateDeps, ask: Ask): Pick<Store, 'txGet' | 'txTake'> {
  /**
   * Moves a transaction here; it is gone where it was, so that exactly one group has it. The group in its key made it; from
   * there on each says where it went.
   */
  const move = async (key: string): Promise<boolean> => {
    const takeFrom = async (group: string, asked: readonly string[]): Promise<boolean> => {
      const answer = await links.call(group, transactionsTake, { key }, { answer: transactionsTakeAnswer, timeoutMs: transactionMs })
      const nowMs = clock.nowMs()
      if (answer.isFound) {
        await forgetHanded(store, key, nowMs)
        await store.txCreate(key, answer.value, nowMs + handedMs)
        return true
      }
      const next = links.others.find(({ letter }) => letter === answer.at)?.id
      return next !== undefined && !asked.includes(next) && takeFrom(next, [...asked, next])
    }
    const { at = letterOfKey(key) } = await handedTo(store, key, clock.nowMs())
    return ask(key, at, (group) => takeFrom(group, [group]))
  }
  return {
    async txGet(key, nowMs) {
      const known = await store.txGet(key, nowMs)
      return known === undefined && (await move(key)) ? store.txGet(key, nowMs) : known
    },
    async txTake(key, nowMs) {
      const known = await store.txTake(key, nowMs)
      return known.value === undefined && (await move(key)) ? store.txTake(key, nowMs) : known
    }
  }
}

/** A key is words with colons between them; the first that is long enough to be made at random tells the group. */
function letterOfKey(key: string): string | undefined {
  const random = key.split(':').find((word) => /^[\w-]{20,64}$/.test(word))
  return random === undefined ? undefined : groupOf(random)
}
