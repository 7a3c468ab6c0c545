import { CurfewError } from '@curfew/codecs'
import { participantsPerSessionMax } from '../../core/limits.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { participantIdOf } from '../saml/participant-id.ts'
import type { OpenTokenAdapter } from './adapter.ts'

/** What one application calls a session: it finds its session, and two applications can't compare theirs. */
export function sessionIndexOf({ locator }: Pick<AuthorityContext, 'locator'>, adapter: OpenTokenAdapter, session: Pick<Session, 'id'>): string {
  return locator.seal(`opentoken:${adapter.id}`, session.id)
}

/**
 * Remembers that an application takes part in a session, before a token leaves for it, or when one came from it.
 * @throws CURFEW_OPENTOKEN_SESSION_ENDED when a logout came first, CURFEW_SESSION_PARTICIPANTS_FULL
 */
export async function recordAdapter(ctx: AuthorityContext, adapter: OpenTokenAdapter, session: Session, subject: string, targetUrl?: string): Promise<void> {
  const nowMs = ctx.clock.nowMs()
  const nameId = { value: subject }
  const participant: Participant = {
    id: participantIdOf(adapter.id, nameId),
    peerId: adapter.id,
    role: adapter.peer.role,
    protocol: 'opentoken',
    nameId,
    sessionIndex: sessionIndexOf(ctx, adapter, session),
    addedAtMs: nowMs,
    lastIssuedAtMs: nowMs,
    assertionNotOnOrAfterMs: nowMs + adapter.tokenSeconds * 1000,
    ...(targetUrl === undefined ? {} : { consumerUrl: targetUrl })
  }
  const known = await ctx.store.getParticipants(session.id)
  if (known.length >= participantsPerSessionMax && known.every(({ id }) => id !== participant.id))
    throw new CurfewError('CURFEW_SESSION_PARTICIPANTS_FULL', { session: session.id, maximum: participantsPerSessionMax })
  const { value } = await ctx.store.addParticipant(session.id, participant)
  if (value === 'ended' || value === 'unknown') throw new CurfewError('CURFEW_OPENTOKEN_SESSION_ENDED', { session: session.id })
  await ctx.store.appendAudit({
    atMs: nowMs,
    event: adapter.role === 'sp' ? 'opentoken.issued' : 'opentoken.accepted',
    actor: adapter.role === 'sp' ? { kind: 'user', id: session.username } : { kind: 'peer', id: adapter.id },
    userKey: session.userKey,
    sessionId: session.id,
    peerId: adapter.id
  })
}
