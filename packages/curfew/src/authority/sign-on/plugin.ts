import { CurfewError } from '@curfew/codecs'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { Html } from '../pages/html.ts'
import { type PageContext, pageHeaders, renderPage } from '../pages/page.ts'
import { type Parameters, parametersOf, seeOther } from '../request.ts'
import { browserOf, currentSession, isSecure, lostRun, recordActivity } from './browser-session.ts'
import { checkPassword, recordRefusal, type Refusal } from './check-password.ts'
import { formBinding, providerCookie, setProviderCookie } from './cookies.ts'
import { isUnavailable } from './directory-problem.ts'
import { accept, finishReplacing, finishSignOn, openSentForm, openTransaction, requirePasswordCounts, type SignOnDeps } from './finish-sign-on.ts'
import { formBody } from './form-page.ts'
import { chooseFrom } from './provider-choice.ts'
import { homeBody } from './home-page.ts'
import { demandChange } from './password-change.ts'
import { changePath, resetPath } from './password-page.ts'
import { deviceQuestion, sessionWishOf } from './session-wish.ts'
import { mayReuse } from './session-limits.ts'
import { createTransaction, resumePath, type SignOnTransaction } from './transaction.ts'

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
    const { path } = await createTransaction(deps, home)
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
  if (providerId !== undefined) return ask(deps, nonce, transaction, providerId, request, reply)
  requirePasswordCounts(deps, transaction)
  return showForm(deps, { nonce, transaction, session }, request, reply)
}

function isEnough(deps: SignOnDeps, transaction: SignOnTransaction, session: Session): boolean {
  const isOther = transaction.providerId !== undefined && transaction.providerId !== session.sourceId
  const mayServe = !transaction.forceAuthn && !isOther && deps.suffices(transaction, session)
  return mayServe && mayReuse(session, deps.signOn.sourceId, deps.sessions, deps.signOn.sessionState)
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
  { forceAuthn, isPassive, providerId: transactionProviderId, ...hints }: SignOnTransaction,
  providerId: string,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const settings = { isSecure: isSecure(deps) }
  const formHash = formBinding(browserOf(deps, request), reply, deps.ids, settings)
  // Remembered is what a person chose on the page, not what an address chose for them.
  if (transactionProviderId === undefined && parametersOf(request)['identityProvider'] === providerId) setProviderCookie(reply, providerId, settings)
  return deps.askProvider({ providerId, nonce, formHash, forceAuthn, isPassive, hints }, request, reply)
}

async function submit(deps: SignOnDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const nonce = nonceOf(request)
  const form = parametersOf(request)
  // First, because it costs nothing: what waited for a form that is gone is looked for more than once.
  requireOwnForm(deps, nonce, form, request)
  const transaction = await openSentForm(deps, nonce, request)
  if (!deps.signOn.hasForm) throw new CurfewError('CURFEW_API_NOT_FOUND', {})
  requirePasswordCounts(deps, transaction)
  const wish = sessionWishOf(deps, form)
  const shown: Shown = { nonce, transaction, session: await currentSession(deps, request) }
  try {
    const checked = await checkPassword(deps, form['username'] ?? '', form['password'] ?? '')
    if (checked.kind !== 'ok') return refuse(deps, shown, checked, request, reply)
    const { user } = checked
    if (user.mustChangePassword !== true) return accept(deps, nonce, { ...checked, ...wish }, request, reply)
    if (deps.signOn.passwords.change && user.canChangePassword) return demandChange(deps, { nonce, user, ...wish }, request, reply)
    return showForm(deps, { ...shown, problem: deps.pageContext(request, transaction.uiLocales).t('password.elsewhereFirst') }, request, reply.status(403))
  } catch (error) {
    if (!isUnavailable(error)) throw error
    deps.logger.error({ event: 'users.unavailable', err: error }, 'The directory of users does not answer')
    deps.metrics.signIns.inc({ result: 'unavailable' })
    return showForm(deps, { ...shown, problem: deps.pageContext(request, transaction.uiLocales).t('signon.unavailable') }, request, reply.status(503))
  }
}

async function refuse(deps: SignOnDeps, shown: Shown, checked: Refusal, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  deps.metrics.signIns.inc({ result: checked.kind })
  await recordRefusal(deps, checked)
  const { t } = deps.pageContext(request, shown.transaction.uiLocales)
  const isLocked = checked.kind === 'locked'
  const problem = isLocked ? t('signon.locked', { minutes: deps.signOn.locking.windowMinutes }) : t('signon.failed')
  return showForm(deps, { ...shown, problem }, request, reply.status(isLocked ? 429 : 401))
}

/** A form that is shown, or shown again. */
interface Shown {
  readonly nonce: string
  readonly transaction: SignOnTransaction
  readonly session: Session | undefined
  readonly problem?: string
}

async function showForm(
  deps: SignOnDeps,
  { nonce, transaction, session, problem }: Shown,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const context = deps.pageContext(request, transaction.uiLocales)
  const binding = formBinding(browserOf(deps, request), reply, deps.ids, { isSecure: isSecure(deps) })
  const username = parametersOf(request)['username'] ?? transaction.loginHint ?? session?.username
  const body = formBody({
    t: context.t,
    hasPassword: deps.signOn.hasForm,
    providers: chooseFrom(deps.providers(), parametersOf(request)['q'] ?? '', request.cookies[providerCookie]),
    action: resumePath(nonce),
    csrfToken: deps.csrf.token(`${binding}.${nonce}`),
    deviceQuestion: deviceQuestion(deps),
    isRepeat: session !== undefined,
    ...(deps.signOn.passwords.change ? { passwordLinks: { change: `${changePath}?resume=${nonce}`, reset: resetPath } } : {}),
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

function nonceOf(request: FastifyRequest): string {
  return (request.params as { nonce: string }).nonce
}

function sendPage(reply: FastifyReply, context: PageContext, title: string, body: Html): FastifyReply {
  return reply.headers(pageHeaders(context.nonce)).send(renderPage(context, { title, body }).toString())
}
