import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { askForConsent, consentOf, sayCancelled } from '../logout-consent.ts'
import { type Html, html } from '../pages/html.ts'
import { sendPage } from '../reply.ts'
import { forgetPages, parametersOf, seeOther } from '../request.ts'
import { currentSession, isSecure } from '../sign-on/browser-session.ts'
import { clearSessionCookies } from '../sign-on/cookies.ts'

/** Logout Path, Logout Redirect and Logout Template of one authentication source. */
export interface AdapterLogout {
  readonly sourceId: string
  readonly path: string
  /** Wins over the template (AC-093). */
  readonly redirectUrl?: string
  /** Text of the page that is shown otherwise; absent: the standard page. */
  readonly template?: Html
}

/**
 * A logout of the adapter, which is no single logout: sessions of this source end here, nobody is told, by the revocation
 * list neither, and the record shows every participant as not asked: they go on. A stranger's link is asked about, as everywhere.
 */
export async function startAdapterLogout(ctx: AuthorityContext, logout: AdapterLogout, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parameters = parametersOf(request)
  const session = await currentSession(ctx, request)
  const action = `/ext${logout.path}`
  // A form of another site comes without cookies; the same request by GET has them.
  if (request.method === 'POST' && session === undefined && parameters['csrfToken'] === undefined) return seeOther(reply, action)
  if (session === undefined) return land(ctx, logout, undefined, request, reply)
  // Whoever signed in elsewhere must not read that they are signed out.
  if (session.sourceId !== logout.sourceId) return sayCancelled(ctx, request, reply)
  const consent = await consentOf(ctx, session, { confirm: ctx.logout.confirm, parameters }, request)
  switch (consent) {
    case 'needed':
    case 'again':
      return askForConsent(ctx, session, { action, fields: {}, isAgain: consent === 'again' }, request, reply)
    case 'declined':
      return sayCancelled(ctx, request, reply)
    case 'given':
      return land(ctx, logout, await endHere(ctx, session, reply), request, reply)
  }
}

async function endHere(ctx: AuthorityContext, session: Session, reply: FastifyReply): Promise<string | undefined> {
  const summary = await ctx.engine.endSessions({
    scope: { kind: 'session', sessionId: session.id },
    reason: 'user',
    by: { kind: 'user', id: session.username },
    starter: { kind: 'user' },
    browser: 'present',
    isLocal: true,
    isPartial: true
  })
  clearSessionCookies(reply, { isSecure: isSecure(ctx) })
  return (summary.ended[0] ?? summary.already[0])?.runId
}

function land(ctx: AuthorityContext, logout: AdapterLogout, runId: string | undefined, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (logout.redirectUrl !== undefined) return seeOther(reply, logout.redirectUrl)
  if (logout.template === undefined) return seeOther(reply, runId === undefined ? '/signoff/done' : `/signoff/${runId}`)
  const context = ctx.pageContext(request)
  const { t } = context
  if (runId !== undefined) forgetPages(reply)
  const more = runId === undefined ? undefined : html`<p class="actions"><a class="button" href="/signoff/${runId}">${t('live.list')}</a></p>`
  return sendPage(reply, context, t('done.title'), html`${logout.template}${more}`)
}
