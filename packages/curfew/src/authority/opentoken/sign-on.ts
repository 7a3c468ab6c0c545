import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { decideRedirect, type RedirectRule } from '../../core/redirect.ts'
import type { AuthorityContext } from '../context.ts'
import { judged } from '../redirects.ts'
import { type Parameters, seeOther } from '../request.ts'
import { currentSession, recordActivity } from '../sign-on/browser-session.ts'
import type { SignedIn } from '../sign-on/finish-sign-on.ts'
import { mayReuse } from '../sign-on/session-limits.ts'
import { createTransaction } from '../sign-on/transaction.ts'
import { askAccount, linkedSubject } from './account-link-service.ts'
import type { ApplicationAdapter } from './adapter.ts'
import { issueToken } from './issue.ts'
import { subjectOf } from './statement.ts'

/** What waits for the sign-in: the application, and its page; nothing is taken from the request unchecked. */
interface AdapterWish {
  readonly adapterId: string
  readonly targetUrl: string
}

/**
 * Opens an application: with a session at once, otherwise after the sign-in. `TargetResource` (or `TARGET`) has to lie
 * on an origin of the application, because the token goes there; any other is ignored, and the application's own page
 * is opened.
 * @param providerId - only this source's word counts
 */
export async function openApplication(
  ctx: AuthorityContext,
  adapter: ApplicationAdapter,
  wish: { readonly parameters: Parameters; readonly providerId: string | undefined },
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const { parameters, providerId } = wish
  const parameter = parameters['TargetResource'] === undefined ? 'TARGET' : 'TargetResource'
  const decision = decideRedirect(parameters[parameter], { list: adapter.origins.map(ruleOf), exact: [adapter.targetUrl] })
  const targetUrl = judged(ctx, parameter, decision, request).url ?? adapter.targetUrl
  const data: AdapterWish = { adapterId: adapter.id, targetUrl }
  const transaction = { purpose: { kind: 'opentoken' as const, data }, forceAuthn: false, isPassive: false }
  const session = await currentSession(ctx, request)
  const isOther = providerId !== undefined && providerId !== session?.sourceId
  if (session !== undefined && !isOther && mayReuse(session, ctx.signOn.sourceId, ctx.sessions, ctx.signOn.sessionState)) {
    await recordActivity(ctx, session)
    return resumeApplication(ctx, { transaction, session, authenticatedAtMs: session.authenticatedAtMs }, request, reply)
  }
  const waiting = { ...transaction, appName: adapter.name, ...(providerId === undefined ? {} : { providerId }) }
  const { path } = await createTransaction(ctx, waiting)
  return seeOther(reply, path)
}

/** The end of the sign-in: the application gets its token, once it has said which account there is meant where it is asked. */
export async function resumeApplication(ctx: AuthorityContext, done: SignedIn, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { purpose } = done.transaction
  const wish = purpose.kind === 'opentoken' ? (purpose.data as AdapterWish) : undefined
  const adapter = wish === undefined ? undefined : ctx.adapters.byId(wish.adapterId)
  const { session } = done
  if (wish === undefined || adapter?.role !== 'sp') throw new CurfewError('CURFEW_OPENTOKEN_ADAPTER_UNKNOWN', {})
  if (session === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const { targetUrl } = wish
  const { accountLinkService: serviceUrl } = adapter
  if (serviceUrl === undefined) return issueToken(ctx, adapter, { session, subject: subjectOf(adapter, session), targetUrl }, request, reply)
  const subject = await linkedSubject(ctx, adapter, session)
  if (subject === undefined) return askAccount(ctx, adapter, { session, targetUrl, serviceUrl }, reply)
  return issueToken(ctx, adapter, { session, subject, targetUrl }, request, reply)
}

function ruleOf(origin: string): RedirectRule {
  const { host, protocol } = new URL(origin)
  return { domain: host, requireHttps: protocol === 'https:', allowQueryAndFragment: true }
}
