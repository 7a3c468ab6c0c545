// The X.509 library needs this polyfill to be there first.
import 'reflect-metadata'
import { KeyObject } from 'node:crypto'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  type JsonName,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator
} from '@peculiar/x509'

/** A certificate with its key. */
export interface Certified {
  readonly pem: string
  readonly keyPem: string
  /** Base64 of the DER. */
  readonly base64: string
  readonly keys: CryptoKeyPair
  readonly name: JsonName
}

export interface Wish {
  /** In the order of the certificate. */
  readonly name: JsonName
  readonly alternative?: readonly JsonGeneralName[]
  /** Who signs; absent: itself. */
  readonly by?: Certified
  /** It may sign others. */
  readonly isAuthority?: boolean
  readonly usages?: readonly string[]
  readonly from?: Date
  readonly to?: Date
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
let serial = 0

/** Makes a P-256 key and its certificate. */
export async function makeCertificate({ name, alternative = [], by, isAuthority = false, usages = [], from, to }: Wish): Promise<Certified> {
  const keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair
  const certificate = await X509CertificateGenerator.create(
    {
      serialNumber: (++serial + 16).toString(16),
      subject: name,
      issuer: by?.name ?? name,
      notBefore: from ?? new Date(Date.now() - 86_400_000),
      notAfter: to ?? new Date(Date.now() + 86_400_000),
      publicKey: keys.publicKey,
      signingKey: (by?.keys ?? keys).privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(isAuthority, undefined, true),
        ...(alternative.length === 0 ? [] : [new SubjectAlternativeNameExtension([...alternative])]),
        ...(usages.length === 0 ? [] : [new ExtendedKeyUsageExtension([...usages])])
      ]
    },
    crypto
  )
  const keyPem = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString()
  return { pem: certificate.toString('pem'), keyPem, base64: Buffer.from(certificate.rawData).toString('base64'), keys, name }
}
