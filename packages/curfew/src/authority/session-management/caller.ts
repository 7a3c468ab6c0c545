import { CurfewError } from '@curfew/codecs'
import type { FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import { authenticateClient } from '../oidc/client-authentication.ts'

/** What a client may be permitted; each has its setting, off by default (AC-099, AC-119). */
export type SessionPermission = 'revocationFeed' | 'sessionRevocation' | 'sessionManagement'

/**
 * The client behind a call, by its own way to authenticate, with the permission that the call needs. The header keeps
 * pages of browsers out, which can not set it; any value will do (AC-098).
 *
 * @throws CURFEW_OIDC_CLIENT_AUTHENTICATION (401), CURFEW_SESSION_API_REFUSED (403)
 */
export async function requireCaller(ctx: AuthorityContext, request: FastifyRequest, permission: SessionPermission): Promise<OidcClient> {
  const client = await authenticateClient(ctx, request)
  if (!client[permission]) throw new CurfewError('CURFEW_SESSION_API_REFUSED', { client: client.id, why: `${permission} is not set` })
  if (request.headers['x-xsrf-header'] === undefined)
    throw new CurfewError('CURFEW_SESSION_API_REFUSED', { client: client.id, why: 'the header X-XSRF-Header is missing' })
  return client
}
