import { CurfewError } from '@curfew/codecs'
import type { FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { keyOf } from '../oidc/artifact-key.ts'
import { authenticateClient } from '../oidc/client-authentication.ts'
import type { OidcClient } from '../oidc/client.ts'

/** What an access token of a receiver may be good for; whoever may manage may read, too. */
export type SignalScope = 'ssf.read' | 'ssf.manage'

/** Scopes of clients with `sharedSignals`, for access tokens by client credentials. */
export const signalScopes: readonly SignalScope[] = ['ssf.read', 'ssf.manage']

/** What the engine keeps of an access token by client credentials. */
interface KeptToken {
  readonly clientId?: string
  readonly scope?: string
  readonly 'x5t#S256'?: string
  readonly jkt?: string
}

/**
 * The receiver behind a request: by an access token of its own with the scope, or by its own way to authenticate.
 * @throws CURFEW_OIDC_CLIENT_AUTHENTICATION (401), CURFEW_SIGNALS_REFUSED (403) for a client without `sharedSignals`, or
 *   a token without the scope
 */
export async function requireReceiver(ctx: AuthorityContext, request: FastifyRequest, scope: SignalScope): Promise<OidcClient> {
  const token = /^Bearer ([\w.~+/=-]{1,2048})$/i.exec(request.headers.authorization ?? '')?.[1]
  const client = token === undefined ? await authenticateClient(ctx, request) : await clientOfToken(ctx, request, token, scope)
  if (client.signalSubject === undefined) throw new CurfewError('CURFEW_SIGNALS_REFUSED', { client: client.id, why: 'sharedSignals is not set' })
  return client
}

/** Tokens of people are no good here, whatever their scope. */
async function clientOfToken(ctx: AuthorityContext, request: FastifyRequest, token: string, scope: SignalScope): Promise<OidcClient> {
  const found = await ctx.store.getArtifact('ClientCredentials', keyOf(token), ctx.clock.nowMs())
  const kept = (found?.value ?? {}) as KeptToken
  const client = kept.clientId === undefined ? undefined : await ctx.clients.find(kept.clientId)
  const thumbprint = kept['x5t#S256']
  const isHeld = thumbprint === undefined || ctx.clientCertificates.of(request.raw)?.thumbprint === thumbprint
  if (client === undefined || !isHeld || kept.jkt !== undefined)
    throw new CurfewError('CURFEW_OIDC_CLIENT_AUTHENTICATION', { why: 'the access token is none, has ended, or is bound to a key that was not shown' })
  const scopes = kept.scope?.split(' ') ?? []
  if (!scopes.includes(scope) && !scopes.includes('ssf.manage'))
    throw new CurfewError('CURFEW_SIGNALS_REFUSED', { client: client.id, why: `the token has not the scope ${scope}` })
  return client
}
