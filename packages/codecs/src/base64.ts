import { CurfewError } from './errors.ts'

/**
 * Decodes base64 and refuses everything the alphabet does not hold; Node's own decoder skips it silently.
 *
 * @param tolerance - `whitespace`: TAB, LF, CR and space are dropped first (form fields, XML); `none`: nothing is
 * @throws CURFEW_SAML_BASE64
 */
export function strictBase64(value: string, tolerance: 'whitespace' | 'none'): Buffer {
  const compact = tolerance === 'whitespace' && /[\t\n\r ]/.test(value) ? value.replace(/[\t\n\r ]+/g, '') : value
  if (compact.length === 0 || compact.length % 4 !== 0) throw new CurfewError('CURFEW_SAML_BASE64')
  const octets = Buffer.from(compact, 'base64')
  const padding = compact.endsWith('==') ? 2 : compact.endsWith('=') ? 1 : 0
  // A decoder that skipped anything gives fewer octets; one that read sloppy last bits does not encode back.
  if (octets.length !== (compact.length / 4) * 3 - padding || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) throw new CurfewError('CURFEW_SAML_BASE64')
  if (octets.toString('base64').slice(-4) !== compact.slice(-4)) throw new CurfewError('CURFEW_SAML_BASE64')
  return octets
}
