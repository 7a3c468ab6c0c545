import { CurfewError } from '@curfew/codecs'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { type Html, html } from '../pages/html.ts'
import { type PageContext, pageHeaders, renderPage } from '../pages/page.ts'
import { type Parameters, parametersOf, seeOther } from '../request.ts'
import { browserOf, currentSession, isSecure, lostRun, recordActivity } from './browser-session.ts'
import { checkPassword, type PasswordCheck, userKeyOf } from './check-password.ts'
import { formBinding, providerCookie, setProviderCookie } from './cookies.ts'
import { formBody } from './form-page.ts'
import { chooseFrom } from './provider-choice.ts'
import { homeBody } from './home-page.ts'
import { mayReuse, policyFor } from './session-limits.ts'
import { endReplaced, identityOf, sessionToReplace, signIn } from './sign-in.ts'
import { createTransaction, readTransaction, resumePath, type SignOnTransaction, takeTransaction } from './transaction.ts'
import type { LocalUser } from './users.ts'

export interface SignOnDeps extends AuthorityContext {
  /** Identity providers that people may choose, in configured order. */
  providers(): readonly SignOnProvider[]
  /** Sends the browser to one of them; the answer comes back to {@link finishSignOn}. */
  askProvider(wish: ProviderWish, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
  /** Goes on with a transaction of another surface; `session` undefined: passive, nobody is signed in. */
  resume(done: SignedIn, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
}

export interface SignOnProvider {
  readonly id: string
  readonly name: string
  readonly logoUrl?: string
}

/** A sign-in at an identity provider for one transaction of one browser. */
export interface ProviderWish {
  readonly providerId: string
  readonly nonce: string
  readonly formHash: string
  readonly forceAuthn: boolean
  readonly isPassive: boolean
}

/** The end of a sign-in transaction. */
export interface SignedIn {
  readonly transaction: SignOnTransaction
  readonly session: Session | undefined
  /** When the user proved who it is: now, or when the session began. */
  readonly authenticatedAtMs: number
}

/** The start page and the HTML form adapter. */
export function signOnPlugin(deps: SignOnDeps): FastifyPluginAsync {
  return async (app) => {
    app.get('/', async (request, reply) => showHome(deps, request, reply))
    app.get('/idp/:nonce/resume/idp/SSO.ping', async (request, reply) => resume(deps, request, reply))
    app.post('/idp/:nonce/resume/idp/SSO.ping', async (request, reply) => submit(deps, request, reply))
  }
}

async function showHome(deps: SignOnDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const session = await currentSession(deps, request)
  if (session === undefined) {
    const lost = await lostRun(deps, request, reply)
    if (lost !== undefined) return seeOther(reply, `/signoff/${lost.id}`)
    const home: SignOnTransaction = { purpose: { kind: 'home' }, forceAuthn: false, isPassive: false }
    const { path } = await createTransaction(deps.store, deps.ids, deps.clock.nowMs(), home)
    return seeOther(reply, path)
  }
  await recordActivity(deps, session)
  const used = new Set((await deps.store.getParticipants(session.id)).map((p) => p.peerId))
  const apps = deps.connections
    .applications()
    .filter((connection) => connection.profiles.idpInitiatedSso)
    .map(({ id, name, logoUrl, entityId }) => ({ name, logoUrl, isUsed: used.has(id), href: `/idp/startSSO.ping?PartnerSpId=${encodeURIComponent(entityId)}` }))
  const clients = deps.clients
    .all()
    .flatMap(({ id, name, homeUrl, peer: { logoUrl } }) => (homeUrl === undefined ? [] : [{ name, logoUrl, isUsed: used.has(id), href: homeUrl }]))
  const adapters = deps.adapters
    .applications()
    .map(({ id, name, peer: { logoUrl } }) => ({ name, logoUrl, isUsed: used.has(id), href: `/sp/startSSO.ping?SpSessionAuthnAdapterId=${id}` }))
  const context = deps.pageContext(request)
  return sendPage(reply, context, context.t('home.title'), homeBody(context.t, session.username, [...apps, ...clients, ...adapters]))
}

/** Shows the form, or goes on at once where the session of this browser is enough. */
async function resume(deps: SignOnDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const nonce = nonceOf(request)
  const transaction = await openTransaction(deps, nonce)
  if (transaction.verified !== undefined) return finishReplacing(deps, nonce, request, reply)
  const session = await currentSession(deps, request)
  if (session !== undefined && isEnough(deps, transaction, session)) return finishSignOn(deps, nonce, session, session.authenticatedAtMs, request, reply)
  const providerId = chosenProvider(deps, transaction, parametersOf(request))
  if (transaction.isPassive && providerId === undefined) return finishSignOn(deps, nonce, undefined, deps.clock.nowMs(), request, reply)
  const lost = session === undefined ? await lostRun(deps, request, reply) : undefined
  if (lost !== undefined) return seeOther(reply, `/signoff/${lost.id}`)
  return providerId === undefined ? showForm(deps, nonce, transaction, session, request, reply) : ask(deps, nonce, transaction, providerId, request, reply)
}

function isEnough(deps: SignOnDeps, transaction: SignOnTransaction, session: Session): boolean {
  const isOther = transaction.providerId !== undefined && transaction.providerId !== session.sourceId
  return !transaction.forceAuthn && !isOther && mayReuse(session, deps.signOn.sourceId, deps.sessions, deps.signOn.sessionState)
}

/** The one of the transaction, the one that the person chose, or the only way in that there is. */
function chosenProvider(deps: SignOnDeps, transaction: SignOnTransaction, { identityProvider }: Parameters): string | undefined {
  const providers = deps.providers()
  const only = deps.signOn.hasForm || providers.length > 1 ? undefined : providers[0]?.id
  const wanted = transaction.providerId ?? identityProvider ?? only
  return providers.find(({ id }) => id === wanted)?.id
}

function ask(
  deps: SignOnDeps,
  nonce: string,
  { forceAuthn, isPassive, providerId: transactionProviderId }: SignOnTransaction,
  providerId: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const settings = { isSecure: isSecure(deps) }
  const formHash = formBinding(browserOf(deps, request), reply, deps.ids, settings)
  // Remembered is what a person chose on the page, not what an address chose for them.
  if (transactionProviderId === undefined && parametersOf(request)['identityProvider'] === providerId) setProviderCookie(reply, providerId, settings)
  return deps.askProvider({ providerId, nonce, formHash, forceAuthn, isPassive }, request, reply)
}

async function submit(deps: SignOnDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const nonce = nonceOf(request)
  const transaction = await openTransaction(deps, nonce)
  const form = parametersOf(request)
  requireOwnForm(deps, nonce, form, request)
  if (!deps.signOn.hasForm) throw new CurfewError('CURFEW_API_NOT_FOUND', {})
  const checked = await checkPassword(deps, form['username'] ?? '', form['password'] ?? '')
  switch (checked.kind) {
    case 'ok':
      return accept(deps, nonce, transaction, checked.user, form['persistent'] === 'yes', request, reply)
    case 'failed':
    case 'locked':
      return refuse(deps, nonce, transaction, checked, request, reply)
  }
}

async function refuse(
  deps: SignOnDeps,
  nonce: string,
  transaction: SignOnTransaction,
  checked: Exclude<PasswordCheck, { readonly kind: 'ok' }>,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const why = checked.kind
  deps.metrics.signIns.inc({ result: why })
  await recordRefusal(deps, checked, parametersOf(request)['username'] ?? '')
  const { t } = deps.pageContext(request)
  const minutes = deps.signOn.locking.windowMinutes
  const problem = why === 'locked' ? t('signon.locked', { minutes }) : t('signon.failed')
  reply.status(why === 'locked' ? 429 : 401)
  return showForm(deps, nonce, transaction, await currentSession(deps, request), request, reply, html`${problem}`)
}

/** What nobody is called here is not written down: people type passwords into the wrong field. */
async function recordRefusal(deps: SignOnDeps, checked: Exclude<PasswordCheck, { readonly kind: 'ok' }>, username: string): Promise<void> {
  const event = `sign-in.${checked.kind}`
  deps.logger.warn({ event, isKnown: checked.isKnown }, 'A sign-in was refused')
  if (!checked.isKnown) return
  const userKey = userKeyOf(username)
  await deps.store.appendAudit({ atMs: deps.clock.nowMs(), event, actor: { kind: 'user', id: userKey }, userKey })
}

async function accept(
  deps: SignOnDeps,
  nonce: string,
  transaction: SignOnTransaction,
  user: LocalUser,
  persistent: boolean,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const former = await sessionToReplace(deps, userKeyOf(user.username), request)
  if (former !== undefined) return replace(deps, nonce, { former, user, persistent }, request, reply)
  const { session } = await signIn(deps, identityOf(deps, user), { persistent }, request, reply)
  return finishSignOn(deps, nonce, session, deps.clock.nowMs(), request, reply)
}

/** Somebody else is signed in here: that session's logout runs first, then the sign-in goes on where it stood. */
async function replace(
  deps: SignOnDeps,
  nonce: string,
  change: { readonly former: Session; readonly user: LocalUser; readonly persistent: boolean },
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const { former, user, persistent } = change
  const formHash = browserOf(deps, request).formHash
  if (formHash === undefined) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  const transaction = await takeOrFail(deps, nonce)
  const waiting = { ...transaction, verified: { username: user.username, persistent, formHash } }
  const { path } = await createTransaction(deps.store, deps.ids, deps.clock.nowMs(), waiting)
  const runId = await endReplaced(deps, former, user.username, `${deps.baseUrl}${path}`)
  return seeOther(reply, runId === undefined ? path : `/signoff/${runId}`)
}

/** The former user's logout is over: opens the session of the one whose password was checked before. */
async function finishReplacing(deps: SignOnDeps, nonce: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { verified, ...transaction } = await takeOrFail(deps, nonce)
  const user = verified === undefined ? undefined : await deps.users.find(verified.username)
  const isSameBrowser = verified?.formHash === browserOf(deps, request).formHash
  const isUsable = user !== undefined && !user.isDisabled && isSameBrowser && (await sessionToReplace(deps, userKeyOf(user.username), request)) === undefined
  if (verified === undefined || !isUsable) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const { session } = await signIn(deps, identityOf(deps, user), verified, request, reply)
  return continueWith(deps, { transaction, session, authenticatedAtMs: deps.clock.nowMs() }, request, reply)
}

/**
 * Takes the transaction and goes on with what waited for the sign-in.
 * @param session - undefined: nobody is signed in, and no page may be shown
 * @throws CURFEW_SESSION_STATE_NOT_FOUND when it was taken before or is too old
 */
export async function finishSignOn(
  deps: SignOnDeps,
  nonce: string,
  session: Session | undefined,
  authenticatedAtMs: number,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const transaction = await takeOrFail(deps, nonce)
  if (session !== undefined) await recordActivity(deps, session)
  return continueWith(deps, { transaction, session, authenticatedAtMs }, request, reply)
}

async function continueWith(deps: SignOnDeps, done: SignedIn, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  switch (done.transaction.purpose.kind) {
    case 'home':
      return seeOther(reply, '/')
    case 'landing':
      return seeOther(reply, done.transaction.purpose.url ?? deps.signOn.successUrl ?? '/')
    case 'saml':
    case 'oidc':
    case 'opentoken':
      return deps.resume(done, request, reply)
  }
}

async function showForm(
  deps: SignOnDeps,
  nonce: string,
  transaction: SignOnTransaction,
  session: Session | undefined,
  request: FastifyRequest,
  reply: FastifyReply,
  problem?: Html
): Promise<FastifyReply> {
  const context = deps.pageContext(request)
  const binding = formBinding(browserOf(deps, request), reply, deps.ids, { isSecure: isSecure(deps) })
  const username = parametersOf(request)['username'] ?? transaction.loginHint ?? session?.username
  const body = formBody({
    t: context.t,
    hasPassword: deps.signOn.hasForm,
    providers: chooseFrom(deps.providers(), parametersOf(request)['q'] ?? '', request.cookies[providerCookie]),
    action: resumePath(nonce),
    csrfToken: deps.csrf.token(`${binding}.${nonce}`),
    offersPersistent: policyFor(deps.sessions, deps.signOn.sourceId).persistent,
    isRepeat: session !== undefined,
    ...(transaction.appName === undefined ? {} : { appName: transaction.appName }),
    ...(username === undefined ? {} : { username }),
    ...(problem === undefined ? {} : { problem })
  })
  // The answer to the form may send the browser on to an application: Chromium holds redirects against `form-action`.
  const headers = pageHeaders(context.nonce, { formsLeave: true })
  return reply.headers(headers).send(renderPage(context, { title: context.t('signon.title'), body }).toString())
}

/** @throws CURFEW_SESSION_FORM_FOREIGN when the form was not shown in this browser for this transaction */
function requireOwnForm(deps: SignOnDeps, nonce: string, form: Parameters, request: FastifyRequest): void {
  const binding = browserOf(deps, request).formHash
  const isOwn = binding !== undefined && deps.csrf.check(`${binding}.${nonce}`, form['csrfToken'])
  if (!isOwn) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
}

async function openTransaction(deps: SignOnDeps, nonce: string): Promise<SignOnTransaction> {
  const transaction = await readTransaction(deps.store, nonce, deps.clock.nowMs())
  if (transaction === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  return transaction
}

async function takeOrFail(deps: SignOnDeps, nonce: string): Promise<SignOnTransaction> {
  const transaction = await takeTransaction(deps.store, nonce, deps.clock.nowMs())
  if (transaction === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  return transaction
}

function nonceOf(request: FastifyRequest): string {
  return (request.params as { nonce: string }).nonce
}

function sendPage(reply: FastifyReply, context: PageContext, title: string, body: Html): FastifyReply {
  return reply.headers(pageHeaders(context.nonce)).send(renderPage(context, { title, body }).toString())
}
