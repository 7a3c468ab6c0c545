/** Numbers that repeat: the same seed gives the same row. */
export interface Seeded {
  /** A whole number from 0 up to and without `below`. */
  below(below: number): number
  one<T>(from: readonly T[]): T
}

export function seeded(seed: number): Seeded {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (limit: number): number => next() % limit
  return { below, one: (from) => from[below(from.length)] as (typeof from)[number] }
}

/** The seed of this run: `CURFEW_SEED` replays one that failed. */
export function seedOfRun(): number {
  return Number(process.env['CURFEW_SEED'] ?? Math.floor(Math.random() * 2 ** 32)) >>> 0
}
