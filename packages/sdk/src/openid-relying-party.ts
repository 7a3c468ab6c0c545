import { codeChallenge, CurfewError, type IdToken, isCurfewError, type TokenAlgorithm, verifyLogoutToken } from '@curfew/codecs'
import { type Guard, guardCookie, isOwnForm, issuerSkewMs, localPath, sessionCookieDefault, splitTarget } from './guard.ts'
import { cookieNames, cookieValue, type GuardRequest, type GuardResponse, htmlAnswer, redirectTo, refusalStatus } from './http.ts'
import type { ClientSecret } from './client-secret.ts'
import type { MutualTls } from './mutual-tls.ts'
import { createProviderSource, type Fetch, type ProviderSource } from './openid-provider.ts'
import { OpenIdTokens, tokenSkewSeconds } from './openid-tokens.ts'
import { requireAddress } from './require-address.ts'
import {
  emptySessionCheckPage,
  isSessionOver,
  type SessionCheckOptions,
  sessionCheckPage,
  sessionCheckScript,
  sessionStateCookie,
  sessionStateOf,
  sessionVerdictPage
} from './session-check.ts'
import type { AppSession, SessionRegistry } from './session-registry.ts'

/** Where the guard answers; all under one prefix of the application. */
export interface RelyingPartyPaths {
  readonly callback: string
  readonly backChannelLogout: string
  readonly frontChannelLogout: string
  /** Starts a sign-in; `?to=/path` comes back there. */
  readonly login: string
  /** Starts a sign-out everywhere. */
  readonly logout: string
  /** Where the provider sends the browser after a sign-out. */
  readonly signedOut: string
  /** The frame that asks the provider whether the session changed, its script, and where it asks anew without a page. */
  readonly checkSession: string
  readonly checkSessionScript: string
  readonly recheckSession: string
}

/** Where it answers, unless the application says otherwise. */
export const relyingPartyPaths: RelyingPartyPaths = {
  callback: '/oidc/cb',
  backChannelLogout: '/oidc/backchannel-logout',
  frontChannelLogout: '/oidc/frontchannel-logout',
  login: '/oidc/login',
  logout: '/oidc/logout',
  signedOut: '/oidc/signed-out',
  checkSession: '/oidc/check-session',
  checkSessionScript: '/oidc/check-session.js',
  recheckSession: '/oidc/check-session/again'
}

/** What became of something the guard did; the application's journal. */
export type RelyingPartyEvent =
  | { readonly kind: 'signed-in'; readonly session: AppSession }
  | { readonly kind: 'signed-out'; readonly session: AppSession; readonly by: 'application' | 'back-channel' | 'front-channel' | 'session-check' }
  | { readonly kind: 'refused'; readonly code: string; readonly path: string }

/** What {@link createRelyingParty} is made of. */
export interface RelyingPartyOptions {
  /** Issuer of the provider: the address its configuration is found at. */
  readonly issuer: string
  readonly clientId: string
  /** Absent: a public client, unless {@link mutualTls} is there. */
  readonly clientSecret?: ClientSecret
  /** The client proves itself by this certificate, and by no secret. */
  readonly mutualTls?: MutualTls
  /** Origin of the application as browsers see it. */
  readonly baseUrl: string
  /** Where sessions are kept; that of a session guard where there is one, so that it hears of what ends. */
  readonly sessions: SessionRegistry
  /** Default: `openid profile email`. */
  readonly scope?: string
  /** Name of the session cookie; two guards of one host need two. Default: `app_session`. */
  readonly cookieName?: string
  /** Default: {@link relyingPartyPaths}. */
  readonly paths?: RelyingPartyPaths
  /** Where a browser ends after signing out; gets `?signout=returned`: what others confirmed, the provider knows. */
  readonly signedOutPath?: string
  /** Pin what the client was registered with. */
  readonly algorithms?: readonly TokenAlgorithm[]
  /** Older providers send logout tokens without `exp`, or untyped. */
  readonly acceptMissingExp?: boolean
  readonly acceptMissingType?: boolean
  /** Answers for a frame that pages of the application hold to learn of a session that changed. Absent: it does not. */
  readonly sessionCheck?: SessionCheckOptions
  /** Asks the provider. The `fetch` of Node fits. */
  readonly fetch: Fetch
  /** Milliseconds since the epoch, as `now` of the `Date` of JavaScript gives them. */
  readonly nowMs: () => number
  /** That of `node:crypto`. */
  readonly randomBytes: (count: number) => Uint8Array
  readonly onEvent?: (event: RelyingPartyEvent) => void
}

/** An OpenID relying party in front of one application: sign-in, sessions, and every way to be signed out. */
export interface RelyingParty extends Guard {
  /** Where it answers: those of the session check only where that is set. */
  readonly paths: Omit<RelyingPartyPaths, CheckPath> & Partial<Pick<RelyingPartyPaths, CheckPath>>
}

type CheckPath = 'checkSession' | 'checkSessionScript' | 'recheckSession'

/** How long a sign-in or sign-out may take from start to answer. */
const pendingMsMax = 15 * 60_000
/** Parameter of the sign-in that starts again because a logout overtook the one before. */
const overtakenParameter = 'overtaken'
/** Most sign-ins that one browser has under way, as in its tabs; the oldest give way. */
const signInsMax = 8
const sessionMsMax = 24 * 3_600_000
/** How long a sign-out keeps tokens out that were issued before it, and its own token from counting twice. */
const tombstoneMs = 15 * 60_000

/** What is remembered of a sign-in under way. */
interface Pending {
  readonly to: string
  readonly nonce: string
  readonly verifier: string
  /** A logout overtook the one before; once is enough. */
  readonly isAgain?: boolean
  /** It asks anew, in a frame, about a session that is there. */
  readonly again?: Asked
}

/** The session that is asked about. */
interface Asked {
  readonly sessionId: string
  readonly subject: string
  readonly sid?: string
}

/**
 * Creates a relying party. Pure until called: clock, randomness, network and registry come in by argument.
 * @throws TypeError when the issuer or the base is no address
 */
export function createRelyingParty(options: RelyingPartyOptions): RelyingParty {
  requireAddress('issuer', options.issuer)
  requireAddress('baseUrl', options.baseUrl)
  const paths = options.paths ?? relyingPartyPaths
  const guard = new OpenIdGuard(options, paths)
  const { checkSession: _, checkSessionScript: __, recheckSession: ___, ...usual } = paths
  return {
    handle: (request) => guard.handle(request),
    session: (cookie) => guard.session(cookie),
    sessionCookie: options.cookieName ?? sessionCookieDefault,
    loginPath: (to) => `${paths.login}?to=${encodeURIComponent(to)}`,
    paths: options.sessionCheck === undefined ? usual : paths
  }
}

class OpenIdGuard {
  readonly #options: RelyingPartyOptions
  readonly #paths: RelyingPartyPaths
  readonly #provider: ProviderSource
  readonly #tokens: OpenIdTokens

  constructor(options: RelyingPartyOptions, paths: RelyingPartyPaths) {
    this.#options = options
    this.#paths = paths
    this.#provider = createProviderSource(options.issuer, options.fetch)
    this.#tokens = new OpenIdTokens(options, this.#provider)
  }

  async handle(request: GuardRequest): Promise<GuardResponse | undefined> {
    const [path, query] = splitTarget(request.target)
    const route = this.#route(request.method, path)
    if (route === undefined) return undefined
    try {
      return await route(request, new URLSearchParams(query))
    } catch (error) {
      if (!isCurfewError(error)) throw error
      this.#options.onEvent?.({ kind: 'refused', code: error.code, path })
      if (path === this.#paths.backChannelLogout) return refusedToken(refusalStatus(error.code))
      return htmlAnswer(refusalStatus(error.code), page('Not accepted', 'This sign-in was not accepted. Start again from the application.'))
    }
  }

  async session(cookie: string | undefined): Promise<AppSession | undefined> {
    const id = cookieValue(cookie, this.#cookieName)
    return id === undefined ? undefined : this.#options.sessions.get(id, this.#options.nowMs())
  }

  get #cookieName(): string {
    return this.#options.cookieName ?? sessionCookieDefault
  }

  #route(method: string, path: string): ((request: GuardRequest, query: URLSearchParams) => Promise<GuardResponse>) | undefined {
    const { callback, backChannelLogout, frontChannelLogout, login, logout, signedOut, checkSession, checkSessionScript, recheckSession } = this.#paths
    const isPost = method === 'POST'
    if (path === login && !isPost) return async (request, query) => this.#startLogin(request, query)
    if (path === callback && !isPost) return async (request, query) => this.#finishLogin(request, query)
    if (path === backChannelLogout && isPost) return async (request) => this.#logoutByToken(request)
    if (path === frontChannelLogout && !isPost) return async (request, query) => this.#logoutByFrame(request, query)
    if (path === logout && isPost) return async (request) => this.#startLogout(request)
    if (path === signedOut && !isPost) return async (request, query) => this.#finishLogout(request, query)
    const { sessionCheck } = this.#options
    if (sessionCheck === undefined || isPost) return undefined
    if (path === checkSession) return async (request) => this.#sessionCheck(request, sessionCheck)
    if (path === checkSessionScript) return async () => sessionCheckScript()
    if (path === recheckSession) return async (request) => this.#startRecheck(request)
    return undefined
  }

  async #startLogin({ cookie }: GuardRequest, query: URLSearchParams): Promise<GuardResponse> {
    const state = this.#random()
    const underWay = cookieNames(cookie).filter((name) => name.startsWith(this.#stateCookies))
    const oldest = underWay.slice(0, Math.max(0, underWay.length + 1 - signInsMax))
    const over = oldest.map((name) => guardCookie(name, '', this.#options.baseUrl, 0))
    return this.#authorize(state, [this.#beginning(this.#stateCookie(state), state), ...over], {
      to: localPath(query.get('to')),
      isAgain: query.has(overtakenParameter)
    })
  }

  async #authorize(
    state: string,
    cookies: readonly string[],
    about: Pick<Pending, 'to' | 'again' | 'isAgain'>,
    more: Readonly<Record<string, string>> = {}
  ): Promise<GuardResponse> {
    const { authorizationEndpoint } = await this.#provider.configuration()
    const pending: Pending = { ...about, nonce: this.#random(), verifier: this.#random(48) }
    const nowMs = this.#options.nowMs()
    await this.#options.sessions.remember(`login:${state}`, JSON.stringify(pending), nowMs + pendingMsMax, nowMs, 'if-room')
    const url = new URL(authorizationEndpoint)
    const parameters = {
      client_id: this.#options.clientId,
      response_type: 'code',
      redirect_uri: this.#url(this.#paths.callback),
      scope: this.#options.scope ?? 'openid profile email',
      state,
      nonce: pending.nonce,
      code_challenge: codeChallenge(pending.verifier),
      code_challenge_method: 'S256',
      ...more
    }
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
    return redirectTo(url.href, cookies)
  }

  #beginning(cookie: string, state: string): string {
    return guardCookie(cookie, state, this.#options.baseUrl, pendingMsMax / 1000)
  }

  get #stateCookies(): string {
    return `${this.#cookieName}_login_`
  }

  /** One for each sign-in: those of several tabs do not take each other's. */
  #stateCookie(state: string): string {
    return `${this.#stateCookies}${state.slice(0, 8)}`
  }

  get #recheckCookie(): string {
    return `${this.#cookieName}_recheck`
  }

  get #sessionStateCookie(): string {
    return `${this.#cookieName}_state`
  }

  /** The browser that began is the one that ends: nobody is signed in by an address that somebody else sent. */
  async #finishLogin(request: GuardRequest, query: URLSearchParams): Promise<GuardResponse> {
    const state = query.get('state') ?? ''
    const nowMs = this.#options.nowMs()
    const isBegun = [this.#stateCookie(state), this.#recheckCookie].filter((name) => cookieValue(request.cookie, name) === state)
    const stored = state === '' || isBegun.length === 0 ? undefined : await this.#options.sessions.take(`login:${state}`, nowMs)
    if (stored === undefined) throw new CurfewError('CURFEW_OIDC_STATE', {})
    const pending = JSON.parse(stored) as Pending
    const issuer = query.get('iss')
    // RFC 9207: an answer of another provider does not belong here.
    if (issuer !== null && issuer !== this.#options.issuer) throw new CurfewError('CURFEW_OIDC_TOKEN_CLAIM', { claim: 'iss' })
    if (pending.again !== undefined) return this.#finishRecheck(request, query, { ...pending, again: pending.again })
    const token = await this.#tokens.exchange(query, { ...pending, redirectUri: this.#url(this.#paths.callback) })
    const over = guardCookie(this.#stateCookie(state), '', this.#options.baseUrl, 0)
    const session = await this.#openSession(token.idToken, token.text, nowMs).catch((error: unknown) => {
      if (pending.isAgain === true || !isCurfewError(error) || error.code !== 'CURFEW_OIDC_SESSION_OVER') throw error
      this.#options.onEvent?.({ kind: 'refused', code: error.code, path: this.#paths.callback })
    })
    if (session === undefined) return this.#signInAgain(pending.to, over)
    return redirectTo(pending.to, [guardCookie(this.#cookieName, session.id, this.#options.baseUrl), ...this.#sessionState(query), over])
  }

  /**
   * `iat` is of whole seconds, so who opens the application in the second of its logout is refused like who signed in before
   * it. The browser asks the provider again a second later: that answer is newer, or the provider asks who is there.
   */
  #signInAgain(to: string, over: string): GuardResponse {
    const answer = htmlAnswer(refusalStatus('CURFEW_OIDC_SESSION_OVER'), page('One moment', 'You have just signed out here. Signing in again.'), [over])
    const path = `${this.#paths.login}?${new URLSearchParams({ to, [overtakenParameter]: '1' }).toString()}`
    return { ...answer, headers: { ...answer.headers, refresh: `1; url=${path}` } }
  }

  /** The cookie for the script of the frame, where there is one and the provider says a state. */
  #sessionState(query: URLSearchParams): readonly string[] {
    const state = this.#options.sessionCheck === undefined ? undefined : sessionStateOf(query.get('session_state'))
    return state === undefined ? [] : [sessionStateCookie(this.#sessionStateCookie, state, this.#options.baseUrl)]
  }

  /** Takes the cookies of a session that is over. */
  #expired(): readonly string[] {
    const { baseUrl, sessionCheck } = this.#options
    const expired = guardCookie(this.#cookieName, '', baseUrl, 0)
    return sessionCheck === undefined ? [expired] : [expired, sessionStateCookie(this.#sessionStateCookie, '', baseUrl)]
  }

  async #sessionCheck(request: GuardRequest, options: SessionCheckOptions): Promise<GuardResponse> {
    const isAsked = cookieValue(request.cookie, this.#sessionStateCookie) !== undefined && (await this.session(request.cookie)) !== undefined
    const { checkSessionIframe, authorizationEndpoint } = isAsked ? await this.#provider.configuration() : {}
    if (checkSessionIframe === undefined || authorizationEndpoint === undefined) return emptySessionCheckPage()
    return sessionCheckPage({
      checkSessionIframe,
      authorizationEndpoint,
      clientId: this.#options.clientId,
      stateCookie: this.#sessionStateCookie,
      scriptPath: this.#paths.checkSessionScript,
      recheckPath: this.#paths.recheckSession,
      options
    })
  }

  /** Session Management 1.0 section 3.1: asks with `prompt=none`, in the frame of this application and nowhere else. */
  async #startRecheck(request: GuardRequest): Promise<GuardResponse> {
    if (request.fetchSite !== undefined && request.fetchSite !== 'same-origin') return sessionVerdictPage('unknown')
    const session = await this.session(request.cookie)
    if (session === undefined) return sessionVerdictPage('ended', this.#expired())
    const { id: sessionId, nameId, sessionIndex, idToken } = session
    const again: Asked = { sessionId, subject: nameId.value, ...(sessionIndex === undefined ? {} : { sid: sessionIndex }) }
    const hint = idToken === undefined ? {} : { id_token_hint: idToken }
    const state = this.#random()
    return this.#authorize(state, [this.#beginning(this.#recheckCookie, state)], { to: '/', again }, { prompt: 'none', ...hint })
  }

  /**
   * The same person in the same session: only the state is new. The same person in another session: so is the session
   * here. Anybody else, or nobody: the session here is over. No answer says nothing.
   */
  async #finishRecheck(request: GuardRequest, query: URLSearchParams, pending: Pending & { readonly again: Asked }): Promise<GuardResponse> {
    const { sessionId, subject, sid } = pending.again
    const { sessions, baseUrl, nowMs } = this.#options
    const over = guardCookie(this.#recheckCookie, '', baseUrl, 0)
    const token = isSessionOver(query.get('error'))
      ? undefined
      : await this.#tokens.exchange(query, { ...pending, redirectUri: this.#url(this.#paths.callback) })
    // Somebody signed in anew here meanwhile: that session is not what was asked about.
    if (cookieValue(request.cookie, this.#cookieName) !== sessionId) return sessionVerdictPage('kept', [over])
    const session = await sessions.get(sessionId, nowMs())
    if (session === undefined) return sessionVerdictPage('ended', [...this.#expired(), over])
    const same = token?.idToken.subject === subject ? token : undefined
    const sidNow = same?.idToken.sid
    if (same !== undefined && (sid === undefined || sidNow === undefined || sidNow === sid)) {
      return sessionVerdictPage('kept', [...this.#sessionState(query), over])
    }
    if (await sessions.end(sessionId)) this.#options.onEvent?.({ kind: 'signed-out', session, by: 'session-check' })
    if (same === undefined) return sessionVerdictPage('ended', [...this.#expired(), over])
    const { id } = await this.#openSession(same.idToken, same.text, nowMs())
    return sessionVerdictPage('kept', [guardCookie(this.#cookieName, id, baseUrl), ...this.#sessionState(query), over])
  }

  async #openSession(token: IdToken, text: string, nowMs: number): Promise<AppSession> {
    const { sessions } = this.#options
    const sri = token.claims['pi.sri']
    const session: AppSession = {
      id: this.#random(),
      identityProvider: token.issuer,
      nameId: { value: token.subject },
      attributes: textClaims(token.claims),
      createdAtMs: nowMs,
      expiresAtMs: nowMs + sessionMsMax,
      issuedAtMs: token.issuedAtMs,
      idToken: text,
      ...(token.sid === undefined ? {} : { sessionIndex: token.sid }),
      ...(typeof sri === 'string' ? { sri } : {})
    }
    await sessions.open(session)
    // Asked after opening: a logout token that came in between finds the session or leaves a tombstone, never neither.
    if (await sessions.isEnded(session, nowMs)) {
      await sessions.end(session.id)
      throw new CurfewError('CURFEW_OIDC_SESSION_OVER', {})
    }
    this.#options.onEvent?.({ kind: 'signed-in', session })
    return session
  }

  /** OpenID Back-Channel Logout 1.0 section 2.6 to 2.8. A token that comes again is answered as the first time. */
  async #logoutByToken(request: GuardRequest): Promise<GuardResponse> {
    const { acceptMissingExp = false, acceptMissingType = false, sessions } = this.#options
    const form = new URLSearchParams(Buffer.from(await request.readBody()).toString('utf8'))
    const text = form.getAll('logout_token')
    if (text.length !== 1) throw new CurfewError('CURFEW_JWT_MALFORMED')
    const token = await this.#tokens.verified((expected) => verifyLogoutToken(text[0] ?? '', { ...expected, acceptMissingExp, acceptMissingType }))
    const nowMs = this.#options.nowMs()
    const seen = `jti:${token.issuer}:${token.jti}`
    // Answered as the first time, and nothing more: whoever captured it must not end what was opened since.
    if (await sessions.isRemembered(seen, nowMs)) return tokenAccepted
    await this.#end({ subject: token.subject, sid: token.sid, issuedUntilMs: token.issuedAtMs }, 'back-channel')
    // Only now: a sender that never heard our answer tries again, and must find the work to be done done.
    await sessions.remember(seen, '1', Math.max(nowMs + tombstoneMs, token.expiresAtMs + tokenSkewSeconds * 1000), nowMs)
    return tokenAccepted
  }

  /** OpenID Front-Channel Logout 1.0 section 3: works without cookies, by `sid`. `iss` and `sid` come together or not at all. */
  async #logoutByFrame(request: GuardRequest, query: URLSearchParams): Promise<GuardResponse> {
    const sid = query.get('sid')
    if (query.get('iss') !== this.#options.issuer || sid === null || sid === '') throw new CurfewError('CURFEW_OIDC_TOKEN_CLAIM', { claim: 'iss' })
    await this.#end({ subject: undefined, sid, issuedUntilMs: this.#options.nowMs() }, 'front-channel')
    const framed = { 'cache-control': 'no-store', 'content-security-policy': `default-src 'none'; frame-ancestors ${new URL(this.#options.issuer).origin}` }
    // A link with any sid must not take the cookie of a session that goes on.
    const isOver = (await this.session(request.cookie)) === undefined
    const cookies = isOver ? this.#expired() : []
    const answer = htmlAnswer(200, page('Signed out', 'Signed out of this application.'), cookies)
    return { ...answer, headers: { ...answer.headers, ...framed } }
  }

  async #end(
    { subject, sid, issuedUntilMs }: { readonly subject: string | undefined; readonly sid: string | undefined; readonly issuedUntilMs: number },
    by: 'back-channel' | 'front-channel'
  ): Promise<void> {
    const { sessions, issuer: identityProvider, nowMs } = this.#options
    const named = {
      identityProvider,
      issuedUntilMs,
      isUnsigned: by === 'front-channel',
      // A token that names the user only may be late: who signed in since is not meant.
      ...(sid === undefined ? { sessionIndexes: [], sparesIssuedAfterMs: issuedUntilMs + issuerSkewMs } : { sessionIndexes: [sid] }),
      ...(subject === undefined ? {} : { nameId: { value: subject } })
    }
    const ended = await sessions.endBySubject(named, nowMs() + tombstoneMs)
    for (const session of ended) this.#options.onEvent?.({ kind: 'signed-out', session, by })
  }

  async #startLogout(request: GuardRequest): Promise<GuardResponse> {
    if (!isOwnForm(request, this.#options.baseUrl)) throw new CurfewError('CURFEW_SESSION_LOGOUT_FOREIGN', {})
    const session = await this.session(request.cookie)
    const expired = this.#expired()
    if (session !== undefined) {
      await this.#options.sessions.end(session.id)
      this.#options.onEvent?.({ kind: 'signed-out', session, by: 'application' })
    }
    const { endSessionEndpoint } = await this.#provider.configuration()
    if (session === undefined || endSessionEndpoint === undefined) return redirectTo(this.#landing(), expired)
    const url = new URL(endSessionEndpoint)
    url.searchParams.set('client_id', this.#options.clientId)
    url.searchParams.set('post_logout_redirect_uri', this.#url(this.#paths.signedOut))
    if (session.idToken !== undefined) url.searchParams.set('id_token_hint', session.idToken)
    const state = this.#random()
    url.searchParams.set('state', state)
    return redirectTo(url.href, [...expired, guardCookie(this.#logoutCookie, state, this.#options.baseUrl, pendingMsMax / 1000)])
  }

  get #logoutCookie(): string {
    return `${this.#cookieName}_logout`
  }

  /** Back from the provider: only the sign-out that began in this browser is called one (RP-Initiated Logout 1.0 section 3). */
  async #finishLogout(request: GuardRequest, query: URLSearchParams): Promise<GuardResponse> {
    const state = query.get('state')
    if (state === null || cookieValue(request.cookie, this.#logoutCookie) !== state) throw new CurfewError('CURFEW_OIDC_STATE', {})
    return redirectTo(this.#landing(), [guardCookie(this.#logoutCookie, '', this.#options.baseUrl, 0)])
  }

  #landing(): string {
    const path = this.#options.signedOutPath ?? '/'
    return `${path}${path.includes('?') ? '&' : '?'}signout=returned`
  }

  #url(path: string): string {
    return new URL(path, this.#options.baseUrl).href
  }

  #random(bytes = 32): string {
    return Buffer.from(this.#options.randomBytes(bytes)).toString('base64url')
  }
}

const tokenAccepted: GuardResponse = { status: 200, headers: { 'cache-control': 'no-store' }, body: '' }

/** A refused logout token, in the words of section 2.8; what was wrong is for the journal. */
function refusedToken(status: number): GuardResponse {
  return { status, headers: { 'cache-control': 'no-store', 'content-type': 'application/json' }, body: JSON.stringify({ error: 'invalid_request' }) }
}

function page(title: string, text: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><p>${text}</p></html>`
}

/** Claims that are texts, or lists of texts, as attributes. */
function textClaims(claims: Readonly<Record<string, unknown>>): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    Object.entries(claims).flatMap(([name, value]) => {
      const texts = (Array.isArray(value) ? value : [value]).filter((one): one is string => typeof one === 'string')
      return texts.length === 0 ? [] : [[name, texts] as const]
    })
  )
}
