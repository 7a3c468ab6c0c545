import { createPublicKey } from 'node:crypto'
import { compactVerify, decodeProtectedHeader } from 'jose'
import type { AuthorityContext } from '../context.ts'
import type { TokenAlgorithm } from './settings.ts'

/** An ID token of ours that somebody shows again to say whose session is meant. */
export interface IdTokenHint {
  readonly clientId: string
  readonly subject: string
  readonly sid: string
}

/** Longest hint that is looked at, in characters. */
const hintCharactersMax = 16_384

/**
 * Reads an `id_token_hint`: signed by one of our keys, issued by us, an ID token and nothing else. One that has
 * expired is as good as any: sessions outlive ID tokens. Undefined: it is no hint.
 * @see OpenID Connect RP-Initiated Logout 1.0 section 2
 */
export async function readIdTokenHint(ctx: Pick<AuthorityContext, 'oidc' | 'baseUrl'>, text: string | undefined): Promise<IdTokenHint | undefined> {
  if (text === undefined || text.length > hintCharactersMax) return undefined
  try {
    const { alg, kid, typ } = decodeProtectedHeader(text)
    const key = ctx.oidc.keys.find((candidate) => candidate.kid === kid)
    if (key === undefined || !key.algorithms.includes(alg as TokenAlgorithm) || (typ !== undefined && typ !== 'JWT')) return undefined
    const publicKey = createPublicKey(key.key.export({ type: 'pkcs8', format: 'pem' }).toString())
    const { payload } = await compactVerify(text, publicKey, { algorithms: [...key.algorithms] })
    return hintOf(JSON.parse(Buffer.from(payload).toString('utf8')) as Readonly<Record<string, unknown>>, ctx.baseUrl)
  } catch {
    return undefined
  }
}

function hintOf(claims: Readonly<Record<string, unknown>>, issuer: string): IdTokenHint | undefined {
  const { iss, sub, sid, aud, azp, events } = claims
  const audience = Array.isArray(aud) ? (aud.length === 1 ? (aud[0] as unknown) : azp) : aud
  // A logout token, signed by the same keys, is no ID token.
  if (iss !== issuer || events !== undefined || typeof sub !== 'string' || typeof sid !== 'string' || typeof audience !== 'string') return undefined
  return { clientId: audience, subject: sub, sid }
}
