import { certificateBase64, isCurfewError, verificationKeyFromCertificate } from '@curfew/codecs'
import type { Report } from '../imports/report.ts'

/** A certificate of a partner that goes into a file beside the configuration. */
export interface PublicCertificate {
  readonly path: string
  readonly pem: string
}

/** Certificates as the export has them, base64 without armour; one that can not be read is said and left out. */
export function publicCertificates(
  values: readonly string[],
  { stem, setting, report }: { readonly stem: string; readonly setting: string; readonly report: Report }
): readonly PublicCertificate[] {
  return values.flatMap((value, i): readonly PublicCertificate[] => {
    try {
      const base64 = certificateBase64(value)
      const { fingerprint, strength } = verificationKeyFromCertificate(base64)
      const path = `peers/${stem}${i === 0 ? '' : `-${i + 1}`}.crt.pem`
      const isWeak = strength.kind === 'rsa' && strength.bits < 2048
      if (isWeak) report.say('unsupported', `certificate ${fingerprint}`, `an RSA key of ${strength.bits} bits: what it signs is refused`, setting)
      else report.say('imported', `certificate ${fingerprint}`, `in ${path}, which --out writes beside the settings`, setting)
      return [{ path, pem: `-----BEGIN CERTIFICATE-----\n${base64.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END CERTIFICATE-----\n` }]
    } catch (error) {
      if (!isCurfewError(error)) throw error
      report.say('unsupported', 'certificate', 'it can not be read', setting)
      return []
    }
  })
}

export function filesOf(certificates: readonly PublicCertificate[]): Readonly<Record<string, string>> {
  return Object.fromEntries(certificates.map(({ path, pem }) => [path, pem]))
}
