import { X509Certificate } from 'node:crypto'
import type { CertificateHeader } from './settings.ts'

/** Longest header with a certificate that is read, in characters. */
const headerCharactersMax = 24_576

/**
 * Reads the certificate that a proxy wrote into a header.
 * @returns undefined for anything but exactly one certificate
 * @see RFC 9440 section 2.1
 */
export function readCertificateHeader(value: string, format: CertificateHeader['format']): X509Certificate | undefined {
  if (value.length > headerCharactersMax) return undefined
  try {
    const der = format === 'rfc9440' ? byteSequence(value) : pem(decodeURIComponent(value))
    if (der === undefined) return undefined
    const certificate = new X509Certificate(der)
    // What is compared and bound has to be all that was sent.
    return certificate.raw.equals(der) ? certificate : undefined
  } catch {
    return undefined
  }
}

function byteSequence(value: string): Buffer | undefined {
  const text = /^\s*:([A-Za-z0-9+/]+={0,2}):\s*$/.exec(value)?.[1]
  return text === undefined ? undefined : Buffer.from(text, 'base64')
}

function pem(text: string): Buffer | undefined {
  const body = /^\s*-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/.exec(text)?.[1]
  return body === undefined ? undefined : Buffer.from(body.replaceAll(/\s/g, ''), 'base64')
}
