import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { faultyRun } from '../incomplete-run.ts'
import { askForConsent, carriedAlong, consentOf, offlineChoiceOf, sayCancelled } from '../logout-consent.ts'
import type { JudgedLanding } from '../redirects.ts'
import { parametersOf, seeOther } from '../request.ts'
import { browserToken, currentSession, isSecure } from '../sign-on/browser-session.ts'
import type { EndRequest } from '../../core/end-sessions.ts'
import { clearSessionCookies } from '../sign-on/cookies.ts'
import { carriesIdpid } from './idpid.ts'
import { judgePage } from './page-parameter.ts'

/** `initslo` tells everybody; `terminatesession` ends the session here and tells nobody. */
export type PingOneEnding = 'initslo' | 'terminatesession'

const carried = ['page', 'idpid']

/**
 * `/sso/initslo/` and `/sso/terminatesession`: an application without SAML sends its visitor here. Who is here and does
 * `idpid` mean this session, where may it land (judged before anything ends), may this request end it silently, end it.
 *
 * Differs: the replaced service ends the session on any link of any site; here a stranger's link is asked about.
 */
export async function startPingOneLogout(ctx: AuthorityContext, ending: PingOneEnding, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const present = await currentSession(ctx, request)
  const fields = carriedAlong(parameters, carried)
  // A form of another site comes without cookies; the same request by GET has them.
  if (request.method === 'POST' && present === undefined && parameters['csrfToken'] === undefined)
    return seeOther(reply, `${ctx.pingOne.prefix}${ending}?${new URLSearchParams(fields).toString()}`)
  const session = present !== undefined && carriesIdpid(ctx, present, parameters['idpid']) ? present : undefined
  const landing = await judgePage(ctx, session, parameters, request)
  if (session === undefined) return nothingToEnd(ctx, present !== undefined, landing, request, reply)
  const consent = await consentOf(ctx, session, { confirm: ctx.logout.confirm, parameters }, request)
  const form = { action: `${ctx.pingOne.prefix}${ending}`, fields, offersOffline: ending === 'initslo', isAgain: consent === 'again' }
  switch (consent) {
    case 'needed':
    case 'again':
      return askForConsent(ctx, session, form, request, reply)
    case 'declined':
      return sayCancelled(ctx, request, reply)
    case 'given':
      return ending === 'initslo' ? endEverywhere(ctx, session, landing, offlineChoiceOf(parameters, request), reply) : endHere(ctx, session, landing, reply)
  }
}

/** Nobody is here, or `idpid` means another session: a logout under way or gone wrong is shown, otherwise a landing page is still reached. */
async function nothingToEnd(
  ctx: AuthorityContext,
  isSomebodyHere: boolean,
  landing: JudgedLanding,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const token = isSomebodyHere ? undefined : browserToken(ctx, request)
  const open = token === undefined ? undefined : ((await ctx.store.findOpenRunByToken(token)) ?? (await faultyRun(ctx, token)))
  if (open !== undefined) return seeOther(reply, `/signoff/${open.id}`)
  const url = landing.url ?? defaultUrl(ctx)
  if (url !== undefined) return seeOther(reply, url)
  // Whoever is signed in must not read that they are signed out.
  return isSomebodyHere ? sayCancelled(ctx, request, reply) : seeOther(reply, '/signoff/done')
}

function defaultUrl({ pingOne, logout }: AuthorityContext): string | undefined {
  return pingOne.landingUrl ?? logout.successUrl
}

async function endEverywhere(
  ctx: AuthorityContext,
  session: Session,
  landing: JudgedLanding,
  choice: ReturnType<typeof offlineChoiceOf>,
  reply: FastifyReply
): Promise<FastifyReply> {
  const url = landing.url ?? defaultUrl(ctx)
  const runId = await end(ctx, session, landing, url, choice)
  if (runId === undefined) return seeOther(reply, url ?? '/signoff/done')
  return seeOther(reply, url === undefined ? `/signoff/${runId}` : `/signoff/${runId}/finish`)
}

/** There is nothing to wait for: the browser goes on to its page at once, often the sign-out of the identity provider. */
async function endHere(ctx: AuthorityContext, session: Session, landing: JudgedLanding, reply: FastifyReply): Promise<FastifyReply> {
  const url = landing.url ?? defaultUrl(ctx)
  const runId = await end(ctx, session, landing, url, { isLocal: true })
  clearSessionCookies(reply, { isSecure: isSecure(ctx) })
  return seeOther(reply, url ?? (runId === undefined ? '/signoff/done' : `/signoff/${runId}`))
}

async function end(
  ctx: AuthorityContext,
  session: Session,
  { ignored }: JudgedLanding,
  landingUrl: string | undefined,
  how: Pick<EndRequest, 'isLocal' | 'endOfflineGrants'>
) {
  const { errorUrl } = ctx.logout
  const summary = await ctx.engine.endSessions({
    scope: { kind: 'session', sessionId: session.id },
    reason: 'user',
    by: { kind: 'user', id: session.username },
    starter: {
      kind: 'user',
      ...(landingUrl === undefined ? {} : { landingUrl }),
      ...(errorUrl === undefined ? {} : { errorUrl }),
      ...(ignored === undefined ? {} : { ignored: [ignored] })
    },
    browser: 'present',
    ...how
  })
  return (summary.ended[0] ?? summary.already[0])?.runId
}
