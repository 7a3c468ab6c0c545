import { createECDH, createPrivateKey, createPublicKey, hkdfSync, type KeyObject } from 'node:crypto'

/** Keys of cookies change so often. */
export const keyPeriodMs = 24 * 3_600_000
/** Order of the group of P-256 (SEC 2, section 2.4.2). */
const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** The period that a moment lies in; its number is the name of its keys. */
export function periodOf(nowMs: number): number {
  return Math.floor(nowMs / keyPeriodMs)
}

/**
 * Periods whose cookies may still be good: a cookie lives for `maxMs` at the most. The next one counts as well, since
 * the clock of another gateway may be ahead.
 */
export function readablePeriods(nowMs: number, maxMs: number): readonly number[] {
  const now = periodOf(nowMs)
  const before = periodOf(nowMs - maxMs)
  return Array.from({ length: now + 1 - before + 1 }, (_, i) => now + 1 - i)
}

/** 32 octets for one use: every gateway with the same secret has the same. */
export function deriveKey(secret: Uint8Array, use: string): Buffer {
  if (secret.length < 32) throw new TypeError('the secret of a gateway has at least 32 bytes')
  return Buffer.from(hkdfSync('sha256', secret, '', `curfew gateway ${use}`, 32))
}

/**
 * A P-256 key pair for one use, from the secret alone: gateways sign alike without telling each other.
 * @see FIPS 186-5 appendix A.2.1 (extra random bits): 384 bits are taken modulo the order
 */
export function deriveKeyPair(secret: Uint8Array, use: string): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  if (secret.length < 32) throw new TypeError('the secret of a gateway has at least 32 bytes')
  const bits = BigInt(`0x${Buffer.from(hkdfSync('sha256', secret, '', `curfew gateway pair ${use}`, 48)).toString('hex')}`)
  const scalar = Buffer.from(((bits % (order - 1n)) + 1n).toString(16).padStart(64, '0'), 'hex')
  const curve = createECDH('prime256v1')
  curve.setPrivateKey(scalar)
  const point = curve.getPublicKey()
  const jwk = { kty: 'EC', crv: 'P-256', x: point.toString('base64url', 1, 33), y: point.toString('base64url', 33, 65) }
  return {
    privateKey: createPrivateKey({ key: { ...jwk, d: scalar.toString('base64url') }, format: 'jwk' }),
    publicKey: createPublicKey({ key: jwk, format: 'jwk' })
  }
}
