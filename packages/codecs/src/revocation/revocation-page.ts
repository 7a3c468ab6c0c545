import { hash } from 'node:crypto'
import { type Claims, claimsIn, refusal, requireAddressed, type TokenExpectation, verifyToken, wrong } from '../oidc/token.ts'
import { verifyTokenOctets } from '../oidc/token-octets.ts'
import { highAt, lowAt } from './revoked-set.ts'

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

/**
 * A part of the revocation list, in its order: what follows position `prev`, up to position `seq`.
 * @typeParam Entries - those of a page that is read while the list comes in are made one by one, as they are asked for
 */
export interface RevocationPage<Entries extends Iterable<RevokedEntry> = readonly RevokedEntry[]> {
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
  readonly entries: Entries
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
  const claims = await verifyToken(text, pageExpectation(expected), [revocationPageType])
  return pageOf(claims, entriesOf(claims))
}

function pageExpectation(expected: Omit<TokenExpectation, 'audience' | 'charactersMax'>): TokenExpectation {
  return { ...expected, audience: revocationPageAudience, charactersMax: revocationPageCharactersMax }
}

function pageOf<Entries extends Iterable<RevokedEntry>>(claims: Claims, entries: Entries): RevocationPage<Entries> {
  const { prev, seq } = claims
  if (!isPosition(prev) || !isPosition(seq) || seq < prev) throw wrong('seq')
  const base = { prev, seq, hasMore: claims['more'] === true, issuedAtMs: Number(claims['iat']) * 1000, entries }
  return { ...base, ...listOf(claims), ...lifetimeOf(claims) }
}

/** Reads pages one after the other, each in the place of the one before. */
export interface RevocationPageReader {
  /**
   * The same as {@link verifyRevocationPage}, and next to nothing is made on the way: it is how a list of millions comes in.
   * @returns a page whose entries are good until the next is read
   */
  read(token: Buffer, expected: Omit<TokenExpectation, 'audience' | 'charactersMax'>): Promise<RevocationPage<Iterable<RevokedEntry>>>
}

export function createRevocationPageReader(): RevocationPageReader {
  let room = Buffer.alloc(0)
  return {
    async read(token, expected) {
      if (room.length < token.length) room = Buffer.allocUnsafeSlow(Math.min(token.length * 2, revocationPageCharactersMax))
      const expectation = pageExpectation(expected)
      const payload = room.subarray(0, await verifyTokenOctets(token, room, expectation, [revocationPageType]))
      const { json, entries } = setApart(payload)
      const claims = claimsOf(json)
      requireAddressed(claims, expectation)
      const isApart = entries !== undefined && claims['entries'] === apart
      if (isApart && entries.count > revocationPageEntriesMax) throw wrong('entries')
      return pageOf(claims, isApart ? entries : entriesOf(entries === undefined ? claims : claimsOf(payload.toString())))
    }
  }
}

function claimsOf(json: string): Claims {
  try {
    return claimsIn(json)
  } catch (cause) {
    throw refusal(cause)
  }
}

const entriesStart = Buffer.from('"entries":[[')
/** Stands where the entries stood. */
const apart = 0
const codes = { quote: 0x22, comma: 0x2c, open: 0x5b, close: 0x5d } as const
/** Characters before, of and behind a fingerprint: `["`, 22, `",`. */
const [before, ofFingerprint, behind] = [2, 22, 2]
/** Digits that a time may have. */
const digitsMax = 15

interface Apart {
  /** The claims, without entries where those stand in the one way that the authority writes them. */
  readonly json: string
  readonly entries: EntriesInPlace | undefined
}

/** The entries are read where they lie; whatever is written in any other way than without a space is left to JSON. */
function setApart(payload: Buffer): Apart {
  const at = payload.indexOf(entriesStart)
  const from = at + entriesStart.length - 1
  const found = at < 0 ? undefined : entriesAt(payload, from)
  if (found === undefined) return { json: payload.toString(), entries: undefined }
  return { json: `${payload.toString('utf8', 0, from - 1)}${apart}${payload.toString('utf8', found.end + 1)}`, entries: found.entries }
}

/** @returns undefined unless all of them are written as expected, up to the bracket that closes them */
function entriesAt(payload: Buffer, from: number): { readonly entries: EntriesInPlace; readonly end: number } | undefined {
  let at = from
  for (let count = 1; ; count++) {
    at = endOfEntry(payload, at)
    if (at < 0) return undefined
    if (payload[at] === codes.close) return { entries: new EntriesInPlace(payload, from, count), end: at }
    if (payload[at] !== codes.comma) return undefined
    at += 1
  }
}

/** Behind the bracket that closes the entry that begins there; -1 when it is written in another way. */
function endOfEntry(payload: Buffer, from: number): number {
  if (payload[from] !== codes.open || payload[from + 1] !== codes.quote) return -1
  const end = from + before + ofFingerprint
  for (let at = from + before; at < end; at++) if (!isOfFingerprint(payload[at] ?? 0)) return -1
  if (payload[end] !== codes.quote || payload[end + 1] !== codes.comma) return -1
  let at = end + behind
  while (isDigit(payload[at] ?? 0)) at += 1
  const digits = at - end - behind
  const hasNoMeaning = digits === 0 || digits > digitsMax || (digits > 1 && payload[end + behind] === 0x30)
  return hasNoMeaning || payload[at] !== codes.close ? -1 : at + 1
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39
}

function isOfFingerprint(code: number): boolean {
  return isDigit(code) || (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x2d || code === 0x5f
}

/** The entries of a page that is read where it lies. */
export class EntriesInPlace implements Iterable<RevokedEntry> {
  readonly count: number
  readonly #payload: Buffer
  readonly #from: number

  constructor(payload: Buffer, from: number, count: number) {
    this.#payload = payload
    this.#from = from
    this.count = count
  }

  /**
   * Goes through all without making anything: ten million entries are as much garbage otherwise as they are entries.
   * @param visit - `at`: what {@link fingerprintAt} takes
   */
  each(visit: (high: number, low: number, untilSeconds: number, at: number) => void): void {
    const payload = this.#payload
    for (let i = 0, at = this.#from; i < this.count; i++) {
      const start = at + before
      let untilSeconds = 0
      for (at = start + ofFingerprint + behind; payload[at] !== codes.close; at++) untilSeconds = untilSeconds * 10 + (payload[at] ?? 0) - 0x30
      visit(highAt(payload, start), lowAt(payload, start), untilSeconds, start)
      // Behind the bracket, and the comma between two.
      at += 2
    }
  }

  fingerprintAt(at: number): string {
    return this.#payload.toString('latin1', at, at + ofFingerprint)
  }

  [Symbol.iterator](): Iterator<RevokedEntry> {
    const entries: RevokedEntry[] = []
    this.each((_high, _low, untilSeconds, at) => entries.push({ fingerprint: this.fingerprintAt(at), untilSeconds }))
    return entries.values()
  }
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
