import { CurfewError } from './errors.ts'

/**
 * Decodes base64 and refuses everything the alphabet does not hold; Node's own decoder skips it silently. One value
 * has one accepted form: padding is required and the bits that padding leaves over must be zero.
 *
 * @param tolerance - `whitespace`: TAB, LF, CR and space are dropped first (form fields, XML); `none`: nothing is
 * @throws CURFEW_SAML_BASE64
 */
export function strictBase64(value: string, tolerance: 'whitespace' | 'none'): Buffer {
  const octets = decoded(value, tolerance)
  if (octets === undefined) throw new CurfewError('CURFEW_SAML_BASE64')
  return octets
}

/** True for what {@link strictBase64} decodes. */
export function isStrictBase64(value: string, tolerance: 'whitespace' | 'none'): boolean {
  return decoded(value, tolerance) !== undefined
}

function decoded(value: string, tolerance: 'whitespace' | 'none'): Buffer | undefined {
  const octets = Buffer.from(value, 'base64')
  const canonical = octets.toString('base64')
  const isExact = canonical === value || (tolerance === 'whitespace' && isSameButSpaced(value, canonical))
  if (octets.length === 0 || !isExact) return undefined
  return octets
}

/** Encoding back what was decoded shows everything that the decoder let pass: the two may differ in white space only. */
function isSameButSpaced(value: string, canonical: string): boolean {
  let matched = 0
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i)
    if (matched < canonical.length && c === canonical.charCodeAt(matched)) matched += 1
    else if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return false
  }
  return matched === canonical.length
}
