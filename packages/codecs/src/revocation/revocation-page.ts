import { hash } from 'node:crypto'
import { type Claims, type TokenExpectation, verifyToken, wrong } from '../oidc/token.ts'

/** `typ` of a page of the revocation feed. */
export const revocationPageType = 'revocations+jwt'
/** `aud` of a page: whoever may read the feed. */
export const revocationPageAudience = 'curfew:revocations'
/** Most entries of one page. */
export const revocationPageEntriesMax = 4_000
/** Longest page that is read, in characters. */
export const revocationPageCharactersMax = 300_000

/** Longest name of a list. */
const revocationListNameCharactersMax = 128

/** One session that may not be used any more, until it could not be used anyway. */
export interface RevokedEntry {
  readonly fingerprint: string
  /** Seconds since the epoch. */
  readonly untilSeconds: number
}

/** A part of the revocation list, in its order: what follows position `prev`, up to position `seq`. */
export interface RevocationPage {
  /** The position that the reader must be at. */
  readonly prev: number
  /** The position after this page; equal to `prev` when nothing was revoked meanwhile. */
  readonly seq: number
  /** More entries are waiting: the reader does not know everything yet. */
  readonly hasMore: boolean
  /** Name of the list: positions of one say nothing about another. Absent where the authority is older than that. */
  readonly list?: string
  /** The last position that the list gave out. */
  readonly end?: number
  /** For how long the list remembers what is put on it, in seconds. Absent where the authority is older than that. */
  readonly lifetimeSeconds?: number
  readonly issuedAtMs: number
  readonly entries: readonly RevokedEntry[]
}

/** What the feed calls a session: its reference identifier can not be made from it. 22 characters. */
export function revocationFingerprint(sri: string): string {
  return hash('sha256', sri, 'buffer').toString('base64url', 0, 16)
}

/** The claims of a page, as they are signed. */
export function revocationPageClaims(page: Omit<RevocationPage, 'issuedAtMs'>): Record<string, unknown> {
  const { prev, seq, list, end, hasMore, lifetimeSeconds, entries } = page
  return {
    prev,
    seq,
    list,
    end,
    more: hasMore,
    lifetime: lifetimeSeconds,
    entries: entries.map(({ fingerprint, untilSeconds }) => [fingerprint, untilSeconds])
  }
}

/**
 * Checks one page of the feed. Whether it continues what the reader has is the reader's to compare (`prev`).
 * @throws those of {@link verifyToken}; CURFEW_OIDC_TOKEN_CLAIM for entries that are none
 */
export async function verifyRevocationPage(text: string, expected: Omit<TokenExpectation, 'audience' | 'charactersMax'>): Promise<RevocationPage> {
  const claims = await verifyToken(text, { ...expected, audience: revocationPageAudience, charactersMax: revocationPageCharactersMax }, [revocationPageType])
  const { prev, seq } = claims
  if (!isPosition(prev) || !isPosition(seq) || seq < prev) throw wrong('seq')
  const base = { prev, seq, hasMore: claims['more'] === true, issuedAtMs: Number(claims['iat']) * 1000, entries: entriesOf(claims) }
  return { ...base, ...listOf(claims), ...lifetimeOf(claims) }
}

function listOf({ list, end }: Claims): Pick<RevocationPage, 'list' | 'end'> {
  if (list === undefined && end === undefined) return {}
  if (typeof list !== 'string' || list === '' || list.length > revocationListNameCharactersMax) throw wrong('list')
  if (!isPosition(end)) throw wrong('end')
  return { list, end }
}

function lifetimeOf({ lifetime }: Claims): Pick<RevocationPage, 'lifetimeSeconds'> {
  if (lifetime === undefined) return {}
  if (!isPosition(lifetime)) throw wrong('lifetime')
  return { lifetimeSeconds: lifetime }
}

function isPosition(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function entriesOf({ entries }: Claims): readonly RevokedEntry[] {
  if (!Array.isArray(entries) || entries.length > revocationPageEntriesMax) throw wrong('entries')
  return entries.map((entry: unknown) => {
    const [fingerprint, untilSeconds] = Array.isArray(entry) ? (entry as readonly unknown[]) : []
    const isEntry = typeof fingerprint === 'string' && /^[\w-]{22}$/.test(fingerprint) && isPosition(untilSeconds)
    if (!isEntry) throw wrong('entries')
    return { fingerprint, untilSeconds }
  })
}
