import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Config } from '../config/schema.ts'
import { readCertificates } from '../platform/certificate-trust.ts'
import { signingPlaces } from './signing-places.ts'

/** One certificate, or a file that none could be read from. */
export interface KnownCertificate {
  /** `here`, or the id of a partner, directory or client. */
  readonly whose: string
  /** What it is for. */
  readonly use: string
  /** File, or where else it comes from. */
  readonly where: string
  readonly fingerprint?: string
  /** Absent for a bare key. */
  readonly notAfterMs?: number
  /** Another one goes on when this one ends. */
  readonly hasSuccessor: boolean
  /** What to do when it ends. */
  readonly fix: string
  /** Why nothing is known of it. */
  readonly problem?: string
}

interface CertificateFile extends Pick<KnownCertificate, 'whose' | 'use' | 'fix'> {
  readonly path: string
  /** Certificates that vouch for others: of many, only the one that ends first is of interest. */
  readonly isBundle?: true
  readonly hasSuccessor?: boolean
}

/** The certificates in files that the configuration names: keys of this server, what vouches for others, what signs metadata. */
export function certificatesInFiles(config: Config): readonly KnownCertificate[] {
  return [...signingFiles(config), ...serverFiles(config), ...trustFiles(config), ...partnerFiles(config)].flatMap(readFile)
}

function signingFiles(config: Config): readonly CertificateFile[] {
  const { saml } = config
  const signing = signingPlaces(config)
  return [
    ...saml.keys.map(
      ({ certificate }, i): CertificateFile => ({
        whose: 'here',
        use: signing.has(i) ? 'signs SAML' : 'published (SAML)',
        path: certificate,
        fix: signingFix(i, signing),
        ...(signing.has(i) ? {} : { hasSuccessor: true })
      })
    ),
    ...saml.decryptionKeys.map(
      ({ certificate }, i): CertificateFile => ({
        whose: 'here',
        use: i === 0 ? 'decrypts SAML' : 'decrypts (former)',
        path: certificate,
        fix: i === 0 ? 'Make the next key: curfew certs renew --for decryption' : 'Take it out when nobody encrypts to it any more.',
        ...(i === 0 ? {} : { hasSuccessor: true })
      })
    )
  ]
}

/** `renew` makes the next one of the first. */
function signingFix(place: number, signing: ReadonlySet<number>): string {
  if (place === 0) return 'Make the next key: curfew certs renew'
  if (!signing.has(place)) return 'Take it out when nobody checks what it signed any more.'
  return 'Partners with another algorithm need it: add a key of its type at the end, and put that before this one when they know it.'
}

function serverFiles({ server, cluster, gateway, store }: Config): readonly CertificateFile[] {
  const own = (use: string, files: { readonly certificate?: string | undefined } | undefined): readonly CertificateFile[] =>
    files?.certificate === undefined
      ? []
      : [{ whose: 'here', use, path: files.certificate, fix: `Put the new certificate into ${files.certificate}, and its key beside it.` }]
  return [
    ...own('TLS', server.tls),
    ...own('TLS of the cluster', cluster.tls),
    ...own('TLS of the gateway', gateway?.tls),
    ...own('TLS to the store', store.redis),
    ...own('TLS to the endings', gateway?.shared)
  ]
}

function trustFiles({ server, cluster, gateway, store, signOn }: Config): readonly CertificateFile[] {
  const trust = (whose: string, use: string, path: string | undefined): readonly CertificateFile[] =>
    path === undefined ? [] : [{ whose, use, path, isBundle: true, fix: `Add the next one to ${path} now, and take this one out when nobody needs it.` }]
  return [
    ...trust('clients', 'vouches for clients', server.clientCertificates?.authorities),
    ...trust('groups', 'vouches for groups', cluster.ca),
    ...trust('store', 'vouches for the store', store.redis?.ca),
    ...trust('gateway', 'vouches for provider', gateway?.provider.backChannel?.trustedCertificates),
    ...trust('gateway', 'vouches for endings', gateway?.shared?.ca),
    ...signOn.directories.flatMap(({ id, ca }) => trust(id, 'vouches for directory', ca))
  ]
}

function partnerFiles({ connections, identityProviders }: Config): readonly CertificateFile[] {
  return [...connections, ...identityProviders].flatMap((one): readonly CertificateFile[] => {
    const path = one.protocol === 'saml' ? one.metadata?.certificate : undefined
    if (path === undefined) return []
    return [{ whose: one.id, use: 'signs its metadata', path, fix: `Ask who publishes the metadata for the next one, and put it into ${path}.` }]
  })
}

function readFile({ path, isBundle, hasSuccessor = false, ...file }: CertificateFile): readonly KnownCertificate[] {
  try {
    const all = readCertificates(readFileSync(path, 'utf8')).toSorted((a, b) => endOf(a) - endOf(b))
    const shown = isBundle === true && all.length > bundleShownMax ? all.slice(0, 1) : all
    return shown.map((certificate) => ({
      ...file,
      where: shown.length < all.length ? `${path} (first of ${all.length})` : path,
      fingerprint: certificate.fingerprint256,
      notAfterMs: endOf(certificate),
      hasSuccessor
    }))
  } catch (error) {
    return [{ ...file, where: path, hasSuccessor, problem: error instanceof Error ? error.message : 'it can not be read' }]
  }
}

/** A file with more, such as that of a whole system, is shown in one line. */
const bundleShownMax = 8

export function endOf(certificate: X509Certificate): number {
  return certificate.validToDate.getTime()
}

/** Certificates that OpenID clients are known by, in their configured key sets (`x5c`). */
export function clientCertificates({ connections }: Config): readonly KnownCertificate[] {
  return connections.flatMap((one) => {
    if (one.protocol !== 'oidc') return []
    const all = (one.jwks?.keys ?? []).flatMap(({ x5c }) => (Array.isArray(x5c) && typeof x5c[0] === 'string' ? [x5c[0]] : []))
    return all.map((base64) => clientCertificate(one.id, base64))
  })
}

function clientCertificate(id: string, base64: string): KnownCertificate {
  const known = {
    whose: id,
    use: 'client certificate',
    where: 'jwks',
    hasSuccessor: false,
    fix: `Ask who runs ${id} for the next one, and add it to its jwks.`
  }
  try {
    const certificate = new X509Certificate(Buffer.from(base64, 'base64'))
    return { ...known, fingerprint: certificate.fingerprint256, notAfterMs: endOf(certificate) }
  } catch {
    return { ...known, problem: 'a certificate of its key set can not be read' }
  }
}
