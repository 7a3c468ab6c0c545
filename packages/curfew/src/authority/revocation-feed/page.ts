import { revocationFingerprint, revocationPageAudience, revocationPageClaims, revocationPageEntriesMax, revocationPageType } from '@curfew/codecs'
import { SignJWT } from 'jose'
import type { RevocationEntry, RevocationListMark } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import type { TokenAlgorithm, TokenKey } from '../oidc/settings.ts'

/** A part of the list, signed, and where it leads to. */
export interface SignedPage {
  readonly token: string
  readonly seq: number
  readonly hasMore: boolean
}

/** The cheap ones first: a page is signed for every change. */
const preferred: readonly TokenAlgorithm[] = ['EdDSA', 'ES256', 'RS256', 'PS256']
/** Signed pages kept for readers that stand at the same place. */
const keptMax = 64

/** Reads and signs pages of the revocation list; readers at one place share one signature. */
export function createPages(
  ctx: Pick<AuthorityContext, 'store' | 'clock' | 'oidc' | 'baseUrl' | 'sriRevocationMs'>
): (position: number) => Promise<SignedPage> {
  const kept = new Map<string, Promise<SignedPage>>()
  const signer = signerOf(ctx.oidc.keys)
  return async (position) => {
    const entries = await ctx.store.revocationFeed(position, revocationPageEntriesMax)
    // Read after the entries: its end is not before theirs.
    const list = await ctx.store.revocationList()
    const seq = entries.at(-1)?.cursor ?? position
    const second = Math.floor(ctx.clock.nowMs() / 1000)
    const key = `${position} ${seq} ${second} ${list.end} ${list.id}`
    const page =
      kept.get(key) ?? signPage(ctx.baseUrl, signer, { prev: position, seq, second, entries, list, lifetimeSeconds: Math.floor(ctx.sriRevocationMs / 1000) })
    if (kept.size >= keptMax) kept.clear()
    kept.set(key, page)
    return page
  }
}

interface Signer extends TokenKey {
  readonly algorithm: TokenAlgorithm
}

function signerOf(keys: readonly TokenKey[]): Signer {
  for (const algorithm of preferred) {
    const key = keys.find(({ algorithms }) => algorithms.includes(algorithm))
    if (key !== undefined) return { ...key, algorithm }
  }
  throw new TypeError('an authority has a key that signs tokens')
}

interface PageParts {
  readonly prev: number
  readonly seq: number
  readonly second: number
  readonly entries: readonly RevocationEntry[]
  readonly list: RevocationListMark
  readonly lifetimeSeconds: number
}

async function signPage(
  issuer: string,
  { key, kid, algorithm }: Signer,
  { prev, seq, second, entries, list, lifetimeSeconds }: PageParts
): Promise<SignedPage> {
  const hasMore = entries.length === revocationPageEntriesMax
  const listed = entries.map(({ sri, untilMs }) => ({ fingerprint: revocationFingerprint(sri), untilSeconds: Math.ceil(untilMs / 1000) }))
  const token = await new SignJWT(revocationPageClaims({ prev, seq, hasMore, entries: listed, list: list.id, end: list.end, lifetimeSeconds }))
    .setProtectedHeader({ alg: algorithm, kid, typ: revocationPageType })
    .setIssuer(issuer)
    .setAudience(revocationPageAudience)
    .setIssuedAt(second)
    .sign(key)
  return { token, seq, hasMore }
}
