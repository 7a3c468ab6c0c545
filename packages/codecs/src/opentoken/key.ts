import { pbkdf2Sync } from 'node:crypto'
import { CurfewError } from '../errors.ts'
import { openTokenSuites, type OpenTokenSuite, type OpenTokenSuiteId } from './suite.ts'

declare const made: unique symbol // not exported: only this file makes keys

/** A key of one suite, for encrypting and for the MAC alike. */
export interface OpenTokenKey {
  readonly suite: OpenTokenSuite
  readonly octets: Uint8Array
  readonly [made]: true
}

const iterations = 1000
const salt = Buffer.alloc(8)

/**
 * Derives the key of a suite from the password that both sides know: PBKDF2 with HMAC-SHA1, 8 zero bytes of salt and
 * 1000 iterations, as the wire format has it. It takes about a millisecond: derive once, keep the key.
 *
 * @param password - the octets as configured; text counts as UTF-8
 * @throws CURFEW_OPENTOKEN_KEY when the password is empty
 * @see draft-smith-opentoken-02, Cipher Suites
 */
export function openTokenKey(suite: OpenTokenSuiteId, password: string | Uint8Array): OpenTokenKey {
  if (password.length === 0) throw new CurfewError('CURFEW_OPENTOKEN_KEY', { why: 'the password is empty' })
  const entry = suiteOf(suite)
  return make(entry, pbkdf2Sync(password, salt, iterations, entry.keyBytes, 'sha1'))
}

/**
 * Takes a key as it is, without a password.
 * @throws CURFEW_OPENTOKEN_KEY when it does not have the length of the suite
 */
export function openTokenRawKey(suite: OpenTokenSuiteId, octets: Uint8Array): OpenTokenKey {
  const entry = suiteOf(suite)
  if (octets.length !== entry.keyBytes) throw new CurfewError('CURFEW_OPENTOKEN_KEY', { suite, bytes: octets.length, expected: entry.keyBytes })
  return make(entry, octets)
}

/** Has to stand in code to make {@link unsafeNullSuiteKey}: no configuration can reach it. */
export const unsafeAllowNullSuite: unique symbol = Symbol('tokens of suite 0 can be made by anybody')

/** The key of suite 0. Its tokens are neither secret nor authentic: for looking at them in tests only. */
export function unsafeNullSuiteKey(_options: { readonly [unsafeAllowNullSuite]: true }): OpenTokenKey {
  return make(suiteOf(0), new Uint8Array())
}

function suiteOf(id: OpenTokenSuite['id']): OpenTokenSuite {
  const found = openTokenSuites[id]
  if (found === undefined) throw new CurfewError('CURFEW_OPENTOKEN_KEY', { suite: id })
  return found
}

function make(suite: OpenTokenSuite, octets: Uint8Array): OpenTokenKey {
  return { suite, octets } as OpenTokenKey
}
