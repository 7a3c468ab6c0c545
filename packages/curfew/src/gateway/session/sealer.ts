import { createCipheriv, createDecipheriv, type KeyObject, sign, verify } from 'node:crypto'
import type { Random } from '../../platform/random.ts'
import { deriveKey, deriveKeyPair, periodOf, readablePeriods } from './cookie-keys.ts'

/** Turns a text into a cookie value that only gateways with the same secret can make. */
export interface Sealer {
  seal(text: string, nowMs: number): string
  /** The text, or undefined for anything that no gateway made, or made with a key that is too old. Never throws. */
  open(value: string, nowMs: number): string | undefined
}

/** Longest value that is looked at, in characters. A browser keeps no longer one. */
export const cookieCharactersMax = 4_093
const ivBytes = 12
const tagBytes = 16

interface Ring<K> {
  newest(nowMs: number): { readonly header: string; readonly key: K }
  byHeader(header: string, nowMs: number): K | undefined
}

/** The keys of every period that cookies can come from, by the one header that each may have. */
function ringOf<K>(maxMs: number, make: (period: number) => { readonly header: string; readonly key: K }): Ring<K> {
  const kept = { period: -1, newest: undefined as { readonly header: string; readonly key: K } | undefined, all: new Map<string, K>() }
  const at = (nowMs: number): typeof kept => {
    const period = periodOf(nowMs)
    if (period === kept.period) return kept
    kept.period = period
    kept.newest = make(period)
    kept.all = new Map(
      readablePeriods(nowMs, maxMs)
        .map((readable) => make(readable))
        .map(({ header, key }) => [header, key])
    )
    return kept
  }
  return {
    newest: (nowMs) => at(nowMs).newest ?? make(periodOf(nowMs)),
    byHeader: (header, nowMs) => at(nowMs).all.get(header)
  }
}

function headerOf(fields: Readonly<Record<string, string>>): string {
  return Buffer.from(JSON.stringify(fields)).toString('base64url')
}

export interface SealerOptions {
  readonly secret: Uint8Array
  /** Sealed for one use only: what another sealer made is foreign. */
  readonly use: string
  /** How long a sealed value may be good for. */
  readonly maxMs: number
  readonly random: Random
}

/**
 * Compact JWE, `dir` and A256GCM; the header is compared as a whole, so that nothing in it can be chosen from outside.
 * @see RFC 7516 section 3.1
 */
export function createEncryptedSealer({ secret, use, maxMs, random }: SealerOptions): Sealer {
  const ring = ringOf(maxMs, (period) => ({
    header: headerOf({ alg: 'dir', enc: 'A256GCM', kid: String(period) }),
    key: deriveKey(secret, `${use} ${period}`)
  }))
  return {
    seal(text, nowMs) {
      const { header, key } = ring.newest(nowMs)
      const iv = random.bytes(ivBytes)
      const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes })
      cipher.setAAD(Buffer.from(header, 'latin1'))
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return `${header}..${Buffer.from(iv).toString('base64url')}.${sealed.toString('base64url')}.${cipher.getAuthTag().toString('base64url')}`
    },
    open(value, nowMs) {
      const [header = '', wrapped, iv = '', sealed = '', tag = '', ...more] = value.length > cookieCharactersMax ? [] : value.split('.')
      const key = wrapped === '' && more.length === 0 ? ring.byHeader(header, nowMs) : undefined
      const octets = { iv: strict(iv), sealed: strict(sealed), tag: strict(tag) }
      if (key === undefined || octets.iv?.length !== ivBytes || octets.tag?.length !== tagBytes || octets.sealed === undefined) return undefined
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, octets.iv, { authTagLength: tagBytes })
        decipher.setAAD(Buffer.from(header, 'latin1'))
        decipher.setAuthTag(octets.tag)
        return Buffer.concat([decipher.update(octets.sealed), decipher.final()]).toString('utf8')
      } catch {
        // Not made with this key, or changed since.
        return undefined
      }
    }
  }
}

/** Name of the key of one use and period: no two keys of a gateway have the same. */
export function signingKeyId(use: string, period: number): string {
  return `${use.replaceAll(' ', '-')}-${period}`
}

/** Key pairs of the cookies of one use: the private one signs, the public one is published. */
export function signingPair(secret: Uint8Array, use: string, period: number): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  return deriveKeyPair(secret, `${use} ${period}`)
}

/** Signed JWT (ES256): anybody with the published key can read and check it, nobody else can make one. */
export function createSignedSealer({ secret, use, maxMs }: SealerOptions): Sealer {
  const ring = ringOf(maxMs, (period) => ({
    header: headerOf({ alg: 'ES256', kid: signingKeyId(use, period), typ: 'JWT' }),
    key: signingPair(secret, use, period)
  }))
  return {
    seal(text, nowMs) {
      const { header, key } = ring.newest(nowMs)
      const input = `${header}.${Buffer.from(text).toString('base64url')}`
      return `${input}.${sign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
    },
    open(value, nowMs) {
      const [header = '', payload = '', signature = '', ...more] = value.length > cookieCharactersMax ? [] : value.split('.')
      const key = more.length === 0 ? ring.byHeader(header, nowMs) : undefined
      const octets = { payload: strict(payload), signature: strict(signature) }
      if (key === undefined || octets.payload === undefined || octets.signature?.length !== 64) return undefined
      const isGood = verify('sha256', Buffer.from(`${header}.${payload}`), { key: key.publicKey, dsaEncoding: 'ieee-p1363' }, octets.signature)
      return isGood ? octets.payload.toString('utf8') : undefined
    }
  }
}

/** base64url with one spelling only. */
function strict(text: string): Buffer | undefined {
  const octets = Buffer.from(text, 'base64url')
  return octets.toString('base64url') === text ? octets : undefined
}
