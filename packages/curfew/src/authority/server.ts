import fastifyCookie from '@fastify/cookie'
import fastifyFormbody from '@fastify/formbody'
import { type CatalogueEntry, codecCatalogue, CurfewError, isCurfewError } from '@curfew/codecs'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { catalogue } from '../errors/catalogue.ts'
import type { AuthorityContext } from './context.ts'
import { languageOfQuery } from './pages/messages.ts'
import { problemPage, problemText } from './pages/problem-page.ts'
import { createLogoutAnswers } from './logout-answer.ts'
import { resumeAuthorization } from './oidc/interaction.ts'
import { addHandOver } from './hand-over.ts'
import { oidcPlugin } from './oidc/plugin.ts'
import { extPlugin } from './ext/plugin.ts'
import { askLogin } from './opentoken/login.ts'
import { openTokenPlugin } from './opentoken/plugin.ts'
import { resumeApplication } from './opentoken/sign-on.ts'
import { oidcRpPlugin } from './oidc-rp/plugin.ts'
import { authorizationUrl } from './oidc-rp/request.ts'
import { pingPlugin } from './ping/plugin.ts'
import { pingOnePlugin } from './pingone/plugin.ts'
import { isAhead, noStore, seeOther } from './request.ts'
import { revocationFeedPlugin } from './revocation-feed/plugin.ts'
import { samlIdpPlugin } from './saml-idp/plugin.ts'
import { answerStarter } from './saml/slo.ts'
import { resumeSso, suffices } from './saml-idp/sso.ts'
import { samlSpPlugin } from './saml-sp/plugin.ts'
import { askProvider } from './saml-sp/start-sso.ts'
import { sessionManagementPlugin } from './session-management/plugin.ts'
import { sharedSignalsPlugin } from './shared-signals/plugin.ts'
import type { SignOffDeps } from './sign-off/deps.ts'
import { signOffPlugin } from './sign-off/plugin.ts'
import { browserToken, currentSession, isSecure, restoreCookie } from './sign-on/browser-session.ts'
import { correctBrowserState } from './sign-on/browser-state.ts'
import { checkPassword } from './sign-on/check-password.ts'
import { clearSessionCookies, languageCookie, setLanguageCookie } from './sign-on/cookies.ts'
import { finishSignOn, type SignedIn, type SignOnDeps } from './sign-on/finish-sign-on.ts'
import { changePath } from './sign-on/password-page.ts'
import { refusePlantedCookies } from './sign-on/planted-cookies.ts'
import { signOnPlugin } from './sign-on/plugin.ts'
import { linksOf, removeLink } from './upstream/account-link.ts'
import { type ArriveDeps } from './upstream/arrive.ts'
import { linkPlugin } from './upstream/link-plugin.ts'

/** Largest request body, as the replaced product (AC-165). */
export const bodyBytesMax = 200_000
/** Room for a message by HTTP Redirect in the request line. */
export const headerBytesMax = 80 * 1024

/** The authority: every surface in one server. Listening and closing are the caller's. */
export function createAuthorityServer(ctx: AuthorityContext): FastifyInstance {
  const app = fastify({
    bodyLimit: bodyBytesMax,
    http: { maxHeaderSize: headerBytesMax },
    requestIdHeader: false,
    genReqId: () => ctx.ids.reference(),
    trustProxy: ctx.trustedProxies.length === 0 ? false : [...ctx.trustedProxies],
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false },
    exposeHeadRoutes: false
  })
  // Before anything reads it: a header that says who is calling.
  app.addHook('onRequest', async (request) => ctx.clientCertificates.strip(request.raw))
  app.addHook('onRequest', async (request, reply) => (isAhead(request) ? sendNothingYet(reply) : undefined))
  app.addHook('onRequest', async (request, reply) => refusePlantedCookies(request, reply))
  app.register(fastifyCookie)
  app.register(fastifyFormbody)
  app.addHook('onRequest', async (request, reply) => keepLanguage(ctx, request, reply))
  const { handOver } = ctx
  if (handOver !== undefined) addHandOver(app, handOver, bodyBytesMax)
  app.addHook('onSend', async (_request, reply) => addHeaders(ctx, reply))
  app.addHook('onSend', async (request, reply) => restoreCookie(ctx, request, reply).catch(() => undefined))
  // A store that does not answer leaves the cookie as it is, and the answer too.
  app.addHook('onSend', async (request, reply) => correctBrowserState(ctx, request, reply).catch(() => undefined))
  app.setErrorHandler(async (error, request, reply) => sendError(ctx, asCurfewError(error), error, request, reply))
  app.setNotFoundHandler(async (request, reply) => sendError(ctx, new CurfewError('CURFEW_API_NOT_FOUND', {}), undefined, request, reply))
  const signOn = signOnDeps(ctx)
  app.register(signOnPlugin(signOn))
  app.register(samlIdpPlugin(ctx))
  const arrive: ArriveDeps = { ...ctx, finish: (nonce, session, atMs, request, reply) => finishSignOn(signOn, nonce, session, atMs, request, reply) }
  app.register(samlSpPlugin(arrive))
  app.register(oidcRpPlugin(arrive))
  app.register(linkPlugin(ctx))
  app.register(oidcPlugin(ctx))
  app.register(openTokenPlugin(arrive))
  app.register(extPlugin(signOn))
  app.register(pingPlugin(ctx))
  app.register(revocationFeedPlugin(ctx))
  app.register(sessionManagementPlugin(ctx))
  app.register(pingOnePlugin(ctx))
  app.register(sharedSignalsPlugin(ctx))
  app.register(signOffPlugin(signOffDeps(ctx)))
  return app
}

/**
 * A browser that loads ahead is nobody who came: a signed logout link would end a session, a one-time path would be used
 * up. It asks again when the person goes there, because this answer is none.
 */
function sendNothingYet(reply: FastifyReply): FastifyReply {
  return reply.status(503).headers({ vary: 'Sec-Purpose, Purpose, X-Purpose, X-Moz', 'content-type': 'text/plain; charset=utf-8' }).send('Not loaded ahead.\n')
}

/** What a person chose below one page holds for the pages after it, also for those that a form or a redirect leads to. */
function keepLanguage(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): void {
  const language = request.method === 'GET' ? languageOfQuery(request.query) : undefined
  if (language !== undefined && request.cookies[languageCookie] !== language) setLanguageCookie(reply, language, { isSecure: isSecure(ctx) })
}

function signOnDeps(ctx: AuthorityContext): SignOnDeps {
  return {
    ...ctx,
    resume: (done, request, reply) => resume(ctx, done, request, reply),
    suffices,
    providers: () => [
      ...ctx.connections.identityProviders().filter(({ profiles }) => profiles.spInitiatedSso),
      ...ctx.upstreams.all().map(({ peer }) => peer),
      ...ctx.adapters.logins()
    ],
    askProvider: async (wish, request, reply) => {
      const adapter = ctx.adapters.byId(wish.providerId)
      if (adapter?.role === 'idp') return askLogin(ctx, adapter, wish, request, reply)
      const upstream = ctx.upstreams.byId(wish.providerId)
      return upstream === undefined ? askProvider(ctx, wish, request, reply) : seeOther(reply, await authorizationUrl(ctx, { ...wish, upstream }))
    }
  }
}

/** Goes on with what waited for a sign-in, where it came from. */
async function resume(ctx: AuthorityContext, done: SignedIn, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  switch (done.transaction.purpose.kind) {
    case 'oidc':
      return resumeAuthorization(ctx, done, reply)
    case 'opentoken':
      return resumeApplication(ctx, done, request, reply)
    case 'home':
    case 'landing':
    case 'saml':
      return resumeSso(ctx, done, request, reply)
  }
}

function signOffDeps(ctx: AuthorityContext): SignOffDeps {
  return {
    store: ctx.store,
    everywhere: ctx.everywhere,
    engine: ctx.engine,
    clock: ctx.clock,
    csrf: ctx.csrf,
    answers: createLogoutAnswers(ctx),
    organisation: ctx.organisation,
    peer: (id) => ctx.peer(id),
    pageContext: (request) => ctx.pageContext(request),
    currentSession: (request) => currentSession(ctx, request),
    browserToken: (request) => browserToken(ctx, request),
    clearSessionCookies: (reply) => clearSessionCookies(reply, { isSecure: isSecure(ctx) }),
    hasPassword: (session) => ctx.signOn.hasForm && session.sourceId === ctx.signOn.sourceId,
    reauthenticate: async (session, password) => (await checkPassword(ctx, session.username, password)).kind,
    lockedMinutes: ctx.signOn.locking.windowMinutes,
    ...(ctx.signOn.passwords.change ? { passwordUrl: changePath } : {}),
    accountLinks: ({ userKey }) => linksOf(ctx, userKey),
    unlinkAccount: ({ userKey, username }, id) => removeLink(ctx, userKey, id, { kind: 'user', id: username }),
    answerStarter: (run) => answerStarter(ctx, run)
  }
}

/** Headers of every answer; a page has set its own policy already. */
function addHeaders(ctx: AuthorityContext, reply: FastifyReply): void {
  const fallback: Readonly<Record<string, string>> = {
    ...noStore,
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    ...(isSecure(ctx) ? { 'strict-transport-security': 'max-age=31536000' } : {})
  }
  // Whoever comes next is to come to another node.
  if (!ctx.health.isReady()) reply.header('connection', 'close')
  for (const [name, value] of Object.entries(fallback)) if (!reply.hasHeader(name)) reply.header(name, value)
}

const entries: Readonly<Record<string, CatalogueEntry>> = { ...codecCatalogue, ...catalogue }

/** What the framework refuses gets a code of ours; anything unknown is a fault of ours and says nothing. */
function asCurfewError(error: unknown): CurfewError {
  if (isCurfewError(error)) return error
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  if (status === 413) return new CurfewError('CURFEW_API_TOO_LARGE', { maximum: bodyBytesMax }, { cause: error })
  if (typeof status === 'number' && status >= 400 && status < 500) return new CurfewError('CURFEW_API_MALFORMED', { status }, { cause: error })
  return new CurfewError('CURFEW_API_FAILED', {}, { cause: error })
}

/**
 * One answer for every error. The outside learns the code's own sentence and a reference; what exactly was wrong goes
 * to the log under that reference.
 */
function sendError(ctx: AuthorityContext, error: CurfewError, original: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const entry = entries[error.code] ?? { kind: 'programmer', http: 500, title: error.code }
  logError(ctx, error, entry, original, request)
  ctx.metrics.requestsRefused.inc({ code: error.code })
  reply.status(entry.http)
  if (entry.http === 413 || entry.http === 431) reply.header('connection', 'close')
  return wantsPage(request) ? sendErrorPage(ctx, error, request, reply) : sendProblem(error, entry, request, reply)
}

function logError(ctx: AuthorityContext, error: CurfewError, entry: CatalogueEntry, original: unknown, request: FastifyRequest): void {
  const fields = { event: 'request.refused', code: error.code, reference: request.id, path: request.routeOptions.url ?? '', ...error.context }
  // An error that says nothing more than its code is told in the sentence that stands for it.
  const said = error.message === error.code ? entry.title : error.message
  if (entry.kind === 'programmer' || entry.http >= 500) ctx.logger.error({ ...fields, err: original }, said)
  else ctx.logger.warn(fields, said)
}

function wantsPage(request: FastifyRequest): boolean {
  const accept = request.headers.accept ?? ''
  const isMachine = accept.includes('json') && !accept.includes('html')
  return !isMachine && !(request.headers['content-type'] ?? '').includes('xml')
}

function sendErrorPage(ctx: AuthorityContext, error: CurfewError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const page = problemPage(ctx, request, error.code, problemText(error))
  return reply.headers(page.headers).send(page.html)
}

function sendProblem(error: CurfewError, entry: CatalogueEntry, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply
    .type('application/problem+json')
    .send(JSON.stringify({ type: `urn:curfew:error:${error.code}`, title: entry.title, status: entry.http, code: error.code, instance: request.id }))
}
