import type { X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/** What the other end of a TLS connection showed, and whether an authority of the listener signed it. */
export interface PeerCertificate {
  readonly certificate: X509Certificate
  readonly isAuthorized: boolean
}

/** The certificate of a connection; undefined for plain HTTP, and where none was asked for or shown. */
export function peerCertificateOf(socket: Socket): PeerCertificate | undefined {
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
  return certificate === undefined ? undefined : { certificate, isAuthorized: (socket as TLSSocket).authorized }
}
