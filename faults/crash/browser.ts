import { createHash } from 'node:crypto'
import {
  decodePost,
  decodeSoap,
  encodeRedirect,
  encodeSoap,
  type NameID,
  type PeerKeys,
  type Response,
  type SigningKey,
  serialiseAuthnRequest,
  serialiseLogoutRequest,
  signMessage,
  status,
  type Verified,
  verifyLogoutResponse,
  verifyResponse
} from '@curfew/codecs'
import { decodeJwt } from 'jose'
import { type AgentAnswer, createUserAgent, type UserAgent } from '../../bench/oidc/user-agent.ts'
import { createIds } from '../../packages/curfew/src/platform/ids.ts'
import { systemRandom } from '../../packages/curfew/src/platform/random.ts'
import type { Visit } from './visit.ts'

/** The authority and the two applications, as a browser moves between them. */
export interface Places {
  readonly authority: PeerKeys
  readonly entityId: string
  readonly signing: SigningKey
  readonly acsUrl: string
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUri: string
}

export interface SamlSignIn {
  readonly nameId: NameID
  readonly sessionIndex: string
}

/** A browser of its own for each visit, and what applications send behind its back. Everything here throws when it is not answered. */
export interface Browser {
  readonly cookies: Map<string, string>
  signIn(user: string, password: string): Promise<SamlSignIn>
  /** A code flow in the session that is there. */
  connect(): Promise<NonNullable<Visit['client']>>
  /** By the button on the sign-off page. */
  signOut(): Promise<void>
  /** True: the authority speaks for this browser without asking anything. */
  isKnown(): Promise<boolean>
  /** The application asks by SOAP; true: it is told that everybody was signed out. */
  signOutBySoap(visit: Visit): Promise<boolean>
  isActive(accessToken: string): Promise<boolean>
  close(): void
}

const ids = createIds(systemRandom)
const verifier = 'v'.repeat(64)
const challenge = createHash('sha256').update(verifier).digest('base64url')

export function createBrowser(places: Places, cookies: Map<string, string> = new Map()): Browser {
  const agent = createUserAgent(cookies)
  const base = places.authority.entityId
  const basic = { authorization: `Basic ${Buffer.from(`${places.clientId}:${encodeURIComponent(places.clientSecret)}`).toString('base64')}` }
  const ask = async (isPassive: boolean): Promise<AgentAnswer & { readonly url: string }> => agent.follow(await ssoUrl(places, isPassive), places.acsUrl)
  return {
    cookies,
    async signIn(username, password) {
      const form = await ask(false)
      const sent = await agent.post(new URL(field(form.body, /<form method="post" action="([^"]+)"/), form.url).href, {
        csrfToken: field(form.body, /name="csrfToken" value="([^"]+)"/),
        username,
        password
      })
      const page = sent.status === 303 ? await agent.follow(new URL(sent.location, base).href, places.acsUrl) : sent
      const { assertion } = readResponse(page, places)
      const sessionIndex = assertion?.authnStatement?.sessionIndex
      if (assertion?.subject.nameId === undefined || sessionIndex === undefined) throw new Error('the assertion names nobody')
      return { nameId: assertion.subject.nameId, sessionIndex }
    },
    connect: () => codeFlow(agent, places, basic),
    async signOut() {
      const page = await agent.get(`${base}/signoff`)
      const csrfToken = field(page.body, /name="csrfToken" value="([^"]+)"/)
      const sent = await agent.post(`${base}/signoff`, { csrfToken, choice: 'everywhere' })
      if (sent.status !== 303) throw new Error(`the sign-off page answered ${sent.status}`)
    },
    async isKnown() {
      return status.isSuccess(readResponse(await ask(true), places).status)
    },
    async signOutBySoap({ nameId, sessionIndex }) {
      const url = `${base}/idp/SLO.ssaml2`
      const body = encodeSoap(await signMessage(serialiseLogoutRequest(logoutRequest(places, url, nameId, sessionIndex)), places.signing))
      const answer = await agent.send('POST', url, { 'content-type': 'text/xml' }, body)
      if (answer.status !== 200) throw new Error(`SOAP was answered with ${answer.status}`)
      return status.isSuccess(verifyLogoutResponse(decodeSoap(Buffer.from(answer.body)), places.authority).status)
    },
    async isActive(token) {
      const answer = await agent.post(`${base}/as/introspect.oauth2`, { token }, { ...basic, accept: 'application/json' })
      if (answer.status !== 200) throw new Error(`introspection answered ${answer.status}`)
      return (JSON.parse(answer.body) as { readonly active: boolean }).active
    },
    close: () => agent.close()
  }
}

function head({ entityId }: Places): { readonly id: string; readonly issuer: string; readonly issueInstant: Temporal.Instant } {
  return { id: ids.message(), issuer: entityId, issueInstant: Temporal.Now.instant() }
}

async function ssoUrl(places: Places, isPassive: boolean): Promise<string> {
  const destination = `${places.authority.entityId}/idp/SSO.saml2`
  const parts = serialiseAuthnRequest({ ...head(places), kind: 'AuthnRequest', destination, forceAuthn: false, isPassive })
  return encodeRedirect(destination, { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, places.signing)
}

function logoutRequest(places: Places, destination: string, subject: NameID, sessionIndex: string): Parameters<typeof serialiseLogoutRequest>[0] {
  const at = head(places)
  const notOnOrAfter = at.issueInstant.add({ minutes: 5 })
  return { ...at, kind: 'LogoutRequest', destination, notOnOrAfter, subject, sessionIndexes: [sessionIndex], asynchronous: false }
}

function readResponse({ status: code, body }: AgentAnswer, { authority }: Places): Verified<Response> {
  const value = /name="SAMLResponse" value="([^"]+)"/.exec(body)?.[1]
  if (value === undefined) throw new Error(`a Response was asked for, ${code} came`)
  return verifyResponse(decodePost([['SAMLResponse', value]]), authority)
}

async function codeFlow(agent: UserAgent, places: Places, headers: Readonly<Record<string, string>>): Promise<NonNullable<Visit['client']>> {
  const { authority, clientId, redirectUri } = places
  const query = new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: 'openid',
    state: 'state',
    nonce: 'nonce',
    code_challenge: challenge,
    code_challenge_method: 'S256'
  })
  const back = await agent.follow(`${authority.entityId}/as/authorization.oauth2?${query.toString()}`, redirectUri)
  const code = URL.parse(back.location)?.searchParams.get('code')
  if (typeof code !== 'string') throw new Error(`no code came but ${back.status}`)
  const fields = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier }
  const answer = await agent.post(`${authority.entityId}/as/token.oauth2`, fields, { ...headers, accept: 'application/json' })
  if (answer.status !== 200) throw new Error(`no tokens came but ${answer.status}: ${answer.body.slice(0, 200)}`)
  const { access_token: accessToken, id_token: idToken } = JSON.parse(answer.body) as { readonly access_token: string; readonly id_token: string }
  return { sid: String(decodeJwt(idToken)['sid']), accessToken }
}

function field(page: string, pattern: RegExp): string {
  const value = pattern.exec(page)?.[1]
  if (value === undefined) throw new Error(`a page without ${pattern.source} came`)
  return value.replaceAll('&amp;', '&')
}
