import type { PeerView } from '../admin/schemas.ts'
import type { SamlPartner } from '../authority/saml/connection.ts'
import { hasSuccessor } from './doctor-certificate.ts'
import type { KnownCertificate } from './own-certificates.ts'

interface DatedPrint {
  readonly fingerprint: string
  readonly notAfterMs?: number | undefined
}

/** The keys that a partner signs with and is encrypted to, as its metadata or its settings have them here. */
export function certificatesOfPartner({ id, verification, encryption }: SamlPartner, nowMs: number): readonly KnownCertificate[] {
  const encrypted = encryption === undefined ? [] : [known(id, 'is encrypted to', 'metadata or file', encryption, false)]
  return [...signing(id, verification.keys, 'metadata or file', nowMs), ...encrypted]
}

/** The same of a partner that only a running server has read. */
export function certificatesOfPeer({ id, certificates }: PeerView, nowMs: number): readonly KnownCertificate[] {
  return signing(id, certificates, 'metadata (server)', nowMs)
}

/** A partner of which nothing could be read. */
export function unreadPartner(id: string, why: string): KnownCertificate {
  return { whose: id, use: 'signs', where: 'metadata', hasSuccessor: false, fix: 'Start the server, or look at: curfew doctor', problem: why }
}

function signing(id: string, keys: readonly DatedPrint[], where: string, nowMs: number): readonly KnownCertificate[] {
  return keys.map((key) => known(id, 'signs', where, key, hasSuccessor(key, keys, nowMs)))
}

function known(id: string, use: string, where: string, { fingerprint, notAfterMs }: DatedPrint, isFollowed: boolean): KnownCertificate {
  const fix = `Ask who runs ${id} for its new metadata.`
  return { whose: id, use, where, fingerprint, hasSuccessor: isFollowed, fix, ...(notAfterMs === undefined ? {} : { notAfterMs }) }
}
