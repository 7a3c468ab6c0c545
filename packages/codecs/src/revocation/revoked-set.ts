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

/** Slots at the start; a power of two. */
const slotsMin = 1 << 10
/** Part of the slots that may be taken before the table is made anew. */
const loadMax = 0.75

/**
 * The revoked sessions, in memory: fingerprints in a flat table of 12 bytes a slot, so that ten million of them are
 * two numbers each and no object. A session is known by 64 bits of its fingerprint; with ten million entries two
 * sessions share them once in 1.8e12 look-ups, and whom it meets signs in again.
 *
 * Entries only come; one whose time is over counts as absent and leaves when the table is made anew.
 */
export class RevokedSet {
  #slots: number
  #taken = 0
  #high: Uint32Array
  #low: Uint32Array
  /** Seconds since the epoch; 0: the slot was never used. */
  #until: Uint32Array

  constructor() {
    this.#slots = slotsMin
    this.#high = new Uint32Array(slotsMin)
    this.#low = new Uint32Array(slotsMin)
    this.#until = new Uint32Array(slotsMin)
  }

  /** Entries held, those whose time is over but that were not cleared yet included. */
  get size(): number {
    return this.#taken
  }

  /** Octets of the table. */
  get bytes(): number {
    return this.#slots * 12
  }

  /**
   * @param fingerprint - 16 octets as base64url; the first 8 count
   * @param untilSeconds - seconds since the epoch; a later time than the known one wins
   */
  add(fingerprint: string, untilSeconds: number, nowSeconds: number): void {
    const until = Math.min(untilSeconds, 0xffffffff)
    if (until <= nowSeconds) return
    if (this.#taken + 1 > this.#slots * loadMax) this.#renew(nowSeconds)
    const { high, low } = revocationKey(fingerprint)
    this.#put(high, low, until)
  }

  has({ high, low }: RevocationKey, nowSeconds: number): boolean {
    const mask = this.#slots - 1
    for (let at = low & mask; ; at = (at + 1) & mask) {
      const until = this.#until[at] ?? 0
      if (until === 0) return false
      if (this.#high[at] === high && this.#low[at] === low) return until > nowSeconds
    }
  }

  #put(high: number, low: number, until: number): void {
    const mask = this.#slots - 1
    for (let at = low & mask; ; at = (at + 1) & mask) {
      const known = this.#until[at] ?? 0
      const isSame = known !== 0 && this.#high[at] === high && this.#low[at] === low
      if (known !== 0 && !isSame) continue
      if (known === 0) this.#taken += 1
      this.#high[at] = high
      this.#low[at] = low
      this.#until[at] = Math.max(known, until)
      return
    }
  }

  /** Makes the table anew without what is past, twice as large when it stays more than half as full as it may be. */
  #renew(nowSeconds: number): void {
    const [high, low, until] = [this.#high, this.#low, this.#until]
    const live = until.reduce((count, one) => (one > nowSeconds ? count + 1 : count), 0)
    const slots = live * 2 > this.#slots * loadMax ? this.#slots * 2 : this.#slots
    this.#slots = slots
    this.#taken = 0
    this.#high = new Uint32Array(slots)
    this.#low = new Uint32Array(slots)
    this.#until = new Uint32Array(slots)
    for (let at = 0; at < until.length; at++) {
      const time = until[at] ?? 0
      if (time > nowSeconds) this.#put(high[at] ?? 0, low[at] ?? 0, time)
    }
  }
}
