import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Artifact } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import { noStore, parametersOf } from '../request.ts'
import { jtiOf } from './access-token.ts'
import { recordOf } from './artifacts.ts'
import { authenticateClient } from './client-authentication.ts'
import { confirmationOf } from './confirmation.ts'
import { namesSession, recordValidation, userBehind } from './session-validation.ts'
import { subjectOf } from './subject.ts'

/** What the engine keeps of a token, as far as it is read here. */
interface StoredToken {
  readonly accountId?: string
  readonly clientId?: string
  readonly scope?: string
  readonly iat?: number
  readonly exp?: number
  readonly jkt?: string
  readonly 'x5t#S256'?: string
}

/** Kinds of token, in the order they are looked for. */
export const tokenKinds = ['AccessToken', 'RefreshToken', 'ClientCredentials'] as const

/**
 * `/as/introspect.oauth2` (RFC 7662): whether a token is worth anything now. One whose session has ended, or is on
 * the revocation list, is not, whatever its own time says; an offline grant is.
 */
export async function introspect(deps: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const caller = await authenticateClient(deps, request)
  const token = parametersOf(request)['token']
  if (token === undefined) throw new CurfewError('CURFEW_API_VALIDATION', { parameter: 'token' })
  const found = await findToken(deps, token)
  const answer = found === undefined ? undefined : await factsOf(deps, found, token)
  deps.logger.info({ event: 'token.introspected', client: caller.id, active: answer !== undefined }, 'A token was introspected')
  return reply.headers({ ...noStore }).send(answer ?? { active: false })
}

/** Finds what a client holds: by its hash, or by what our signature says (RFC 9068). */
export async function findToken(deps: AuthorityContext, token: string): Promise<Artifact | undefined> {
  const nowMs = deps.clock.nowMs()
  const record = await recordOf(deps, token)
  if (record === undefined) return undefined
  for (const kind of tokenKinds) {
    const found = await deps.store.getArtifact(kind, record, nowMs)
    if (found !== undefined) return found
  }
  return undefined
}

async function factsOf(deps: AuthorityContext, artifact: Artifact, token: string): Promise<object | undefined> {
  const { accountId = '', clientId = '', scope, iat, exp, ...bound } = artifact.value as StoredToken
  const client = await deps.clients.find(clientId)
  if (client === undefined || artifact.consumedAtMs !== undefined) return undefined
  if (artifact.kind === 'ClientCredentials')
    return { active: true, iss: deps.baseUrl, client_id: clientId, scope, iat, exp, token_type: 'Bearer', ...confirmationOf(bound) }
  const isOffline = scope?.split(' ').includes('offline_access') ?? false
  const isAccessToken = artifact.kind === 'AccessToken'
  const user = await userBehind(deps, client, { accountId, isAccessToken, isOffline })
  if (user === undefined) return undefined
  if (isAccessToken) await recordValidation(deps, client, accountId)
  return {
    active: true,
    iss: deps.baseUrl,
    client_id: clientId,
    sub: subjectOf(deps, client, user),
    username: user.username,
    scope,
    iat,
    exp,
    ...(isAccessToken && client.accessTokenAudience !== undefined ? { aud: client.accessTokenAudience, jti: jtiOf(token) ?? artifact.id } : {}),
    token_type: isAccessToken ? (bound.jkt === undefined ? 'Bearer' : 'DPoP') : undefined,
    ...(namesSession(client) ? { 'pi.sri': user.sri } : {}),
    ...confirmationOf(bound)
  }
}
