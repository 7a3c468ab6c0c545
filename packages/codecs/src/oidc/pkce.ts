import { hash } from 'node:crypto'

/** The challenge that goes with a code verifier by method S256 (RFC 7636 section 4.2). */
export function codeChallenge(verifier: string): string {
  return hash('sha256', verifier, 'base64url')
}
