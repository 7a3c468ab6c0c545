import { generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import type { SigningKey } from '@curfew/codecs'

let foreign: Promise<SigningKey> | undefined

/** A key that nobody knows the application by. Made when it is first needed: a start need not wait for it. */
export function foreignKey(): Promise<SigningKey> {
  foreign ??= promisify(generateKeyPair)('rsa', { modulusLength: 2048 }).then(({ privateKey }) => ({ key: privateKey, algorithm: 'rsa-sha256' }))
  return foreign
}
