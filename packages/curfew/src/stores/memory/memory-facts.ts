import type { SessionId } from '../../core/ids.ts'
import type { Session } from '../../core/session.ts'
import { applyFacts, type FactRows } from '../apply-facts.ts'
import { isCleared } from '../cleared.ts'
import { type Fact, goneFact, type Replication, type ServiceFact } from '../fact.ts'
import { epochOf, factLog, type FactParts, type PartEnds } from '../fact-log.ts'
import type { FactStore, LateRunOpening } from '../fact-store.ts'
import { factsOfSession, noSessionState, type SessionState } from '../session-state.ts'
import { artifactOf, dropGrant } from './memory-artifacts.ts'
import { addGone, isGone } from './memory-gone.ts'
import { memoryRuns } from './memory-runs.ts'
import { addRevocation } from './memory-services.ts'
import { addRun, memorySessions } from './memory-sessions.ts'
import { type MemoryContext, type MemoryState, memoryDurability as durability, pairKey } from './memory-state.ts'

/** Appends facts of the services that replicate. */
export function teller(replication: Replication | undefined): MemoryContext['tell'] {
  if (replication === undefined) return () => undefined
  return (state, fact) => {
    if (fact.service === 'revocations' || !replication.services[fact.service]) return
    state.replicated.count.last += 1
    state.replicated.facts.push({ number: state.replicated.count.last, fact })
  }
}

/** Streams of this process: no two have the same epoch. */
let begun = 0

/** A stream goes on only where nothing could have happened without it. */
export function beginEpoch(state: MemoryState, replication: Replication | undefined): void {
  const { notes } = state.replicated
  if (replication === undefined) {
    notes.delete('epoch')
    return
  }
  const epoch = epochOf(replication)
  if (notes.get('epoch')?.startsWith(`${epoch}-`) === true) return
  begun += 1
  notes.set('epoch', `${epoch}-${begun}`)
}

export function memoryFacts(context: MemoryContext, replication: Replication): FactStore {
  const { state, write } = context
  const ofSession = async (id: SessionId): Promise<readonly Fact[]> => factsOfSession(readState(state(), id))
  return {
    ...factLog(memoryParts(context, replication.artifacts), { ...memorySessions(context), ...memoryRuns(context), ofSession }, replication),
    group: replication.group,
    ofSession,
    apply: (batch) =>
      write('applyFacts', (all) => {
        applyFacts(memoryRows(all), batch, replication)
        return { value: 'applied', durability }
      }),
    late: async (max) =>
      [...state().replicated.late].slice(0, max).flatMap(([id, ids]) => {
        const stored = state().sessions.get(id)
        if (stored === undefined) return []
        return [{ session: stored.session, participants: [...ids].flatMap((one) => stored.participants.get(one) ?? []) }]
      }),
    openLateRun: (opening) => write('openLateRun', (all) => ({ value: openLateRun(all, opening, context), durability })),
    async lease(name, owner, nowMs, untilMs) {
      const { leases } = state().replicated
      const held = leases.get(name)
      if (held !== undefined && held.owner !== owner && held.untilMs > nowMs) return false
      leases.set(name, { owner, untilMs })
      return true
    }
  }
}

function memoryParts({ state }: MemoryContext, artifacts: Replication['artifacts']): FactParts {
  return {
    parts: 1,
    ends: async () => [endsOf(state())],
    async after([position = 0], max) {
      const { facts } = state().replicated
      return [{ ...endsOf(state()), facts: facts.filter(({ number }) => number > position).slice(0, max) }]
    },
    async drop([upTo = 0]) {
      const { facts, count } = state().replicated
      const gone = facts.filter(({ number }) => number <= upTo).length
      facts.splice(0, gone)
      count.floor = Math.max(count.floor, upTo)
    },
    begin: async () => '',
    note: async (name) => state().replicated.notes.get(name),
    async keepNote(name, text) {
      state().replicated.notes.set(name, text)
    },
    services: async () => ({ facts: [...servicesOf(state(), artifacts)] })
  }
}

function endsOf({ replicated: { count, facts } }: MemoryState): PartEnds {
  return { head: count.last, floor: count.floor, length: facts.length }
}

function* servicesOf(state: MemoryState, artifacts: Replication['artifacts']): Generator<ServiceFact> {
  for (const { sri, untilMs, atMs } of state.revocations.values()) yield { kind: 'revoked', service: 'revocations', sri, untilMs, atMs }
  for (const [key, untilMs] of state.replays) {
    const at = key.indexOf(':')
    const length = Number(key.slice(0, at))
    yield { kind: 'replay', service: 'assertionReplay', issuer: key.slice(at + 1, at + 1 + length), id: key.slice(at + 1 + length), untilMs }
  }
  for (const [userKey, failures] of state.failedSignIns) {
    for (const { origin, number, atMs, untilMs } of failures) {
      if (origin !== undefined && number !== undefined) yield { kind: 'failed-sign-in', service: 'accountLocking', userKey, origin, number, atMs, untilMs }
    }
  }
  for (const [userKey, cleared] of state.replicated.cleared) yield { kind: 'sign-ins-cleared', service: 'accountLocking', userKey, ...cleared }
  for (const stored of state.artifacts.values()) {
    const service = artifacts[stored.kind]
    if (service !== undefined) yield { kind: 'artifact', service, artifact: artifactOf(stored), version: stored.version ?? 1 }
  }
  for (const [key, { untilMs, json }] of state.transactions) {
    yield { kind: 'transaction', service: 'transactions', key, value: JSON.parse(json) as unknown, untilMs }
  }
  for (const { kind, id, untilMs } of state.replicated.gone.values()) yield goneFact(kind, id, untilMs, artifacts)
}

function readState({ sessions, replicated }: MemoryState, id: SessionId): SessionState {
  const stored = sessions.get(id)
  if (stored === undefined) return replicated.guards.get(id)?.state ?? noSessionState
  const { session, participants, keepUntilMs, ending } = stored
  return { session, participants, late: new Set(), ...(keepUntilMs === undefined ? {} : { keepUntilMs }), ...(ending === undefined ? {} : { ending }) }
}

/** The state as facts are joined into it. */
function memoryRows(state: MemoryState): FactRows {
  const { replicated } = state
  return {
    session: (id) => readState(state, id),
    keepSession(id, before, next, guardUntilMs) {
      if (next.session === undefined) {
        replicated.guards.set(id, { untilMs: guardUntilMs, state: next })
        return
      }
      replicated.guards.delete(id)
      const { session, participants, keepUntilMs, ending, late } = next
      const toldAtMs = state.sessions.get(id)?.toldAtMs
      state.count.liveSessions += Number(isOpen(session)) - Number(isOpen(before.session))
      state.sessions.set(id, {
        session,
        participants,
        ...(keepUntilMs === undefined ? {} : { keepUntilMs }),
        ...(ending === undefined ? {} : { ending }),
        ...(toldAtMs === undefined ? {} : { toldAtMs })
      })
      if (late.size > 0) replicated.late.set(id, new Set([...(replicated.late.get(id) ?? []), ...late]))
    },
    run(id) {
      const known = state.runs.get(id)
      return known === undefined ? undefined : { version: known.version, isCopy: replicated.copies.has(id) }
    },
    keepCopy(run) {
      replicated.copies.add(run.id)
      state.runs.set(run.id, run)
    },
    revoke: (sri, untilMs, atMs) => void addRevocation(state, sri, untilMs, atMs),
    seeReplay(issuer, id, untilMs) {
      const key = pairKey(issuer, id)
      state.replays.set(key, Math.max(untilMs, state.replays.get(key) ?? 0))
    },
    cleared: (userKey) => replicated.cleared.get(userKey),
    keepCleared(userKey, cleared) {
      replicated.cleared.set(userKey, cleared)
      const left = (state.failedSignIns.get(userKey) ?? []).filter((failure) => !isCleared(failure, cleared))
      if (left.length === 0) state.failedSignIns.delete(userKey)
      else state.failedSignIns.set(userKey, left)
    },
    addFailure(userKey, failure) {
      const known = state.failedSignIns.get(userKey) ?? []
      const isKnown = known.some(({ origin, number }) => origin === failure.origin && number === failure.number)
      if (!isKnown) state.failedSignIns.set(userKey, [...known, failure])
    },
    isGone: (kind, id) => isGone(state, kind, id),
    addGone: (kind, id, untilMs) => addGone(state, kind, id, untilMs),
    artifact(kind, id) {
      const known = state.artifacts.get(pairKey(kind, id))
      return known === undefined ? undefined : { artifact: artifactOf(known), version: known.version ?? 1 }
    },
    keepArtifact({ value, ...artifact }, version) {
      state.artifacts.set(pairKey(artifact.kind, artifact.id), { ...artifact, json: JSON.stringify(value) ?? 'null', version })
    },
    dropArtifact: (kind, id) => void state.artifacts.delete(pairKey(kind, id)),
    dropGrant: (grantId) => void dropGrant(state, grantId),
    addTransaction(key, value, untilMs) {
      if (!state.transactions.has(key)) state.transactions.set(key, { untilMs, json: JSON.stringify(value) ?? 'null' })
    },
    dropTransaction: (key) => void state.transactions.delete(key),
    keepNote: (name, text) => void replicated.notes.set(name, text)
  }
}

function isOpen(session: Session | undefined): boolean {
  return session !== undefined && session.end === undefined
}

function openLateRun(state: MemoryState, { sessionId, participantIds, run, effects }: LateRunOpening, context: MemoryContext): 'opened' | 'nothing' {
  const late = state.replicated.late.get(sessionId)
  if (late === undefined || !participantIds.every((id) => late.has(id))) return 'nothing'
  addRun(state, run, effects, context)
  const left = late.difference(new Set(participantIds))
  if (left.size === 0) state.replicated.late.delete(sessionId)
  else state.replicated.late.set(sessionId, left)
  return 'opened'
}
