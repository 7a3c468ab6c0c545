import { type EntityDescriptor, type IDPRole, lifetimeOf, parseMetadata, type SPRole } from '@curfew/codecs'
import { type Draft, type DraftEntry, type DraftLine, type DraftSettings, draftOf, freeId, hostOf } from '../imports/draft.ts'
import { attributeLines } from './attribute-lines.ts'
import { keyLines } from './key-lines.ts'
import { nameIdLines } from './name-id-lines.ts'
import { artifactLines, consumerLines, logoutLines, signOnLines } from './service-lines.ts'

/** Where metadata lies, and what is known of it. */
export interface MetadataOrigin {
  /** What connections name it by. */
  readonly settings: { readonly file: string } | { readonly url: string }
  /** Path of the certificate that signed it, where one was given and it did. */
  readonly certificate?: string
  readonly isSigned: boolean
}

/** What the import has to know beside the metadata. */
export interface MetadataSurroundings {
  readonly origin: MetadataOrigin
  /** Entity IDs to import; empty: all. */
  readonly wanted: readonly string[]
  /** Ids that are taken already; those of the import are added. */
  readonly ids: Set<string>
  /** Connections that are there, by role and entity ID: `sp https://...`. */
  readonly known: ReadonlyMap<string, string>
  readonly nowMs: number
}

/**
 * Turns the SAML partners of metadata into connections, and says of each thing that it publishes what becomes of it.
 * The metadata stays where it is: connections name its file or address.
 * @throws CURFEW_SAML_METADATA and those of the reader
 */
export function importMetadata(bytes: Uint8Array, surroundings: MetadataSurroundings): Draft {
  const { wanted } = surroundings
  const entities = parseMetadata(bytes)
  const chosen = wanted.length === 0 ? entities : entities.filter(({ entityId }) => wanted.includes(entityId))
  const missing = wanted.filter((one) => !entities.some(({ entityId }) => entityId === one))
  const partners = chosen.flatMap((entity) => partnersOf(entity, entities.length, surroundings))
  const entriesOf = (role: 'sp' | 'idp'): readonly DraftEntry[] => partners.flatMap((one) => (one.role === role && one.entry !== undefined ? [one.entry] : []))
  return draftOf(
    { connections: entriesOf('sp'), identityProviders: entriesOf('idp') },
    {
      from: nameOf(surroundings.origin),
      lines: [
        ...originLines(surroundings.origin),
        ...missing.map((about): DraftLine => ({ about, what: 'entity', verdict: 'unsupported', note: 'the metadata has no such entity' })),
        ...partners.flatMap(({ lines }) => lines)
      ]
    }
  )
}

interface JudgedPartner {
  readonly role: 'sp' | 'idp'
  /** Absent: nothing can be connected. */
  readonly entry?: DraftEntry
  readonly lines: readonly DraftLine[]
}

function partnersOf(entity: EntityDescriptor, entitiesCount: number, surroundings: MetadataSurroundings): readonly JudgedPartner[] {
  const { entityId, sp, idp } = entity
  const found = [
    ...(sp === undefined ? [] : [judged(entity, 'sp', spLines(entityId, sp), { entitiesCount, surroundings })]),
    ...(idp === undefined ? [] : [judged(entity, 'idp', idpLines(entityId, idp), { entitiesCount, surroundings })])
  ]
  if (found.length > 0) return found
  const note = 'it is neither a service provider nor an identity provider of SAML 2.0'
  return [{ role: 'sp', lines: [{ about: entityId, what: 'entity', verdict: 'unsupported', note }] }]
}

/** What one role came to: its lines, and settings of its own. */
export interface RoleLines {
  readonly lines: readonly DraftLine[]
  readonly settings: DraftSettings
  /** Why nothing can be connected. */
  readonly unusable?: string
}

function spLines(about: string, role: SPRole): RoleLines {
  const named = nameIdLines(about, role.nameIdFormats)
  const consumers = consumerLines(about, role)
  const signed: DraftLine = role.authnRequestsSigned
    ? { about, what: 'AuthnRequestsSigned', verdict: 'imported', note: 'requests for sign-in without a signature are refused' }
    : { about, what: 'AuthnRequestsSigned', verdict: 'not-needed', note: 'it does not promise to sign; what it signs is checked' }
  const services = [...logoutLines(about, role), ...artifactLines(about, role)]
  const lines = [...consumers.lines, ...services, ...keyLines(about, role.keys, 'sp'), ...named.lines, signed, ...attributeLines(about, role)]
  const unusable = consumers.unusable ?? unreadableKey(lines) ?? unusableAddress(role, role.assertionConsumerServices)
  return { lines, settings: named.settings, ...(unusable === undefined ? {} : { unusable }) }
}

function idpLines(about: string, role: IDPRole): RoleLines {
  const signOn = signOnLines(about, role)
  const keys = keyLines(about, role.keys, 'idp')
  const hasKey = role.keys.some(({ use, certificates }) => use !== 'encryption' && certificates.length > 0)
  const lines = [...signOn.lines, ...logoutLines(about, role), ...artifactLines(about, role), ...keys]
  const keyless = hasKey ? unreadableKey(lines) : 'it has no certificate to check its signatures with'
  const unusable = signOn.unusable ?? keyless ?? unusableAddress(role, role.singleSignOnServices)
  return { lines, settings: {}, ...(unusable === undefined ? {} : { unusable }) }
}

function unreadableKey(lines: readonly DraftLine[]): string | undefined {
  return lines.some(({ what, verdict }) => what === 'certificate' && verdict === 'unsupported') ? 'a certificate of it can not be read' : undefined
}

function unusableAddress(role: SPRole | IDPRole, own: readonly { readonly location: string }[]): string | undefined {
  const all = [...own, ...role.singleLogoutServices, ...(role.artifactResolutionServices ?? [])]
  const bad = all.find(({ location }) => !/^https?:$/.test(URL.parse(location)?.protocol ?? ''))
  return bad === undefined ? undefined : `${bad.location.slice(0, 120)} is neither an http nor an https address`
}

function judged(
  entity: EntityDescriptor,
  role: 'sp' | 'idp',
  { lines, settings, unusable }: RoleLines,
  { entitiesCount, surroundings }: { readonly entitiesCount: number; readonly surroundings: MetadataSurroundings }
): JudgedPartner {
  const { entityId: about } = entity
  const what = role === 'sp' ? 'service provider' : 'identity provider'
  const known = surroundings.known.get(`${role} ${about}`)
  if (known !== undefined) return { role, lines: [{ about, what, verdict: 'not-needed', note: `it is there already: the connection ${known}` }] }
  const { validUntil } = lifetimeOf(entity, role)
  const isOver = validUntil !== undefined && validUntil.epochMilliseconds <= surroundings.nowMs
  const why = unusable ?? (isOver ? `its metadata ended ${validUntil.toString().slice(0, 10)}: ask for it anew` : undefined)
  if (why !== undefined) return { role, lines: [{ about, what, verdict: 'unsupported', note: `no connection: ${why}` }] }
  const names = entity[role]?.ui?.displayNames
  const id = freeId([names?.['en'] ?? Object.values(names ?? {})[0], hostOf(about)], surroundings.ids)
  const { origin } = surroundings
  const metadata = { ...origin.settings, ...(origin.certificate === undefined ? {} : { certificate: origin.certificate }) }
  const entry: DraftEntry = {
    settings: { id, protocol: 'saml', metadata, ...(entitiesCount > 1 ? { entityId: about } : {}), ...settings },
    comments: [about, ...(role === 'idp' ? [userKeys] : []), ...commentsOf(lines)]
  }
  return { role, entry, lines: [{ about, what, verdict: 'imported', setting: id, note: lifetimeNote(validUntil, origin) }, ...lines] }
}

const userKeys = 'Its people can sign in once this is in curfew.yaml: keep it only if they may. User keys begin with the id.'

function lifetimeNote(validUntil: Temporal.Instant | undefined, { settings }: MetadataOrigin): string {
  const until = validUntil === undefined ? '' : `; valid to ${validUntil.toString().slice(0, 10)}`
  return 'url' in settings ? `its metadata is read again every 60 minutes${until}` : `its metadata is read from the file${until}`
}

/** What stands above a connection: its keys, and all that a person has to look at. */
function commentsOf(lines: readonly DraftLine[]): readonly string[] {
  return lines.flatMap(({ what, verdict, note }) => {
    if (verdict === 'approximated' || verdict === 'unsupported') return [`${verdict}: ${what}: ${note}`]
    return what.startsWith('certificate') ? [`${what}: ${note}`] : []
  })
}

function nameOf({ settings }: MetadataOrigin): string {
  return 'url' in settings ? settings.url : settings.file
}

function originLines(origin: MetadataOrigin): readonly DraftLine[] {
  const { settings, certificate, isSigned } = origin
  const about = nameOf(origin)
  const what = 'signature'
  if (certificate !== undefined) return [{ about, what, verdict: 'imported', setting: 'metadata.certificate', note: 'checked, and demanded from now on' }]
  if ('url' in settings && /^http:/i.test(about)) {
    const note = 'not demanded, and it comes over http: who can change it on its way chooses the keys. Use https, or --certificate'
    return [{ about, what, verdict: 'approximated', setting: 'metadata.certificate', note }]
  }
  if (!isSigned) return []
  const note = 'it is signed, and nobody looks at that: say --certificate with the certificate of who publishes it'
  return [{ about, what, verdict: 'approximated', setting: 'metadata.certificate', note }]
}
