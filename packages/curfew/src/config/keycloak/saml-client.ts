import { type DraftSettings, freeId, hostOf } from '../imports/draft.ts'
import type { ImportedClient } from './oidc-client.ts'
import { filesOf, publicCertificates } from './public-certificate.ts'
import { absolute, exactRedirects, homeOf, nameOf } from './redirect-uris.ts'
import { flag, inner, type Part, parts, text, unread } from './realm.ts'
import { commentsOf, createReport, type Report } from '../imports/report.ts'

/** A service provider of SAML as a connection. */
export function samlClient(client: Part, ids: Set<string>): ImportedClient {
  const entityId = text(client, 'clientId') ?? ''
  const report = createReport(entityId)
  if (flag(client, 'enabled') === false) {
    report.say('not-needed', 'client', 'left out: it is switched off there')
    return { report }
  }
  const attributes = inner(client, 'attributes')
  const acs = consumersOf(client, attributes, report)
  if (acs.length === 0) {
    report.say('unsupported', 'client', 'no connection: it has no address for assertions by POST or Artifact')
    return { report }
  }
  const id = freeId([nameOf(client), hostOf(entityId)], ids)
  const signing = publicCertificates(listOf(attributes, 'saml.signing.certificate'), { stem: id, setting: 'certificates', report })
  const encrypting =
    flag(attributes, 'saml.encrypt') === true
      ? publicCertificates(listOf(attributes, 'saml.encryption.certificate'), { stem: `${id}-encryption`, setting: 'encryption.certificate', report })
      : []
  const slo = logoutOf(client, attributes, report)
  const resolution = addressOf(client, attributes, 'saml_artifact_resolution_service_url')
  const settings: DraftSettings = {
    id,
    ...(nameOf(client) === undefined ? {} : { name: nameOf(client) }),
    protocol: 'saml',
    entityId,
    acs,
    ...(slo.length === 0 ? {} : { slo }),
    ...(resolution === undefined ? {} : { artifactResolution: [{ url: resolution }] }),
    ...(homeOf(client) === undefined ? {} : { homeUrl: homeOf(client) }),
    ...nameIdOf(attributes, report),
    ...attributesOf(client, report),
    ...(signing.length === 0 ? {} : { certificates: signing.map(({ path }) => path) }),
    ...signaturesOf(attributes, signing.length > 0, report),
    ...(encrypting.length === 0 ? {} : { encrypt: 'assertions', encryption: { certificate: encrypting[0]?.path } })
  }
  otherLines(client, attributes, report)
  return { entry: { settings, comments: [`client ${entityId}`, ...commentsOf(report)] }, report, files: filesOf([...signing, ...encrypting]) }
}

function listOf(attributes: Part, name: string): readonly string[] {
  const value = text(attributes, name)
  return value === undefined ? [] : [value]
}

function addressOf(client: Part, attributes: Part, name: string): string | undefined {
  const value = text(attributes, name)
  const url = value === undefined ? undefined : absolute(client, value)
  return url !== undefined && /^https?:\/\//.test(url) && URL.canParse(url) ? url : undefined
}

/** The one address for everything that a client may have instead of single ones. */
function masterOf(client: Part): string | undefined {
  const url = text(client, 'adminUrl')
  const full = url === undefined ? undefined : absolute(client, url)
  return full !== undefined && /^https?:\/\//.test(full) && URL.canParse(full) ? full : undefined
}

function consumersOf(client: Part, attributes: Part, report: Report): readonly DraftSettings[] {
  const post = addressOf(client, attributes, 'saml_assertion_consumer_url_post')
  const artifact = addressOf(client, attributes, 'saml_artifact_binding_url')
  const redirect = addressOf(client, attributes, 'saml_assertion_consumer_url_redirect')
  if (redirect !== undefined) report.say('unsupported', 'saml_assertion_consumer_url_redirect', `${redirect}: assertions do not go by Redirect`)
  const isByArtifact = flag(attributes, 'saml.artifact.binding') === true
  const found: DraftSettings[] = []
  if (post !== undefined) {
    report.say('imported', 'saml_assertion_consumer_url_post', post, 'acs')
    found.push({ url: post, ...(isByArtifact && artifact !== undefined ? {} : { default: true }) })
  }
  if (artifact !== undefined) {
    report.say('imported', 'saml_artifact_binding_url', artifact, 'acs')
    found.push({ binding: 'artifact', url: artifact, ...(isByArtifact ? { default: true } : {}) })
  }
  if (isByArtifact && artifact === undefined)
    report.say('approximated', 'saml.artifact.binding', 'it has no address for artifacts: assertions go by POST', 'acs')
  const master = masterOf(client)
  if (found.length === 0 && master !== undefined) {
    report.say('imported', 'adminUrl', `${master}: the one address for all messages`, 'acs')
    found.push({ url: master, default: true })
  }
  const exact = exactRedirects(client, found.length === 0 ? report : createReport(''))
  if (found.length === 0) found.push(...exact.filter((uri) => /^https?:/.test(uri)).map((url, i) => ({ url, ...(i === 0 ? { default: true } : {}) })))
  else if (exact.some((uri) => !found.some(({ url }) => url === uri)))
    report.say('approximated', 'redirectUris', 'a request for sign-in may name an address of acs only: add those that it sends', 'acs')
  return found
}

const logoutAttributes = {
  soap: 'saml_single_logout_service_url_soap',
  redirect: 'saml_single_logout_service_url_redirect',
  post: 'saml_single_logout_service_url_post',
  artifact: 'saml_single_logout_service_url_artifact'
} as const

/** Server to server first: it needs no browser and proves most. */
function logoutOf(client: Part, attributes: Part, report: Report): readonly DraftSettings[] {
  const isPostForced = flag(attributes, 'saml.force.post.binding') === true
  const order = isPostForced ? (['soap', 'post', 'redirect', 'artifact'] as const) : (['soap', 'redirect', 'post', 'artifact'] as const)
  const found = order.flatMap((binding) => {
    const url = addressOf(client, attributes, logoutAttributes[binding])
    if (url === undefined) return []
    report.say('imported', logoutAttributes[binding], url, 'slo')
    return [{ binding, url }]
  })
  if (isPostForced)
    report.say('imported', 'saml.force.post.binding', 'assertions go by POST always; of the ways for a logout through the browser POST comes first')
  const hasSoap = found.some(({ binding }) => binding === 'soap')
  const isFront = flag(client, 'frontchannelLogout') === true
  if (isFront && hasSoap)
    report.say(
      'approximated',
      'frontchannelLogout',
      'there it was asked through the browser; here by SOAP first: write outgoingBindings to have it as before',
      'slo'
    )
  if (!isFront && !hasSoap && found.length > 0)
    report.say(
      'approximated',
      'frontchannelLogout',
      'there its POST address was called without a browser; here the browser is sent: give an address by SOAP if it has one',
      'slo'
    )
  const master = masterOf(client)
  if (found.length === 0 && master !== undefined) {
    report.say('imported', 'adminUrl', `${master}: logout messages, too`, 'slo')
    return [{ binding: 'post', url: master }]
  }
  if (found.length === 0) report.say('approximated', 'logout', 'it has no address for logout: its sessions are shown as not possible', 'slo')
  return found
}

function nameIdOf(attributes: Part, report: Report): DraftSettings {
  const what = 'saml_name_id_format'
  if (flag(attributes, 'saml_force_name_id_format') === true)
    report.say('approximated', 'saml_force_name_id_format', 'a request that asks for another format gets that', 'nameId.format')
  const format = text(attributes, what)
  switch (format) {
    case undefined:
    case 'username':
      report.say('imported', what, 'the user name', 'nameId.format')
      return {}
    case 'email':
      report.say('imported', what, 'the attribute mail', 'nameId.format')
      return { nameId: { format: 'emailAddress' } }
    case 'transient':
      report.say('imported', what, 'new in every session', 'nameId.format')
      return { nameId: { format: 'transient' } }
    case 'persistent':
      report.say('approximated', what, 'its values are made here and differ from those of Keycloak', 'nameId.format')
      return { nameId: { format: 'persistent' } }
    default:
      report.say('unsupported', what, `${format.slice(0, 80)}: the user name is sent`, 'nameId.format')
      return {}
  }
}

const algorithms: Readonly<Record<string, string>> = { RSA_SHA256: 'rsa-sha256', RSA_SHA512: 'rsa-sha512', RSA_SHA256_MGF1: 'rsa-pss-sha256' }

function signaturesOf(attributes: Part, hasCertificate: boolean, report: Report): DraftSettings {
  const isSigned = flag(attributes, 'saml.client.signature') === true
  const signs = 'saml.client.signature'
  if (isSigned && hasCertificate) report.say('imported', signs, 'requests for sign-in without a signature are refused', 'requireSignedAuthnRequests')
  else if (isSigned)
    report.say(
      'unsupported',
      signs,
      'there is no certificate to check its signatures with: every message of it is refused until certificates names one',
      'certificates'
    )
  else {
    const note = `requests for sign-in may come without a signature; logout messages have to be signed${hasCertificate ? '' : ', and there is no certificate to check them with'}`
    report.say('approximated', signs, note, 'requireSignedAuthnRequests')
  }
  const document = flag(attributes, 'saml.server.signature')
  report.say(
    'imported',
    'saml.server.signature',
    document === true ? 'the response is signed, too' : 'assertions are always signed, the response around them is not',
    'signResponse'
  )
  const name = text(attributes, 'saml.signature.algorithm') ?? 'RSA_SHA256'
  const algorithm = algorithms[name]
  if (algorithm === undefined)
    report.say('unsupported', 'saml.signature.algorithm', `${name.slice(0, 40)}: signed with the algorithm of saml.keys`, 'algorithm')
  else report.say('imported', 'saml.signature.algorithm', name, 'algorithm')
  return {
    requireSignedAuthnRequests: isSigned,
    ...(document === true ? { signResponse: true } : {}),
    ...(algorithm === undefined || algorithm === 'rsa-sha256' ? {} : { algorithm })
  }
}

function attributesOf(client: Part, report: Report): DraftSettings {
  const named: Record<string, string> = {}
  for (const mapper of parts(client, 'protocolMappers')) {
    const config = inner(mapper, 'config')
    const [name, attribute] = [text(config, 'attribute.name'), text(config, 'user.attribute')]
    const what = `mapper ${text(mapper, 'name') ?? ''}`
    const kind = text(mapper, 'protocolMapper') ?? 'unknown'
    const value =
      attribute === undefined
        ? undefined
        : kind === 'saml-user-property-mapper'
          ? propertyNames[attribute]
          : kind === 'saml-user-attribute-mapper'
            ? attribute
            : undefined
    if (name === undefined || value === undefined) report.say('unsupported', what, `${kind}: attributes of the user are sent only`, 'attributes')
    else {
      named[name] = value
      report.say('imported', what, `${name} is the attribute ${value}`, 'attributes')
    }
  }
  return Object.keys(named).length === 0 ? {} : { attributes: named }
}

/** What the properties of a user there are called as attributes here. */
export const propertyNames: Readonly<Record<string, string>> = { email: 'mail', firstName: 'givenName', lastName: 'sn' }

function otherLines(client: Part, attributes: Part, report: Report): void {
  const said: readonly (readonly [string, string])[] = [
    ['saml_idp_initiated_sso_url_name', 'the link is another one: /idp/startSSO.ping?PartnerSpId=<entity ID>'],
    ['saml_idp_initiated_sso_relay_state', 'put TargetResource into the link'],
    ['saml.assertion.lifespan', 'one time for all: saml.assertionMinutes']
  ]
  for (const [name, note] of said) if (text(attributes, name) !== undefined) report.say('approximated', name, note)
  if (flag(attributes, 'saml.allow.ecp.flow') === true) report.say('unsupported', 'saml.allow.ecp.flow', 'ECP is not there')
  if (text(attributes, 'saml.signing.private.key') !== undefined)
    report.say('not-needed', 'saml.signing.private.key', 'a key of the client; private keys are not copied')
  const others = [...unread(client, knownFields), ...unread(attributes, knownAttributes)]
  if (others.length > 0) report.say('unsupported', 'other settings', `not read: ${others.join(', ')}`)
}

const knownFields: ReadonlySet<string> = new Set([
  ...['id', 'clientId', 'name', 'description', 'rootUrl', 'adminUrl', 'baseUrl', 'surrogateAuthRequired', 'enabled', 'alwaysDisplayInConsole'],
  ...['clientAuthenticatorType', 'secret', 'redirectUris', 'webOrigins', 'notBefore', 'bearerOnly', 'standardFlowEnabled', 'implicitFlowEnabled'],
  ...['directAccessGrantsEnabled', 'serviceAccountsEnabled', 'publicClient', 'frontchannelLogout', 'protocol', 'attributes', 'fullScopeAllowed'],
  ...['nodeReRegistrationTimeout', 'protocolMappers', 'defaultClientScopes', 'optionalClientScopes', 'access']
])
const knownAttributes: ReadonlySet<string> = new Set([
  ...Object.values(logoutAttributes),
  ...['saml_assertion_consumer_url_post', 'saml_assertion_consumer_url_redirect', 'saml_artifact_binding_url', 'saml.artifact.binding'],
  ...[
    'saml_artifact_resolution_service_url',
    'saml.artifact.binding.identifier',
    'saml.force.post.binding',
    'saml_name_id_format',
    'saml_force_name_id_format'
  ],
  ...['saml.client.signature', 'saml.server.signature', 'saml.assertion.signature', 'saml.signature.algorithm', 'saml.signing.certificate'],
  ...[
    'saml.signing.private.key',
    'saml.encrypt',
    'saml.encryption.certificate',
    'saml.encryption.private.key',
    'saml.authnstatement',
    'saml.onetimeuse.condition'
  ],
  ...['saml_signature_canonicalization_method', 'saml.server.signature.keyinfo.ext', 'saml.server.signature.keyinfo.xmlSigKeyInfoKeyNameTransformer'],
  ...['saml$server.signature.keyinfo$xmlSigKeyInfoKeyNameTransformer', 'saml_idp_initiated_sso_url_name', 'saml_idp_initiated_sso_relay_state'],
  ...['saml.assertion.lifespan', 'saml.allow.ecp.flow', 'realm_client', 'display.on.consent.screen', 'client.secret.creation.time'],
  ...['backchannel.logout.session.required', 'post.logout.redirect.uris', 'login_theme']
])
