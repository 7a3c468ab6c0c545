import { isLoopback } from '../../core/loopback.ts'
import { type DraftEntry, type DraftSettings, freeId, secretFile } from '../imports/draft.ts'
import { exactRedirects, homeOf, nameOf, postLogoutRedirects } from './redirect-uris.ts'
import { flag, inner, type Part, parts, text, texts, unread, whole } from './realm.ts'
import { commentsOf, createReport, type Report } from '../imports/report.ts'

/** One client, and what became of it. */
export interface ImportedClient {
  /** Absent: nothing can be connected. */
  readonly entry?: DraftEntry
  readonly report: Report
  /** Public certificates by path. */
  readonly files?: Readonly<Record<string, string>>
}

const secretCharactersMin = 16

/** A client of OpenID Connect as a connection. */
export function oidcClient(client: Part, realm: Part, ids: Set<string>): ImportedClient {
  const clientId = text(client, 'clientId') ?? ''
  const report = createReport(clientId)
  const attributes = inner(client, 'attributes')
  const refusal = refusalOf(client)
  if (refusal !== undefined) {
    report.say(refusal.verdict, 'client', refusal.note)
    return { report }
  }
  const id = freeId([clientId, nameOf(client)], ids)
  report.say('imported', 'client', 'its name and client_id', id)
  const redirectUris = exactRedirects(client, report)
  if (redirectUris.length === 0)
    report.say('unsupported', 'client', 'no redirect address is left: curfew validate refuses the empty list until you write one', 'redirectUris')
  const authentication = authenticationOf(client, attributes, { id, report })
  const postLogoutRedirectUris = postLogoutRedirects(client, attributes, report)
  const logout = logoutOf(client, attributes, { redirectUris, isPublic: authentication['authentication'] === 'none', report })
  grantLines(client, attributes, report)
  originLines(client, redirectUris, report)
  const settings: DraftSettings = {
    id,
    ...(nameOf(client) === undefined ? {} : { name: nameOf(client) }),
    protocol: 'oidc',
    ...(clientId === id ? {} : { clientId }),
    ...authentication,
    redirectUris,
    ...(postLogoutRedirectUris.length === 0 ? {} : { postLogoutRedirectUris }),
    ...(homeOf(client) === undefined ? {} : { homeUrl: homeOf(client) }),
    ...scopesOf(client, report),
    ...pkceOf(attributes, report),
    ...lifetimesOf(attributes, realm, report),
    ...(flag(client, 'consentRequired') === true ? said(report, 'consentRequired', 'asked once in a session', { consent: 'ask' }) : {}),
    ...claimsOf(client, report),
    ...logout
  }
  const others = [...unread(client, knownFields), ...unread(attributes, knownAttributes)]
  if (others.length > 0) report.say('unsupported', 'other settings', `not read: ${others.join(', ')}`)
  return { entry: { settings, comments: [`client ${clientId}`, ...commentsOf(report)] }, report }
}

function refusalOf(client: Part): { readonly verdict: 'unsupported' | 'not-needed'; readonly note: string } | undefined {
  if (flag(client, 'enabled') === false) return { verdict: 'not-needed', note: 'left out: it is switched off there' }
  if (flag(client, 'bearerOnly') === true)
    return { verdict: 'not-needed', note: 'left out: it signs nobody in. To ask whether a token is good it needs a client of its own (introspection)' }
  if (flag(client, 'standardFlowEnabled') === false)
    return { verdict: 'unsupported', note: 'no connection: it does not use the authorization code flow, the only one here' }
  return undefined
}

function said(report: Report, what: string, note: string, settings: DraftSettings): DraftSettings {
  report.say('imported', what, note, Object.keys(settings)[0])
  return settings
}

function authenticationOf(client: Part, attributes: Part, { id, report }: { readonly id: string; readonly report: Report }): DraftSettings {
  if (flag(client, 'publicClient') === true) {
    report.say('imported', 'publicClient', 'it proves nothing', 'authentication')
    return { authentication: 'none' }
  }
  const kind = text(client, 'clientAuthenticatorType') ?? 'client-secret'
  const jwksUri = flag(attributes, 'use.jwks.url') === true ? text(attributes, 'jwks.url') : undefined
  if (kind === 'client-jwt' && jwksUri !== undefined) {
    report.say('imported', kind, `its keys are at ${jwksUri}`, 'jwksUri')
    return { authentication: 'privateKeyJwt', jwksUri }
  }
  if (kind === 'client-jwt')
    report.say('approximated', kind, 'its keys are not at an address: write authentication: privateKeyJwt with jwks; until then it has a secret', 'jwks')
  else if (kind === 'client-x509')
    report.say('approximated', kind, 'write authentication: tlsClientAuth with certificateSubject; until then it has a secret', 'certificateSubject')
  else if (kind === 'client-secret-jwt') report.say('approximated', kind, 'a secret signs no assertion here: it is sent itself', 'authentication')
  const secret = text(client, 'secret')
  const path = `keys/${id}.secret`
  const isShort = secret !== undefined && !/^\*+$/.test(secret) && secret.length < secretCharactersMin
  const where = isShort
    ? `the one there is shorter than ${secretCharactersMin} characters: make a new one and write it into ${path}`
    : `not copied: write it into ${path}`
  report.say(
    'approximated',
    'secret',
    `${where}. It comes by Basic authentication; say authentication: clientSecretPost for a client that sends it in the form`,
    'clientSecret'
  )
  return { clientSecret: secretFile(path) }
}

interface LogoutSurroundings {
  readonly redirectUris: readonly string[]
  readonly isPublic: boolean
  readonly report: Report
}

/** There a client is told by one way, front or back; here by both, the back channel first. */
function logoutOf(client: Part, attributes: Part, { redirectUris, isPublic, report }: LogoutSurroundings): DraftSettings {
  const back = usableBack(text(attributes, 'backchannel.logout.url'), isPublic, report)
  const isFront = flag(client, 'frontchannelLogout') === true
  const front = isFront ? usableFront(text(attributes, 'frontchannel.logout.url'), redirectUris, report) : undefined
  if (back !== undefined && isFront)
    report.say(
      'approximated',
      'frontchannelLogout',
      'there only the front channel was used; here the back channel is asked first, and frames when it failed',
      'logout.modes'
    )
  const admin = text(client, 'adminUrl')
  if (admin !== undefined && back === undefined)
    report.say('unsupported', 'adminUrl', `${admin}: the logout message of Keycloak's own adapters is not sent; give logout.backChannelUri`)
  const offline = flag(attributes, 'backchannel.logout.revoke.offline.tokens') === true
  if (offline) report.say('imported', 'backchannel.logout.revoke.offline.tokens', 'a sign-out ends refresh tokens of offline_access, too', 'offlineGrants')
  const grants = offline ? { offlineGrants: 'end' } : {}
  if (back === undefined && front === undefined) {
    report.say('approximated', 'logout', 'it has no address for logout: its sessions are shown as not possible', 'logout')
    return grants
  }
  const required = flag(attributes, back === undefined ? 'frontchannel.logout.session.required' : 'backchannel.logout.session.required')
  if (required !== undefined)
    report.say(
      'imported',
      `${back === undefined ? 'front' : 'back'}channel.logout.session.required`,
      `${String(required)}; sid is always there`,
      'logout.sessionRequired'
    )
  return {
    ...grants,
    logout: {
      modes: [...(back === undefined ? [] : ['backChannel']), ...(front === undefined ? [] : ['frontChannel'])],
      ...(back === undefined ? {} : { backChannelUri: back }),
      ...(front === undefined ? {} : { frontChannelUris: [front] }),
      ...(required === undefined ? {} : { sessionRequired: required })
    }
  }
}

function usableBack(url: string | undefined, isPublic: boolean, report: Report): string | undefined {
  if (url === undefined) return undefined
  const parsed = URL.parse(url)
  const isPlain = parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.username === '' && !url.includes('#')
  const why = !isPlain
    ? 'it is no plain http or https address'
    : parsed.protocol === 'http:' && isPublic && !isLoopback(parsed.hostname)
      ? 'a client without a secret needs https'
      : undefined
  if (why !== undefined) report.say('unsupported', 'backchannel.logout.url', `${url}: ${why}`, 'logout.backChannelUri')
  else report.say('imported', 'backchannel.logout.url', url, 'logout.backChannelUri')
  return why === undefined ? url : undefined
}

function usableFront(url: string | undefined, redirectUris: readonly string[], report: Report): string | undefined {
  if (url === undefined) return undefined
  const parsed = URL.parse(url)
  const isOwn = parsed !== null && redirectUris.some((redirect) => URL.parse(redirect)?.origin === parsed.origin) && !url.includes('#')
  if (isOwn) report.say('imported', 'frontchannel.logout.url', `${url}: a frame can not confirm`, 'logout.frontChannelUris')
  else
    report.say(
      'unsupported',
      'frontchannel.logout.url',
      `${url}: left out: it has to be on the origin of a redirect address that is written, without a fragment`,
      'logout.frontChannelUris'
    )
  return isOwn ? url : undefined
}

const otherGrants: readonly (readonly [string, string])[] = [
  ['implicitFlowEnabled', 'the implicit flow is not there: use the code flow with PKCE'],
  ['directAccessGrantsEnabled', 'passwords are typed into the form only: there is no password grant'],
  ['serviceAccountsEnabled', 'there are no service accounts: client_credentials is for streams of shared signals only'],
  ['authorizationServicesEnabled', 'there are no authorization services (UMA)']
]
const otherAttributes: readonly (readonly [string, string])[] = [
  ['oauth2.device.authorization.grant.enabled', 'the device grant is not there'],
  ['oidc.ciba.grant.enabled', 'CIBA is not there'],
  ['standard.token.exchange.enabled', 'token exchange is not there']
]

function grantLines(client: Part, attributes: Part, report: Report): void {
  report.say('imported', 'standardFlowEnabled', 'the authorization code flow')
  for (const [name, note] of otherGrants) if (flag(client, name) === true) report.say('unsupported', name, note)
  for (const [name, note] of otherAttributes) if (flag(attributes, name) === true) report.say('unsupported', name, note)
}

/** Scripts of the origins of redirect addresses may ask here. */
function originLines(client: Part, redirectUris: readonly string[], report: Report): void {
  const own = new Set(redirectUris.map((uri) => URL.parse(uri)?.origin))
  for (const origin of texts(client, 'webOrigins').filter((one) => one !== '+' && !own.has(one.replace(/\/$/, ''))))
    report.say('unsupported', 'webOrigins', `${origin}: scripts may ask from the origins of redirect addresses only`)
}

/** Scopes that are names of mappers there and mean nothing to a client. */
const innerScopes = new Set(['acr', 'basic', 'roles', 'web-origins', 'microprofile-jwt', 'organization', 'service_account', 'role_list', 'saml_organization'])
const scopesDefault = ['openid', 'profile', 'email']

function scopesOf(client: Part, report: Report): DraftSettings {
  const listed = [...texts(client, 'defaultClientScopes'), ...texts(client, 'optionalClientScopes')]
  if (listed.length === 0) return {}
  const scopes = [...new Set(['openid', ...listed.filter((scope) => !innerScopes.has(scope))])]
  if (scopesDefault.every((scope) => scopes.includes(scope)) && scopes.length === scopesDefault.length) return {}
  report.say(
    'approximated',
    'clientScopes',
    `it may ask for ${scopes.join(', ')}; default scopes are not added by themselves: the client names what it wants`,
    'scopes'
  )
  return { scopes }
}

function pkceOf(attributes: Part, report: Report): DraftSettings {
  const method = text(attributes, 'pkce.code.challenge.method')
  if (method === 'S256') {
    report.say('imported', 'pkce.code.challenge.method', 'S256 is demanded from every client that does not say otherwise')
    return {}
  }
  if (method !== undefined) {
    report.say('unsupported', 'pkce.code.challenge.method', `${method}: only S256 is taken, and it is demanded`)
    return {}
  }
  report.say(
    'approximated',
    'pkce.code.challenge.method',
    'not demanded there, so not here: take requirePkce out when the client sends a challenge',
    'requirePkce'
  )
  return { requirePkce: false }
}

function lifetimesOf(attributes: Part, realm: Part, report: Report): DraftSettings {
  const own = whole(attributes, 'access.token.lifespan')
  const seconds = own ?? whole(realm, 'accessTokenLifespan')
  const minutes = seconds === undefined || seconds === 0 ? undefined : Math.min(Math.max(1, Math.floor(seconds / 60)), 1_440)
  if (minutes !== undefined)
    report.say('imported', own === undefined ? 'accessTokenLifespan' : 'access.token.lifespan', `${seconds} seconds, for ID tokens, too`, 'accessTokenMinutes')
  const note =
    'access tokens there can be read by whoever has them; here they can be asked about only, until you write accessTokenFormat: jwt with accessTokenAudience'
  report.say('approximated', 'access tokens', note, 'accessTokenFormat')
  const isRefreshed = flag(attributes, 'use.refresh.tokens') !== false
  const offlineSeconds = whole(realm, 'offlineSessionIdleTimeout')
  const days = offlineSeconds === undefined || offlineSeconds === 0 ? undefined : Math.min(Math.max(1, Math.floor(offlineSeconds / 86_400)), 400)
  if (isRefreshed)
    report.say('imported', 'use.refresh.tokens', 'they are worth nothing once the session ends, unless offline_access was asked for', 'refreshTokens')
  if (isRefreshed && days !== undefined) report.say('imported', 'offlineSessionIdleTimeout', `${offlineSeconds} seconds`, 'refreshTokenDays')
  return {
    ...(minutes === undefined ? {} : { accessTokenMinutes: minutes, idTokenMinutes: minutes }),
    ...(isRefreshed ? { refreshTokens: true, ...(days === undefined ? {} : { refreshTokenDays: days }) } : {})
  }
}

function claimsOf(client: Part, report: Report): DraftSettings {
  const claims: Record<string, string> = {}
  for (const mapper of parts(client, 'protocolMappers')) {
    const config = inner(mapper, 'config')
    const [claim, attribute] = [text(config, 'claim.name'), text(config, 'user.attribute')]
    const what = `mapper ${text(mapper, 'name') ?? ''}`
    const isAttribute = text(mapper, 'protocolMapper') === 'oidc-usermodel-attribute-mapper'
    if (isAttribute && claim !== undefined && attribute !== undefined && !claim.includes('.')) {
      claims[claim] = attribute
      report.say('imported', what, `the claim ${claim} is the attribute ${attribute}`, 'claims')
    } else report.say('unsupported', what, `${text(mapper, 'protocolMapper') ?? 'unknown'}: claims are attributes of the user only`, 'claims')
  }
  return Object.keys(claims).length === 0 ? {} : { claims }
}

const knownFields: ReadonlySet<string> = new Set([
  ...['id', 'clientId', 'name', 'description', 'rootUrl', 'adminUrl', 'baseUrl', 'surrogateAuthRequired', 'enabled', 'alwaysDisplayInConsole'],
  ...['clientAuthenticatorType', 'secret', 'redirectUris', 'webOrigins', 'notBefore', 'bearerOnly', 'consentRequired', 'standardFlowEnabled'],
  ...['implicitFlowEnabled', 'directAccessGrantsEnabled', 'serviceAccountsEnabled', 'authorizationServicesEnabled', 'publicClient', 'frontchannelLogout'],
  ...['protocol', 'attributes', 'fullScopeAllowed', 'nodeReRegistrationTimeout', 'protocolMappers', 'defaultClientScopes', 'optionalClientScopes', 'access']
])
const knownAttributes: ReadonlySet<string> = new Set([
  ...['backchannel.logout.url', 'backchannel.logout.session.required', 'backchannel.logout.revoke.offline.tokens', 'frontchannel.logout.url'],
  ...['frontchannel.logout.session.required', 'post.logout.redirect.uris', 'pkce.code.challenge.method', 'access.token.lifespan', 'use.refresh.tokens'],
  ...['use.jwks.url', 'jwks.url', 'client.secret.creation.time', 'realm_client', 'display.on.consent.screen', 'access.token.header.type.rfc9068'],
  ...otherAttributes.map(([name]) => name)
])
