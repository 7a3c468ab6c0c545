import type { KeyObject } from 'node:crypto'
import {
  type Binding,
  CurfewError,
  decodePost,
  decodeRedirect,
  decodeSoap,
  encodePost,
  encodeRedirect,
  encodeSoap,
  isCurfewError,
  type LogoutRequest,
  messageAgeSecondsMax,
  type PeerKeys,
  proofOf,
  type Received,
  replayEntry,
  type Response as SamlResponse,
  serialiseAuthnRequest,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  type SignatureAlgorithm,
  type SigningKey,
  signMessage,
  type Status,
  status,
  type Verified,
  validateLogoutRequest,
  validateLogoutResponse,
  validateResponse,
  verifyLogoutRequest,
  verifyLogoutResponse,
  verifyResponse
} from '@curfew/codecs'
import { type Guard as ApplicationGuard, guardCookie, isOwnForm, issuerSkewMs, localPath, sessionCookieDefault, splitTarget } from './guard.ts'
import { cookieValue, type GuardRequest, type GuardResponse, htmlAnswer, noStore, postForm, redirectTo, refusalStatus } from './http.ts'
import { type IdentityProvider, readIdentityProvider, requireValid } from './identity-provider.ts'
import { serviceProviderMetadata } from './metadata.ts'
import { requireAddress } from './require-address.ts'
import { isOvertaken, noteLogout } from './saml-logout-order.ts'
import { type AskedSignIn, askedMsMax, type ArrivedSignIn, browserCookie, newBrowser, readBrowser, type SigningInBrowser, SignIns } from './saml-sign-ins.ts'
import type { AppSession, SessionRegistry } from './session-registry.ts'

/** Where the guard answers; all under one prefix of the application. */
export interface ServiceProviderPaths {
  readonly metadata: string
  /** Takes answers by POST; the browser that asked comes back to it by GET. */
  readonly assertionConsumer: string
  readonly singleLogout: string
  readonly singleLogoutSoap: string
  /** Starts a sign-in; `?to=/path` comes back there. */
  readonly login: string
  /** Starts a sign-out everywhere. */
  readonly logout: string
}

/** Where it answers, unless the application says otherwise. */
export const defaultPaths: ServiceProviderPaths = {
  metadata: '/saml/metadata',
  assertionConsumer: '/saml/acs',
  singleLogout: '/saml/slo',
  singleLogoutSoap: '/saml/slo/soap',
  login: '/saml/login',
  logout: '/saml/logout'
}

/** What became of something the guard did; the application's journal. */
export type GuardEvent =
  | { readonly kind: 'signed-in'; readonly session: AppSession }
  | { readonly kind: 'signed-out'; readonly session: AppSession; readonly by: 'application' | 'identity-provider'; readonly binding?: Binding }
  | { readonly kind: 'logout-finished'; readonly status: Status }
  | { readonly kind: 'refused'; readonly code: string; readonly path: string }

/**
 * What becomes of an answer that nobody asked for, as after a click on a page of the identity provider. Anybody can have a
 * browser post one of their own, which would sign its user in as somebody else. `restart`: the application asks the identity
 * provider itself, which knows who is signed in there, and RelayState, a path of the application, is where that leads.
 * `refuse`: nothing comes of it. `accept`: it signs in, for identity providers that answer no request; whoever has an account
 * there can then sign others in as themselves.
 * @see saml-profiles-2.0-os section 4.1.5
 */
export type UnsolicitedResponses = 'restart' | 'refuse' | 'accept'

/** What {@link createServiceProvider} is made of. */
export interface ServiceProviderOptions {
  readonly entityId: string
  /** Origin of the application as browsers see it. Destinations are compared with it, never with a Host header. */
  readonly baseUrl: string
  /** Metadata of the identity provider, as bytes of the file it publishes. */
  readonly identityProviderMetadata: Uint8Array
  readonly key: KeyObject
  /** PEM or base64 DER; published in the metadata. */
  readonly certificate: string
  readonly algorithm?: SignatureAlgorithm
  readonly sessions: SessionRegistry
  readonly cookieName?: string
  readonly paths?: ServiceProviderPaths
  /** Bindings of the logout endpoint to publish; the order is the preference. */
  readonly logoutBindings?: readonly Binding[]
  /** Absent: `restart`. */
  readonly unsolicitedResponses?: UnsolicitedResponses
  /** Where a browser ends after signing out; gets `?signout=complete`, `partial` or `failed`. */
  readonly signedOutPath?: string
  readonly nowMs: () => number
  readonly randomBytes: (count: number) => Uint8Array
  readonly onEvent?: (event: GuardEvent) => void
}

/** A SAML service provider in front of one application: sign-in, sessions, and every way to be signed out. */
export interface ServiceProvider extends ApplicationGuard {
  readonly metadata: string
  readonly paths: ServiceProviderPaths
}

/** Assertions and requests are accepted with this difference of clocks. */
const skewSeconds = 60
/** How long a sign-out may take from start to answer. */
const pendingMsMax = 15 * 60_000
/** Parameter under whose name an answer waits for its browser, and one that says why a sign-in starts. */
const parameters = { arrived: 'arrived', unsolicited: 'unsolicited' } as const
/** So many answers in a row that nobody asked for: a provider that answers requests with such would go on for ever. */
const unsolicitedMax = 3
const sessionMsMax = 24 * 3_600_000

/**
 * Creates a service provider. Pure until called: clock, randomness and registry come in by argument.
 * @throws CURFEW_SAML_METADATA, CURFEW_SAML_METADATA_EXPIRED for the metadata of the identity provider, TypeError for a
 *   base that is no address
 */
export function createServiceProvider(options: ServiceProviderOptions): ServiceProvider {
  requireAddress('baseUrl', options.baseUrl)
  const provider = readIdentityProvider(options.identityProviderMetadata, options.nowMs())
  const paths = options.paths ?? defaultPaths
  const guard = new Guard(options, provider, paths)
  return {
    handle: (request) => guard.handle(request),
    session: (cookie) => guard.session(cookie),
    sessionCookie: options.cookieName ?? sessionCookieDefault,
    loginPath: (to) => `${paths.login}?to=${encodeURIComponent(to)}`,
    metadata: serviceProviderMetadata(options, paths),
    paths
  }
}

class Guard {
  readonly #options: ServiceProviderOptions
  readonly #provider: IdentityProvider
  readonly #paths: ServiceProviderPaths
  readonly #signing: SigningKey
  readonly #keys: PeerKeys
  readonly #signIns: SignIns

  constructor(options: ServiceProviderOptions, provider: IdentityProvider, paths: ServiceProviderPaths) {
    this.#options = options
    this.#provider = provider
    this.#paths = paths
    this.#signing = { key: options.key, algorithm: options.algorithm ?? 'rsa-sha256' }
    this.#keys = { entityId: provider.entityId, keys: provider.keys }
    this.#signIns = new SignIns(options)
  }

  async handle(request: GuardRequest): Promise<GuardResponse | undefined> {
    const [path, query] = splitTarget(request.target)
    const route = this.#route(request.method, path)
    if (route === undefined) return undefined
    try {
      return await route(request, query)
    } catch (error) {
      if (!isCurfewError(error)) throw error
      this.#options.onEvent?.({ kind: 'refused', code: error.code, path })
      return htmlAnswer(
        refusalStatus(error.code),
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Not accepted</title><p>This message was not accepted. Start again from the application.</p></html>'
      )
    }
  }

  async session(cookie: string | undefined): Promise<AppSession | undefined> {
    const id = cookieValue(cookie, this.#cookieName)
    return id === undefined ? undefined : this.#options.sessions.get(id, this.#options.nowMs())
  }

  get #cookieName(): string {
    return this.#options.cookieName ?? sessionCookieDefault
  }

  get #browserCookieName(): string {
    return `${this.#cookieName}_saml_login`
  }

  #route(method: string, path: string): ((request: GuardRequest, query: string) => Promise<GuardResponse>) | undefined {
    const { metadata, assertionConsumer, singleLogout, singleLogoutSoap, login, logout } = this.#paths
    const isPost = method === 'POST'
    if (path === metadata && !isPost) return async () => this.#showMetadata()
    if (path === login && !isPost) return async (request, query) => this.#startLogin(request, new URLSearchParams(query))
    if (path === assertionConsumer && isPost) return async (request) => this.#consume(request)
    if (path === assertionConsumer && method === 'GET') return async (request, query) => this.#comeFor(request, new URLSearchParams(query))
    if (path === singleLogout) return async (request, query) => this.#logoutMessage(isPost ? decodePost(await fields(request)) : decodeRedirect(query))
    if (path === singleLogoutSoap && isPost) return async (request) => this.#logoutBySoap(request)
    if (path === logout && isPost) return async (request) => this.#startLogout(request)
    return undefined
  }

  #showMetadata(): GuardResponse {
    return { status: 200, headers: { 'content-type': 'application/samlmetadata+xml' }, body: serviceProviderMetadata(this.#options, this.#paths) }
  }

  async #startLogin(request: GuardRequest, query: URLSearchParams): Promise<GuardResponse> {
    const browser = this.#browser(request) ?? newBrowser(this.#options.randomBytes)
    const counted = query.get(parameters.unsolicited)
    // The cookie knows more where the provider sends no RelayState back, the parameter where the browser keeps no cookies.
    const unsolicited = counted === null ? 0 : Math.max(browser.unsolicited + 1, /^\d$/.test(counted) ? Number(counted) : 1)
    if (unsolicited > unsolicitedMax) throw new CurfewError('CURFEW_SAML_UNSOLICITED')
    return this.#ask({ ...browser, unsolicited }, localPath(query.get('to')), false)
  }

  /** Asks the identity provider who this browser is: the answer opens a session in this browser and no other. */
  async #ask(browser: SigningInBrowser, to: string, isAgain: boolean): Promise<GuardResponse> {
    const id = this.#newId()
    const nowMs = this.#options.nowMs()
    requireValid(this.#provider, nowMs)
    await this.#signIns.ask(id, { to, browser: browser.name, isAgain, askedAtMs: nowMs, unsolicited: browser.unsolicited }, nowMs)
    const { url } = this.#provider.singleSignOn
    const parts = serialiseAuthnRequest({
      kind: 'AuthnRequest',
      id,
      issuer: this.#options.entityId,
      issueInstant: this.#now(),
      destination: url,
      assertionConsumerServiceURL: this.#url(this.#paths.assertionConsumer),
      protocolBinding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      forceAuthn: false,
      isPassive: false
    })
    // A provider that answers this with what nobody asked for says with it which request that was.
    const relay = browser.unsolicited === 0 ? {} : { relayState: id }
    const message = { parameter: 'SAMLRequest' as const, xml: parts.head + parts.tail, ...relay }
    return redirectTo(await encodeRedirect(url, message, this.#signing), [this.#browserCookie(browser)])
  }

  #browser({ cookie }: GuardRequest): SigningInBrowser | undefined {
    return readBrowser(cookieValue(cookie, this.#browserCookieName))
  }

  #browserCookie(browser: SigningInBrowser): string {
    return guardCookie(this.#browserCookieName, browserCookie(browser), this.#options.baseUrl, askedMsMax / 1000)
  }

  /** @see saml-profiles-2.0-os section 4.1.4.3 */
  async #consume(request: GuardRequest): Promise<GuardResponse> {
    const received = decodePost(await fields(request))
    const response = verifyResponse(received, this.#keys)
    const nowMs = this.#options.nowMs()
    // A logout is still heard then: to be signed out by a key that is too old does less harm than to stay in.
    requireValid(this.#provider, nowMs)
    const { inResponseTo } = response
    const asked = inResponseTo === undefined ? undefined : await this.#signIns.answered(inResponseTo, nowMs)
    if (inResponseTo !== undefined && asked === undefined) throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO', {})
    validateResponse(response, {
      now: this.#now(),
      consumerUrl: this.#url(this.#paths.assertionConsumer),
      audience: this.#options.entityId,
      skewSeconds,
      ...(inResponseTo === undefined ? {} : { inResponseTo })
    })
    if (asked === undefined) return this.#consumeUnsolicited(response, received.relayState)
    const arrived: ArrivedSignIn = { asked, session: await this.#used(response, asked.askedAtMs, nowMs) }
    if (this.#isBy(request, asked)) return this.#finish(request, arrived)
    // A form of another site comes without cookies; the same browser has them one redirect later.
    const name = await this.#signIns.keep(arrived, nowMs)
    return redirectTo(`${this.#paths.assertionConsumer}?${new URLSearchParams({ [parameters.arrived]: name }).toString()}`)
  }

  async #consumeUnsolicited(response: Verified<SamlResponse>, relayState: string | undefined): Promise<GuardResponse> {
    const { unsolicitedResponses = 'restart' } = this.#options
    switch (unsolicitedResponses) {
      case 'restart': {
        const earlier = await this.#signIns.answered(relayState ?? '', this.#options.nowMs())
        const counted = { to: earlier?.to ?? localPath(relayState), [parameters.unsolicited]: String((earlier?.unsolicited ?? 0) + 1) }
        return redirectTo(`${this.#paths.login}?${new URLSearchParams(counted).toString()}`)
      }
      case 'refuse':
        throw new CurfewError('CURFEW_SAML_UNSOLICITED')
      case 'accept': {
        const session = await this.#openSession(await this.#used(response, undefined, this.#options.nowMs()), undefined)
        return redirectTo(localPath(relayState), [this.#cookie(session.id)])
      }
    }
  }

  /** The browser comes for the answer that it has just brought. In any other browser it opens nothing, and the sign-in starts anew there, once. */
  async #comeFor(request: GuardRequest, query: URLSearchParams): Promise<GuardResponse> {
    const arrived = await this.#signIns.collect(query.get(parameters.arrived) ?? '', this.#options.nowMs())
    if (arrived === undefined) throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO', {})
    const { asked } = arrived
    if (this.#isBy(request, asked)) return this.#finish(request, arrived)
    const refusal = new CurfewError('CURFEW_SAML_BROWSER_OTHER')
    if (asked.isAgain) throw refusal
    this.#options.onEvent?.({ kind: 'refused', code: refusal.code, path: this.#paths.assertionConsumer })
    return this.#ask(this.#browser(request) ?? newBrowser(this.#options.randomBytes), asked.to, true)
  }

  #isBy(request: GuardRequest, { browser }: AskedSignIn): boolean {
    return this.#browser(request)?.name === browser
  }

  async #finish(request: GuardRequest, { asked, session }: ArrivedSignIn): Promise<GuardResponse> {
    await this.#openSession(session, asked.askedAtMs)
    const browser = this.#browser(request)
    const counted = browser === undefined || browser.unsolicited === 0 ? [] : [this.#browserCookie({ ...browser, unsolicited: 0 })]
    return redirectTo(asked.to, [this.#cookie(session.id), ...counted])
  }

  /** The session that a verified answer means; no answer with its assertion counts again, and it is open nowhere yet. */
  async #used(response: Verified<SamlResponse>, askedAtMs: number | undefined, nowMs: number): Promise<AppSession> {
    const { assertion } = response
    if (assertion === undefined) throw new CurfewError('CURFEW_SAML_RESPONSE_STATUS', { status: response.status.code })
    const { sessions } = this.#options
    const sessionIndex = assertion.authnStatement?.sessionIndex
    const [sri] = assertion.attributes.find(({ name }) => name === 'pi.sri')?.values ?? []
    const session: AppSession = {
      id: Buffer.from(this.#options.randomBytes(32)).toString('base64url'),
      identityProvider: this.#provider.entityId,
      nameId: assertion.subject.nameId,
      attributes: Object.fromEntries(assertion.attributes.map((a) => [a.name, a.values])),
      createdAtMs: nowMs,
      issuedAtMs: assertion.issueInstant.epochMilliseconds,
      expiresAtMs: Math.min(assertion.authnStatement?.sessionNotOnOrAfter?.epochMilliseconds ?? Number.POSITIVE_INFINITY, nowMs + sessionMsMax),
      ...(sessionIndex === undefined ? {} : { sessionIndex }),
      ...(sri === undefined ? {} : { sri })
    }
    if (!(await sessions.remember(`assertion:${assertion.id}`, '1', nowMs + sessionMsMax, nowMs))) throw new CurfewError('CURFEW_SAML_REPLAYED', {})
    // Now, too: the tombstone may be gone when the browser comes.
    if (await isOvertaken(sessions, session, askedAtMs, nowMs)) throw new CurfewError('CURFEW_SAML_SESSION_ENDED', {})
    return session
  }

  async #openSession(session: AppSession, askedAtMs: number | undefined): Promise<AppSession> {
    const { sessions } = this.#options
    await sessions.open(session)
    // Asked after opening: a LogoutRequest that came in between finds the session or leaves a tombstone, never neither.
    if (await isOvertaken(sessions, session, askedAtMs, this.#options.nowMs())) {
      await sessions.end(session.id)
      throw new CurfewError('CURFEW_SAML_SESSION_ENDED', {})
    }
    this.#options.onEvent?.({ kind: 'signed-in', session })
    return session
  }

  async #startLogout(request: GuardRequest): Promise<GuardResponse> {
    if (!isOwnForm(request, this.#options.baseUrl)) throw new CurfewError('CURFEW_SESSION_LOGOUT_FOREIGN', {})
    const session = await this.session(request.cookie)
    const expired = this.#cookie('', 0)
    if (session === undefined) return redirectTo(this.#signedOut('complete'), [expired])
    await this.#options.sessions.end(session.id)
    this.#options.onEvent?.({ kind: 'signed-out', session, by: 'application' })
    const service = this.#provider.singleLogout
    if (service === undefined) return redirectTo(this.#signedOut('failed'), [expired])
    const id = this.#newId()
    const nowMs = this.#options.nowMs()
    await this.#options.sessions.remember(`logout:${id}`, '1', nowMs + pendingMsMax, nowMs)
    const parts = serialiseLogoutRequest({
      kind: 'LogoutRequest',
      id,
      issuer: this.#options.entityId,
      issueInstant: this.#now(),
      destination: service.url,
      notOnOrAfter: Temporal.Instant.fromEpochMilliseconds(nowMs + 5 * 60_000),
      reason: 'urn:oasis:names:tc:SAML:2.0:logout:user',
      subject: session.nameId,
      sessionIndexes: session.sessionIndex === undefined ? [] : [session.sessionIndex],
      asynchronous: false
    })
    const message = { parameter: 'SAMLRequest' as const, xml: parts.head + parts.tail }
    if (service.binding === 'redirect') return redirectTo(await encodeRedirect(service.url, message, this.#signing), [expired])
    const { fields: form } = encodePost(await signMessage(parts, this.#signing), { parameter: 'SAMLRequest' })
    return htmlAnswer(200, postForm(service.url, form), [expired])
  }

  async #logoutMessage(received: Received): Promise<GuardResponse> {
    if (received.kind === 'LogoutResponse') return this.#logoutAnswered(received)
    const { request, answerStatus, isRepeated } = await this.#endSessions(received)
    // Whoever captured a request must not take the cookie of what was opened since.
    const expired = isRepeated ? [] : [this.#cookie('', 0)]
    if (request.asynchronous)
      return htmlAnswer(
        200,
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Signed out</title><p>Signed out of this application.</p></html>',
        expired
      )
    const service = this.#provider.singleLogout
    if (service === undefined) throw new CurfewError('CURFEW_SAML_BINDING_REFUSED', {})
    const url = service.responseUrl ?? service.url
    const parts = this.#logoutResponse(request, url, answerStatus)
    const relay = received.relayState === undefined ? {} : { relayState: received.relayState }
    if (service.binding === 'redirect') {
      return redirectTo(await encodeRedirect(url, { parameter: 'SAMLResponse', xml: parts.head + parts.tail, ...relay }, this.#signing), expired)
    }
    const { fields: form } = encodePost(await signMessage(parts, this.#signing), { parameter: 'SAMLResponse', ...relay })
    return htmlAnswer(200, postForm(url, form), expired)
  }

  async #logoutBySoap(request: GuardRequest): Promise<GuardResponse> {
    const received = decodeSoap(await request.readBody())
    const ended = await this.#endSessions(received)
    const parts = this.#logoutResponse(ended.request, undefined, ended.answerStatus)
    return { status: 200, headers: { ...noStore, 'content-type': 'text/xml; charset=utf-8' }, body: encodeSoap(await signMessage(parts, this.#signing)) }
  }

  /**
   * Ends what a verified request names. No session is no error: the wish is fulfilled already. A request that comes again is
   * answered as the first time, and ends nothing that began since.
   */
  async #endSessions(received: Received): Promise<{ request: Verified<LogoutRequest>; answerStatus: Status; isRepeated: boolean }> {
    const request = verifyLogoutRequest(received, this.#keys)
    validateLogoutRequest(request, {
      now: this.#now(),
      destinations: [this.#url(this.#paths.singleLogout), this.#url(this.#paths.singleLogoutSoap)],
      skewSeconds
    })
    const nowMs = this.#options.nowMs()
    const repeatable = replayEntry(request, skewSeconds)
    const seen = `logout-request:${repeatable.issuer}:${repeatable.id}`
    if (await this.#options.sessions.isRemembered(seen, nowMs)) return { request, answerStatus: status.success(), isRepeated: true }
    const untilMs = Math.max(repeatable.untilMs, nowMs + messageAgeSecondsMax * 1000 + skewSeconds * 1000)
    const issuedUntilMs = coveredUntilMs(request.issueInstant)
    const named = { identityProvider: this.#provider.entityId, nameId: request.subject, sessionIndexes: request.sessionIndexes }
    await noteLogout(this.#options.sessions, named, nowMs, untilMs)
    const ended = await this.#options.sessions.endBySubject(
      {
        ...named,
        issuedUntilMs,
        // A message that names the user only may be late: who signed in since is not meant.
        ...(request.sessionIndexes.length === 0 ? { sparesIssuedAfterMs: issuedUntilMs + issuerSkewMs } : {})
      },
      untilMs
    )
    for (const session of ended) {
      this.#options.onEvent?.({ kind: 'signed-out', session, by: 'identity-provider', binding: proofOf(request).binding })
    }
    // Only now: a sender that never heard our answer tries again, and must find the work to be done done.
    await this.#options.sessions.remember(seen, '1', untilMs, nowMs)
    return { request, answerStatus: status.success(), isRepeated: false }
  }

  async #logoutAnswered(received: Received): Promise<GuardResponse> {
    const response = verifyLogoutResponse(received, this.#keys)
    validateLogoutResponse(response, { now: this.#now(), destinations: [this.#url(this.#paths.singleLogout)], skewSeconds })
    const isOurs =
      response.inResponseTo !== undefined && (await this.#options.sessions.take(`logout:${response.inResponseTo}`, this.#options.nowMs())) !== undefined
    if (!isOurs) throw new CurfewError('CURFEW_SAML_IN_RESPONSE_TO', {})
    this.#options.onEvent?.({ kind: 'logout-finished', status: response.status })
    if (!status.isSuccess(response.status)) return redirectTo(this.#signedOut('failed'))
    return redirectTo(this.#signedOut(status.isPartialLogout(response.status) ? 'partial' : 'complete'))
  }

  #logoutResponse(request: LogoutRequest, destination: string | undefined, answerStatus: Status) {
    return serialiseLogoutResponse({
      kind: 'LogoutResponse',
      id: this.#newId(),
      issuer: this.#options.entityId,
      issueInstant: this.#now(),
      inResponseTo: request.id,
      status: answerStatus,
      ...(destination === undefined ? {} : { destination })
    })
  }

  #signedOut(result: 'complete' | 'partial' | 'failed'): string {
    const path = this.#options.signedOutPath ?? '/'
    return `${path}${path.includes('?') ? '&' : '?'}signout=${result}`
  }

  #cookie(value: string, maxAgeSeconds?: number): string {
    return guardCookie(this.#cookieName, value, this.#options.baseUrl, maxAgeSeconds)
  }

  #url(path: string): string {
    return new URL(path, this.#options.baseUrl).href
  }

  #now(): Temporal.Instant {
    return Temporal.Instant.fromEpochMilliseconds(this.#options.nowMs())
  }

  #newId(): string {
    return `_${Buffer.from(this.#options.randomBytes(20)).toString('hex')}`
  }
}

/**
 * Assertions issued up to then are from before the message, whoever asked for them: the same session may open the application
 * anew, with the same SessionIndex, a moment after it was signed out of it alone. For machines of the provider whose clocks
 * differ see {@link isOvertaken}. An instant of whole seconds stands for all of its second.
 */
function coveredUntilMs({ epochMilliseconds }: Temporal.Instant): number {
  return epochMilliseconds % 1000 === 0 ? epochMilliseconds + 999 : epochMilliseconds
}

async function fields(request: GuardRequest): Promise<[string, string][]> {
  const body = Buffer.from(await request.readBody()).toString('utf8')
  return [...new URLSearchParams(body)]
}
