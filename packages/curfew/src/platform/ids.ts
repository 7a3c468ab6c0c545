import type { GroupLetter } from '../core/group.ts'
import type { DeliveryId, RunId } from '../core/ids.ts'
import { soleGroup } from './locator.ts'
import type { Random } from './random.ts'

const crockford = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/**
 * Makes the identifiers of the product from one source of randomness. Those that come back to us begin with the letter of
 * the group that made them, after their prefix (`groupOf` reads it).
 */
export interface Ids {
  /** The letter that they begin with. */
  readonly group: GroupLetter
  /** `run_`, the letter and 16 characters, 80 bits: part of the address of a sign-off page. */
  run(): RunId
  /** `dlv_` and 16 characters. */
  delivery(): DeliveryId
  /** `_`, the letter and 40 hex digits, as SAML IDs have to be: unpredictable and not starting with a digit. */
  message(): string
  /** Value of the session cookie, or the random part of a resume path: the letter and 21 characters, 126 bits. */
  cookie(): string
  /** Value of the persistent cookie: the letter and 31 characters. */
  persistentCookie(): string
  /** `msg_` and 10 characters: the reference on an error page. */
  reference(): string
}

/** @param group - letter of the group that makes them */
export function createIds(random: Random, group: GroupLetter = soleGroup): Ids {
  const base64url = (bytes: number): string => Buffer.from(random.bytes(bytes)).toString('base64url')
  return {
    group,
    run: () => `run_${group}${base32(random.bytes(10))}`,
    delivery: () => `dlv_${base32(random.bytes(10))}`,
    message: () => `_${group}${Buffer.from(random.bytes(20)).toString('hex')}`,
    cookie: () => group + base64url(17).slice(0, 21),
    persistentCookie: () => group + base64url(24).slice(0, 31),
    reference: () => `msg_${base32(random.bytes(7)).slice(0, 10)}`
  }
}

/** Crockford base 32: no letter that is read as another. */
function base32(bytes: Uint8Array): string {
  let bits = 0
  let count = 0
  let out = ''
  for (const byte of bytes) {
    bits = (bits << 8) | byte
    count += 8
    while (count >= 5) {
      count -= 5
      out += crockford[(bits >> count) & 31]
    }
    bits &= (1 << count) - 1
  }
  return out
}
