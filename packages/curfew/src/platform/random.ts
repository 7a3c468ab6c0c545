import { randomBytes, randomInt } from 'node:crypto'

/** Randomness, by argument: production passes {@link systemRandom}, tests and the simulation a seeded one. */
export interface Random {
  bytes(count: number): Uint8Array
  /** Uniform in [0, 1). Spreads retries; not for secrets. */
  fraction(): number
}

/** The cryptographic generator of this machine. */
export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  fraction: () => randomInt(2 ** 40) / 2 ** 40
}
