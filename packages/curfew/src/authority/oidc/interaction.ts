import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Provider } from 'oidc-provider'
import type { AuthorityContext } from '../context.ts'
import { sendPage } from '../reply.ts'
import { parametersOf, seeOther } from '../request.ts'
import { browserOf, currentSession } from '../sign-on/browser-session.ts'
import type { SignedIn } from '../sign-on/finish-sign-on.ts'
import { createTransaction, type SignOnTransaction } from '../sign-on/transaction.ts'
import { wishedContexts } from './authentication-context.ts'
import { amrOf } from './authentication-methods.ts'
import type { OidcClient } from './client.ts'
import { askedOf } from './consent.ts'
import { oidcPaths } from './endpoints.ts'
import { inScope } from './engine.ts'
import { accountBody, consentBody } from './interaction-page.ts'

/** What an authorization waits for. */
interface Waiting {
  readonly prompt: { readonly name: string; readonly reasons: readonly string[] }
  readonly params: Readonly<Record<string, unknown>>
}

/** What the sign-on transaction carries for us. */
interface Resumed {
  readonly uid: string
}

/** Reasons for which the session that is there is not enough. */
const freshReasons: ReadonlySet<string> = new Set(['login_prompt', 'max_age', 'other_subject', 'essential_acr'])

/** `/as/interaction/<uid>`: a person has to sign in or agree before an authorization goes on. */
export async function showInteraction(ctx: AuthorityContext, provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { uid } = request.params as { uid: string }
  const waiting = await detailsOf(ctx, provider, request, reply)
  const client = await ctx.clients.find(String(waiting.params['client_id']))
  if (client === undefined) throw new CurfewError('CURFEW_OIDC_CLIENT_UNKNOWN', {})
  if (waiting.prompt.name === 'consent') return askConsent(ctx, client, waiting, uid, request, reply)
  const session = await currentSession(ctx, request)
  if (waiting.prompt.name === 'select_account' && session !== undefined)
    return askAccount(ctx, { app: client.name, user: session.username, uid, uiLocales: localesOf(waiting.params) }, request, reply)
  const hint = waiting.params['login_hint']
  const isFresh = waiting.prompt.reasons.some((reason) => freshReasons.has(reason))
  const wish = { uid, appName: client.name, forceAuthn: isFresh, ...hintsOf(waiting) }
  return askSignOn(ctx, typeof hint === 'string' ? { ...wish, loginHint: hint.slice(0, hintCharactersMax) } : wish, reply)
}

/** What the client wishes for that a form here, or an identity provider, may heed. */
function hintsOf({ params }: Waiting): Pick<SignOnTransaction, 'acrValues' | 'uiLocales'> {
  const acrValues = wishedContexts(params)
  const uiLocales = localesOf(params)
  return { ...(acrValues === undefined ? {} : { acrValues }), ...(uiLocales === undefined ? {} : { uiLocales }) }
}

function localesOf({ ui_locales: locales }: Waiting['params']): string | undefined {
  return typeof locales === 'string' && localesShape.test(locales) ? locales : undefined
}

/** Tags of BCP 47 with blanks between them. */
const localesShape = /^[A-Za-z0-9-]{1,35}( [A-Za-z0-9-]{1,35}){0,9}$/

/** Longest `login_hint` that is shown, in characters. */
const hintCharactersMax = 256

interface SignOnWish extends Pick<SignOnTransaction, 'acrValues' | 'uiLocales'> {
  readonly uid: string
  readonly appName: string
  readonly forceAuthn: boolean
  readonly loginHint?: string
}

async function askSignOn(ctx: AuthorityContext, { uid, ...wish }: SignOnWish, reply: FastifyReply): Promise<FastifyReply> {
  const transaction = { purpose: { kind: 'oidc', data: { uid } satisfies Resumed }, isPassive: false, ...wish } as const
  const { path } = await createTransaction(ctx, transaction)
  return seeOther(reply, path)
}

interface AccountQuestion {
  readonly app: string
  readonly user: string
  readonly uid: string
  readonly uiLocales: string | undefined
}

/** `prompt=select_account`: who is signed in here; the person goes on, or signs in as somebody else. */
function askAccount(ctx: AuthorityContext, { app, user, uid, uiLocales }: AccountQuestion, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const context = ctx.pageContext(request, uiLocales)
  const { t } = context
  const body = accountBody({ t, app, user, action: `${oidcPaths.interaction}/${uid}`, csrfToken: formToken(ctx, uid, request) })
  return sendPage(reply, context, t('account.title', { user }), body, { formsLeave: true })
}

/** @throws CURFEW_SESSION_FORM_FOREIGN for a browser without our cookie */
function formToken(ctx: AuthorityContext, uid: string, request: FastifyRequest): string {
  const binding = browserOf(ctx, request).formHash
  if (binding === undefined) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  return ctx.csrf.token(`${binding}.${uid}`)
}

/** @throws CURFEW_SESSION_STATE_NOT_FOUND for one that is over, or of another browser */
async function detailsOf(ctx: AuthorityContext, provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<Waiting> {
  try {
    return (await inScope(ctx, request, reply, (raw, response) => provider.interactionDetails(raw, response))) as unknown as Waiting
  } catch (cause) {
    throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {}, { cause })
  }
}

/** The end of the sign-in: remembered for the browser's next request, which carries the engine's own cookie. */
export async function resumeAuthorization(ctx: AuthorityContext, done: SignedIn, reply: FastifyReply): Promise<FastifyReply> {
  const { purpose } = done.transaction
  if (purpose.kind !== 'oidc' || done.session === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const { uid } = purpose.data as Resumed
  const nonce = ctx.ids.cookie()
  const value: Finished = { uid, sessionId: done.session.id, authenticatedAtMs: done.authenticatedAtMs }
  await ctx.store.txCreate(finishedKey(nonce), value, ctx.clock.nowMs() + ctx.transactionMs)
  return seeOther(reply, `${oidcPaths.interaction}/${uid}/${nonce}`)
}

interface Finished {
  readonly uid: string
  readonly sessionId: string
  readonly authenticatedAtMs: number
}

/** `/as/interaction/<uid>/<nonce>`: the authorization goes on with the session that was opened. */
export async function finishInteraction(ctx: AuthorityContext, provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { uid, nonce } = request.params as { uid: string; nonce: string }
  const finished = (await ctx.store.txTake(finishedKey(nonce), ctx.clock.nowMs())).value as Finished | undefined
  const session = await currentSession(ctx, request)
  if (finished?.uid !== uid || session?.id !== finished.sessionId) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const login = { accountId: session.id, acr: session.authnContext, ...amrOf(session), ts: Math.floor(finished.authenticatedAtMs / 1000), remember: true }
  // Whoever signed in was chosen by that, also where somebody else was signed in before.
  const began = (await provider.Interaction.find(uid))?.session?.accountId
  return sendResult(ctx, provider, { login, select_account: {} }, request, reply, began)
}

async function sendResult(
  ctx: AuthorityContext,
  provider: Provider,
  result: Parameters<Provider['interactionFinished']>[2],
  request: FastifyRequest,
  reply: FastifyReply,
  beganAs?: string
): Promise<FastifyReply> {
  let url: string
  try {
    url = await inScope(ctx, request, reply, (raw, response) => provider.interactionResult(raw, response, result), beganAs)
  } catch (cause) {
    throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {}, { cause })
  }
  return seeOther(reply, url)
}

function finishedKey(nonce: string): string {
  return `oidc-signed-in:${nonce}`
}

function askConsent(ctx: AuthorityContext, client: OidcClient, waiting: Waiting, uid: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const context = ctx.pageContext(request, localesOf(waiting.params))
  const { t } = context
  const { name: app } = client
  const asked = askedOf(client, waiting.params)
  const body = consentBody({ t, app, asked, action: `${oidcPaths.interaction}/${uid}`, csrfToken: formToken(ctx, uid, request) })
  return sendPage(reply, context, t('consent.title', { app }), body, { formsLeave: true })
}

/** The person's answer. @throws CURFEW_SESSION_FORM_FOREIGN */
export async function answerInteraction(ctx: AuthorityContext, provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { uid } = request.params as { uid: string }
  const form = parametersOf(request)
  const binding = browserOf(ctx, request).formHash
  if (binding === undefined || !ctx.csrf.check(`${binding}.${uid}`, form['csrfToken'])) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  // What is answered is what this authorization waits for now, whatever the form says.
  const waiting = await detailsOf(ctx, provider, request, reply)
  if (waiting.prompt.name === 'select_account') return answerAccount(ctx, provider, { waiting, uid, choice: form['choice'] }, request, reply)
  const isAllowed = form['choice'] === 'allow'
  const result = isAllowed ? { consent: {} } : { error: 'access_denied', error_description: 'the user did not agree' }
  return sendResult(ctx, provider, result, request, reply)
}

interface AccountAnswer {
  readonly waiting: Waiting
  readonly uid: string
  readonly choice: string | undefined
}

/** The engine ties what waits to the session that the page spoke of: after another sign-in nothing goes on. */
async function answerAccount(
  ctx: AuthorityContext,
  provider: Provider,
  { waiting, uid, choice }: AccountAnswer,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  if (choice === 'continue') return sendResult(ctx, provider, { select_account: {} }, request, reply)
  const client = await ctx.clients.find(String(waiting.params['client_id']))
  if (client === undefined) throw new CurfewError('CURFEW_OIDC_CLIENT_UNKNOWN', {})
  return askSignOn(ctx, { uid, appName: client.name, forceAuthn: true, loginHint: '', ...hintsOf(waiting) }, reply)
}
