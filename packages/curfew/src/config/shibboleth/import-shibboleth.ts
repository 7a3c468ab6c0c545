import { CurfewError, type EntityDescriptor, parseMetadata, parseXml } from '@curfew/codecs'
import { type Draft, type DraftEntry, type DraftLine, type DraftSettings, finished } from '../imports/draft.ts'
import { readProperties } from '../imports/properties.ts'
import { createReport } from '../imports/report.ts'
import { importMetadata, type MetadataSurroundings } from '../metadata/import-metadata.ts'
import { canEncryptTo } from '../metadata/key-lines.ts'
import { idpSettings, valuesOf } from './idp-properties.ts'
import { ldapSettings } from './ldap-properties.ts'
import { metadataNamespace, type ProvidedMetadata, readProviders } from './metadata-providers.ts'
import { readRelyingParties, type RelyingParties, type SsoProfile } from './relying-parties.ts'

/** A file of the replaced product. */
export interface ConfFile {
  readonly path: string
  readonly bytes: Uint8Array
}

/** What the import has to be told, and how it reads metadata that the files name. */
export interface ShibbolethSurroundings extends Omit<MetadataSurroundings, 'origin'> {
  /** What `%{idp.home}` stands for. */
  readonly home: string
  /** Reads a file of metadata; its path as a connection names it. @throws when it can not be read */
  readonly readMetadata: (provided: ProvidedMetadata) => { readonly bytes: Uint8Array; readonly origin: MetadataSurroundings['origin'] }
}

/** Of a larger file the partners have to be chosen: nobody wants a federation as connections. */
export const entitiesMax = 50

/**
 * Turns files of a Shibboleth identity provider into settings, and says of everything in them what became of it.
 * @throws CURFEW_IMPORT_REFUSED, and those of the readers of XML and metadata
 */
export function importShibboleth(files: readonly ConfFile[], surroundings: ShibbolethSurroundings): Draft {
  const properties = files.filter(({ path }) => path.endsWith('.properties'))
  const values = valuesOf(
    properties.flatMap(({ bytes }) => readProperties(Buffer.from(bytes).toString('utf8'))),
    surroundings.home
  )
  const report = createReport('identity provider')
  const own = idpSettings(values, report)
  const directory = ldapSettings(values, report)
  const roots = files.filter((file) => !properties.includes(file)).map((file) => ({ file, root: parseXml(file.bytes, 'metadata').root }))
  const stray = roots.find(({ root }) => root.name !== 'beans' && root.namespace !== metadataNamespace)
  if (stray !== undefined)
    throw new CurfewError('CURFEW_IMPORT_REFUSED', {
      file: stray.file.path,
      why: 'it is neither a property file, relying-party.xml nor metadata-providers.xml; metadata itself: curfew import metadata'
    })
  const parties = roots.filter(({ root }) => root.name === 'beans').map(({ root }) => readRelyingParties(root, report))
  const resolve = (text: string): string => text.replace(/[%$]\{([\w.-]{1,100})\}/g, (whole, name: string) => values.get(name) ?? whole)
  const provided = roots.filter(({ root }) => root.namespace === metadataNamespace).flatMap(({ root }) => readProviders(root, resolve, report))
  const partners = provided.map((one) => partnersOf(one, joined(parties), surroundings))
  const signOn = { ...(own['signOn'] as DraftSettings | undefined), ...(directory === undefined ? {} : { directories: [directory] }) }
  const entries = partners.flatMap((one) => one.entries)
  const unseen = [...joined(parties).byEntity.keys()].filter((id) => !entries.some(({ entityId }) => entityId === id))
  for (const id of unseen) report.say('unsupported', `override of ${id}`, 'no connection of it was made: write its settings when it is there')
  const settings = {
    ...own,
    ...(Object.keys(signOn).length === 0 ? {} : { signOn }),
    ...(entries.length === 0 ? {} : { connections: entries.map(({ entry }) => entry.settings) })
  }
  const comments = Object.fromEntries(entries.map(({ entry }, i) => [`connections.${i}`, entry.comments]))
  return {
    settings: finished(settings, files[0]?.path ?? ''),
    comments: { '': ['Out of a Shibboleth identity provider. Merge it into curfew.yaml.'], ...comments },
    lines: [...report.lines, ...partners.flatMap(({ lines }) => lines)]
  }
}

function joined(all: readonly RelyingParties[]): RelyingParties {
  return { forAll: Object.assign({}, ...all.map(({ forAll }) => forAll)) as SsoProfile, byEntity: new Map(all.flatMap(({ byEntity }) => [...byEntity])) }
}

interface Partner {
  readonly profile: SsoProfile
  readonly entityId: string
  readonly entry: DraftEntry
}

function partnersOf(
  provided: ProvidedMetadata,
  parties: RelyingParties,
  surroundings: ShibbolethSurroundings
): { readonly entries: readonly Partner[]; readonly lines: readonly DraftLine[] } {
  const about = `provider ${provided.id}`
  const { bytes, origin } = surroundings.readMetadata(provided)
  const entities = parseMetadata(bytes)
  const wanted = surroundings.wanted.filter((id) => entities.some(({ entityId }) => entityId === id))
  if (wanted.length === 0 && (surroundings.wanted.length > 0 || entities.length > entitiesMax)) {
    const note = `${entities.length} entities: none was asked for; say --entity for each that is to be a connection`
    return { entries: [], lines: [{ about, what: provided.file, verdict: surroundings.wanted.length > 0 ? 'not-needed' : 'unsupported', note }] }
  }
  const draft = importMetadata(bytes, { ...surroundings, wanted, origin })
  const entries = ((draft.settings['connections'] ?? []) as readonly DraftSettings[]).map((settings, i): Partner => {
    const comments = draft.comments[`connections.${i}`] ?? []
    const entityId = comments[0] ?? ''
    const profile = profileFor(parties, entityId)
    const entity = entities.find((one) => one.entityId === entityId)
    return { entityId, profile, entry: withProfile({ settings, comments }, entity, profile) }
  })
  const upstream = new Set(((draft.settings['identityProviders'] ?? []) as readonly DraftSettings[]).map(({ id }) => id))
  return { entries, lines: draft.lines.flatMap((line) => asThere(line, entries, upstream)) }
}

/** Whoever is in a federation as an identity provider does not sign people in here by that. */
const upstreamNote = 'left out: its people could sign in here. One that may: curfew connections add --metadata <file> --entity <id> --as identity-provider'

/** A line of the metadata with what the profile of the partner makes of it. */
function asThere(line: DraftLine, entries: readonly Partner[], upstream: ReadonlySet<unknown>): readonly DraftLine[] {
  const { about, what, verdict, setting } = line
  if (what === 'identity provider' && upstream.has(setting)) return [{ about, what, verdict: 'not-needed', note: upstreamNote }]
  const own = entries.find(({ entityId }) => entityId === about)
  if (own === undefined) return what === 'entity' || verdict === 'unsupported' || what === 'signature' ? [line] : []
  if (what === 'encryption' && own.entry.settings['encrypt'] !== undefined) return [{ ...line, verdict: 'imported', note: 'encrypted for it, as there' }]
  if (isReplaced(what, own.profile) && verdict === 'approximated') return [{ ...line, verdict: 'not-needed', note: 'its override names another format' }]
  return [line]
}

function isReplaced(what: string, { nameIdFormat }: SsoProfile): boolean {
  return nameIdFormat !== undefined && what.startsWith('NameIDFormat')
}

function profileFor({ forAll, byEntity }: RelyingParties, entityId: string): SsoProfile {
  return { ...forAll, ...byEntity.get(entityId) }
}

/** There the response is signed unless somebody said otherwise, and assertions are encrypted for whoever has a key. */
function withProfile({ settings, comments }: DraftEntry, entity: EntityDescriptor | undefined, profile: SsoProfile): DraftEntry {
  const canEncrypt = canEncryptTo(entity?.sp?.keys ?? [])
  const encrypt = !canEncrypt ? undefined : profile.encryptAssertions !== false ? 'assertions' : profile.encryptNameIDs === true ? 'nameId' : undefined
  return {
    settings: {
      ...settings,
      ...(profile.nameIdFormat === undefined ? {} : { nameId: { format: profile.nameIdFormat } }),
      ...(profile.signResponses === false ? {} : { signResponse: true }),
      ...(encrypt === undefined ? {} : { encrypt })
    },
    comments: comments
      .filter((line) => encrypt === undefined || !line.startsWith('approximated: encryption:'))
      .filter((line) => profile.nameIdFormat === undefined || !line.startsWith('approximated: NameIDFormat'))
  }
}
