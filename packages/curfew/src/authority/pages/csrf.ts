import { createHmac, type KeyObject, timingSafeEqual } from 'node:crypto'

/** Tokens that bind a form to the browser it was made for. Stateless: a keyed hash of the browser's own secret. */
export interface Csrf {
  /** @param binding - what only this browser has, such as the hash of its session cookie */
  token(binding: string): string
  check(binding: string, token: unknown): boolean
}

/** @param key - a secret key of this authority, used for nothing else */
export function createCsrf(key: KeyObject): Csrf {
  const token = (binding: string): string => createHmac('sha256', key).update(binding).digest('base64url')
  return {
    token,
    check(binding, given) {
      const expected = Buffer.from(token(binding))
      const received = Buffer.from(typeof given === 'string' ? given : '')
      return received.length === expected.length && timingSafeEqual(received, expected)
    }
  }
}
