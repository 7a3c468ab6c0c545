import type { z } from 'zod'
import { groupOf } from '../core/group.ts'
import type { SessionId } from '../core/ids.ts'
import type { LogoutRun } from '../core/run.ts'
import type { Clock } from '../platform/clock.ts'
import type { FactStore } from '../stores/fact-store.ts'
import type { Store } from '../stores/store.ts'
import { createAsker } from './ask-groups.ts'
import type { GroupLinks } from './group-links.ts'
import { runsMessage, runsMessageAnswer, runsRead, runsReadAnswer } from './session-calls.ts'
import { type ArtifactName, noteTaken as noteArtifact, wasTaken as wasArtifactTaken } from './handed-artifacts.ts'
import { forgetHanded, handedMs, handedTo, noteTaken, wasTaken } from './handed-transactions.ts'
import {
  artifactsTake,
  artifactsTakeAnswer,
  factsSession,
  factsSessionAnswer,
  movedArtifacts,
  transactionsTake,
  transactionsTakeAnswer,
  type transactionsTakeBody
} from './replication-calls.ts'

export interface ForeignStateDeps {
  readonly links: Pick<GroupLinks, 'self' | 'others' | 'call'>
  readonly facts: FactStore
  readonly clock: Clock
  readonly logger: { debug(fields: object, message: string): void }
  /** Sessions of other groups are looked for there once, and their runs are read there while they are open. */
  readonly fetchesSessions: boolean
  /** Transactions of other groups are fetched from there. */
  readonly fetchesTransactions: boolean
  /** So are their artifacts: not where they are told anyway. */
  readonly fetchesArtifacts: boolean
}

/** How long another group may take; then what was asked for is not known here. */
const fetchMs = 300
/** A transaction is worth more patience: a person waits, and without it has to begin again. */
const transactionMs = 3_000
/** A call that fails sooner than that is made again at once. */
const lostMs = 1_000

/**
 * The store with what other groups have: a session that is not known yet, or a transaction that changes region, is fetched
 * once from the group named in its identifier. An open run is read there, because a copy is as old as its last fact.
 */
export function withForeignState<S extends Store>(store: S, deps: ForeignStateDeps): S {
  const askThese = createAsker(deps)
  const ask: Ask = (key, letter, question) => {
    const { self, others } = deps.links
    return askThese(key, letter === self.letter ? [] : others.filter((other) => other.letter === letter), question)
  }
  const fetchSession = (id: SessionId): Promise<boolean> =>
    ask(id, groupOf(id), async (group) => {
      const { facts } = await deps.links.call(group, factsSession, { sessionId: id }, { answer: factsSessionAnswer, timeoutMs: fetchMs })
      if (facts.length === 0) return false
      await deps.facts.apply({ source: group, facts, nowMs: deps.clock.nowMs() })
      return true
    })
  /** A run as it stands, and the copy where its region can not be asked. */
  const asItStands = async (copy: LogoutRun | undefined): Promise<LogoutRun | undefined> => {
    if (copy?.state !== 'open') return copy
    let run: LogoutRun | undefined
    await ask(copy.id, groupOf(copy.id), async (group) => {
      run = (await deps.links.call(group, runsRead, { runId: copy.id }, { answer: runsReadAnswer, timeoutMs: fetchMs })) ?? undefined
      return run !== undefined
    })
    return run ?? copy
  }
  const sessions: Pick<Store, 'getSession' | 'getRun' | 'findOpenRunByToken' | 'findByMessage'> = {
    async getSession(id) {
      const known = await store.getSession(id)
      return known === undefined && (await fetchSession(id)) ? store.getSession(id) : known
    },
    getRun: async (id) => asItStands(await store.getRun(id)),
    async findOpenRunByToken(tokenHash) {
      const run = await asItStands(await store.findOpenRunByToken(tokenHash))
      return run?.state === 'open' ? run : undefined
    },
    async findByMessage(peerId, messageId) {
      let found = await store.findByMessage(peerId, messageId)
      if (found !== undefined) return found
      await ask(`message:${messageId}`, groupOf(messageId), async (group) => {
        found = (await deps.links.call(group, runsMessage, { peerId, messageId }, { answer: runsMessageAnswer, timeoutMs: fetchMs })) ?? undefined
        return found !== undefined
      })
      return found
    }
  }
  return {
    ...store,
    ...(deps.fetchesSessions ? sessions : {}),
    ...(deps.fetchesTransactions ? foreignTransactions(store, deps, ask) : {}),
    ...(deps.fetchesArtifacts ? foreignArtifacts(store, deps) : {})
  }
}

/**
 * The store of a group that keeps its sessions to itself, with sign-ins that began in another group and whose browser has its
 * session here: the request came without cookies, or from the server of an application.
 * @param isMoved - of which transactions that is so, by their keys
 */
export function withMovedState(store: Store, deps: Pick<ForeignStateDeps, 'links' | 'clock' | 'logger'>, isMoved: (key: string) => boolean): Store {
  const askThese = createAsker(deps)
  const { self, others } = deps.links
  const ask: Ask = (key, letter, question) => askThese(key, letter === self.letter ? [] : others.filter((other) => other.letter === letter), question)
  const { txGet, txTake } = foreignTransactions(store, deps, ask)
  return {
    ...store,
    ...foreignArtifacts(store, deps),
    txGet: (key, nowMs) => (isMoved(key) ? txGet(key, nowMs) : store.txGet(key, nowMs)),
    txTake: (key, nowMs) => (isMoved(key) ? txTake(key, nowMs) : store.txTake(key, nowMs))
  }
}

/**
 * An artifact is kept under a hash, which says nothing of the group that made it: all are asked. Whoever makes identifiers up
 * asks for these alone, so they have questions of their own.
 */
function foreignArtifacts(store: Store, deps: Pick<ForeignStateDeps, 'links' | 'clock' | 'logger'>): Pick<Store, 'getArtifact'> {
  const { links } = deps
  const askAll = createAsker(deps, { isAtOnce: true })
  const move = (name: ArtifactName, nowMs: number): Promise<boolean> =>
    askAll(`${name.kind}:${name.id}`, links.others, async (group) => {
      const isKnown = await wasArtifactTaken(store, name, nowMs)
      const asked = isKnown ? { ...name, isKnown } : name
      const { artifact } = await links.call(group, artifactsTake, asked, { answer: artifactsTakeAnswer, timeoutMs: fetchMs })
      if (artifact === undefined) return false
      // Of two requests that got it, because the first answer seemed lost, one puts it here.
      if (isKnown || (await noteArtifact(store, name, artifact.untilMs))) await store.putArtifact({ ...artifact, ...name })
      return true
    })
  return {
    async getArtifact(kind, id, nowMs) {
      const known = await store.getArtifact(kind, id, nowMs)
      const moved = movedArtifacts.find((one) => one === kind)
      return known === undefined && moved !== undefined && (await move({ kind: moved, id }, nowMs)) ? store.getArtifact(kind, id, nowMs) : known
    }
  }
}

type Ask = (key: string, letter: string | undefined, question: (group: string) => Promise<boolean>) => Promise<boolean>

function foreignTransactions(store: Store, { links, clock }: Pick<ForeignStateDeps, 'links' | 'clock'>, ask: Ask): Pick<Store, 'txGet' | 'txTake'> {
  /**
   * Moves a transaction here; it is gone where it was, so that exactly one group has it. The group in its key made it; from
   * there on each says where it went.
   */
  const move = async (key: string): Promise<boolean> => {
    const takeFrom = async (group: string, asked: readonly string[]): Promise<boolean> => {
      const askedAtMs = clock.nowMs()
      const call = (body: z.input<typeof transactionsTakeBody>): Promise<z.output<typeof transactionsTakeAnswer>> =>
        links.call(group, transactionsTake, body, { answer: transactionsTakeAnswer, timeoutMs: transactionMs })
      // An answer that was lost: it may be on its way here, and is nowhere any more.
      const isLost = async (): Promise<boolean> => !(await wasTaken(store, key, clock.nowMs()))
      const first = await call({ key }).catch(async (error: unknown) => {
        if (clock.nowMs() - askedAtMs >= lostMs || !(await isLost())) throw error
        return call({ key, isLost: true })
      })
      const answer = !first.isFound && first.at === links.self.letter && (await isLost()) ? await call({ key, isLost: true }) : first
      const nowMs = clock.nowMs()
      if (answer.isFound) {
        await forgetHanded(store, key, nowMs)
        // Of two requests that got it one puts it here.
        if (await noteTaken(store, key, askedAtMs, nowMs)) await store.txCreate(key, answer.value, nowMs + handedMs)
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
      if (known !== undefined) return known
      // Looked at again also where it was not found elsewhere: another request may have brought it here.
      await move(key)
      return store.txGet(key, nowMs)
    },
    async txTake(key, nowMs) {
      const known = await store.txTake(key, nowMs)
      if (known.value !== undefined) return known
      await move(key)
      return store.txTake(key, nowMs)
    }
  }
}

/** A key is words with colons between them; the first that is long enough to be made at random tells the group. */
function letterOfKey(key: string): string | undefined {
  const random = key.split(':').find((word) => /^[\w-]{20,64}$/.test(word))
  return random === undefined ? undefined : groupOf(random)
}
