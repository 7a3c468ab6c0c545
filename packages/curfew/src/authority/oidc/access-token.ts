import { decodeJwt, SignJWT } from 'jose'
import type { Artifact } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import type { AccountUser } from './account.ts'
import type { OidcClient } from './client.ts'
import { confirmationOf } from './confirmation.ts'
import { signingKeyFor } from './keys.ts'
import { readOwnToken } from './own-token.ts'
import { sidOf } from './participant.ts'
import { namesSession } from './session-validation.ts'
import { subjectOf } from './subject.ts'

/** The type in the header that tells an access token from every other token of ours (RFC 9068 section 2.1). */
const accessTokenType = 'at+jwt'

/** What the engine keeps of an access token, as far as it is told. */
interface KeptToken {
  readonly scope?: string
  readonly iat?: number
  readonly exp?: number
  readonly jkt?: string
  readonly 'x5t#S256'?: string
}

/**
 * A self-contained access token. Its `jti` names the group that made it and the record that is kept of it there: what asks us, rather than only the
 * signature, hears at once that it was revoked or that its session has ended.
 * @see RFC 9068 section 2.2
 */
export function signAccessToken(
  ctx: Pick<AuthorityContext, 'oidc' | 'baseUrl' | 'locator' | 'secrets' | 'ids'>,
  client: OidcClient,
  user: AccountUser,
  record: Artifact
): Promise<string> {
  const { scope, iat, exp, ...bound } = record.value as KeptToken
  const { key, kid } = signingKeyFor(ctx.oidc.keys, client.algorithm)
  const session = namesSession(client) ? { sid: sidOf(ctx, client, user), 'pi.sri': user.sri } : {}
  return new SignJWT({ client_id: client.clientId, scope, ...session, ...confirmationOf(bound) })
    .setProtectedHeader({ alg: client.algorithm, kid, typ: accessTokenType })
    .setIssuer(ctx.baseUrl)
    .setAudience([...(client.accessTokenAudience ?? [])])
    .setSubject(subjectOf(ctx, client, user))
    .setJti(ctx.ids.group + record.id)
    .setIssuedAt(iat)
    .setExpirationTime(exp ?? Math.floor(record.untilMs / 1000))
    .sign(key)
}

/** The record that a self-contained access token names; undefined when it is none of ours, or no access token. */
export async function readAccessToken(ctx: Pick<AuthorityContext, 'oidc' | 'baseUrl'>, text: string): Promise<string | undefined> {
  const token = await readOwnToken(ctx, text)
  const jti = token?.claims['jti']
  return token?.typ === accessTokenType && typeof jti === 'string' ? jti.slice(1) : undefined
}

/** The `jti` of a self-contained access token that was read before; undefined for an opaque one. */
export function jtiOf(token: string): string | undefined {
  return token.includes('.') ? decodeJwt(token).jti : undefined
}
