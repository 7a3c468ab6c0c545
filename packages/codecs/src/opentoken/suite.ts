/** What a cipher suite number stands for. @see draft-smith-opentoken-02, Cipher Suites */
export interface OpenTokenSuite {
  readonly id: 0 | 1 | 2 | 3
  /** Name for OpenSSL; absent: nothing is encrypted. */
  readonly cipher?: string
  readonly keyBytes: number
  readonly ivBytes: number
  readonly blockBytes: number
}

/** Suites by number; 2 is the default of the adapters. Suite 0 protects nothing ({@link unsafeNullSuiteKey}). */
export const openTokenSuites: readonly OpenTokenSuite[] = [
  { id: 0, keyBytes: 0, ivBytes: 0, blockBytes: 1 },
  { id: 1, cipher: 'aes-256-cbc', keyBytes: 32, ivBytes: 16, blockBytes: 16 },
  { id: 2, cipher: 'aes-128-cbc', keyBytes: 16, ivBytes: 16, blockBytes: 16 },
  { id: 3, cipher: 'des-ede3-cbc', keyBytes: 24, ivBytes: 8, blockBytes: 8 }
]

/** Suites that a configuration can name. */
export type OpenTokenSuiteId = 1 | 2 | 3
