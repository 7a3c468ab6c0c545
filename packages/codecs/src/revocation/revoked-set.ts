/** A fingerprint as the table looks for it: made once for a session that is asked about often. */
export interface RevocationKey {
  /** 16 octets as base64url; the first 8 count. */
  readonly fingerprint: string
  readonly high: number
  readonly low: number
}

export function revocationKey(fingerprint: string): RevocationKey {
  return { fingerprint, high: highOf(fingerprint), low: lowOf(fingerprint) }
}

/** What a sign of base64url stands for, by its code; no other sign gets here. */
const values = new Uint8Array(128)
for (const [value, sign] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries()) values[sign.charCodeAt(0)] = value

/** So many signs from that place on, as one number. */
function number(fingerprint: string, from: number, signs: number): number {
  let all = 0
  for (let i = from; i < from + signs; i++) all = (all << 6) | (values[fingerprint.charCodeAt(i) & 0x7f] ?? 0)
  return all
}

/** The first four octets, without making anything on the way: ten million are read so. */
function highOf(fingerprint: string): number {
  return ((number(fingerprint, 0, 5) << 2) | (number(fingerprint, 5, 1) >>> 4)) >>> 0
}

/** The next four. */
function lowOf(fingerprint: string): number {
  return ((number(fingerprint, 5, 1) << 28) | (number(fingerprint, 6, 4) << 4) | (number(fingerprint, 10, 1) >>> 2)) >>> 0
}

/**
 * The first eight octets of a fingerprint that stands there in octets, as two numbers of 32 bits with a sign: those are
 * passed on without being made into objects.
 */
export function highAt(octets: Uint8Array, at: number): number {
  return (numberAt(octets, at, 5) << 2) | (numberAt(octets, at + 5, 1) >>> 4)
}

export function lowAt(octets: Uint8Array, at: number): number {
  return (numberAt(octets, at + 5, 1) << 28) | (numberAt(octets, at + 6, 4) << 4) | (numberAt(octets, at + 10, 1) >>> 2)
}

function numberAt(octets: Uint8Array, from: number, signs: number): number {
  let all = 0
  for (let i = from; i < from + signs; i++) all = (all << 6) | (values[(octets[i] ?? 0) & 0x7f] ?? 0)
  return all
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
/** So much larger: the live ones of ten million then take 160 to 231 MB, whatever came before. */
const growth = 1.25
/**
 * Address space of a part. Its table grows in place: made elsewhere each time, the former tables of ten million entries
 * left about 80 MB behind that nothing else fitted into. What is not used of it takes no memory.
 */
const partBytesMax = 2 * 1024 * 1024
/** Words of a slot: two of the fingerprint, and the end in seconds since the epoch; 0 there: never used. */
const words = 3
const slotBytes = words * Uint32Array.BYTES_PER_ELEMENT

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
  /** Where the entries of a part stand while it is made anew. */
  #moved = new Uint32Array(0)

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
    this.addNumbers(highOf(fingerprint) | 0, lowOf(fingerprint) | 0, untilSeconds, nowSeconds)
  }

  /** The same for a fingerprint by {@link highAt} and {@link lowAt}: it makes nothing. */
  addNumbers(signedHigh: number, signedLow: number, untilSeconds: number, nowSeconds: number): void {
    const until = Math.min(untilSeconds, 0xffffffff)
    if (until <= nowSeconds) return
    const high = signedHigh >>> 0
    const low = signedLow >>> 0
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
    if (part === undefined) return this.#begin(number)
    if (part.taken + 1 > part.slots * loadMax) this.#renew(part, nowSeconds)
    return part
  }

  #begin(number: number): Part {
    const part: Part = { slots: slotsMin, table: tableOf(slotsMin, partBytesMax), taken: 0 }
    this.#parts[number] = part
    this.#bytes += part.table.byteLength
    return part
  }

  /** The same entries without those that are past, in a table of the size that is right for them. */
  #renew(part: Part, nowSeconds: number): void {
    const { table, taken } = part
    const { byteLength } = table
    const live = this.#move(table, nowSeconds)
    part.slots = slotsFor(live, part.slots)
    part.table = resized(table, part.slots)
    part.table.fill(0)
    const moved = this.#moved
    for (let at = 0; at < live * words; at += words) put(part, moved[at] ?? 0, moved[at + 1] ?? 0, moved[at + 2] ?? 0)
    part.taken = live
    this.#taken += live - taken
    this.#bytes += part.table.byteLength - byteLength
  }

  /** @returns how many entries go on at that second: they stand one after the other now */
  #move(table: Uint32Array, nowSeconds: number): number {
    if (this.#moved.length < table.length) this.#moved = new Uint32Array(table.length)
    const moved = this.#moved
    let to = 0
    for (let at = 0; at < table.length; at += words) {
      if ((table[at + 2] ?? 0) <= nowSeconds) continue
      for (let i = 0; i < words; i++) moved[to + i] = table[at + i] ?? 0
      to += words
    }
    return to / words
  }
}

interface Part {
  slots: number
  table: Uint32Array<ArrayBuffer>
  taken: number
}

function tableOf(slots: number, bytesMax: number): Uint32Array<ArrayBuffer> {
  return new Uint32Array(new ArrayBuffer(slots * slotBytes, { maxByteLength: bytesMax }))
}

/** The same table where it can be, with what stood in it in no order. */
function resized(table: Uint32Array<ArrayBuffer>, slots: number): Uint32Array<ArrayBuffer> {
  const bytes = slots * slotBytes
  if (bytes > table.buffer.maxByteLength) return tableOf(slots, bytes * 4)
  table.buffer.resize(bytes)
  return table
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

function slotsFor(live: number, slots: number): number {
  if (live > slots * liveMax) return Math.ceil(slots * growth)
  if (live < slots * liveMin) return Math.max(slotsMin, Math.ceil(live / (liveMax - liveMin)))
  return slots
}
