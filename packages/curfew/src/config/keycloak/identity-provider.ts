import { nameIdFormat } from '@curfew/codecs'
import { isLoopback } from '../../core/loopback.ts'
import { type DraftSettings, freeId, secretFile } from '../imports/draft.ts'
import type { ImportedClient } from './oidc-client.ts'
import { filesOf, publicCertificates } from './public-certificate.ts'
import { nameOf } from './redirect-uris.ts'
import { flag, inner, type Part, text, unread } from './realm.ts'
import { commentsOf, createReport, type Report } from '../imports/report.ts'

/** An identity provider upstream, by OpenID or SAML. */
export function identityProvider(provider: Part, ids: Set<string>): ImportedClient {
  const alias = text(provider, 'alias') ?? ''
  const report = createReport(`identity provider ${alias}`)
  const kind = text(provider, 'providerId') ?? ''
  if (flag(provider, 'enabled') === false) {
    report.say('not-needed', kind, 'left out: it is switched off there')
    return { report }
  }
  const config = inner(provider, 'config')
  const made =
    kind === 'saml'
      ? samlProvider(alias, config, ids, report)
      : ['oidc', 'keycloak-oidc'].includes(kind)
        ? openIdProvider(alias, config, ids, report)
        : social(kind, report)
  if (made === undefined) return { report }
  const { id, ...settings } = made.settings
  const name = nameOf(provider, 'displayName')
  report.say(
    'approximated',
    'users',
    'user keys begin with this id, and with what the provider calls a person: links between accounts are not taken over (accountLinking)'
  )
  const others = [...unread(provider, knownFields), ...unread(config, knownConfig)]
  if (others.length > 0) report.say('unsupported', 'other settings', `not read: ${others.join(', ')}`)
  return {
    entry: { settings: { id, ...(name === undefined ? {} : { name }), ...settings }, comments: [`identity provider ${alias}`, ...commentsOf(report)] },
    report,
    files: made.files
  }
}

interface Made {
  readonly settings: DraftSettings & { readonly id: string }
  readonly files: Readonly<Record<string, string>>
}

function social(kind: string, report: Report): undefined {
  report.say('unsupported', kind, 'no identity provider: write it by hand with protocol: oidc if it publishes a configuration, as Google does')
  return undefined
}

function openIdProvider(alias: string, config: Part, ids: Set<string>, report: Report): Made | undefined {
  const issuer = text(config, 'issuer')
  const clientId = text(config, 'clientId')
  const parsed = issuer === undefined ? null : URL.parse(issuer)
  const isUsable = parsed !== null && (parsed.protocol === 'https:' || (parsed.protocol === 'http:' && isLoopback(parsed.hostname)))
  if (issuer === undefined || clientId === undefined || !isUsable) {
    report.say('unsupported', 'oidc', 'no identity provider: it needs an issuer, https, whose configuration can be read, and a client_id', 'issuer')
    return undefined
  }
  const id = freeId([alias], ids)
  report.say('imported', 'oidc', `the configuration of ${issuer} is read; single addresses of it are not needed`, id)
  const method = text(config, 'clientAuthMethod') ?? 'client_secret_post'
  const authentication = method === 'client_secret_basic' ? 'clientSecretBasic' : 'clientSecretPost'
  if (!method.startsWith('client_secret_') || method === 'client_secret_jwt')
    report.say('unsupported', 'clientAuthMethod', `${method.slice(0, 40)}: this server proves itself by a secret only`, 'authentication')
  const path = `keys/${id}.secret`
  report.say('approximated', 'clientSecret', `not copied: write it into ${path}`, 'clientSecret')
  report.say('approximated', 'addresses', `register those of this server there: /sp/${id}/cb.openid and the others`, id)
  const scopes = text(config, 'defaultScope')?.split(/\s+/) ?? []
  return {
    settings: {
      id,
      protocol: 'oidc',
      issuer,
      clientId,
      clientSecret: secretFile(path),
      authentication,
      ...(scopes.length === 0 ? {} : { scopes: [...new Set(['openid', ...scopes])] }),
      username: 'preferred_username',
      attributes: { email: 'mail', given_name: 'givenName', family_name: 'sn' }
    },
    files: {}
  }
}

function samlProvider(alias: string, config: Part, ids: Set<string>, report: Report): Made | undefined {
  const metadataUrl = httpAddress(config, 'metadataDescriptorUrl')
  const entityId = text(config, 'idpEntityId')
  const signOn = httpAddress(config, 'singleSignOnServiceUrl')
  const values = (text(config, 'signingCertificate') ?? '').split(',').filter((one) => one.trim() !== '')
  if (metadataUrl === undefined && (entityId === undefined || signOn === undefined || values.length === 0)) {
    report.say(
      'unsupported',
      'saml',
      'no identity provider: it needs an address of metadata, or idpEntityId, singleSignOnServiceUrl and a certificate. curfew import metadata makes it out of its metadata'
    )
    return undefined
  }
  const id = freeId([alias], ids)
  const certificates = metadataUrl === undefined ? publicCertificates(values, { stem: id, setting: 'certificates', report }) : []
  if (metadataUrl === undefined && certificates.length === 0) {
    report.say('unsupported', 'saml', 'no identity provider: none of its certificates can be read')
    return undefined
  }
  const logout = httpAddress(config, 'singleLogoutServiceUrl')
  const own: DraftSettings =
    metadataUrl === undefined
      ? {
          sso: [{ binding: bindingOf(config, 'postBindingAuthnRequest'), url: signOn }],
          ...(logout === undefined ? {} : { slo: [{ binding: bindingOf(config, 'postBindingLogout'), url: logout }] }),
          certificates: certificates.map(({ path }) => path)
        }
      : { metadata: { url: metadataUrl } }
  report.say('imported', 'saml', metadataUrl === undefined ? `people are sent to ${signOn ?? ''}` : `its metadata is read from ${metadataUrl}`, id)
  if (metadataUrl === undefined && logout === undefined)
    report.say('approximated', 'logout', 'it has no address for logout: it is shown as not possible', 'slo')
  report.say('approximated', 'metadata', 'give it the metadata of this server: /pf/federation_metadata.ping', id)
  return {
    settings: { id, protocol: 'saml', ...(entityId === undefined ? {} : { entityId }), ...own, ...peopleOf(config, report) },
    files: filesOf(certificates)
  }
}

function bindingOf(config: Part, name: string): 'post' | 'redirect' {
  return flag(config, name) === true ? 'post' : 'redirect'
}

/** Which part of an assertion says who it is. */
function peopleOf(config: Part, report: Report): DraftSettings {
  const kind = text(config, 'principalType')
  const attribute = text(config, 'principalAttribute')
  const format = text(config, 'nameIDPolicyFormat')
  const known = (['persistent', 'transient', 'emailAddress', 'unspecified'] as const).find((one) => nameIdFormat[one] === format)
  if (format !== undefined && known === undefined)
    report.say('unsupported', 'nameIDPolicyFormat', `${format.slice(0, 120)}: the identity provider chooses`, 'nameIdFormat')
  else if (known !== undefined) report.say('imported', 'nameIDPolicyFormat', known, 'nameIdFormat')
  if (kind === 'FRIENDLY_ATTRIBUTE')
    report.say('approximated', 'principalType', 'attributes are found by their name, not by a friendly one: write it', 'username')
  return {
    ...(known === undefined ? {} : { nameIdFormat: known }),
    ...(kind !== undefined && kind !== 'SUBJECT' && attribute !== undefined ? { username: attribute } : {})
  }
}

function httpAddress(config: Part, name: string): string | undefined {
  const url = text(config, name)
  return url !== undefined && /^https?:\/\//.test(url) && URL.canParse(url) ? url : undefined
}

const knownFields: ReadonlySet<string> = new Set([
  ...['alias', 'displayName', 'internalId', 'providerId', 'enabled', 'config', 'updateProfileFirstLoginMode', 'trustEmail', 'storeToken', 'linkOnly'],
  ...['addReadTokenRoleOnCreate', 'authenticateByDefault', 'types']
])
const knownConfig: ReadonlySet<string> = new Set([
  ...['issuer', 'clientId', 'clientSecret', 'clientAuthMethod', 'defaultScope', 'authorizationUrl', 'tokenUrl', 'logoutUrl', 'userInfoUrl', 'jwksUrl'],
  ...['useJwksUrl', 'validateSignature', 'pkceEnabled', 'pkceMethod', 'metadataDescriptorUrl', 'useMetadataDescriptorUrl', 'backchannelSupported'],
  ...['idpEntityId', 'entityId', 'singleSignOnServiceUrl', 'singleLogoutServiceUrl', 'signingCertificate', 'postBindingAuthnRequest', 'postBindingLogout'],
  ...[
    'postBindingResponse',
    'nameIDPolicyFormat',
    'principalType',
    'principalAttribute',
    'syncMode',
    'guiOrder',
    'wantAuthnRequestsSigned',
    'wantAssertionsSigned'
  ],
  ...['signatureAlgorithm', 'xmlSigKeyInfoKeyNameTransformer', 'allowCreate', 'addExtensionsElementWithKeyInfo']
])
