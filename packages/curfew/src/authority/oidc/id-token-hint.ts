import type { AuthorityContext } from '../context.ts'
import { readOwnToken } from './own-token.ts'

/** An ID token of ours that somebody shows again to say whose session is meant. */
export interface IdTokenHint {
  readonly clientId: string
  readonly subject: string
  readonly sid: string
}

/**
 * Reads an `id_token_hint`: signed by one of our keys, issued by us, an ID token and nothing else. One that has
 * expired is as good as any: sessions outlive ID tokens. Undefined: it is no hint.
 * @see OpenID Connect RP-Initiated Logout 1.0 section 2
 */
export async function readIdTokenHint(ctx: Pick<AuthorityContext, 'oidc' | 'baseUrl'>, text: string | undefined): Promise<IdTokenHint | undefined> {
  if (text === undefined) return undefined
  const token = await readOwnToken(ctx, text)
  return token === undefined || (token.typ !== undefined && token.typ !== 'JWT') ? undefined : hintOf(token.claims)
}

function hintOf(claims: Readonly<Record<string, unknown>>): IdTokenHint | undefined {
  const { sub, sid, aud, azp, events } = claims
  const audience = Array.isArray(aud) ? (aud.length === 1 ? (aud[0] as unknown) : azp) : aud
  // A logout token, signed by the same keys, is no ID token.
  if (events !== undefined || typeof sub !== 'string' || typeof sid !== 'string' || typeof audience !== 'string') return undefined
  return { clientId: audience, subject: sub, sid }
}
