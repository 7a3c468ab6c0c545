// The X.509 library needs this polyfill to be there first.
import 'reflect-metadata'
import type { X509Certificate } from 'node:crypto'
import { SubjectAlternativeNameExtension, X509Certificate as ReadCertificate } from '@peculiar/x509'
import { isSubject } from './distinguished-name.ts'
import type { CertificateSubject } from './settings.ts'

/**
 * True when a certificate is of the client that is configured by a name in it. Names are compared to the letter, host
 * names without regard to case; a wildcard stands for nothing.
 * @see RFC 8705 section 2.1.2
 */
export function isOfSubject(certificate: X509Certificate, subject: CertificateSubject): boolean {
  switch (subject.kind) {
    case 'dn':
      return isSubject(subject.value, certificate.subject)
    case 'dns':
      return namesOf(certificate, 'dns').some((name) => name.toLowerCase() === subject.value.toLowerCase())
    case 'uri':
      return namesOf(certificate, 'url').includes(subject.value)
    case 'ip':
      return certificate.checkIP(subject.value) !== undefined
    case 'email':
      return namesOf(certificate, 'email').includes(subject.value)
  }
}

function namesOf(certificate: X509Certificate, type: 'dns' | 'url' | 'email'): readonly string[] {
  const extension = new ReadCertificate(certificate.raw).getExtension(SubjectAlternativeNameExtension)
  return (extension?.names.items ?? []).filter((name) => name.type === type).map(({ value }) => value)
}
