// The X.509 library needs this polyfill to be there first.
import 'reflect-metadata'
import { X509CertificateGenerator } from '@peculiar/x509'
import type { Random } from './random.ts'

export interface KeyAndCertificate {
  /** PKCS #8, PEM. Keep it secret. */
  readonly keyPem: string
  readonly certificatePem: string
}

/** Bits of a new RSA key. A key of 2048 is made in a quarter of the time and is for an installation that never leaves its machine, as a demo. */
export type RsaBits = 2_048 | 3_072

/** Makes an RSA key and a self-signed certificate around it, as SAML metadata needs: the name is never judged. */
export async function createSelfSigned(
  commonName: string,
  validity: { readonly fromMs: number; readonly days: number },
  random: Random,
  modulusLength: RsaBits = 3_072
): Promise<KeyAndCertificate> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]), modulusLength }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const serial = Buffer.from(random.bytes(16))
  serial[0] = (serial[0] ?? 0) & 0x7f
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial.toString('hex'),
      name: `CN=${commonName.replace(/[^A-Za-z0-9 .:/_-]/g, '')}`,
      notBefore: new Date(validity.fromMs - 300_000),
      notAfter: new Date(validity.fromMs + validity.days * 86_400_000),
      signingAlgorithm: algorithm,
      keys
    },
    crypto
  )
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return { keyPem: pem('PRIVATE KEY', pkcs8), certificatePem: `${certificate.toString('pem')}\n` }
}

function pem(label: string, base64: string): string {
  return `-----BEGIN ${label}-----\n${base64.match(/.{1,64}/g)?.join('\n') ?? ''}\n-----END ${label}-----\n`
}
