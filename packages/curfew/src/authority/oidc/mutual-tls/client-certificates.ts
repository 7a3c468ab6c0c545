import { createHash, type X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { createAddressList } from '../../../platform/addresses.ts'
import { isInTime, isIssuedForClients } from '../../../platform/certificate-trust.ts'
import type { Clock } from '../../../platform/clock.ts'
import { peerCertificateOf } from '../../../platform/peer-certificate.ts'
import { readCertificateHeader } from './certificate-header.ts'
import type { CertificateHeader } from './settings.ts'

/** The certificate that a client showed, and whose key it has. */
export interface ShownCertificate {
  readonly certificate: X509Certificate
  /** One of the configured authorities signed it, for clients. */
  readonly isTrusted: boolean
  /** SHA-256 of the certificate, base64url: what tokens are bound to (RFC 8705 section 3.1). */
  readonly thumbprint: string
}

/** Where certificates of clients come from. */
export interface ClientCertificates {
  /** False: nobody can show one here. */
  readonly isOn: boolean
  /** Origin of the addresses where clients show theirs; absent: where everything else is, too. */
  readonly aliasBaseUrl?: string
  /** The certificate of a request; undefined for none, and for one that is not in time. */
  of(request: IncomingMessage): ShownCertificate | undefined
  /** Takes the header away that only a trusted proxy may write. To be called before anything reads it. */
  strip(request: IncomingMessage): void
}

export interface CertificateSources {
  readonly clock: Pick<Clock, 'nowMs'>
  /** A listener of this server asks for certificates. */
  readonly hasListener: boolean
  readonly header?: CertificateHeader
  readonly aliasBaseUrl?: string
  /** Address ranges of proxies whose header counts. */
  readonly trustedProxies: readonly string[]
  /** Who signs certificates of clients, as of now. */
  authorities(): readonly X509Certificate[]
}

/**
 * A certificate comes from the TLS connection itself, or from the header of a trusted proxy. What such a proxy shows of
 * itself is never taken for its client's.
 * @throws RangeError when a proxy is no address range
 */
export function createClientCertificates(sources: CertificateSources): ClientCertificates {
  const { clock, hasListener, header, aliasBaseUrl } = sources
  const isProxy = createAddressList(sources.trustedProxies)
  const isFromProxy = (request: IncomingMessage): boolean => header !== undefined && isProxy(request.socket.remoteAddress)
  return {
    isOn: hasListener || header !== undefined,
    ...(aliasBaseUrl === undefined ? {} : { aliasBaseUrl }),
    of(request) {
      const nowMs = clock.nowMs()
      const fromHeader = header !== undefined && isFromProxy(request)
      const peer = fromHeader ? undefined : peerCertificateOf(request.socket)
      const certificate = fromHeader ? certificateIn(request, header) : peer?.certificate
      if (certificate === undefined || !isInTime(certificate, nowMs)) return undefined
      const authorities = sources.authorities()
      const isTrusted = fromHeader ? isIssuedForClients(certificate, authorities, nowMs) : authorities.length > 0 && peer?.isAuthorized === true
      return { certificate, isTrusted, thumbprint: thumbprintOf(certificate) }
    },
    strip(request) {
      if (header !== undefined && !isFromProxy(request)) delete request.headers[header.name]
    }
  }
}

/** SHA-256 over the DER, base64url. */
export function thumbprintOf(certificate: Pick<X509Certificate, 'raw'>): string {
  return createHash('sha256').update(certificate.raw).digest('base64url')
}

function certificateIn(request: IncomingMessage, { name, format }: CertificateHeader): X509Certificate | undefined {
  const value = request.headers[name]
  return typeof value === 'string' && value !== '' ? readCertificateHeader(value, format) : undefined
}
