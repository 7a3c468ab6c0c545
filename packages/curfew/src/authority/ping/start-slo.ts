import { type Binding, bindingFromUri } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { IgnoredLanding } from '../../core/run.ts'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { faultyRun } from '../incomplete-run.ts'
import { askForConsent, carriedAlong, consentOf, offlineChoiceOf, sayCancelled } from '../logout-consent.ts'
import { judgeLanding } from '../redirects.ts'
import { type Parameters, parametersOf, routeOf, seeOther } from '../request.ts'
import { browserToken, currentSession } from '../sign-on/browser-session.ts'

/** One handler: a logout ends the session in both roles, wherever it is started. */
export const startSloPaths = { idp: '/idp/startSLO.ping', sp: '/sp/startSLO.ping' } as const

/** Where the browser ends; only addresses that the redirect decision accepted. */
interface Landing {
  readonly landingUrl?: string
  readonly errorUrl?: string
  readonly ignored?: readonly IgnoredLanding[]
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
  const { path, confirm } = sideOf(ctx, request)
  const fields = carriedAlong(parameters, carried)
  // A form of another site comes without cookies; the same request by GET has them.
  if (request.method === 'POST' && session === undefined && parameters['csrfToken'] === undefined)
    return seeOther(reply, `${path}?${new URLSearchParams(fields).toString()}`)
  if (session === undefined || (await isOfOther(ctx, session, parameters))) return nobodyHere(ctx, landing, request, reply)
  const consent = await consentOf(ctx, session, { confirm, parameters }, request)
  switch (consent) {
    case 'needed':
    case 'again':
      return askForConsent(ctx, session, { action: path, fields, offersOffline: true, isAgain: consent === 'again' }, request, reply)
    case 'declined':
      return sayCancelled(ctx, request, reply)
    case 'given':
      return endSession(ctx, session, landing, parameters, request, reply)
  }
}

const carried = ['TargetResource', 'InErrorResource', 'Binding', 'SpSessionAuthnAdapterId']

/** The two sides differ in their default pages and in whether they ask. */
function sideOf(ctx: AuthorityContext, request: FastifyRequest): { readonly path: string; readonly confirm: boolean; readonly successUrl: string | undefined } {
  const { confirm, successUrl, sp } = ctx.logout
  if (routeOf(request) !== startSloPaths.sp) return { path: startSloPaths.idp, confirm, successUrl }
  return { path: startSloPaths.sp, confirm: sp?.confirm ?? confirm, successUrl: sp?.successUrl ?? successUrl }
}

/** `SpSessionAuthnAdapterId` limits the start to a session that this source made, or that this application takes part in. */
async function isOfOther(ctx: AuthorityContext, session: Session, { SpSessionAuthnAdapterId: id }: Parameters): Promise<boolean> {
  if (id === undefined || id === session.sourceId) return false
  const isApplication = ctx.adapters.byId(id)?.role === 'sp'
  return !isApplication || (await ctx.store.getParticipants(session.id)).every(({ peerId }) => peerId !== id)
}

function landingOf(ctx: AuthorityContext, parameters: Parameters, request: FastifyRequest): Landing {
  const target = judgeLanding(ctx, { use: 'slo', parameter: 'TargetResource', raw: parameters['TargetResource'] }, request)
  const error = judgeLanding(ctx, { use: 'errorResource', parameter: 'InErrorResource', raw: parameters['InErrorResource'] }, request)
  const landingUrl = target.url ?? sideOf(ctx, request).successUrl
  const errorUrl = error.url ?? ctx.logout.errorUrl
  const ignored = [target.ignored, error.ignored].filter((one) => one !== undefined)
  return {
    ...(landingUrl === undefined ? {} : { landingUrl }),
    ...(errorUrl === undefined ? {} : { errorUrl }),
    ...(ignored.length === 0 ? {} : { ignored })
  }
}

/** Signed out already: a run of this browser that is not done yet, or that somebody did not confirm, is shown again, otherwise nothing is left to do. */
async function nobodyHere(ctx: AuthorityContext, landing: Landing, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const token = browserToken(ctx, request)
  const open = token === undefined ? undefined : ((await ctx.store.findOpenRunByToken(token)) ?? (await faultyRun(ctx, token)))
  if (open !== undefined) return seeOther(reply, `/signoff/${open.id}`)
  return seeOther(reply, landing.landingUrl ?? '/signoff/done')
}

/** A binding that nobody here speaks is no reason to keep the session. */
function bindingOf({ Binding: uri }: Parameters): Binding | undefined {
  return uri === undefined ? undefined : bindingFromUri(uri)
}

async function endSession(
  ctx: AuthorityContext,
  session: Session,
  landing: Landing,
  parameters: Parameters,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const preferredBinding = bindingOf(parameters)
  const summary = await ctx.engine.endSessions({
    scope: { kind: 'session', sessionId: session.id },
    reason: 'user',
    by: { kind: 'user', id: session.username },
    starter: { kind: 'user', ...landing },
    browser: 'present',
    ...(preferredBinding === undefined ? {} : { preferredBinding }),
    ...offlineChoiceOf(parameters, request)
  })
  const run = summary.ended[0] ?? summary.already[0]
  if (run === undefined) return seeOther(reply, landing.landingUrl ?? '/signoff/done')
  // A logout that is over already goes on to its landing page at once; any other is shown.
  return seeOther(reply, landing.landingUrl === undefined ? `/signoff/${run.runId}` : `/signoff/${run.runId}/finish`)
}
