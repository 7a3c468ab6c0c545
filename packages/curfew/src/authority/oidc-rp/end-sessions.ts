import { CurfewError, sha256Hex } from '@curfew/codecs'
import type { OutcomeProof } from '../../core/outcome.ts'
import type { Found } from '../../stores/everywhere.ts'
import type { SessionParticipant } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import type { OpenIdUpstream } from './upstreams.ts'

/** What a provider said has ended: a session, every session of a subject, or one session of one subject. */
export interface UpstreamLogout {
  readonly subject?: string
  readonly sid?: string
  /** Sessions from a later token are not meant where only the subject is named. */
  readonly issuedAtMs: number
  readonly binding: 'back-channel' | 'front-channel'
  /** `jti` of the logout token, or the `sid` of a frame. */
  readonly messageId: string
  /** The signed token; absent: nobody signed for it. */
  readonly token?: string
}

/**
 * Ends what the provider means, among the sessions that came from it. It is not called back: it stands as the starter
 * of the run. Where a run of ours is asking it already, its signed word is the proof that its session is over.
 */
export async function endUpstreamSessions(ctx: AuthorityContext, upstream: OpenIdUpstream, logout: UpstreamLogout): Promise<number> {
  const { found, unreached } = await sessionsOf(ctx, upstream, logout)
  for (const one of found.filter(({ session }) => session.end === undefined)) await endOne(ctx, upstream, one, logout)
  for (const one of found) await confirm(ctx, one, logout)
  // Its word is not confirmed: it asks again.
  if (unreached.length > 0) throw new CurfewError('CURFEW_GROUP_UNREACHABLE', { group: unreached.join(' ') })
  return found.length
}

async function sessionsOf(ctx: AuthorityContext, upstream: OpenIdUpstream, { subject, sid, issuedAtMs }: UpstreamLogout): Promise<Found<SessionParticipant>> {
  const answers = await Promise.all([
    ...(sid === undefined ? [] : [ctx.everywhere.byIndex(upstream.id, sid)]),
    ...(subject === undefined ? [] : [ctx.everywhere.byName(upstream.id, subject)])
  ])
  const candidates = answers.flatMap((answer) => answer.found)
  const meant = candidates.filter(({ participant }) => {
    if (participant.role !== 'upstream') return false
    if (subject !== undefined && participant.nameId.value !== subject) return false
    return sid === undefined ? participant.lastIssuedAtMs <= issuedAtMs : participant.sessionIndex === sid
  })
  const found = [...new Map(meant.map((one) => [one.session.id, one])).values()]
  return { found, unreached: [...new Set(answers.flatMap((answer) => answer.unreached))] }
}

async function endOne(ctx: AuthorityContext, upstream: OpenIdUpstream, one: SessionParticipant, { binding, messageId }: UpstreamLogout): Promise<void> {
  await ctx.engine.endSessions({
    scope: { kind: 'session', sessionId: one.session.id },
    reason: 'upstream',
    by: { kind: 'peer', id: upstream.id },
    starter: { kind: 'participant', participantId: one.participant.id, peerId: upstream.id, binding, requestId: messageId, wantsResponse: false },
    browser: 'absent'
  })
}

/** A browser that comes back from the provider proves nothing; the provider's own signed token does. */
async function confirm(ctx: AuthorityContext, { session, participant }: SessionParticipant, { token, messageId }: UpstreamLogout): Promise<void> {
  const ended = (await ctx.store.getSession(session.id))?.end
  if (token === undefined || ended === undefined) return
  const run = await ctx.store.getRun(ended.runId)
  const delivery = run?.deliveries.find(({ participantId }) => participantId === participant.id)
  const attempt = delivery?.attempts.at(-1)
  if (run === undefined || delivery === undefined || attempt === undefined) return
  const proof: OutcomeProof = { kind: 'signed-answer', messageId, hash: sha256Hex(token), signedBy: participant.peerId }
  const atMs = ctx.clock.nowMs()
  await ctx.engine.apply(run.id, { kind: 'confirmed', atMs, deliveryId: delivery.id, messageId: attempt.messageId, result: 'ended', proof })
}
