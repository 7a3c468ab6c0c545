import { CurfewError, isCurfewError, type VerifiedOpenToken } from '@curfew/codecs'
import { type Guard, guardCookie, isOwnForm, issuerSkewMs, localPath, sessionCookieDefault, splitTarget } from './guard.ts'
import { cookieValue, type GuardRequest, type GuardResponse, htmlAnswer, redirectTo, refusalStatus } from './http.ts'
import { createOpenTokenAgent, type OpenTokenAgent } from './opentoken-agent.ts'
import type { AppSession, SessionRegistry } from './session-registry.ts'

/** Where the guard answers; all under one prefix of the application. */
export interface OpenTokenPaths {
  /** Takes tokens: `targetUrl` of the connection. */
  readonly open: string
  /** `logoutService` of the connection. */
  readonly logoutService: string
  /** Starts a sign-in; `?to=/path` comes back there. */
  readonly login: string
  /** Starts a sign-out everywhere. */
  readonly logout: string
}

/** Where it answers, unless the application says otherwise. */
export const openTokenPaths: OpenTokenPaths = {
  open: '/opentoken/open',
  logoutService: '/opentoken/slo',
  login: '/opentoken/login',
  logout: '/opentoken/logout'
}

/** What became of something the guard did; the application's journal. */
export type OpenTokenEvent =
  | { readonly kind: 'signed-in'; readonly session: AppSession }
  | { readonly kind: 'signed-out'; readonly session: AppSession; readonly by: 'application' | 'logout-service' }
  | { readonly kind: 'refused'; readonly code: string; readonly path: string }

/** What {@link createOpenTokenApplication} is made of. */
export interface OpenTokenApplicationOptions {
  /** Id of the connection at the authority. */
  readonly adapterId: string
  /** Text of the `agent-config.txt` of that connection. */
  readonly agentConfig: string
  /** Origin of the authority. */
  readonly authorityUrl: string
  /** Origin of the application as browsers see it. */
  readonly baseUrl: string
  readonly sessions: SessionRegistry
  readonly cookieName?: string
  readonly paths?: OpenTokenPaths
  readonly nowMs: () => number
  readonly randomBytes: (count: number) => Uint8Array
  readonly onEvent?: (event: OpenTokenEvent) => void
}

/** The sign-on and logout services of an application by OpenToken. */
export interface OpenTokenApplication extends Guard {
  readonly paths: OpenTokenPaths
}

/** How long a sign-in may take from start to token. */
const pendingMsMax = 15 * 60_000
/** So many sign-ins in a row start anew because of a token that another browser asked for: one that keeps no cookies would go on for ever. */
const restartsMax = 3
/** A state says of its sign-in how often it was started anew, so that a browser without cookies knows it too. */
const stateShape = /^(\d)\.[\w-]+$/
/** How long a sign-out keeps tokens out that were written before it. */
const tombstoneMs = 15 * 60_000
/** Attribute of a token with the index of the session, where the adapter sends it (`session-index: sessionIndex`). */
const sessionIndexName = 'session-index'
/** A path of the authority by which a browser goes on; nothing else is followed. */
const resumeShape = /^(?!.*\.\.)\/(?:sp|idp)\/[\w.-]{10,200}\/resume\/[\w./-]{1,100}$/

/** Creates the services. Pure until called: clock, randomness and registry come in by argument. */
export function createOpenTokenApplication(options: OpenTokenApplicationOptions): OpenTokenApplication {
  const paths = options.paths ?? openTokenPaths
  const guard = new OpenTokenGuard(options, paths)
  return {
    handle: (request) => guard.handle(request),
    session: (cookie) => guard.session(cookie),
    sessionCookie: options.cookieName ?? sessionCookieDefault,
    loginPath: (to) => `${paths.login}?to=${encodeURIComponent(to)}`,
    paths
  }
}

type Route = (request: GuardRequest, parameters: URLSearchParams) => Promise<GuardResponse>

class OpenTokenGuard {
  readonly #options: OpenTokenApplicationOptions
  readonly #paths: OpenTokenPaths
  readonly #agent: OpenTokenAgent

  constructor(options: OpenTokenApplicationOptions, paths: OpenTokenPaths) {
    this.#options = options
    this.#paths = paths
    this.#agent = createOpenTokenAgent(options)
  }

  async handle(request: GuardRequest): Promise<GuardResponse | undefined> {
    const [path, query] = splitTarget(request.target)
    const route = this.#route(request.method, path)
    if (route === undefined) return undefined
    try {
      const parameters = new URLSearchParams(query)
      const form = request.method === 'POST' ? new URLSearchParams(Buffer.from(await request.readBody()).toString('utf8')) : undefined
      for (const [name, value] of form ?? []) parameters.append(name, value)
      return await route(request, parameters)
    } catch (error) {
      if (!isCurfewError(error)) throw error
      this.#options.onEvent?.({ kind: 'refused', code: error.code, path })
      return htmlAnswer(refusalStatus(error.code), page('Not accepted', 'This was not accepted. Start again from the application.'))
    }
  }

  async session(cookie: string | undefined): Promise<AppSession | undefined> {
    const id = cookieValue(cookie, this.#cookieName)
    return id === undefined ? undefined : this.#options.sessions.get(id, this.#options.nowMs())
  }

  get #cookieName(): string {
    return this.#options.cookieName ?? sessionCookieDefault
  }

  get #stateCookie(): string {
    return `${this.#cookieName}_login`
  }

  #route(method: string, path: string): Route | undefined {
    const { open, logoutService, login, logout } = this.#paths
    if (path === login && method === 'GET') return async (_, parameters) => this.#startLogin(parameters)
    if (path === open && (method === 'GET' || method === 'POST')) return async (request, parameters) => this.#takeToken(request, parameters)
    if (path === logoutService && (method === 'GET' || method === 'POST')) return async (request, parameters) => this.#logoutVisit(request, parameters)
    if (path === logout && method === 'POST') return async (request) => this.#startLogout(request)
    return undefined
  }

  /** The wish is remembered before the browser leaves; the token comes back to it, in this browser. */
  async #startLogin(parameters: URLSearchParams, restarts = 0): Promise<GuardResponse> {
    const state = `${restarts}.${this.#random()}`
    const nowMs = this.#options.nowMs()
    await this.#options.sessions.remember(`login:${state}`, localPath(parameters.get('to')), nowMs + pendingMsMax, nowMs, 'if-room')
    const target = new URL(this.#paths.open, this.#options.baseUrl)
    target.searchParams.set('state', state)
    const url = this.#authority('/sp/startSSO.ping')
    url.searchParams.set('SpSessionAuthnAdapterId', this.#options.adapterId)
    url.searchParams.set('TargetResource', target.href)
    return redirectTo(url.href, [guardCookie(this.#stateCookie, state, this.#options.baseUrl, pendingMsMax / 1000)])
  }

  /**
   * Takes a token, once, and opens a session. A token that this browser did not ask for, from the authority's own page or
   * from somebody's link, is not taken: the sign-in starts here instead, so that nobody is signed in as somebody else.
   */
  async #takeToken(request: GuardRequest, parameters: URLSearchParams): Promise<GuardResponse> {
    const state = parameters.get('state')
    // A form of another site comes without cookies; the same request by GET has them.
    if (request.method === 'POST' && cookieValue(request.cookie, this.#stateCookie) === undefined && state !== null)
      return redirectTo(`${this.#paths.open}?${new URLSearchParams({ state, parked: await this.#park(parameters) }).toString()}`)
    if (state === null || cookieValue(request.cookie, this.#stateCookie) !== state) return this.#restart(state)
    const nowMs = this.#options.nowMs()
    const token = this.#agent.read(await this.#tokenText(request, parameters))
    const to = await this.#options.sessions.take(`login:${state}`, nowMs)
    if (to === undefined) throw new CurfewError('CURFEW_OPENTOKEN_TIME', { key: 'state' })
    const session = await this.#openSession(token, nowMs)
    const cookies = [guardCookie(this.#cookieName, session.id, this.#options.baseUrl), guardCookie(this.#stateCookie, '', this.#options.baseUrl, 0)]
    return redirectTo(localPath(to), [...cookies, ...this.#deletedToken()])
  }

  async #restart(state: string | null): Promise<GuardResponse> {
    const [, restarts = '0'] = stateShape.exec(state ?? '') ?? []
    if (Number(restarts) >= restartsMax) throw new CurfewError('CURFEW_OPENTOKEN_BROWSER_OTHER')
    return this.#startLogin(new URLSearchParams(), Number(restarts) + 1)
  }

  /** Keeps a posted token for the browser's own request; what is no token of the authority is kept by nobody. */
  async #park(parameters: URLSearchParams): Promise<string> {
    const text = parameters.get(this.#agent.tokenName) ?? ''
    const token = this.#agent.read(text)
    const name = this.#random()
    const nowMs = this.#options.nowMs()
    await this.#options.sessions.remember(`token:${name}`, text, Math.min(nowMs + pendingMsMax, token.notOnOrAfter.epochMilliseconds), nowMs, 'if-room')
    return name
  }

  async #tokenText(request: GuardRequest, parameters: URLSearchParams): Promise<string> {
    const parked = parameters.get('parked')
    if (parked !== null) return (await this.#options.sessions.take(`token:${parked}`, this.#options.nowMs())) ?? ''
    if (this.#agent.useCookie) return cookieValue(request.cookie, this.#agent.tokenName) ?? ''
    return parameters.get(this.#agent.tokenName) ?? ''
  }

  async #openSession(token: VerifiedOpenToken, nowMs: number): Promise<AppSession> {
    const { sessions, authorityUrl } = this.#options
    const endMs = token.notOnOrAfter.epochMilliseconds
    const index = token.attributes[sessionIndexName]?.[0]
    if (await sessions.isRemembered(visitKey(token), nowMs)) throw new CurfewError('CURFEW_OPENTOKEN_INVALID')
    if (!(await sessions.remember(openedKey(token), '1', endMs, nowMs))) throw new CurfewError('CURFEW_OPENTOKEN_INVALID')
    const session: AppSession = {
      id: this.#random(),
      identityProvider: authorityUrl,
      nameId: { value: token.subject },
      attributes: token.attributes,
      createdAtMs: nowMs,
      expiresAtMs: token.renewUntil?.epochMilliseconds ?? nowMs + this.#agent.renewUntilSeconds * 1000,
      issuedAtMs: token.notBefore.epochMilliseconds,
      ...(index === undefined ? {} : { sessionIndex: index })
    }
    await sessions.open(session)
    // Asked after opening: a logout that came in between finds the session or leaves a tombstone, never neither.
    if (await sessions.isEnded(session, nowMs)) {
      await sessions.end(session.id)
      throw new CurfewError('CURFEW_OPENTOKEN_EXPIRED')
    }
    this.#options.onEvent?.({ kind: 'signed-in', session })
    return session
  }

  /**
   * The Logout Service: checks the token, ends the session of this browser, and sends the browser back by the resume path
   * with an answer that only this application can make. The same for a logout that starts anywhere.
   */
  async #logoutVisit(request: GuardRequest, parameters: URLSearchParams): Promise<GuardResponse> {
    // The authority looks whether anybody answers before it sends a browser; that is no visit.
    if (parameters.size === 0) return htmlAnswer(400, page('Logout service', 'Browsers are sent here when a session ends.'))
    const resume = parameters.get('resumePath') ?? parameters.get('resume') ?? ''
    if (!resumeShape.test(resume)) throw new CurfewError('CURFEW_OPENTOKEN_INVALID')
    const back = new URL(resume, this.#options.authorityUrl)
    try {
      // A form of another site comes without cookies; the same request by GET shows which session is meant.
      if (request.method === 'POST' && cookieValue(request.cookie, this.#cookieName) === undefined)
        return redirectTo(`${this.#paths.logoutService}?${new URLSearchParams({ resumePath: resume, parked: await this.#park(parameters) }).toString()}`)
      const token = this.#agent.read(await this.#tokenText(request, parameters))
      const result = (await this.#visit(request, token)) ? 'ended' : 'failed'
      back.searchParams.set(this.#agent.tokenName, this.#agent.write({ subject: token.subject, attributes: { resume: [resume], logout: [result] } }))
    } catch (error) {
      if (!isCurfewError(error)) throw error
      this.#options.onEvent?.({ kind: 'refused', code: error.code, path: this.#paths.logoutService })
      back.searchParams.set('error', error.code)
      return redirectTo(back.href, this.#deletedToken())
    }
    // The cookie of a session that goes on is left alone.
    const isOver = (await this.session(request.cookie)) === undefined
    return redirectTo(back.href, [...(isOver ? [guardCookie(this.#cookieName, '', this.#options.baseUrl, 0)] : []), ...this.#deletedToken()])
  }

  /**
   * One visit with one token, which opens nothing from then on: it stood in an address of this browser. A token that comes
   * again is answered as the first time, and ends nothing more. False: nothing can be said of the session that was meant.
   */
  async #visit(request: GuardRequest, token: VerifiedOpenToken): Promise<boolean> {
    const { sessions, nowMs } = this.#options
    const endMs = token.notOnOrAfter.epochMilliseconds
    if (await sessions.isRemembered(openedKey(token), nowMs())) throw new CurfewError('CURFEW_OPENTOKEN_INVALID')
    await sessions.remember(visitKey(token), '1', endMs, nowMs())
    if (await sessions.isRemembered(endedKey(token), nowMs())) return true
    const isEnded = await this.#end(request, token)
    if (isEnded) await sessions.remember(endedKey(token), '1', endMs, nowMs())
    else this.#options.onEvent?.({ kind: 'refused', code: 'CURFEW_OPENTOKEN_SESSION_FOREIGN', path: this.#paths.logoutService })
    return isEnded
  }

  /**
   * The session that the token names by its index; without one the session of this browser. A browser that has lost its
   * cookie, or brings one of no session, can't say which one that was: every session of the user ends, so that no cookie
   * makes the answer untrue. Sessions that began after the token was written go on. False: the browser holds the session
   * of somebody else, and nothing ended.
   */
  async #end(request: GuardRequest, token: VerifiedOpenToken): Promise<boolean> {
    const { sessions, authorityUrl: identityProvider, nowMs } = this.#options
    const issuedUntilMs = token.notBefore.epochMilliseconds
    const untilMs = Math.max(nowMs() + tombstoneMs, token.notOnOrAfter.epochMilliseconds)
    const index = token.attributes[sessionIndexName]?.[0]
    const named = { identityProvider, nameId: { value: token.subject }, sessionIndexes: index === undefined ? [] : [index], issuedUntilMs }
    const held = index === undefined ? await this.session(request.cookie) : undefined
    const isForeign = held !== undefined && (held.nameId.value !== token.subject || held.identityProvider !== identityProvider)
    const isMeant = held !== undefined && !isForeign && (held.issuedAtMs ?? held.createdAtMs) <= issuedUntilMs + issuerSkewMs
    // Other browsers keep the sessions they have: only what was written before the visit opens nothing any more.
    const sparesIssuedAfterMs = isForeign || isMeant ? 0 : issuedUntilMs + issuerSkewMs
    const ended = [...(await sessions.endBySubject({ ...named, ...(index === undefined ? { sparesIssuedAfterMs } : {}) }, untilMs))]
    if (isMeant && (await sessions.end(held.id))) ended.push(held)
    for (const session of ended) this.#options.onEvent?.({ kind: 'signed-out', session, by: 'logout-service' })
    return !isForeign
  }

  async #startLogout(request: GuardRequest): Promise<GuardResponse> {
    if (!isOwnForm(request, this.#options.baseUrl)) throw new CurfewError('CURFEW_SESSION_LOGOUT_FOREIGN', {})
    const session = await this.session(request.cookie)
    if (session !== undefined) {
      await this.#options.sessions.end(session.id)
      this.#options.onEvent?.({ kind: 'signed-out', session, by: 'application' })
    }
    const url = this.#authority('/sp/startSLO.ping')
    url.searchParams.set('SpSessionAuthnAdapterId', this.#options.adapterId)
    return redirectTo(url.href, [guardCookie(this.#cookieName, '', this.#options.baseUrl, 0)])
  }

  /** With cookie transport the token is deleted when it has done its work. */
  #deletedToken(): readonly string[] {
    const { useCookie, tokenName, cookieDomain, cookiePath } = this.#agent
    if (!useCookie) return []
    return [`${tokenName}=; Path=${cookiePath}; Max-Age=0${cookieDomain === '' ? '' : `; Domain=${cookieDomain}`}`]
  }

  #authority(path: string): URL {
    return new URL(path, this.#options.authorityUrl)
  }

  #random(): string {
    return Buffer.from(this.#options.randomBytes(24)).toString('base64url')
  }
}

/** Under which a token is remembered that opened a session. */
function openedKey({ mac }: VerifiedOpenToken): string {
  return `mac:${mac}`
}

/** Under which one is that came to the Logout Service. */
function visitKey({ mac }: VerifiedOpenToken): string {
  return `visit:${mac}`
}

/** Under which one is whose visit was answered with `ended`. */
function endedKey({ mac }: VerifiedOpenToken): string {
  return `visit-ended:${mac}`
}

function page(title: string, text: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><p>${text}</p></html>`
}
