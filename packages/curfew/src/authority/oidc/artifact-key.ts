import { createHash } from 'node:crypto'

/** Secrets are not kept: what finds an artifact is the hash of what the client holds. */
export function keyOf(id: string): string {
  return createHash('sha256').update(id).digest('base64url')
}
