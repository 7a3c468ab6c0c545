import type { JSONWebKeySet } from 'jose'
import { X509Certificate } from 'node:crypto'
import type { OidcClient } from '../client.ts'
import { isOfSubject } from './certificate-subject.ts'
import { type ShownCertificate, thumbprintOf } from './client-certificates.ts'

/**
 * True when a certificate proves that this client is calling, by its configured method and no other.
 * @param keySet - the client's own, read only where its method needs it
 * @see RFC 8705 sections 2.1 and 2.2
 */
export async function isShownBy(shown: ShownCertificate, client: OidcClient, keySet: () => Promise<JSONWebKeySet>): Promise<boolean> {
  if (client.authentication === 'tlsClientAuth')
    return shown.isTrusted && client.certificateSubject !== undefined && isOfSubject(shown.certificate, client.certificateSubject)
  if (client.authentication !== 'selfSignedTlsClientAuth') return false
  const { keys } = await keySet()
  return keys.some(({ x5c }) => x5c?.[0] !== undefined && thumbprintOfText(x5c[0]) === shown.thumbprint)
}

function thumbprintOfText(base64: string): string | undefined {
  try {
    return thumbprintOf(new X509Certificate(Buffer.from(base64, 'base64')))
  } catch {
    return undefined
  }
}
