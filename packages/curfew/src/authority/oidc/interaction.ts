import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Provider } from 'oidc-provider'
import type { AuthorityContext } from '../context.ts'
import { html } from '../pages/html.ts'
import { sendPage } from '../reply.ts'
import { parametersOf, seeOther } from '../request.ts'
import { browserOf, currentSession } from '../sign-on/browser-session.ts'
import type { SignedIn } from '../sign-on/plugin.ts'
import { createTransaction, transactionMs } from '../sign-on/transaction.ts'
import { oidcPaths } from './endpoints.ts'
import { inScope } from './engine.ts'

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
const freshReasons: ReadonlySet<string> = new Set(['login_prompt', 'max_age', 'other_subject'])

/** `/as/interaction/<uid>`: a person has to sign in or agree before an authorization goes on. */
export async function showInteraction(ctx: AuthorityContext, provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { uid } = request.params as { uid: string }
  const waiting = await detailsOf(ctx, provider, request, reply)
  const client = ctx.clients.byClientId(String(waiting.params['client_id']))
  if (client === undefined) throw new CurfewError('CURFEW_OIDC_CLIENT_UNKNOWN', {})
  if (waiting.prompt.name === 'consent') return askConsent(ctx, client.name, waiting, uid, request, reply)
  const { path } = await createTransaction(ctx.store, ctx.ids, ctx.clock.nowMs(), {
    purpose: { kind: 'oidc', data: { uid } satisfies Resumed },
    forceAuthn: waiting.prompt.reasons.some((reason) => freshReasons.has(reason)),
    isPassive: false,
    appName: client.name
  })
  return seeOther(reply, path)
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
  await ctx.store.txCreate(finishedKey(nonce), value, ctx.clock.nowMs() + transactionMs)
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
  const login = { accountId: session.id, acr: session.authnContext, ts: Math.floor(finished.authenticatedAtMs / 1000), remember: true }
  return sendResult(ctx, provider, { login }, request, reply)
}

async function sendResult(
  ctx: AuthorityContext,
  provider: Provider,
  result: Parameters<Provider['interactionFinished']>[2],
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  let url: string
  try {
    url = await inScope(ctx, request, reply, (raw, response) => provider.interactionResult(raw, response, result))
  } catch (cause) {
    throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {}, { cause })
  }
  return seeOther(reply, url)
}

function finishedKey(nonce: string): string {
  return `oidc-signed-in:${nonce}`
}

function askConsent(ctx: AuthorityContext, app: string, waiting: Waiting, uid: string, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const context = ctx.pageContext(request)
  const { t } = context
  const binding = browserOf(ctx, request).formHash
  if (binding === undefined) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  const { scope: asked } = waiting.params
  const scopes = (typeof asked === 'string' ? asked : '').split(' ').filter((scope) => scope !== 'openid' && scope !== '')
  const lines = scopes.map((scope) => html`<li><span class="name">${scopeText(scope, t)}</span></li>`)
  const body = html`<h1>${t('consent.title', { app })}</h1><p>${t('consent.text', { app })}</p>${lines.length > 0 && html`<ul class="list">${lines}</ul>`}<form method="post" action="${oidcPaths.interaction}/${uid}"><input type="hidden" name="csrfToken" value="${ctx.csrf.token(`${binding}.${uid}`)}"><div class="actions"><button class="primary" name="choice" value="allow">${t('consent.allow')}</button><button name="choice" value="deny">${t('consent.deny')}</button></div></form>`
  return sendPage(reply, context, t('consent.title', { app }), body, { formsLeave: true })
}

function scopeText(scope: string, t: ReturnType<AuthorityContext['pageContext']>['t']): string {
  if (scope === 'profile') return t('consent.profile')
  if (scope === 'email') return t('consent.email')
  return scope === 'offline_access' ? t('consent.offline') : scope
}

/** The person's answer. @throws CURFEW_SESSION_FORM_FOREIGN */
export async function answerConsent(ctx: AuthorityContext, provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { uid } = request.params as { uid: string }
  const form = parametersOf(request)
  const binding = browserOf(ctx, request).formHash
  if (binding === undefined || !ctx.csrf.check(`${binding}.${uid}`, form['csrfToken'])) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  const isAllowed = form['choice'] === 'allow'
  const result = isAllowed ? { consent: {} } : { error: 'access_denied', error_description: 'the user did not agree' }
  return sendResult(ctx, provider, result, request, reply)
}
