import { CurfewError } from '@curfew/codecs'
import { participantsPerSessionMax } from '../../core/limits.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { participantIdOf } from '../saml/participant-id.ts'
import type { OidcClient } from './client.ts'
import { grantKeyOf } from './grant-name.ts'
import { subjectOf } from './subject.ts'

/** The `sid` of one client for one session: unlinkable between clients, and it finds its session. */
export function sidOf(ctx: Pick<AuthorityContext, 'locator'>, client: OidcClient, session: Pick<Session, 'id'>): string {
  return ctx.locator.seal(client.clientId, session.id)
}

/** What is issued to a client. */
export interface Issue {
  readonly redirectUri?: string
  /** By a refresh token or `prompt=none`: the client goes on with the sign-in that it has, if it has one. */
  readonly isRenewal?: boolean
}

/**
 * Remembers that a client takes part in a session, before a code or token leaves for it.
 * @throws CURFEW_OIDC_SESSION_ENDED when a logout came first, CURFEW_SESSION_PARTICIPANTS_FULL
 */
export async function recordClient(ctx: AuthorityContext, client: OidcClient, session: Session, { redirectUri, isRenewal = false }: Issue): Promise<void> {
  if (!client.trackSessions) return
  const nowMs = ctx.clock.nowMs()
  const nameId = { value: subjectOf(ctx, client, session) }
  // A gateway has a session of its own at every host: each is ended there.
  const usedAt = client.peer.picturePath === undefined ? undefined : URL.parse(redirectUri ?? '')?.origin
  const participant: Participant = {
    id: participantIdOf(client.id, usedAt === undefined ? nameId : { value: `${nameId.value}\0${usedAt}` }),
    peerId: client.id,
    role: 'application',
    protocol: 'oidc',
    nameId,
    sessionIndex: sidOf(ctx, client, session),
    addedAtMs: nowMs,
    lastIssuedAtMs: nowMs,
    assertionNotOnOrAfterMs: nowMs + client.idTokenSeconds * 1000,
    ...(redirectUri === undefined ? {} : { consumerUrl: redirectUri })
  }
  await record(ctx, client, session, participant, isRenewal)
}

/**
 * Remembers that a client holds a grant which outlives the session: one per session and client, also of a client that
 * is not tracked otherwise, because what survives a logout is never hidden.
 * @throws as `recordClient`
 */
export async function recordOfflineGrant(ctx: AuthorityContext, client: OidcClient, session: Session): Promise<void> {
  const nowMs = ctx.clock.nowMs()
  const grantId = grantKeyOf(session.id, client.clientId)
  await record(ctx, client, session, {
    id: `${client.id}:offline:${grantId.slice(0, 12)}`,
    peerId: client.id,
    role: 'application',
    protocol: 'oidc',
    nameId: { value: subjectOf(ctx, client, session) },
    // No session of the application: nothing that it was given finds this participant.
    sessionIndex: '',
    grant: 'offline',
    addedAtMs: nowMs,
    lastIssuedAtMs: nowMs,
    assertionNotOnOrAfterMs: nowMs
  })
}

async function record(ctx: AuthorityContext, client: OidcClient, session: Session, issued: Participant, isRenewal = false): Promise<void> {
  const known = await ctx.store.getParticipants(session.id)
  const before = isRenewal ? known.find(({ id }) => id === issued.id) : undefined
  const participant = before === undefined ? issued : { ...issued, lastIssuedAtMs: before.lastIssuedAtMs }
  if (known.length >= participantsPerSessionMax && known.every(({ id }) => id !== participant.id)) {
    throw new CurfewError('CURFEW_SESSION_PARTICIPANTS_FULL', { session: session.id, maximum: participantsPerSessionMax })
  }
  const { value } = await ctx.store.addParticipant(session.id, participant)
  if (value === 'ended' || value === 'unknown') throw new CurfewError('CURFEW_OIDC_SESSION_ENDED', { session: session.id })
  if (value !== 'added') return
  await ctx.store.appendAudit({
    atMs: ctx.clock.nowMs(),
    event: participant.grant === undefined ? 'client.signed-in' : 'client.offline-grant',
    actor: { kind: 'user', id: session.username },
    userKey: session.userKey,
    sessionId: session.id,
    peerId: client.id
  })
}
