import { createHash, timingSafeEqual } from 'node:crypto'
import type { OidcClient } from './client.ts'

/** SHA-256, base64url: what is kept of a secret that this server made. */
export function hashOfSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url')
}

/** True when this is the secret of the client. Hashes are compared, so that neither length nor content shows in the time. */
export function isSecretOf(client: Pick<OidcClient, 'secret' | 'secretHash'> | undefined, secret: string): boolean {
  const kept = client?.secretHash ?? (client?.secret === undefined ? undefined : hashOfSecret(client.secret))
  return sameHash(kept ?? '', hashOfSecret(secret)) && kept !== undefined
}

/** Compares two hashes of one kind in constant time. */
export function sameHash(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return timingSafeEqual(left.length === right.length ? left : Buffer.alloc(right.length), right) && left.length === right.length
}
