import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { isLive } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import { noStore } from '../request.ts'
import { sessionOfSri } from './sri.ts'

/**
 * `POST /pf-ws/rest/sessionMgmt/revokedSris` `{"id": sri}`: the SRI goes onto the revocation list, 201 also when it
 * was there. A live session behind it ends, and every application of it is told: an SRI that is revoked while its
 * session goes on would be a logout that nobody hears of.
 * @throws CURFEW_SESSION_API_MEDIA_TYPE (415), CURFEW_API_MALFORMED (400), CURFEW_SESSION_SRI_MALFORMED (400),
 *   CURFEW_GROUP_UNREACHABLE and other codes of groups: it is on the list, and the session goes on; the caller has to come again
 */
export async function addRevokedSri(ctx: AuthorityContext, client: OidcClient, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const sri = idOf(request)
  const sessionId = sessionOfSri(ctx, sri)
  const nowMs = ctx.clock.nowMs()
  // Before anything that a group which is away can keep from happening: gateways go by the list.
  await ctx.store.revoke(sri, nowMs + ctx.sriRevocationMs, nowMs)
  await ctx.store.appendAudit({ atMs: nowMs, event: 'sri.revoked', actor: { kind: 'peer', id: client.id }, sessionId, peerId: client.id })
  const session = await ctx.store.getSession(sessionId)
  if (session !== undefined && isLive(session, nowMs)) {
    await ctx.engine.endSessions({
      scope: { kind: 'session', sessionId },
      reason: 'token-revocation',
      by: { kind: 'peer', id: client.id },
      starter: { kind: 'none' },
      browser: 'absent'
    })
  }
  return reply.status(201).headers(noStore).send({ id: sri })
}

/**
 * `GET .../revokedSris/{sri}`, also `?id=` or `?sri=`: 200 when it is on the list, 404 when not. A gateway must not take
 * silence or 5xx for 404.
 */
export async function readRevokedSri(ctx: AuthorityContext, _client: OidcClient, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const query = request.query as Readonly<Record<string, unknown>>
  const asked = (request.params as { readonly sri?: string }).sri ?? query['id'] ?? query['sri']
  const sri = typeof asked === 'string' ? asked : ''
  sessionOfSri(ctx, sri)
  reply.headers(noStore)
  if (!(await ctx.store.isRevoked(sri, ctx.clock.nowMs()))) throw new CurfewError('CURFEW_SESSION_SRI_NOT_REVOKED', {})
  return reply.send({ id: sri })
}

/** The body is JSON and nothing else: a form, which pages of other sites can send, is refused (AC-100). */
function idOf(request: FastifyRequest): string {
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) throw new CurfewError('CURFEW_SESSION_API_MEDIA_TYPE', {})
  try {
    const { id } = JSON.parse(String(request.body)) as { readonly id?: unknown }
    if (typeof id === 'string') return id
  } catch (cause) {
    throw new CurfewError('CURFEW_API_MALFORMED', { expected: '{"id": "<sri>"}' }, { cause })
  }
  throw new CurfewError('CURFEW_API_MALFORMED', { expected: '{"id": "<sri>"}' })
}
