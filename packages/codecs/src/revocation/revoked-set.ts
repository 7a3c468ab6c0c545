/** A fingerprint as the table looks for it: made once for a session that is asked about often. */
export interface RevocationKey {
  /** 16 octets as base64url; the first 8 count. */
  readonly fingerprint: string
  readonly high: number
  readonly low: number
}

export function revocationKey(fingerprint: string): RevocationKey {
  const octets = Buffer.from(fingerprint.slice(0, 11), 'base64url')
  return { fingerprint, high: octets.readUInt32BE(0), low: octets.readUInt32BE(4) }
}

/** Parts of the table, by the first bits of a fingerprint: each is made anew by itself, so that no look-up waits for all. */
const partBits = 10
/** Slots of a part at its start. */
const slotsMin = 8
/** Part of the slots that may be taken before a part is made anew. */
const loadMax = 0.75
/** It gets larger when more of its slots than this are live then, and smaller when less than a quarter are. */
const liveMax = 0.65
const liveMin = 0.25
/** So much larger: the live ones of ten million then take 185 to 277 MB, whatever came before. */
const growth = 1.5
/** Words of a slot: two of the fingerprint, and the end in seconds since the epoch; 0 there: never used. */
const words = 3

/**
 * The revoked sessions, in memory: fingerprints in flat tables of 12 bytes a slot, so that ten million of them are
 * numbers and no objects. A session is known by 64 bits of its fingerprint; with ten million entries two sessions share them
 * once in 1.8e12 look-ups, and whom it meets signs in again.
 *
 * Entries only come; one whose time is over counts as absent and leaves when its part is made anew.
 */
export class RevokedSet {
  readonly #parts: (Part | undefined)[] = Array.from({ length: 1 << partBits })
  #taken = 0
  #bytes = 0

  /** Entries held, those whose time is over but that were not cleared yet included. */
  get size(): number {
    return this.#taken
  }

  /** Octets of the tables. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * @param fingerprint - 16 octets as base64url; the first 8 count
   * @param untilSeconds - seconds since the epoch; a later time than the known one wins
   */
  add(fingerprint: string, untilSeconds: number, nowSeconds: number): void {
    const until = Math.min(untilSeconds, 0xffffffff)
    if (until <= nowSeconds) return
    const { high, low } = revocationKey(fingerprint)
    const part = this.#roomFor(high >>> (32 - partBits), nowSeconds)
    if (!put(part, high, low, until)) return
    part.taken += 1
    this.#taken += 1
  }

  has({ high, low }: RevocationKey, nowSeconds: number): boolean {
    const part = this.#parts[high >>> (32 - partBits)]
    if (part === undefined) return false
    const { slots, table } = part
    for (let at = slotOf(low, slots); ; at = at + 1 === slots ? 0 : at + 1) {
      const until = table[at * words + 2] ?? 0
      if (until === 0) return false
      if (table[at * words] === high && table[at * words + 1] === low) return until > nowSeconds
    }
  }

  /** The part of this number, made anew without what is past where one more would be too many. */
  #roomFor(number: number, nowSeconds: number): Part {
    const part = this.#parts[number]
    if (part !== undefined && part.taken + 1 <= part.slots * loadMax) return part
    const fresh = part === undefined ? emptyPart(slotsMin) : renewed(part, nowSeconds)
    this.#parts[number] = fresh
    this.#taken += fresh.taken - (part?.taken ?? 0)
    this.#bytes += fresh.table.byteLength - (part?.table.byteLength ?? 0)
    return fresh
  }
}

interface Part {
  readonly slots: number
  readonly table: Uint32Array
  taken: number
}

function emptyPart(slots: number): Part {
  return { slots, table: new Uint32Array(slots * words), taken: 0 }
}

/** Where a search begins: the number is spread over the slots without a division. */
function slotOf(low: number, slots: number): number {
  return Math.floor((low * slots) / 0x1_0000_0000)
}

/** @returns true when it was not there */
function put({ slots, table }: Part, high: number, low: number, until: number): boolean {
  for (let at = slotOf(low, slots); ; at = at + 1 === slots ? 0 : at + 1) {
    const known = table[at * words + 2] ?? 0
    const isSame = known !== 0 && table[at * words] === high && table[at * words + 1] === low
    if (known !== 0 && !isSame) continue
    table[at * words] = high
    table[at * words + 1] = low
    table[at * words + 2] = Math.max(known, until)
    return !isSame
  }
}

/** The same without what is past. */
function renewed({ slots, table }: Part, nowSeconds: number): Part {
  let live = 0
  for (let at = 2; at < table.length; at += words) if ((table[at] ?? 0) > nowSeconds) live += 1
  const fresh = emptyPart(slotsFor(live, slots))
  for (let at = 0; at < table.length; at += words) {
    const until = table[at + 2] ?? 0
    if (until > nowSeconds) put(fresh, table[at] ?? 0, table[at + 1] ?? 0, until)
  }
  fresh.taken = live
  return fresh
}

function slotsFor(live: number, slots: number): number {
  if (live > slots * liveMax) return Math.ceil(slots * growth)
  if (live < slots * liveMin) return Math.max(slotsMin, Math.ceil(live / (liveMax - liveMin)))
  return slots
}
