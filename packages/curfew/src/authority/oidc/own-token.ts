import { createPublicKey } from 'node:crypto'
import { compactVerify, decodeProtectedHeader } from 'jose'
import type { AuthorityContext } from '../context.ts'
import type { TokenAlgorithm } from './settings.ts'

/** What a token says that one of our keys has signed. Its time is not looked at. */
export interface OwnToken {
  /** Which kind of token it says it is; ID tokens may leave it out. */
  readonly typ: string | undefined
  readonly claims: Readonly<Record<string, unknown>>
}

/** Longest token that is looked at, in characters. */
const tokenCharactersMax = 16_384

/** Reads a token that our keys signed and we issued; undefined for anything else, `alg` none and foreign keys included. */
export async function readOwnToken(ctx: Pick<AuthorityContext, 'oidc' | 'baseUrl'>, text: string): Promise<OwnToken | undefined> {
  if (text.length > tokenCharactersMax) return undefined
  try {
    const { alg, kid, typ } = decodeProtectedHeader(text)
    const key = ctx.oidc.keys.find((candidate) => candidate.kid === kid)
    if (key === undefined || !key.algorithms.includes(alg as TokenAlgorithm)) return undefined
    const publicKey = createPublicKey(key.key.export({ type: 'pkcs8', format: 'pem' }).toString())
    const { payload } = await compactVerify(text, publicKey, { algorithms: [...key.algorithms] })
    const claims = JSON.parse(Buffer.from(payload).toString('utf8')) as OwnToken['claims']
    return claims['iss'] === ctx.baseUrl ? { typ, claims } : undefined
  } catch {
    return undefined
  }
}
