import { argon2, timingSafeEqual } from 'node:crypto'
import type { Random } from './random.ts'

/** argon2id with 19 MiB and 2 passes: the smallest recommended set, about 40 ms. */
const parameters = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const
/** Longest password that is hashed, in bytes. */
export const passwordBytesMax = 1024

/** Hashes a password as a PHC string `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`. */
export async function hashPassword(password: string, random: Random): Promise<string> {
  const salt = Buffer.from(random.bytes(16))
  const tag = await derive(password, salt, parameters)
  return `$argon2id$v=19$m=${parameters.memory},t=${parameters.passes},p=${parameters.parallelism}$${unpadded(salt)}$${unpadded(tag)}`
}

/** Compares in constant time. False for a hash that can't be read. */
export async function verifyPassword(phc: string, password: string): Promise<boolean> {
  const match = /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(phc)
  if (match === null || Buffer.byteLength(password) > passwordBytesMax) return false
  const [, memory = '', passes = '', parallelism = '', salt = '', hash = ''] = match
  const expected = Buffer.from(hash, 'base64')
  const cost = { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism), tagLength: expected.length }
  const isBounded = cost.memory <= 1_048_576 && cost.passes >= 1 && cost.parallelism >= 1 && expected.length >= 16
  if (!isBounded) return false
  return timingSafeEqual(await derive(password, Buffer.from(salt, 'base64'), cost), expected)
}

function derive(password: string, nonce: Buffer, cost: { memory: number; passes: number; parallelism: number; tagLength: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2('argon2id', { message: Buffer.from(password), nonce, ...cost }, (error, tag) => (error === null ? resolve(tag) : reject(error)))
  })
}

function unpadded(octets: Uint8Array): string {
  return Buffer.from(octets).toString('base64').replace(/=+$/, '')
}
