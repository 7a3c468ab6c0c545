import type { ParticipantId } from '../core/ids.ts'
import type { Participant } from '../core/participant.ts'
import type { Session, SessionEnd } from '../core/session.ts'
import { type Activity, joinActivity } from './activity.ts'
import type { EndedFact, Fact, SessionFact } from './fact.ts'
import { inJoinOrder, isLaterRenewal, joinParticipant, joinRenewal } from './facts.ts'
import type { Renewal } from './store.ts'

/** Everything known about one session. Facts may be known before the session itself is: then they wait for it. */
export interface SessionState {
  /** With its end, once it has one. Undefined: not known here yet. */
  readonly session?: Session
  readonly participants: ReadonlyMap<ParticipantId, Participant>
  /** Activity of a session that is not known yet. */
  readonly activity?: Activity
  /** New cookies of a session that is not known yet. */
  readonly renewal?: Renewal
  /** The ending that counts: the earliest. */
  readonly ending?: EndedFact
  readonly keepUntilMs?: number
  /** Participants of this group that the region which ended the session did not know: this group tells them. */
  readonly late: ReadonlySet<ParticipantId>
}

export const noSessionState: SessionState = { participants: new Map(), late: new Set() }

/**
 * Joins a fact of another region. In any order and any repetition the same facts give the same session, participants
 * and end; returns what it was given where the fact changes nothing. `late` only grows, by what became late here: a
 * participant once, and never where this group ended the session before.
 *
 * @param group - the group this store belongs to
 */
export function joinFact(state: SessionState, fact: SessionFact, group: string): SessionState {
  switch (fact.kind) {
    case 'opened':
      return joinOpened(state, fact.session)
    case 'participant':
      return joinParticipantFact(state, fact.participant, group)
    case 'ended':
      return joinEnded(state, fact, group)
    case 'renewed':
      return joinRenewed(state, fact.renewal)
    case 'active':
      return joinActive(state, { lastActivityAtMs: fact.lastActivityAtMs, idleExpiresAtMs: fact.idleExpiresAtMs })
  }
}

function joinOpened(state: SessionState, { end: _, ...opened }: Session): SessionState {
  const reported = { lastActivityAtMs: opened.lastActivityAtMs, idleExpiresAtMs: opened.idleExpiresAtMs }
  if (state.session !== undefined) return joinActive(joinRenewed(state, renewalOf(opened)), reported)
  const { activity, renewal, ...rest } = state
  const session: Session = {
    ...(renewal === undefined ? opened : joinRenewal(opened, renewal)),
    version: 1,
    ...joinActivity(reported, activity ?? reported, opened.expiresAtMs),
    ...(state.ending === undefined ? {} : { end: state.ending.end })
  }
  const kept = state.ending === undefined || opened.expiresAtMs === Number.MAX_SAFE_INTEGER ? 0 : opened.expiresAtMs
  return kept === 0 ? { ...rest, session } : { ...rest, session, keepUntilMs: Math.max(kept, state.keepUntilMs ?? 0) }
}

function joinRenewed(state: SessionState, renewal: Renewal): SessionState {
  const { session } = state
  if (session === undefined) return isLaterRenewal(renewal, state.renewal) ? { ...state, renewal } : state
  const renewed = joinRenewal(session, renewal)
  return renewed === session ? state : { ...state, session: renewed }
}

function renewalOf({ tokenHash, persistentTokenHash, persistent, device, authenticatedAtMs }: Session): Renewal {
  return {
    tokenHash,
    persistent,
    authenticatedAtMs,
    ...(persistentTokenHash === undefined ? {} : { persistentTokenHash }),
    ...(device === undefined ? {} : { device })
  }
}

function joinActive(state: SessionState, reported: Activity): SessionState {
  const { session } = state
  const known = session ?? state.activity ?? reported
  const activity = joinActivity(known, reported, session?.expiresAtMs ?? Number.MAX_SAFE_INTEGER)
  if (session === undefined) return { ...state, activity }
  const isSame = activity.lastActivityAtMs === session.lastActivityAtMs && activity.idleExpiresAtMs === session.idleExpiresAtMs
  return isSame ? state : { ...state, session: { ...session, ...activity } }
}

function joinParticipantFact(state: SessionState, participant: Participant, group: string): SessionState {
  const known = state.participants.get(participant.id)
  const joined = known === undefined ? participant : joinParticipant(known, participant)
  if (joined === known) return state
  const participants = new Map(state.participants).set(joined.id, joined)
  const next = grown({ ...state, participants })
  if (state.ending === undefined) return next
  const isLate = known === undefined && state.ending.group !== group && isOwedBy(joined, state.ending, group)
  return {
    ...next,
    keepUntilMs: Math.max(joined.assertionNotOnOrAfterMs, state.keepUntilMs ?? 0),
    ...(isLate ? { late: new Set(state.late).add(joined.id) } : {})
  }
}

function joinEnded(state: SessionState, fact: EndedFact, group: string): SessionState {
  const { ending } = state
  const keepUntilMs = Math.max(fact.keptUntilMs, state.keepUntilMs ?? 0, ...[...state.participants.values()].map((one) => one.assertionNotOnOrAfterMs))
  if (ending !== undefined) {
    const isFirst = isEarlier(fact.end, ending.end)
    if (!isFirst && keepUntilMs === state.keepUntilMs) return state
    return grown({ ...withEnd({ ...state, ending: isFirst ? fact : ending }), keepUntilMs })
  }
  const late = new Set(state.late)
  if (fact.group !== group) for (const one of state.participants.values()) if (isOwedBy(one, fact, group)) late.add(one.id)
  return grown({ ...withEnd({ ...state, ending: fact }), keepUntilMs, late })
}

function isEarlier(a: SessionEnd, b: SessionEnd): boolean {
  return a.atMs === b.atMs ? a.runId < b.runId : a.atMs < b.atMs
}

/** What this group issued, and the ending did not know: nobody else will tell that participant. */
function isOwedBy(participant: Participant, { known }: EndedFact, group: string): boolean {
  if (participant.group !== group) return false
  const told = known.find(({ id }) => id === participant.id)
  return told === undefined || told.lastIssuedAtMs < participant.lastIssuedAtMs
}

function withEnd(state: SessionState): SessionState {
  if (state.session === undefined || state.ending === undefined) return state
  return { ...state, session: { ...state.session, end: state.ending.end } }
}

/** Plans made before are made again. */
function grown(state: SessionState): SessionState {
  return state.session === undefined ? state : { ...state, session: { ...state.session, version: state.session.version + 1 } }
}

/** Everything known about a session, as facts. */
export function factsOfSession({ session, participants, ending }: SessionState): readonly Fact[] {
  if (session === undefined) return []
  const { end: _, ...opened } = session
  const joined = inJoinOrder(participants.values())
  return [
    { kind: 'opened', service: 'sessions', session: { ...opened, version: 1 } },
    ...joined.map((participant): Fact => ({ kind: 'participant', service: 'sessions', sessionId: session.id, participant })),
    ...(ending === undefined ? [] : [ending])
  ]
}
