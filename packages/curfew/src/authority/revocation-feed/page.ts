import { revocationFingerprint, revocationPageAudience, revocationPageClaims, revocationPageEntriesMax, revocationPageType } from '@curfew/codecs'
import { SignJWT } from 'jose'
import type { RevocationEntry, RevocationListMark, Store } from '../../stores/store.ts'
import type { AuthorityContext } from '../context.ts'
import type { OidcSettings, TokenAlgorithm, TokenKey } from '../oidc/settings.ts'
import { shareByKey } from './share-by-key.ts'

/** A part of the list, signed, and where it leads to. */
export interface SignedPage {
  readonly token: string
  readonly seq: number
  readonly hasMore: boolean
}

type PagesContext = Pick<AuthorityContext, 'clock' | 'baseUrl' | 'sriRevocationMs'> & {
  readonly store: Pick<Store, 'revocationFeed' | 'revocationList'>
  readonly oidc: Pick<OidcSettings, 'keys'>
}

/** The cheap ones first: a page is signed for every change. */
const preferred: readonly TokenAlgorithm[] = ['EdDSA', 'ES256', 'RS256', 'PS256']
/** Signed pages kept for readers that stand at the same place. */
const keptMax = 64

interface KeptPage {
  /** What is on it, and when it was signed. */
  readonly mark: string
  readonly second: number
  readonly isFull: boolean
  readonly page: Promise<SignedPage>
}

/** Reads and signs pages of the revocation list; readers at one place share what was read, and one signature. */
export function createPages(ctx: PagesContext): (position: number) => Promise<SignedPage> {
  const kept = new Map<number, KeptPage>()
  const signer = signerOf(ctx.oidc.keys)
  const read = async (position: number): Promise<SignedPage> => {
    // Before the list is read: what comes onto it meanwhile may be missing on the page.
    const second = Math.floor(ctx.clock.nowMs() / 1000)
    const known = kept.get(position)
    // Nothing comes onto a page that is full already.
    if (known !== undefined && known.isFull && known.second === second) return known.page
    const entries = await ctx.store.revocationFeed(position, revocationPageEntriesMax)
    // Read after the entries: its end is not before theirs.
    const list = await ctx.store.revocationList()
    const seq = entries.at(-1)?.cursor ?? position
    const mark = `${seq} ${second} ${list.end} ${list.id}`
    if (known?.mark === mark) return known.page
    const page = signPage(ctx.baseUrl, signer, { prev: position, seq, second, entries, list, lifetimeSeconds: Math.floor(ctx.sriRevocationMs / 1000) })
    if (kept.size >= keptMax) kept.clear()
    kept.set(position, { mark, second, isFull: entries.length === revocationPageEntriesMax, page })
    return page
  }
  return shareByKey(read)
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
