import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RunId, SessionId } from '../../core/ids.ts'
import type { AuthorityContext } from '../context.ts'
import { noStore, type Parameters, parametersOf } from '../request.ts'
import type { OidcClient } from './client.ts'
import { authenticateClient } from './client-authentication.ts'
import type { TokenBinding } from './confirmation.ts'
import { requireDpopProof } from './dpop-proof.ts'
import { oidcUrl } from './endpoints.ts'
import { readIdTokenHint } from './id-token-hint.ts'
import { findToken } from './introspect.ts'
import { runFactsOf } from './run-facts.ts'

/**
 * `POST /as/logout.oauth2`: an application without a browser ends the whole session that its token was issued in, and
 * gets the run. `token` is a refresh token, an access token or an ID token of the client, or `sid` what its tokens call the
 * session; the client authenticates itself; a
 * public client shows a refresh token and the DPoP key that it is bound to. `end_offline_grants=true`
 * ends the offline grants of the session, too. A session that has ended before answers with the run that ended it.
 * @throws CURFEW_OIDC_CLIENT_AUTHENTICATION (401), CURFEW_OIDC_LOGOUT_TOKEN (400), CURFEW_API_VALIDATION (400)
 */
export async function endWithoutBrowser(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const publicClient = await ctx.clients.find(parameters['client_id'] ?? '')
  const isPublic = publicClient?.authentication === 'none'
  const client = isPublic ? publicClient : await authenticateClient(ctx, request)
  const sessionId = isPublic ? await boundSession(ctx, client, parameters, request) : await sessionNamed(ctx, client, parameters)
  const { ended, already } = await ctx.engine.endSessions({
    scope: { kind: 'session', sessionId },
    reason: 'user',
    by: { kind: 'peer', id: client.id },
    starter: { kind: 'none' },
    browser: 'absent',
    ...(parameters['end_offline_grants'] === 'true' ? { endOfflineGrants: true as const } : {})
  })
  const run = ended[0] ?? already[0]
  if (run === undefined) throw unusable('its session is not known any more')
  ctx.logger.info({ event: 'session.ended-by-program', client: client.id, run: run.runId, reference: request.id }, 'A client ended a session')
  return sendRun(ctx, run.runId, reply)
}

/** `GET /as/logout.oauth2/{run}`: how far it is. Its identifier can not be guessed, as that of a sign-off page. */
export async function showRunToProgram(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return sendRun(ctx, (request.params as { readonly run: RunId }).run, reply)
}

async function sendRun(ctx: AuthorityContext, runId: RunId, reply: FastifyReply): Promise<FastifyReply> {
  const run = await ctx.store.getRun(runId)
  if (run === undefined) return reply.status(404).headers(noStore).send({ error: 'not_found' })
  return reply.headers(noStore).send(runFactsOf(run, `${oidcUrl(ctx, 'logout')}/${run.id}`))
}

function tokenOf(parameters: Parameters): string {
  const { token } = parameters
  if (token === undefined) throw new CurfewError('CURFEW_API_VALIDATION', { parameter: 'token' })
  return token
}

/** By the name that this client knows it by, which is good for no other, or by a token. */
async function sessionNamed(ctx: AuthorityContext, client: OidcClient, parameters: Parameters): Promise<SessionId> {
  const { sid, token } = parameters
  if (sid === undefined) return sessionOfToken(ctx, client, parameters)
  if (token !== undefined) throw new CurfewError('CURFEW_API_VALIDATION', { parameter: 'sid' })
  const sessionId = ctx.locator.open(client.clientId, sid)
  if (sessionId === undefined) throw unusable('the session is not one of the client')
  return sessionId as SessionId
}

/** The session of a token that this client holds; an ID token may have expired, sessions outlive it. */
async function sessionOfToken(ctx: AuthorityContext, client: OidcClient, parameters: Parameters): Promise<SessionId> {
  const token = tokenOf(parameters)
  const hint = await readIdTokenHint(ctx, token)
  if (hint !== undefined) {
    const sessionId = hint.clientId === client.clientId ? ctx.locator.open(client.clientId, hint.sid) : undefined
    if (sessionId === undefined) throw unusable('the ID token belongs to another client')
    return sessionId as SessionId
  }
  return (await storedToken(ctx, client, token)).sessionId
}

/** A public client proves itself by the key or the certificate that its refresh token is bound to, and by nothing else. */
async function boundSession(ctx: AuthorityContext, client: OidcClient, parameters: Parameters, request: FastifyRequest): Promise<SessionId> {
  const { kind, jkt, thumbprint, sessionId } = await storedToken(ctx, client, tokenOf(parameters))
  const hasCertificate = thumbprint !== undefined && ctx.clientCertificates.of(request.raw)?.thumbprint === thumbprint
  const isBound = jkt !== undefined || thumbprint !== undefined
  if (kind !== 'RefreshToken' || !isBound || (thumbprint !== undefined && !hasCertificate)) {
    throw new CurfewError('CURFEW_OIDC_CLIENT_AUTHENTICATION', { why: 'a public client needs a refresh token that is bound to a key or certificate of it' })
  }
  if (jkt !== undefined) await requireDpopProof(ctx, request, { jkt, method: 'POST', url: oidcUrl(ctx, 'logout') })
  return sessionId
}

interface HeldToken {
  readonly kind: string
  readonly jkt: string | undefined
  readonly thumbprint: string | undefined
  readonly sessionId: SessionId
}

async function storedToken(ctx: AuthorityContext, client: OidcClient, token: string): Promise<HeldToken> {
  const found = await findToken(ctx, token)
  const { clientId, jkt, 'x5t#S256': thumbprint } = (found?.value ?? {}) as { readonly clientId?: string } & TokenBinding
  if (found?.sessionId === undefined || clientId !== client.clientId || found.consumedAtMs !== undefined) {
    throw unusable('it is unknown, used up, or belongs to another client')
  }
  return { kind: found.kind, jkt, thumbprint, sessionId: found.sessionId }
}

function unusable(why: string): CurfewError {
  return new CurfewError('CURFEW_OIDC_LOGOUT_TOKEN', { why })
}
