import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { noStore, parametersOf } from '../request.ts'
import type { Artifact } from '../../stores/store.ts'
import type { OidcClient } from './client.ts'
import { authenticateClient } from './client-authentication.ts'
import { dropGrant } from './grant-generation.ts'
import { findToken } from './introspect.ts'

/**
 * `/as/revoke_token.oauth2` (RFC 7009): a client gives a token back. A refresh token takes everything with it that was
 * issued under the same grant. One that is unknown, or another client's, is answered like any other.
 */
export async function revokeToken(deps: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const client = await callerOf(deps, request)
  const token = parametersOf(request)['token']
  if (token === undefined) throw new CurfewError('CURFEW_API_VALIDATION', { parameter: 'token' })
  const found = await findToken(deps, token)
  const isOwn = (found?.value as { readonly clientId?: string } | undefined)?.clientId === client.clientId
  if (found !== undefined && isOwn) {
    if (found.kind === 'RefreshToken' && found.grantId !== undefined) await dropGrant(deps, found.grantId)
    else await deps.store.dropArtifact(found.kind, found.id)
    deps.logger.info({ event: 'token.revoked', client: client.id, kind: found.kind }, 'A token was revoked')
    if (client.revocationEndsSession) await endSessionOf(deps, client, found)
  }
  return reply
    .headers({ ...noStore })
    .status(200)
    .send()
}

/** The session that a refresh token was issued in; it may have ended before. */
async function endSessionOf(deps: AuthorityContext, client: OidcClient, { kind, sessionId }: Artifact): Promise<void> {
  if (kind !== 'RefreshToken' || sessionId === undefined) return
  await deps.engine.endSessions({
    scope: { kind: 'session', sessionId },
    reason: 'token-revocation',
    by: { kind: 'peer', id: client.id },
    starter: { kind: 'none' },
    browser: 'absent'
  })
}

/** A public client has nothing to prove itself with: the token that it holds is enough (RFC 7009 section 2.1). */
async function callerOf(deps: AuthorityContext, request: FastifyRequest): ReturnType<typeof authenticateClient> {
  const publicClient = await deps.clients.find(parametersOf(request)['client_id'] ?? '')
  return publicClient?.authentication === 'none' ? publicClient : authenticateClient(deps, request)
}
