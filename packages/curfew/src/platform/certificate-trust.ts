import { X509Certificate } from 'node:crypto'

/** Extended key usage: TLS client authentication. */
const clientUsage = '1.3.6.1.5.5.7.3.2'
/** Extended key usage: any. */
const anyUsage = '2.5.29.37.0'

/**
 * Reads the certificates of a bundle, PEM.
 * @throws TypeError for a text without any, or with one that can not be read
 */
export function readCertificates(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw new TypeError('there is no certificate in it')
  return blocks.map((block) => new X509Certificate(block))
}

/** True between the two dates of a certificate. */
export function isInTime(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && nowMs <= certificate.validToDate.getTime()
}

/**
 * True when a certificate is in time, good for clients, and signed by one of these authorities. Each authority that is
 * listed is an end of the way: one between has to be listed when clients do not come from the root directly.
 */
export function isIssuedForClients(certificate: X509Certificate, authorities: readonly X509Certificate[], nowMs: number): boolean {
  const usages: readonly string[] = certificate.keyUsage ?? []
  if (usages.length > 0 && !usages.includes(clientUsage) && !usages.includes(anyUsage)) return false
  if (!isInTime(certificate, nowMs)) return false
  return authorities.some(
    (authority) => authority.ca && isInTime(authority, nowMs) && certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
  )
}
