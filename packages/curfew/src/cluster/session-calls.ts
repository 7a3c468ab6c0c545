import { z } from 'zod'
import type { EndRequest, EndSummary } from '../core/end-sessions.ts'
import type { DeliveryId, RunId, SessionId } from '../core/ids.ts'
import type { Participant } from '../core/participant.ts'
import type { LogoutRun, RunEvent } from '../core/run.ts'
import { referenceIn } from '../core/reference-key.ts'
import type { Actor, Session } from '../core/session.ts'
import type { Clock } from '../platform/clock.ts'
import type { Everywhere, Found, LiveTally, TallyQuery } from '../stores/everywhere.ts'
import type { Ack, Artifact, SessionParticipant, SessionSummary, Store } from '../stores/store.ts'
import type { GroupLinks } from './group-links.ts'

/** What a group does for the others with its own runs. */
export interface RunsHere {
  readonly store: Pick<Store, 'getRun' | 'findByMessage'>
  apply(runId: RunId, event: RunEvent): Promise<LogoutRun | undefined>
  retry(runId: RunId, deliveryId: DeliveryId, by: Actor): Promise<LogoutRun | undefined>
}

/** What a group does for the others with its own sessions and runs. */
export interface SessionsHere extends RunsHere {
  readonly store: Pick<Store, 'getSession' | 'getParticipants' | 'getRun' | 'findByMessage' | 'touch' | 'txTake' | 'getArtifact'>
  readonly clock: Pick<Clock, 'nowMs'>
  /** Looks in the store of this group only. */
  readonly local: Everywhere
  endSessions(request: EndRequest): Promise<EndSummary>
}

/** A session as its own group has it. */
export interface ReadSession {
  readonly session: Session
  readonly participants: readonly Participant[]
}

/** The sessions and runs of other groups, each asked by the id of its group. */
export interface SessionsThere {
  read(group: string, sessionId: SessionId): Promise<ReadSession | undefined>
  touch(group: string, sessionId: SessionId, lastActivityAtMs: number, idleExpiresAtMs: number): Promise<Ack<'touched' | 'ended' | 'unknown'>>
  find(group: string, query: FindQuery): Promise<readonly SessionParticipant[]>
  byUser(group: string, userKey: string): Promise<readonly Session[]>
  byAddress(group: string, address: string): Promise<readonly Session[]>
  live(group: string, query: Parameters<Everywhere['live']>[0]): Promise<readonly SessionSummary[]>
  tally(group: string, query: TallyQuery): Promise<LiveTally>
  end(group: string, request: EndRequest): Promise<EndSummary>
  readRun(group: string, runId: RunId): Promise<LogoutRun | undefined>
  apply(group: string, runId: RunId, event: RunEvent): Promise<LogoutRun | undefined>
  retry(group: string, runId: RunId, deliveryId: DeliveryId, by: Actor): Promise<LogoutRun | undefined>
  /** An access token that a client got for itself, by what it is kept under. */
  readClientToken(group: string, id: string): Promise<Artifact | undefined>
  /** Attributes that wait under a reference, once; undefined when there are none. */
  takeReference(group: string, key: string): Promise<unknown>
}

export type FindQuery =
  | { readonly by: 'name'; readonly peerId: string; readonly value: string }
  | { readonly by: 'index'; readonly peerId: string; readonly value: string }

const sessionId = z.templateLiteral(['ses_', z.string().max(64)])
const runId = z.templateLiteral(['run_', z.string().max(64)])
const deliveryId = z.templateLiteral(['dlv_', z.string().max(64)])
const atMs = z.number()
const actor = z.strictObject({ kind: z.enum(['user', 'peer', 'admin', 'system']), id: z.string().max(300) })
const find = z.strictObject({ by: z.enum(['name', 'index']), peerId: z.string().max(256), value: z.string().max(4_096) })
const byUser = z.strictObject({ userKey: z.string().max(512) })
// Nodes that looked at every session said which attributes to look at.
const byAddress = z.strictObject({ address: z.string().max(512), attributes: z.array(z.string().max(100)).max(10).optional() })
// A node that does not know a key refuses the call: a filter that it can not apply must not widen what ends.
const tallied = z.strictObject({
  username: z.string().max(512).optional(),
  userKeys: z.array(z.string().max(512)).max(2).optional(),
  peerId: z.string().max(256).optional(),
  sourceId: z.string().max(256).optional(),
  beforeMs: atMs.optional()
})
const live = tallied.extend({ max: z.int().min(1).max(1_000) })
const liveTally = z.strictObject({ sessions: z.int(), users: z.int(), applications: z.record(z.string(), z.int()) })
const endRequest = z.strictObject({
  scope: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('session'), sessionId }),
    z.strictObject({ kind: z.literal('sessions'), sessionIds: z.array(sessionId).max(10_000) }),
    z.strictObject({ kind: z.literal('user'), userKey: z.string().max(512), except: sessionId.optional() })
  ]),
  reason: z.string().max(40),
  by: actor,
  starter: z.looseObject({ kind: z.string() }),
  browser: z.enum(['present', 'absent']),
  onlyPeers: z.array(z.string()).optional(),
  isLocal: z.literal(true).optional(),
  isPartial: z.literal(true).optional(),
  endOfflineGrants: z.literal(true).optional(),
  preferredBinding: z.string().optional()
})
const waiting = z.strictObject({ isFound: z.boolean(), value: z.unknown().optional() })
const touched = z.strictObject({ value: z.enum(['touched', 'ended', 'unknown']), durability: z.enum(['replicated', 'degraded', 'local']) })
const ending = { sessionId, runId }
const endSummary = z.looseObject({
  ended: z.array(z.strictObject({ ...ending, isDegraded: z.literal(true).exactOptional() })),
  already: z.array(z.strictObject(ending)),
  unknown: z.array(sessionId)
})

/** A domain value of a group of the same authority: it made it, we look that it is one. */
function domain<T>(...fields: readonly string[]): z.ZodType<T> {
  return z.custom<T>((value) => typeof value === 'object' && value !== null && fields.every((field) => field in value))
}

const run = domain<LogoutRun>('id', 'sessionId', 'deliveries')
/** One run as its own group has it. */
export const runsRead = 'runs.read'
export const runsReadAnswer = run.nullable()
/** The run and delivery that a message of its group belongs to. */
export const runsMessage = 'runs.message'
export const runsMessageAnswer = z.strictObject({ runId, deliveryId }).nullable()
const session = domain<Session>('id', 'userKey', 'version')
const pair = domain<SessionParticipant>('session', 'participant')
const summary = domain<SessionSummary>('session', 'participants')

/** Lets the other groups work with the sessions and runs of this one. */
export function serveSessions(links: Pick<GroupLinks, 'serve'>, here: SessionsHere): void {
  const { store, local } = here
  const read = { isRead: true } as const
  const foundIn = async <T>(found: Promise<Found<T>>): Promise<readonly T[]> => (await found).found
  links.serve('sessions.read', z.strictObject({ sessionId }), async (body) => readHere(store, body.sessionId), read)
  links.serve('sessions.find', find, ({ by, peerId, value }) => foundIn(by === 'name' ? local.byName(peerId, value) : local.byIndex(peerId, value)), read)
  links.serve('sessions.byUser', byUser, ({ userKey }) => foundIn(local.byUser(userKey)), read)
  links.serve('sessions.byAddress', byAddress, ({ address }) => foundIn(local.byAddress(address)), read)
  links.serve('sessions.live', live, ({ max, ...query }) => foundIn(local.live({ max, ...queried(query) })), read)
  links.serve('sessions.tally', tallied, async (query) => (await foundIn(local.tally(queried(query))))[0] ?? { sessions: 0, users: 0, applications: {} }, read)
  links.serve('sessions.end', endRequest, (body) => here.endSessions(body as EndRequest))
  links.serve('sessions.touch', z.strictObject({ sessionId, lastActivityAtMs: atMs, idleExpiresAtMs: atMs }), (body) =>
    store.touch(body.sessionId, body.lastActivityAtMs, body.idleExpiresAtMs)
  )
  links.serve('references.take', z.strictObject({ key: z.string().max(512) }), async ({ key }) => {
    const value = referenceIn(key) === undefined ? undefined : (await store.txTake(key, here.clock.nowMs())).value
    return value === undefined ? { isFound: false } : { isFound: true, value }
  })
  links.serve(
    'tokens.ofClient',
    z.strictObject({ id: z.string().max(128) }),
    async ({ id }) => (await store.getArtifact(clientTokenKind, id, here.clock.nowMs())) ?? null,
    read
  )
  serveRuns(links, here)
}

/** Kind of the artifacts that {@link SessionsThere.readClientToken} finds: no person is in them. */
export const clientTokenKind = 'ClientCredentials'

/** Lets the other groups work with the runs of this one. */
export function serveRuns(links: Pick<GroupLinks, 'serve'>, here: RunsHere): void {
  const { store } = here
  links.serve(runsRead, z.strictObject({ runId }), async (body) => (await store.getRun(body.runId)) ?? null, { isRead: true })
  links.serve(
    runsMessage,
    z.strictObject({ peerId: z.string().max(256), messageId: z.string().max(512) }),
    async ({ peerId, messageId }) => (await store.findByMessage(peerId, messageId)) ?? null,
    { isRead: true }
  )
  links.serve(
    'runs.apply',
    z.strictObject({ runId, event: domain<RunEvent>('kind', 'atMs') }),
    async (body) => (await here.apply(body.runId, body.event)) ?? null
  )
  links.serve('runs.retry', z.strictObject({ runId, deliveryId, by: actor }), async (body) => (await here.retry(body.runId, body.deliveryId, body.by)) ?? null)
}

/** The query without what it leaves open. */
function queried({ username, userKeys, peerId, sourceId, beforeMs }: z.output<typeof tallied>): TallyQuery {
  return {
    ...(username === undefined ? {} : { username }),
    ...(userKeys === undefined ? {} : { userKeys }),
    ...(peerId === undefined ? {} : { peerId }),
    ...(sourceId === undefined ? {} : { sourceId }),
    ...(beforeMs === undefined ? {} : { beforeMs })
  }
}

async function readHere(store: SessionsHere['store'], id: SessionId): Promise<ReadSession | null> {
  const found = await store.getSession(id)
  return found === undefined ? null : { session: found, participants: await store.getParticipants(id) }
}

/** Ends may plan many sessions, and a tally looks at all; the others are one look-up. */
const endMs = 20_000

/** Works with the sessions and runs of other groups. Every call throws what {@link GroupLinks.call} throws. */
export function createSessionsThere(links: Pick<GroupLinks, 'call'>): SessionsThere {
  return {
    read: async (group, id) =>
      (await links.call(group, 'sessions.read', { sessionId: id }, { answer: domain<ReadSession>('session', 'participants').nullable() })) ?? undefined,
    touch: (group, id, lastActivityAtMs, idleExpiresAtMs) =>
      links.call(group, 'sessions.touch', { sessionId: id, lastActivityAtMs, idleExpiresAtMs }, { answer: touched }),
    find: (group, query) => links.call(group, 'sessions.find', query, { answer: z.array(pair) }),
    byUser: (group, userKey) => links.call(group, 'sessions.byUser', { userKey }, { answer: z.array(session) }),
    byAddress: (group, address) => links.call(group, 'sessions.byAddress', { address, attributes: ['mail', 'email'] }, { answer: z.array(session) }),
    live: (group, query) => links.call(group, 'sessions.live', query, { answer: z.array(summary) }),
    tally: (group, query) => links.call(group, 'sessions.tally', query, { answer: liveTally, timeoutMs: endMs }),
    end: (group, request) => links.call(group, 'sessions.end', request, { answer: endSummary, timeoutMs: endMs }),
    takeReference: async (group, key) => (await links.call(group, 'references.take', { key }, { answer: waiting })).value,
    readClientToken: async (group, id) =>
      (await links.call(group, 'tokens.ofClient', { id }, { answer: domain<Artifact>('kind', 'id', 'untilMs', 'value').nullable() })) ?? undefined,
    readRun: async (group, id) => (await links.call(group, runsRead, { runId: id }, { answer: runsReadAnswer })) ?? undefined,
    apply: async (group, id, event) => (await links.call(group, 'runs.apply', { runId: id, event }, { answer: run.nullable() })) ?? undefined,
    retry: async (group, id, delivery, by) =>
      (await links.call(group, 'runs.retry', { runId: id, deliveryId: delivery, by }, { answer: run.nullable() })) ?? undefined
  }
}
