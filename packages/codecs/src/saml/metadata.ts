import { signatureOf, verifyEnveloped } from '../dsig/enveloped.ts'
import type { VerificationKey } from '../dsig/keys.ts'
import { certificateBase64 } from '../dsig/keys.ts'
import type { SignableParts } from '../dsig/sign.ts'
import { CurfewError } from '../errors.ts'
import { attribute, childElements, is, text, type XmlElement } from '../xml/element.ts'
import { parseXml } from '../xml/reader.ts'
import { node, writeAround, type XmlNode } from '../xml/writer.ts'
import { booleanAttribute, instantText } from './message.ts'
import { type Lifetime, readLifetime, within } from './metadata-lifetime.ts'
import { ns, valueCharactersMax } from './names.ts'

/** One endpoint; `binding` is the identifier as written, known here or not (Metadata 2.2.2). */
export interface Endpoint {
  readonly binding: string
  readonly location: string
  /** Where answers go when that is another address. */
  readonly responseLocation?: string
}

export interface IndexedEndpoint extends Endpoint {
  readonly index: number
  readonly isDefault: boolean
}

export interface KeyDescriptor {
  /** Absent: for both uses. */
  readonly use?: 'signing' | 'encryption'
  /** Base64 of DER. */
  readonly certificates: readonly string[]
  /** Identifiers of how this key may be used to encrypt, most wanted first (Metadata 2.4.1.1). */
  readonly encryptionMethods?: readonly string[]
}

/** How an entity presents itself to people (mdui:UIInfo), by language. */
export interface UIInfo {
  readonly displayNames: Readonly<Record<string, string>>
  readonly logos: readonly { readonly url: string; readonly width?: number; readonly height?: number; readonly lang?: string }[]
}

/** Its lifetime is what the descriptor of the role says itself; that of its entity counts, too. */
interface Role extends Lifetime {
  readonly keys: readonly KeyDescriptor[]
  readonly nameIdFormats: readonly string[]
  /** Where artifacts of this role are exchanged for messages; absent: nowhere. */
  readonly artifactResolutionServices?: readonly IndexedEndpoint[]
  readonly singleLogoutServices: readonly Endpoint[]
  readonly ui?: UIInfo
}

/** An attribute that a service provider asks for (Metadata 2.4.4.2). */
export interface RequestedAttribute {
  readonly name: string
  readonly friendlyName?: string
  readonly isRequired: boolean
}

export interface SPRole extends Role {
  readonly assertionConsumerServices: readonly IndexedEndpoint[]
  /** Of all its AttributeConsumingServices, each name once; read, and never written. */
  readonly requestedAttributes?: readonly RequestedAttribute[]
  readonly authnRequestsSigned: boolean
  readonly wantAssertionsSigned: boolean
}

export interface IDPRole extends Role {
  readonly singleSignOnServices: readonly Endpoint[]
  readonly wantAuthnRequestsSigned: boolean
}

/** As read, its lifetime is the shortest of its own and of all that enclose it: an aggregate speaks for its entities. */
export interface EntityDescriptor extends Lifetime {
  readonly entityId: string
  /** `ID` of the element, needed to sign it. */
  readonly id?: string
  readonly sp?: SPRole
  readonly idp?: IDPRole
}

const protocolSupport = 'urn:oasis:names:tc:SAML:2.0:protocol'
const writing = { md: ns.md, ds: ns.ds, mdui: ns.mdui }
/** Most entities read from one file. */
const entitiesMax = 10_000

/** Writes one entity; sign it with `signMessage`. @throws CURFEW_SAML_METADATA when it has no `id` */
export function serialiseMetadata(entity: EntityDescriptor): SignableParts {
  if (entity.id === undefined) throw new CurfewError('CURFEW_SAML_METADATA', { why: 'an id is needed to write metadata' })
  const root = node(
    'md:EntityDescriptor',
    {
      ID: entity.id,
      entityID: entity.entityId,
      ...lifetimeAttributes(entity)
    },
    [entity.idp === undefined ? undefined : idpNode(entity.idp), entity.sp === undefined ? undefined : spNode(entity.sp)]
  )
  return { ...writeAround(root, writing, 0), id: entity.id }
}

function lifetimeAttributes({ validUntil, cacheDuration }: Lifetime): Readonly<Record<string, string | undefined>> {
  return { validUntil: validUntil === undefined ? undefined : instantText(validUntil), cacheDuration }
}

function idpNode(role: IDPRole): XmlNode {
  return node(
    'md:IDPSSODescriptor',
    { ...lifetimeAttributes(role), protocolSupportEnumeration: protocolSupport, WantAuthnRequestsSigned: role.wantAuthnRequestsSigned ? 'true' : 'false' },
    [...commonNodes(role), ...role.singleSignOnServices.map((service) => endpointNode('md:SingleSignOnService', service))]
  )
}

function spNode(role: SPRole): XmlNode {
  return node(
    'md:SPSSODescriptor',
    {
      ...lifetimeAttributes(role),
      protocolSupportEnumeration: protocolSupport,
      AuthnRequestsSigned: role.authnRequestsSigned ? 'true' : 'false',
      WantAssertionsSigned: role.wantAssertionsSigned ? 'true' : 'false'
    },
    [...commonNodes(role), ...role.assertionConsumerServices.map((service) => indexedNode('md:AssertionConsumerService', service))]
  )
}

function indexedNode(name: string, { binding, location, index, isDefault }: IndexedEndpoint): XmlNode {
  return node(name, { Binding: binding, Location: location, index: String(index), isDefault: isDefault ? 'true' : undefined })
}

/** Order of the schema: Extensions, KeyDescriptor, ArtifactResolutionService, SingleLogoutService, NameIDFormat, then the role's own. */
function commonNodes(role: Role): readonly (XmlNode | undefined)[] {
  return [
    role.ui === undefined ? undefined : node('md:Extensions', {}, [uiNode(role.ui)]),
    ...role.keys.map((key) =>
      node('md:KeyDescriptor', { use: key.use }, [
        node(
          'ds:KeyInfo',
          {},
          key.certificates.map((certificate) => node('ds:X509Data', {}, [node('ds:X509Certificate', {}, [certificate])]))
        ),
        ...(key.encryptionMethods ?? []).map((uri) => node('md:EncryptionMethod', { Algorithm: uri }))
      ])
    ),
    ...(role.artifactResolutionServices ?? []).map((service) => indexedNode('md:ArtifactResolutionService', service)),
    ...role.singleLogoutServices.map((service) => endpointNode('md:SingleLogoutService', service)),
    ...role.nameIdFormats.map((format) => node('md:NameIDFormat', {}, [format]))
  ]
}

function endpointNode(name: string, endpoint: Endpoint): XmlNode {
  return node(name, { Binding: endpoint.binding, Location: endpoint.location, ResponseLocation: endpoint.responseLocation })
}

function uiNode(ui: UIInfo): XmlNode {
  const names = Object.entries(ui.displayNames).map(([lang, name]) => node('mdui:DisplayName', { 'xml:lang': lang }, [name]))
  const logos = ui.logos.map((logo) => node('mdui:Logo', { height: logo.height?.toString(), width: logo.width?.toString(), 'xml:lang': logo.lang }, [logo.url]))
  return node('mdui:UIInfo', {}, [...names, ...logos])
}

/**
 * Reads metadata: one EntityDescriptor, or an EntitiesDescriptor of up to 10,000.
 * @throws CURFEW_SAML_METADATA and all of the reader
 */
export function parseMetadata(bytes: Uint8Array): readonly EntityDescriptor[] {
  const { root } = parseXml(stripByteOrderMark(bytes), 'metadata')
  const found: EntityDescriptor[] = []
  collect(root, {}, found)
  return found
}

/** How long the metadata of one role of an entity may be used, and how soon it is to be read again. */
export function lifetimeOf(entity: EntityDescriptor, role: 'sp' | 'idp'): Lifetime {
  return within(entity, entity[role] ?? {})
}

/**
 * Checks the signature of the root of a metadata file.
 * @throws CURFEW_SAML_SIGNATURE_MISSING, CURFEW_SAML_SIGNATURE_INVALID and the others of `verifyEnveloped`
 */
export function verifyMetadata(bytes: Uint8Array, keys: readonly VerificationKey[]): VerificationKey {
  const document = parseXml(stripByteOrderMark(bytes), 'metadata')
  return verifyEnveloped(document, document.root, keys, {}).signedBy
}

/** True when the root carries a signature in its place. */
export function isSignedMetadata(bytes: Uint8Array): boolean {
  return signatureOf(parseXml(stripByteOrderMark(bytes), 'metadata').root) !== undefined
}

function collect(element: XmlElement, enclosing: Lifetime, found: EntityDescriptor[]): void {
  const name = element.namespace === ns.md ? element.name : 'foreign element'
  const isList = name === 'EntitiesDescriptor'
  const lifetime = isList || name === 'EntityDescriptor' ? within(enclosing, readLifetime(element)) : enclosing
  if (name === 'EntityDescriptor') found.push(readEntity(element, lifetime))
  else if (isList) {
    for (const child of childElements(element)) if (child.namespace === ns.md && child.name !== 'Extensions') collect(child, lifetime, found)
  } else throw new CurfewError('CURFEW_SAML_METADATA', { why: `${name} is no entity descriptor` })
  if (found.length > entitiesMax) throw new CurfewError('CURFEW_SAML_METADATA', { why: 'too many entities', maximum: entitiesMax })
}

function readEntity(element: XmlElement, lifetime: Lifetime): EntityDescriptor {
  const entityId = attribute(element, 'entityID')
  if (entityId === undefined || entityId === '' || entityId.length > 1024) throw new CurfewError('CURFEW_SAML_METADATA', { why: 'no entityID' })
  const id = attribute(element, 'ID')
  const roles = childElements(element).filter((child) => supportsSaml2(child))
  const sp = roles.find((role) => is(role, ns.md, 'SPSSODescriptor'))
  const idp = roles.find((role) => is(role, ns.md, 'IDPSSODescriptor'))
  return {
    entityId,
    ...(id === undefined ? {} : { id }),
    ...lifetime,
    ...(sp === undefined ? {} : { sp: readSp(sp) }),
    ...(idp === undefined ? {} : { idp: readIdp(idp) })
  }
}

function supportsSaml2(element: XmlElement): boolean {
  return (attribute(element, 'protocolSupportEnumeration') ?? '').split(/\s+/).includes(protocolSupport)
}

function readSp(element: XmlElement): SPRole {
  const requestedAttributes = readRequested(element)
  return {
    ...readRole(element),
    assertionConsumerServices: services(element, 'AssertionConsumerService').map(readIndexed),
    ...(requestedAttributes.length === 0 ? {} : { requestedAttributes }),
    authnRequestsSigned: booleanAttribute(element, 'AuthnRequestsSigned') ?? false,
    wantAssertionsSigned: booleanAttribute(element, 'WantAssertionsSigned') ?? false
  }
}

function readRequested(element: XmlElement): readonly RequestedAttribute[] {
  const found = new Map<string, RequestedAttribute>()
  for (const one of services(element, 'AttributeConsumingService').flatMap((service) => services(service, 'RequestedAttribute'))) {
    const name = attribute(one, 'Name')?.slice(0, valueCharactersMax)
    const friendlyName = attribute(one, 'FriendlyName')?.slice(0, valueCharactersMax)
    const isRequired = booleanAttribute(one, 'isRequired') ?? false
    if (name === undefined) continue
    found.set(name, { name, ...(friendlyName === undefined ? {} : { friendlyName }), isRequired: isRequired || found.get(name)?.isRequired === true })
  }
  return [...found.values()]
}

function readIdp(element: XmlElement): IDPRole {
  return {
    ...readRole(element),
    singleSignOnServices: services(element, 'SingleSignOnService').map(readEndpoint),
    wantAuthnRequestsSigned: booleanAttribute(element, 'WantAuthnRequestsSigned') ?? false
  }
}

function readRole(element: XmlElement): Role {
  const resolution = services(element, 'ArtifactResolutionService')
  const extensions = childElements(element).find((child) => is(child, ns.md, 'Extensions'))
  const ui = extensions === undefined ? undefined : childElements(extensions).find((child) => is(child, ns.mdui, 'UIInfo'))
  return {
    ...readLifetime(element),
    keys: services(element, 'KeyDescriptor').map(readKey),
    nameIdFormats: services(element, 'NameIDFormat').map((format) => text(format).trim()),
    ...(resolution.length === 0 ? {} : { artifactResolutionServices: resolution.map(readIndexed) }),
    singleLogoutServices: services(element, 'SingleLogoutService').map(readEndpoint),
    ...(ui === undefined ? {} : { ui: readUi(ui) })
  }
}

function services(element: XmlElement, name: string): readonly XmlElement[] {
  return childElements(element).filter((child) => is(child, ns.md, name))
}

function readEndpoint(element: XmlElement): Endpoint {
  const binding = attribute(element, 'Binding')
  const location = attribute(element, 'Location')
  if (binding === undefined || location === undefined) throw new CurfewError('CURFEW_SAML_METADATA', { why: `${element.name} has no Binding or no Location` })
  const responseLocation = attribute(element, 'ResponseLocation')
  return { binding, location, ...(responseLocation === undefined || responseLocation === '' ? {} : { responseLocation }) }
}

function readIndexed(element: XmlElement): IndexedEndpoint {
  return {
    ...readEndpoint(element),
    index: Number(attribute(element, 'index') ?? '0') || 0,
    isDefault: booleanAttribute(element, 'isDefault') ?? false
  }
}

function readKey(element: XmlElement): KeyDescriptor {
  const use = attribute(element, 'use')
  const info = childElements(element).find((child) => is(child, ns.ds, 'KeyInfo'))
  const certificates = (info === undefined ? [] : childElements(info))
    .filter((child) => is(child, ns.ds, 'X509Data'))
    .flatMap((data) => childElements(data).filter((child) => is(child, ns.ds, 'X509Certificate')))
    .map((certificate) => certificateBase64(text(certificate)))
  const encryptionMethods = services(element, 'EncryptionMethod').flatMap((method) => attribute(method, 'Algorithm') ?? [])
  return {
    certificates,
    ...(use === 'signing' || use === 'encryption' ? { use } : {}),
    ...(encryptionMethods.length === 0 ? {} : { encryptionMethods })
  }
}

function readUi(element: XmlElement): UIInfo {
  const displayNames: Record<string, string> = {}
  const logos: UIInfo['logos'][number][] = []
  for (const child of childElements(element)) {
    const lang = attribute(child, 'lang', 'http://www.w3.org/XML/1998/namespace')
    if (is(child, ns.mdui, 'DisplayName')) displayNames[lang ?? 'en'] = text(child).trim().slice(0, 200)
    else if (is(child, ns.mdui, 'Logo')) {
      const width = Number(attribute(child, 'width'))
      const height = Number(attribute(child, 'height'))
      logos.push({
        url: text(child).trim(),
        ...(Number.isFinite(width) && width > 0 ? { width } : {}),
        ...(Number.isFinite(height) && height > 0 ? { height } : {}),
        ...(lang === undefined ? {} : { lang })
      })
    }
  }
  return { displayNames, logos }
}

/** Metadata files are written by editors too; a byte order mark is dropped here and nowhere else. */
function stripByteOrderMark(bytes: Uint8Array): Uint8Array {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}
