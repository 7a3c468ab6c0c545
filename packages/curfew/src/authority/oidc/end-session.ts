import type { FastifyReply, FastifyRequest } from 'fastify'
import { isLive, type Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { createLogoutAnswers } from '../logout-answer.ts'
import type { Html } from '../pages/html.ts'
import { languageOfLocales } from '../pages/messages.ts'
import type { PageContext } from '../pages/page.ts'
import { sendPage } from '../reply.ts'
import { isAhead, type Parameters, parametersOf, seeOther } from '../request.ts'
import { askBody, askedApps, type AskParts, cancelledBody, offlineChoice, survivingApps } from '../sign-off/ask-page.ts'
import { browserOf, currentSession, isSecure } from '../sign-on/browser-session.ts'
import { formBinding } from '../sign-on/cookies.ts'
import type { OidcClient } from './client.ts'
import { oidcPaths } from './endpoints.ts'
import { type IdTokenHint, readIdTokenHint } from './id-token-hint.ts'
import { postLogoutTarget } from './post-logout.ts'

/** Whose session is meant, by whom, and where the browser ends. */
interface Wish {
  readonly hint: IdTokenHint | undefined
  readonly client: OidcClient | undefined
  readonly target: string | undefined
  /** The person said that offline grants end, too. */
  readonly endOfflineGrants?: true
  /** Query that keeps the pages that follow in the language that the client wishes for. */
  readonly language: string
}

/**
 * `/idp/init_logout.openid`: a client asks to end the session, GET and POST alike. A valid hint of the session in this
 * browser ends it at once; anything less is asked about. An address that is not registered is ignored, the logout
 * goes on.
 * @see OpenID Connect RP-Initiated Logout 1.0
 */
export async function endSession(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const own = await currentSession(ctx, request)
  const isAnswer = parameters['csrfToken'] !== undefined && request.method === 'POST'
  // A form of another site comes without cookies; the same request by GET has them.
  if (request.method === 'POST' && own === undefined && !isAnswer) return seeOther(reply, `${oidcPaths.endSession}?${queryOf(parameters)}`)
  const wish = await wishOf(ctx, parameters, request)
  const session = own ?? (await sessionOfHint(ctx, wish))
  if (session === undefined) return seeOther(reply, wish.target ?? `/signoff/done${wish.language}`)
  if (isAnswer) return answered(ctx, { session, isHere: own !== undefined, wish, parameters }, request, reply)
  const isMeant = own !== undefined && wish.hint !== undefined && (await sessionOfHint(ctx, wish))?.id === own.id
  if (isMeant && !ctx.logout.confirm && !isAhead(request)) return end(ctx, session, true, wish, reply)
  return ask(ctx, { session, isHere: own !== undefined, wish, parameters }, request, reply)
}

/** A logout that is asked about, and whether its session is the one of this browser. */
interface Asked {
  readonly session: Session
  readonly isHere: boolean
  readonly wish: Wish
  readonly parameters: Parameters
  /** The last answer did not count. */
  readonly isAgain?: boolean
}

async function ask(ctx: AuthorityContext, asked: Asked, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { session, isHere, wish, parameters, isAgain = false } = asked
  const form = { ...formOf(ctx, session, parameters, request, reply), isAgain }
  const body = isHere ? await askOwner(ctx, session, form) : askStranger(wish, form)
  const context = ctx.pageContext(request, parameters['ui_locales'])
  return sendPage(isAgain ? reply.status(409) : reply, context, context.t('ask.title'), body(context), { formsLeave: true })
}

const carried = ['id_token_hint', 'client_id', 'post_logout_redirect_uri', 'state', 'ui_locales', 'logout_hint'] as const

function queryOf(parameters: Parameters): string {
  return new URLSearchParams(carried.flatMap((name) => (parameters[name] === undefined ? [] : [[name, parameters[name]]]))).toString()
}

/** A `client_id` that contradicts the hint makes both worthless (section 2). */
async function wishOf(ctx: AuthorityContext, parameters: Parameters, request: FastifyRequest): Promise<Wish> {
  const { client_id: clientId, post_logout_redirect_uri: uri, state } = parameters
  const shown = await readIdTokenHint(ctx, parameters['id_token_hint'])
  const isContradiction = shown !== undefined && clientId !== undefined && shown.clientId !== clientId
  const hint = isContradiction ? undefined : shown
  const client = isContradiction ? undefined : await ctx.clients.find(hint?.clientId ?? clientId ?? '')
  const target = postLogoutTarget(client, uri, state)
  if (uri !== undefined && target === undefined) {
    ctx.logger.warn(
      { event: 'redirect.ignored', parameter: 'post_logout_redirect_uri', why: 'not-registered', reference: request.id },
      'A post-logout address is not registered'
    )
  }
  const language = languageOfLocales(parameters['ui_locales'])
  return { hint, client, target, language: language === undefined ? '' : `?lang=${language}` }
}

/** The live session that an ID token of this client was issued in. */
async function sessionOfHint(ctx: AuthorityContext, { hint, client }: Wish): Promise<Session | undefined> {
  if (hint === undefined || client === undefined) return undefined
  const id = ctx.locator.open(client.clientId, hint.sid)
  const session = id === undefined ? undefined : await ctx.store.getSession(id)
  return session !== undefined && isLive(session, ctx.clock.nowMs()) ? session : undefined
}

/** The form is bound to this browser and to the one session it speaks of. */
function bindingOf(ctx: AuthorityContext, session: Session, request: FastifyRequest, reply: FastifyReply): string {
  return `${formBinding(browserOf(ctx, request), reply, ctx.ids, { isSecure: isSecure(ctx) })}.${session.id}`
}

type AskBody = (context: PageContext) => Html
type AskForm = Pick<AskParts, 'csrfToken' | 'action' | 'fields' | 'isAgain'>

/** The session is in this browser: who it is, and what takes part. */
async function askOwner(ctx: AuthorityContext, session: Session, form: AskForm): Promise<AskBody> {
  const participants = await ctx.store.getParticipants(session.id)
  const apps = askedApps(participants, (id) => ctx.peer(id)).map((app) => ({ ...app, canLeave: false }))
  const survivors = survivingApps(participants, (id) => ctx.peer(id))
  return (context) => askBody({ context, username: session.username, apps, survivors, ...form })
}

/** It is not: whoever holds a hint does not learn from us who that was, nor what else is used. */
function askStranger({ client }: Wish, form: AskForm): AskBody {
  return (context) => askBody({ context, text: context.t('ask.asked', { app: client?.name ?? '' }), apps: [], ...form })
}

function formOf(ctx: AuthorityContext, session: Session, parameters: Parameters, request: FastifyRequest, reply: FastifyReply): AskForm {
  return {
    csrfToken: createLogoutAnswers(ctx).value(bindingOf(ctx, session, request, reply)),
    action: oidcPaths.endSession,
    fields: Object.fromEntries(carried.flatMap((name) => (parameters[name] === undefined ? [] : [[name, parameters[name]]])))
  }
}

/** @throws CURFEW_SESSION_FORM_FOREIGN when the answer was not given on our page in this browser */
async function answered(ctx: AuthorityContext, asked: Asked, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { session, isHere, wish, parameters } = asked
  const taken = await createLogoutAnswers(ctx).take(bindingOf(ctx, session, request, reply), parameters['csrfToken'])
  if (taken === 'again') return ask(ctx, { ...asked, isAgain: true }, request, reply)
  const isGiven = parameters['choice'] === 'everywhere' || parameters['consentGiven'] === 'true'
  if (isGiven) return end(ctx, session, isHere, { ...wish, ...offlineChoice(parameters) }, reply)
  const context = ctx.pageContext(request, parameters['ui_locales'])
  const { t } = context
  return sendPage(reply, context, t('ask.cancelled'), cancelledBody(t))
}

async function end(ctx: AuthorityContext, session: Session, isHere: boolean, wish: Wish, reply: FastifyReply): Promise<FastifyReply> {
  const landing = wish.target === undefined ? {} : { landingUrl: wish.target, errorUrl: wish.target }
  const summary = await ctx.engine.endSessions({
    scope: { kind: 'session', sessionId: session.id },
    reason: 'user',
    by: wish.client === undefined ? { kind: 'user', id: session.username } : { kind: 'peer', id: wish.client.id },
    starter: { kind: 'user', ...landing },
    browser: isHere ? 'present' : 'absent',
    ...(wish.endOfflineGrants === undefined ? {} : { endOfflineGrants: true as const })
  })
  const run = summary.ended[0] ?? summary.already[0]
  // In another browser than the session's there is nothing to see of it.
  if (run === undefined || !isHere) return seeOther(reply, wish.target ?? `/signoff/done${wish.language}`)
  // A logout that is over already goes on to its landing page at once; any other is shown.
  return seeOther(reply, wish.target === undefined ? `/signoff/${run.runId}${wish.language}` : `/signoff/${run.runId}/finish`)
}
