import { securityEvents, type SimpleSubject, type SubjectIdentifier } from '@curfew/codecs'
import type { LogoutRun } from '../../core/run.ts'
import type { EndReason, Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import { sidOf } from '../oidc/participant.ts'
import { subjectOf } from '../oidc/subject.ts'
import { addressesOf } from '../../core/session.ts'
import type { SharedSignalsSettings } from './settings.ts'
import { jtiOf, type OwedSet, type Stream, type Streams } from './streams.ts'

export type OwedDeps = Pick<AuthorityContext, 'store' | 'clients' | 'clock' | 'locator' | 'secrets' | 'baseUrl' | 'logger'> & {
  readonly streams: Streams
  readonly settings: SharedSignalsSettings
}

/** Clients that may have a stream. */
export function receiversOf({ clients }: Pick<AuthorityContext, 'clients'>): readonly OidcClient[] {
  return clients.all().filter((client) => client.signalSubject !== undefined)
}

/** Writes down for every stream what the end of a session owes it. May be repeated. Returns how many streams. */
export async function oweSignals(deps: OwedDeps, run: LogoutRun, session: Session): Promise<number> {
  const results = await Promise.all(receiversOf(deps).map((client) => oweOne(deps, run, session, client)))
  return results.filter((isOwed) => isOwed).length
}

async function oweOne(deps: OwedDeps, run: LogoutRun, session: Session, client: OidcClient): Promise<boolean> {
  const stream = await deps.streams.find(client.clientId)
  if (stream === undefined || stream.status === 'disabled' || !stream.eventsRequested.includes(securityEvents.sessionRevoked)) return false
  if (cameFrom(deps, run, client)) return false
  const names = namesOf(deps, session, client)
  if (stream.removedSubjects.some((removed) => names.some((name) => isSame(removed, name)))) return false
  const subject = subjectFor(deps, session, client)
  if (subject === undefined) return false
  const state = await deps.streams.owe(stream, setOf(stream, run, subject))
  if (state === 'owed') return true
  await deps.streams.count(stream, (tally) => ({ ...tally, lost: tally.lost + 1 }))
  await lose(deps, client, run, 'backlog full')
  return false
}

/** Loop guard: what a transmitter told us is no news to the stream of the same party. */
function cameFrom({ settings }: OwedDeps, run: LogoutRun, client: OidcClient): boolean {
  if (run.reason !== 'shared-signal') return false
  return settings.transmitters.some(({ id, client: party }) => id === run.startedBy.id && (party ?? id) === client.id)
}

async function lose({ store, clock, logger }: OwedDeps, client: OidcClient, run: LogoutRun, why: string): Promise<void> {
  await store.appendAudit({
    atMs: clock.nowMs(),
    event: 'signal.lost',
    actor: { kind: 'system', id: 'signals' },
    peerId: client.id,
    runId: run.id,
    sessionId: run.sessionId,
    userKey: run.userKey,
    detail: { why }
  })
  logger.error({ event: 'signal.lost', connection: client.id, run: run.id, why }, 'A shared signal is lost: the receiver takes too few')
}

function setOf(stream: Stream, run: LogoutRun, subject: SubjectIdentifier): OwedSet {
  return {
    jti: jtiOf(stream, run.id),
    event: securityEvents.sessionRevoked,
    payload: { event_timestamp: Math.floor(run.startedAtMs / 1000), initiating_entity: initiators[run.reason], reason_admin: { en: run.reason } },
    subject,
    issuedAtMs: run.startedAtMs,
    txn: run.id,
    attempts: 0,
    nextAttemptAtMs: 0
  }
}

/** CAEP 1.0 section 2: who caused it. */
const initiators: Readonly<Record<EndReason, 'admin' | 'user' | 'policy' | 'system'>> = {
  user: 'user',
  admin: 'admin',
  upstream: 'system',
  'idle-timeout': 'policy',
  'max-timeout': 'policy',
  'session-limit': 'policy',
  'password-change': 'policy',
  'account-lock': 'policy',
  'token-revocation': 'user',
  'shared-signal': 'system',
  replaced: 'user'
}

/** `email` means all sessions of the user there; undefined: the user has no address. */
function subjectFor(deps: OwedDeps, session: Session, client: OidcClient): SubjectIdentifier | undefined {
  if (client.signalSubject === 'email') {
    const [email] = addressesOf(session)
    return email === undefined ? undefined : { format: 'email', email }
  }
  const user = { format: 'iss_sub', iss: deps.baseUrl, sub: subjectOf(deps, client, session) } as const
  return { format: 'complex', user, session: { format: 'opaque', id: sidOf(deps, client, session) } }
}

/** Everything that a receiver may call this user or session. */
function namesOf(deps: OwedDeps, session: Session, client: OidcClient): readonly SimpleSubject[] {
  return [
    { format: 'iss_sub', iss: deps.baseUrl, sub: subjectOf(deps, client, session) },
    { format: 'opaque', id: sidOf(deps, client, session) },
    ...addressesOf(session).map((email) => ({ format: 'email', email }) as const)
  ]
}

/** Two names of the same thing; addresses without regard to case. */
export function isSame(a: SimpleSubject, b: SimpleSubject): boolean {
  switch (a.format) {
    case 'email':
      return b.format === 'email' && a.email.toLowerCase() === b.email.toLowerCase()
    case 'iss_sub':
      return b.format === 'iss_sub' && a.iss === b.iss && a.sub === b.sub
    case 'opaque':
      return b.format === 'opaque' && a.id === b.id
  }
}
