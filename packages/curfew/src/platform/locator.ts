import { createCipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { GroupLetter } from '../core/group.ts'
import type { SessionId } from '../core/ids.ts'
import type { Random } from './random.ts'
import { createRecent } from './recent.ts'

/** Letter of a node that has no other groups around it. */
export const soleGroup: GroupLetter = 'a'
const bucketTagCharacters = '0123456789abcdefghijklmnopqrstuvwxyz'
const version = '1'
const tagBytes = 16
const locatorBytes = 19
/** Sealed identifiers that are remembered: one sign-in asks for the same ones several times. */
const sealedMax = 2_000

/**
 * Identifiers that locate themselves. A session id holds its group and bucket; what a partner gets (SessionIndex, SRI)
 * is that id, sealed for this partner: deterministic, unlinkable between partners, refused when forged.
 */
export interface Locator {
  /** `ses_` + letter of the group (1) + bucket tag (2) + 22 random characters. */
  newSessionId(): SessionId
  /** 48 characters; the same for the same partner and session. */
  seal(partner: string, sessionId: SessionId): string
  /** The session behind a sealed identifier; undefined when it was not made here for this partner. */
  open(partner: string, sealed: string): SessionId | undefined
}

/**
 * @param secrets - newest first; the newest seals, all of them open. At least 32 bytes each.
 * @param group - letter of the group that new sessions belong to
 */
export function createLocator(secrets: readonly Uint8Array[], random: Random, group: GroupLetter = soleGroup): Locator {
  const rings = secrets.map((secret) => ({ mac: derive(secret, 'curfew locator mac'), cipher: derive(secret, 'curfew locator cipher') }))
  const [newest] = rings
  if (newest === undefined) throw new TypeError('a locator needs at least one secret')
  const sealed = createRecent<string>(sealedMax)
  return {
    newSessionId() {
      const [first = 0, second = 0, ...rest] = random.bytes(18)
      const tag = (bucketTagCharacters[first % 36] ?? '0') + (bucketTagCharacters[second % 36] ?? '0')
      return `ses_${group}${tag}${Buffer.from(rest).toString('base64url')}`
    },
    seal: (partner, sessionId) =>
      sealed.get(`${sessionId}${partner}`, () => {
        const locator = pack(sessionId)
        const tag = tagOf(newest.mac, partner, locator)
        return version + Buffer.concat([tag, crypt(newest.cipher, tag, locator)]).toString('base64url')
      }),
    open(partner, sealed) {
      const octets = decode(sealed)
      if (octets === undefined) return undefined
      const tag = octets.subarray(0, tagBytes)
      for (const ring of rings) {
        const locator = crypt(ring.cipher, tag, octets.subarray(tagBytes))
        if (timingSafeEqual(tagOf(ring.mac, partner, locator), tag)) return unpack(locator)
      }
      return undefined
    }
  }
}

/** A sealed identifier has one spelling only: characters and unused last bits are checked. */
function decode(sealed: string): Buffer | undefined {
  if (sealed.length !== 48 || !sealed.startsWith(version)) return undefined
  const octets = Buffer.from(sealed.slice(1), 'base64url')
  return octets.length === tagBytes + locatorBytes && octets.toString('base64url') === sealed.slice(1) ? octets : undefined
}

function pack(sessionId: SessionId): Buffer {
  const body = sessionId.slice(4)
  const random = Buffer.from(body.slice(3), 'base64url')
  if (body.length !== 25 || random.length !== 16) throw new TypeError('not a session id of this authority')
  return Buffer.concat([Buffer.from(body.slice(0, 3), 'latin1'), random])
}

function unpack(locator: Buffer): SessionId {
  return `ses_${locator.toString('latin1', 0, 3)}${locator.toString('base64url', 3)}`
}

function tagOf(key: Buffer, partner: string, locator: Buffer): Buffer {
  return createHmac('sha256', key).update(partner).update('\0').update(locator).digest().subarray(0, tagBytes)
}

/** AES-256-CTR with the tag as initial counter: encrypting and decrypting are the same. */
function crypt(key: Buffer, iv: Uint8Array, data: Uint8Array): Buffer {
  return createCipheriv('aes-256-ctr', key, iv).update(data)
}

function derive(secret: Uint8Array, use: string): Buffer {
  if (secret.length < 32) throw new TypeError('a locator secret has at least 32 bytes')
  return Buffer.from(hkdfSync('sha256', secret, '', use, 32))
}
