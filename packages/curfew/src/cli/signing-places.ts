import type { Config } from '../config/schema.ts'

export type SigningAlgorithm = Config['saml']['keys'][number]['algorithm']

/** Keys of one type can go on for each other. */
export function keyTypeOf(algorithm: SigningAlgorithm): 'rsa' | 'ec' {
  return algorithm.startsWith('ecdsa') ? 'ec' : 'rsa'
}

/** Places in `saml.keys` of those that sign: the first, and for a partner with another algorithm the first that fits it. */
export function signingPlaces({ saml, connections, identityProviders }: Pick<Config, 'saml' | 'connections' | 'identityProviders'>): ReadonlySet<number> {
  const wanted = [...connections, ...identityProviders].flatMap((one) =>
    one.protocol === 'saml' && one.algorithm !== undefined ? [keyTypeOf(one.algorithm)] : []
  )
  return new Set([0, ...wanted.map((type) => saml.keys.findIndex(({ algorithm }) => keyTypeOf(algorithm) === type))])
}
