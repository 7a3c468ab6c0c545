import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { CurfewError } from '@curfew/codecs'
import { readCertificates } from '../platform/certificate-trust.ts'

export interface TlsPair {
  /** PEM. */
  readonly key: string
  /** PEM; the first certificate is that of the key. */
  readonly certificate: string
}

/**
 * Reads the key and the certificate of this server.
 * @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_KEY when they can't be read or do not belong together
 */
export function readTlsPair(files: { readonly key: string; readonly certificate: string }): TlsPair {
  const pair = { key: readText(files.key), certificate: readText(files.certificate) }
  const [own] = certificatesIn(pair.certificate, files.certificate)
  let isPair: boolean
  try {
    isPair = own?.checkPrivateKey(createPrivateKey(pair.key)) ?? false
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_KEY', { where: files.key, why: 'the private key can not be read' }, { cause })
  }
  if (!isPair) throw new CurfewError('CURFEW_CONFIG_KEY', { where: files.certificate, why: 'the certificate belongs to another key' })
  return pair
}

/** Reads who signs certificates of clients. @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_KEY */
export function readAuthorities(path: string): readonly X509Certificate[] {
  const authorities = certificatesIn(readText(path), path)
  if (authorities.some((authority) => !authority.ca))
    throw new CurfewError('CURFEW_CONFIG_KEY', { where: path, why: 'it has a certificate that may not sign others' })
  return authorities
}

function certificatesIn(pem: string, where: string): readonly X509Certificate[] {
  try {
    return readCertificates(pem)
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_KEY', { where, why: 'the certificate can not be read' }, { cause })
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: 'it can not be read' }, { cause })
  }
}
