import { storeError } from '../store-error.ts'

/**
 * What is stored has a format, a number that only grows. This program reads this one and the one before; which one is
 * written stands in the store, and grows when every live node reads the next (`node_claim`). STORAGE-SCHEMA.md says what
 * each is.
 */
export const storeFormat = 3

/** @param found - the format that is written */
export function storeErrorNewer(found: number): Error {
  return storeError('CURFEW_STORE_SCHEMA_NEWER', { file: 'the store on Redis', found, known: storeFormat })
}
