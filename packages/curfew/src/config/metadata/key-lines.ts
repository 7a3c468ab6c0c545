import { contentAlgorithmOf, isCurfewError, type KeyDescriptor, type VerificationKey, verificationKeyFromCertificate } from '@curfew/codecs'
import type { DraftLine } from '../imports/draft.ts'

/** Smallest RSA key that verifies here. */
const rsaBitsMin = 2048

/** Certificates by fingerprint, with what they are good for here. */
export function keyLines(about: string, keys: readonly KeyDescriptor[], role: 'sp' | 'idp'): readonly DraftLine[] {
  const signing = keys.filter(({ use }) => use !== 'encryption').flatMap(({ certificates }) => certificates)
  return [...signing.map((certificate) => signingLine(about, certificate)), ...missingKey(about, signing, role), ...encryptionLines(about, keys, role)]
}

function signingLine(about: string, certificate: string): DraftLine {
  try {
    const key = verificationKeyFromCertificate(certificate)
    const what = `certificate ${key.fingerprint}`
    const weakness = weaknessOf(key)
    if (weakness === undefined) return { about, what, verdict: 'imported', note: `signs; ${untilText(key)}` }
    return { about, what, verdict: 'unsupported', note: `${weakness}: what it signs is refused` }
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return { about, what: 'certificate', verdict: 'unsupported', note: 'it can not be read' }
  }
}

function weaknessOf({ strength: { kind, bits, curve } }: VerificationKey): string | undefined {
  if (kind === 'rsa') return bits < rsaBitsMin ? `an RSA key of ${bits} bits` : undefined
  if (kind === 'ec') return ['prime256v1', 'secp384r1'].includes(curve) ? undefined : `a key on the curve ${curve}`
  return 'neither an RSA nor an EC key'
}

/** Dates are not judged: in metadata a certificate only carries its key. */
function untilText({ notAfterMs }: VerificationKey): string {
  return notAfterMs === undefined ? 'without an end' : `valid to ${Temporal.Instant.fromEpochMilliseconds(notAfterMs).toString().slice(0, 10)}`
}

function missingKey(about: string, signing: readonly string[], role: 'sp' | 'idp'): readonly DraftLine[] {
  if (signing.length > 0 || role === 'idp') return []
  const note = 'it publishes none to sign with: logout messages from it are refused; give certificates'
  return [{ about, what: 'certificate', verdict: 'approximated', setting: 'certificates', note }]
}

/** Whether something can be encrypted for the holder of these keys. */
export function canEncryptTo(keys: readonly KeyDescriptor[]): boolean {
  const own = keys.filter(({ use, certificates }) => use !== 'signing' && certificates.length > 0)
  const offered = own.flatMap(({ encryptionMethods }) => encryptionMethods ?? []).filter((uri) => /xmlenc(11)?#(aes|tripledes)/.test(uri))
  const isReadable = offered.length === 0 || offered.some((uri) => contentAlgorithmOf(uri) !== undefined)
  return isReadable && own.some(({ certificates }) => certificates.some(isRsa))
}

function isRsa(certificate: string): boolean {
  try {
    const { kind, bits } = verificationKeyFromCertificate(certificate).strength
    return kind === 'rsa' && bits >= rsaBitsMin
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return false
  }
}

/** Nothing is encrypted unless somebody says so: a key alone does not ask for it. */
function encryptionLines(about: string, keys: readonly KeyDescriptor[], role: 'sp' | 'idp'): readonly DraftLine[] {
  const own = keys.filter(({ use, certificates, encryptionMethods }) => certificates.length > 0 && (use === 'encryption' || encryptionMethods !== undefined))
  if (own.length === 0) return []
  const what = 'encryption'
  const setting = 'encrypt'
  const offered = own.flatMap(({ encryptionMethods }) => encryptionMethods ?? []).filter((uri) => /xmlenc(11)?#(aes|tripledes)/.test(uri))
  if (offered.length > 0 && !offered.some((uri) => contentAlgorithmOf(uri) !== undefined)) {
    const note = 'it lists AES-CBC alone, which nothing is written with here: nothing is encrypted for it; if it reads AES-GCM all the same, say encrypt'
    return [{ about, what, verdict: 'approximated', setting, note }]
  }
  const value = role === 'sp' ? 'encrypt: assertions' : 'encrypt: nameId'
  return [{ about, what, verdict: 'approximated', setting, note: `it has a key for it, and nothing is encrypted until you write ${value}` }]
}
