import {
  bindingFromUri,
  cacheDurationMs,
  CurfewError,
  isSignedMetadata,
  type Lifetime,
  lifetimeOf,
  parseMetadata,
  verificationKeyFromCertificate,
  verifyMetadata
} from '@curfew/codecs'
import type { PeerView } from '../admin/schemas.ts'
import type { SamlPartner } from '../authority/saml/connection.ts'
import type { PartnerSettings, SamlRole } from '../authority/saml/settings.ts'
import { type Check, dayMs, dayText, daysBetween, failedBy } from './doctor-check.ts'

/** Metadata in a file that ends sooner is warned of, in days; from an address it is read anew before that. */
export const validityWarnDays = 14

/** Metadata of one partner as it was read just now. */
export interface MetadataCopy {
  readonly bytes: Uint8Array
  readonly from: 'file' | 'url'
  /** Path or address. */
  readonly location: string
  /** When the copy was made: the time of the file, or now. */
  readonly copiedAtMs: number
}

/** Judges a copy: whether it is signed as the configuration demands, how old it is, how long it may be used. */
export function metadataChecks(id: string, copy: MetadataCopy, settings: MetadataDemand, nowMs: number): readonly Check[] {
  const what = `${id}: metadata`
  try {
    const entities = parseMetadata(copy.bytes)
    const entity = entities.find(({ entityId }) => entityId === settings.entityId) ?? entities[0]
    return [judgeSignature(id, copy, settings.readSigner), ...(entity === undefined ? [] : [judgeAge(what, copy, lifetimeOf(entity, settings.role), nowMs)])]
  } catch (error) {
    return [failedBy(what, error, 'Ask the partner for its metadata anew.')]
  }
}

export interface MetadataDemand {
  /** The role of the partner. */
  readonly role: SamlRole
  readonly entityId: string | undefined
  /** Reads the PEM of `metadata.certificate`; absent: no signature is demanded. */
  readonly readSigner: (() => string) | undefined
}

function judgeSignature(id: string, copy: MetadataCopy, readSigner: MetadataDemand['readSigner']): Check {
  const what = `${id}: metadata signature`
  if (readSigner === undefined) {
    if (copy.from === 'url' && copy.location.startsWith('http:'))
      return {
        what,
        verdict: 'warn',
        why: 'not demanded, and it comes over http: who can change it on its way chooses the keys',
        fix: 'Use https, or give metadata.certificate.'
      }
    return { what, verdict: 'ok', why: `not demanded; it is ${isSignedMetadata(copy.bytes) ? 'signed' : 'unsigned'}` }
  }
  try {
    const { fingerprint } = verifyMetadata(copy.bytes, [verificationKeyFromCertificate(readSigner())])
    return { what, verdict: 'ok', why: `made by ${fingerprint.slice(0, 23)}...` }
  } catch (error) {
    return failedBy(what, error, 'Ask who publishes it for the certificate that signs it now.')
  }
}

/** @see saml-metadata-2.0-os section 2.3.2 */
function judgeAge(what: string, copy: MetadataCopy, { validUntil, cacheDuration }: Lifetime, nowMs: number): Check {
  const days = daysBetween(copy.copiedAtMs, nowMs)
  const age = copy.from === 'url' ? 'read now' : days === 0 ? 'a copy of today' : `a copy of ${days} ${days === 1 ? 'day' : 'days'} ago`
  const untilMs = validUntil?.epochMilliseconds
  const fix = copy.from === 'file' ? `Put newer metadata into ${copy.location}.` : 'The partner has to publish it anew.'
  if (untilMs !== undefined && untilMs <= nowMs)
    return { what, verdict: 'fail', why: `${age}, which ended ${dayText(untilMs)}: the connection is not used`, fix }
  const until = untilMs === undefined ? '' : `, valid to ${dayText(untilMs)}`
  const isSoon = untilMs !== undefined && untilMs - nowMs < validityWarnDays * dayMs
  if (copy.from === 'file' && isSoon) return { what, verdict: 'warn', why: `${age}${until}: from then on the connection is not used`, fix }
  const keepMs = cacheDurationMs(cacheDuration)
  if (copy.from === 'file' && keepMs !== undefined && nowMs - copy.copiedAtMs > keepMs)
    return {
      what,
      verdict: 'warn',
      why: `${age}${until}; the partner asks to read it again after ${cacheDuration ?? ''}, keys may change meanwhile`,
      fix: 'Give metadata.url, or copy it anew.'
    }
  return { what, verdict: 'ok', why: `${age}${until}` }
}

/** What a logout depends on: where messages go and which keys judge the answers. */
export interface Facts {
  /** `redirect https://app.example.com/slo`, sorted. */
  readonly logout: readonly string[]
  /** Fingerprints, sorted. */
  readonly keys: readonly string[]
}

export function factsOfMetadata(bytes: Uint8Array, entityId: string, role: SamlRole): Facts | undefined {
  const found = parseMetadata(bytes).find((entity) => entity.entityId === entityId)?.[role]
  if (found === undefined) return undefined
  const logout = found.singleLogoutServices.flatMap(({ binding, location }) => {
    const known = bindingFromUri(binding)
    return known === undefined ? [] : [`${known} ${location}`]
  })
  const certificates = found.keys.filter(({ use }) => use !== 'encryption').flatMap((key) => key.certificates)
  return facts(
    logout,
    certificates.map((certificate) => verificationKeyFromCertificate(certificate).fingerprint)
  )
}

export function factsOfPartner({ logoutServices, verification }: Pick<SamlPartner, 'logoutServices' | 'verification'>): Facts {
  return facts(
    logoutServices.map(({ binding, url }) => `${binding} ${url}`),
    verification.keys.map((key) => key.fingerprint)
  )
}

export function factsOfServer({ channels, certificates }: Pick<PeerView, 'channels' | 'certificates'>): Facts {
  return facts(
    channels.map(({ binding, url }) => `${binding} ${url}`),
    certificates.map((certificate) => certificate.fingerprint)
  )
}

function facts(logout: readonly string[], keys: readonly string[]): Facts {
  return { logout: [...new Set(logout)].toSorted(), keys: [...new Set(keys)].toSorted() }
}

/** Sentences for what one side has and the other has not; empty when they agree. */
export function driftOf(now: Facts, known: Facts): readonly string[] {
  return [...differences('logout', now.logout, known.logout), ...differences('key', now.keys.map(shortKey), known.keys.map(shortKey))]
}

function differences(what: string, now: readonly string[], known: readonly string[]): readonly string[] {
  const fresh = now.filter((one) => !known.includes(one))
  const stale = known.filter((one) => !now.includes(one))
  if (fresh.length === 0 && stale.length === 0) return []
  if (fresh.length === 0) return [`${what} ${stale.join(', ')} is not there any more`]
  return [stale.length === 0 ? `${what} ${fresh.join(', ')} is new` : `${what} ${fresh.join(', ')} instead of ${stale.join(', ')}`]
}

function shortKey(fingerprint: string): string {
  return `${fingerprint.slice(0, 11)}...`
}

/** What of a partner the configuration says itself, although its metadata says it too. */
export function overridden(
  settings: Pick<PartnerSettings, 'slo' | 'certificates'>,
  used: Facts,
  published: Facts
): { readonly used: Facts; readonly published: Facts } {
  const hasLogout = settings.slo !== undefined
  const hasKeys = (settings.certificates ?? []).length > 0
  const pick = (from: Facts): Facts => ({ logout: hasLogout ? from.logout : [], keys: hasKeys ? from.keys : [] })
  return { used: pick(used), published: pick(published) }
}

/** One comparison as a check. */
export function driftCheck(what: string, drift: readonly string[], agreed: string, saying: string, fix: string): Check {
  if (drift.length === 0) return { what, verdict: 'ok', why: agreed }
  return { what, verdict: 'warn', why: `${saying} ${drift.join('; ')}: sign-outs fail when the old one stops to work`, fix }
}

/** Reads metadata over the outbound door. @throws CURFEW_OUTBOUND_STATUS and those of the door */
export async function fetchMetadata(request: (url: string) => Promise<{ readonly status: number; readonly body: Buffer }>, url: string): Promise<Uint8Array> {
  const { status, body } = await request(url)
  if (status !== 200) throw new CurfewError('CURFEW_OUTBOUND_STATUS', { url, status })
  return body
}
