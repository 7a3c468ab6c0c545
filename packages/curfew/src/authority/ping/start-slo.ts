import { type Binding, bindingFromUri, CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decideRedirect } from '../../core/redirect.ts'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { html } from '../pages/html.ts'
import { pageHeaders, renderPage } from '../pages/page.ts'
import { sendPage } from '../reply.ts'
import { isFromFriend, type Parameters, parametersOf, seeOther } from '../request.ts'
import { askBody, askedApps } from '../sign-off/ask-page.ts'
import { browserToken, currentSession } from '../sign-on/browser-session.ts'

/** One handler: a logout ends the session in both roles, wherever it is started. */
export const startSloPaths = { idp: '/idp/startSLO.ping', sp: '/sp/startSLO.ping' } as const

/** Where the browser ends; only addresses that the redirect decision accepted. */
interface Landing {
  readonly landingUrl?: string
  readonly errorUrl?: string
}

/**
 * `/idp/startSLO.ping` and `/sp/startSLO.ping`, GET and POST alike: who is here, may this request end it silently, end it, go to the sign-off
 * page. A landing address that is not allowed is ignored; the logout goes on (AC-160).
 *
 * Differs: the replaced product stops at a refused `TargetResource`, and ends the session on any link of any site.
 */
export async function startSingleLogout(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const landing = landingOf(ctx, parameters, request)
  const session = await currentSession(ctx, request)
  if (session === undefined || isOfOther(session, parameters)) return nobodyHere(ctx, landing, request, reply)
  switch (consentOf(ctx, session, parameters, request)) {
    case 'needed':
      return ask(ctx, session, parameters, request, reply)
    case 'declined':
      return sayCancelled(ctx, request, reply)
    case 'given':
      return endSession(ctx, session, landing, bindingOf(parameters), reply)
  }
}

/** `SpSessionAuthnAdapterId` limits the start to a session that this source made. */
function isOfOther(session: Session, { SpSessionAuthnAdapterId: sourceId }: Parameters): boolean {
  return sourceId !== undefined && sourceId !== session.sourceId
}

function landingOf(ctx: AuthorityContext, parameters: Parameters, request: FastifyRequest): Landing {
  const { successUrl, errorUrl, targets } = ctx.logout
  const exact = [successUrl, errorUrl].filter((url) => url !== undefined)
  const accept = (name: string): string | undefined => {
    const decision = decideRedirect(parameters[name], { list: targets, exact })
    if (decision.kind === 'ignored')
      ctx.logger.warn({ event: 'redirect.ignored', parameter: name, why: decision.why, reference: request.id }, 'A landing address is not on the allow-list')
    return decision.kind === 'allowed' ? decision.url : undefined
  }
  const landing = accept('TargetResource') ?? successUrl
  const error = accept('InErrorResource') ?? errorUrl
  return { ...(landing === undefined ? {} : { landingUrl: landing }), ...(error === undefined ? {} : { errorUrl: error }) }
}

/** Signed out already: a run of this browser that is not done yet is shown again, otherwise nothing is left to do. */
async function nobodyHere(ctx: AuthorityContext, landing: Landing, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const token = browserToken(ctx, request)
  const open = token === undefined ? undefined : await ctx.store.findOpenRunByToken(token)
  if (open !== undefined) return seeOther(reply, `/signoff/${open.id}`)
  return seeOther(reply, landing.landingUrl ?? '/signoff/done')
}

/**
 * Consent is the answer to our own form, or evidence that no page of a stranger made this request.
 * @throws CURFEW_SESSION_FORM_FOREIGN when the answer comes from a form that was not made for this browser (AC-147)
 */
function consentOf(ctx: AuthorityContext, session: Session, parameters: Parameters, request: FastifyRequest): 'needed' | 'given' | 'declined' {
  const answer = parameters['consentGiven'] ?? wordOf(parameters['choice'])
  if (answer !== undefined && request.method === 'POST') {
    if (!ctx.csrf.check(session.tokenHash, parameters['csrfToken'])) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
    if (answer === 'true') return 'given'
    if (answer === 'false') return 'declined'
    return 'needed'
  }
  return ctx.logout.confirm || !isFromFriend(request, friends(ctx)) ? 'needed' : 'given'
}

function wordOf(choice: string | undefined): string | undefined {
  return choice === undefined ? undefined : String(choice === 'everywhere')
}

/** Origins whose pages may start a logout silently: our own and those of the configured applications. */
function friends(ctx: AuthorityContext): ReadonlySet<string> {
  const saml = ctx.connections.applications().flatMap((c) => [c.homeUrl, ...c.consumers.map((acs) => acs.url)])
  const oidc = ctx.clients.all().flatMap((c) => [c.homeUrl, ...c.redirectUris])
  return new Set([ctx.baseUrl, ...saml, ...oidc].flatMap((url) => (url !== undefined && URL.canParse(url) ? [new URL(url).origin] : [])))
}

async function ask(ctx: AuthorityContext, session: Session, parameters: Parameters, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const context = ctx.pageContext(request)
  const participants = await ctx.store.getParticipants(session.id)
  const kept = ['TargetResource', 'InErrorResource', 'Binding', 'SpSessionAuthnAdapterId'].flatMap((name) => {
    const value = parameters[name]
    return value === undefined ? [] : [[name, value] as const]
  })
  const body = askBody({
    context,
    username: session.username,
    apps: askedApps(participants, (id) => ctx.peer(id)),
    csrfToken: ctx.csrf.token(session.tokenHash),
    action: request.url.startsWith(startSloPaths.sp) ? startSloPaths.sp : startSloPaths.idp,
    fields: Object.fromEntries(kept)
  })
  // The answer may lead to the landing page at once: a stricter form policy would stop the browser there.
  return reply.headers(pageHeaders(context.nonce, { formsLeave: true })).send(renderPage(context, { title: context.t('ask.title'), body }).toString())
}

/** Nothing ended; the session goes on. */
function sayCancelled(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const context = ctx.pageContext(request)
  const { t } = context
  const body = html`<h1>${t('ask.cancelled')}</h1><p class="actions"><a class="button" href="/">${t('error.home')}</a></p>`
  return sendPage(reply, context, t('ask.cancelled'), body)
}

/** A binding that nobody here speaks is no reason to keep the session. */
function bindingOf({ Binding: uri }: Parameters): Binding | undefined {
  return uri === undefined ? undefined : bindingFromUri(uri)
}

async function endSession(
  ctx: AuthorityContext,
  session: Session,
  landing: Landing,
  preferredBinding: Binding | undefined,
  reply: FastifyReply
): Promise<FastifyReply> {
  const summary = await ctx.engine.endSessions({
    scope: { kind: 'session', sessionId: session.id },
    reason: 'user',
    by: { kind: 'user', id: session.username },
    starter: { kind: 'user', ...landing },
    browser: 'present',
    ...(preferredBinding === undefined ? {} : { preferredBinding })
  })
  const run = summary.ended[0] ?? summary.already[0]
  if (run === undefined) return seeOther(reply, landing.landingUrl ?? '/signoff/done')
  // A logout that is over already goes on to its landing page at once; any other is shown.
  return seeOther(reply, landing.landingUrl === undefined ? `/signoff/${run.runId}` : `/signoff/${run.runId}/finish`)
}
