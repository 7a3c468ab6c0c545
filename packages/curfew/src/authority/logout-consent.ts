import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../core/session.ts'
import type { AuthorityContext } from './context.ts'
import { createLogoutAnswers } from './logout-answer.ts'
import { pageHeaders, renderPage } from './pages/page.ts'
import { sendPage } from './reply.ts'
import { isFromFriend, type Parameters } from './request.ts'
import { askBody, askedApps, cancelledBody, offlineChoice, survivingApps } from './sign-off/ask-page.ts'

type Consent = 'needed' | 'again' | 'given' | 'declined'

/**
 * Consent to a logout without a signature is the answer to our own form, or evidence that no page of a stranger made
 * this request. `again`: the form was answered before, or is too old, and the person has to be asked anew.
 * @throws CURFEW_SESSION_FORM_FOREIGN when the answer comes from a form that was not made for this browser (AC-147)
 */
export async function consentOf(
  ctx: AuthorityContext,
  session: Session,
  wish: { readonly confirm: boolean; readonly parameters: Parameters },
  request: FastifyRequest
): Promise<Consent> {
  const { confirm, parameters } = wish
  const answer = parameters['consentGiven'] ?? wordOf(parameters['choice'])
  if (answer !== undefined && request.method === 'POST') {
    if ((await createLogoutAnswers(ctx).take(session.tokenHash, parameters['csrfToken'])) === 'again') return 'again'
    if (answer === 'true') return 'given'
    if (answer === 'false') return 'declined'
    return 'needed'
  }
  return confirm || !isFromFriend(request, friends(ctx)) ? 'needed' : 'given'
}

/** What the person said of offline grants on our own page; a request that is no answer to it says nothing. */
export function offlineChoiceOf(parameters: Parameters, request: FastifyRequest): ReturnType<typeof offlineChoice> {
  const isAnswer = request.method === 'POST' && (parameters['consentGiven'] ?? parameters['choice']) !== undefined
  return isAnswer ? offlineChoice(parameters) : {}
}

function wordOf(choice: string | undefined): string | undefined {
  return choice === undefined ? undefined : String(choice === 'everywhere')
}

/** Origins whose pages may start a logout silently: our own and those of the configured partners. */
function friends(ctx: AuthorityContext): ReadonlySet<string> {
  const saml = ctx.connections.all().flatMap((c) => [c.homeUrl, ...(c.role === 'sp' ? c.consumers.map((acs) => acs.url) : [c.singleSignOn.url])])
  const oidc = ctx.clients.configured().flatMap((c) => [c.homeUrl, ...c.redirectUris])
  const openToken = ctx.adapters.all().flatMap(({ origins }) => origins)
  const upstream = ctx.upstreams.all().flatMap(({ peer }) => peer.landing?.urls ?? [])
  return new Set(
    [ctx.baseUrl, ...saml, ...oidc, ...openToken, ...upstream].flatMap((url) => (url !== undefined && URL.canParse(url) ? [new URL(url).origin] : []))
  )
}

/** Asks the person; the form comes back to `action` with `fields`. */
export async function askForConsent(
  ctx: AuthorityContext,
  session: Session,
  form: {
    readonly action: string
    readonly fields: Readonly<Record<string, string>>
    /** The ending heeds what the person says of offline grants. */
    readonly offersOffline?: boolean
    readonly isAgain?: boolean
  },
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const context = ctx.pageContext(request)
  const participants = await ctx.store.getParticipants(session.id)
  const body = askBody({
    context,
    username: session.username,
    apps: askedApps(participants, (id) => ctx.peer(id)),
    survivors: form.offersOffline === true ? survivingApps(participants, (id) => ctx.peer(id)) : [],
    csrfToken: createLogoutAnswers(ctx).value(session.tokenHash),
    isAgain: form.isAgain === true,
    action: form.action,
    fields: form.fields
  })
  // The answer may lead to the landing page at once: a stricter form policy would stop the browser there.
  return reply
    .status(form.isAgain === true ? 409 : 200)
    .headers(pageHeaders(context.nonce, { formsLeave: true }))
    .send(renderPage(context, { title: context.t('ask.title'), body }).toString())
}

/** Nothing ended; the session goes on. */
export function sayCancelled(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const context = ctx.pageContext(request)
  const { t } = context
  return sendPage(reply, context, t('ask.cancelled'), cancelledBody(t))
}

/** Parameters that a form carries along, those that are there. */
export function carriedAlong(parameters: Parameters, names: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = parameters[name]
      return value === undefined ? [] : [[name, value] as const]
    })
  )
}
