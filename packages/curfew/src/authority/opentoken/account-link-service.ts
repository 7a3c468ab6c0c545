import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { byGet, parametersOf, seeOther } from '../request.ts'
import { currentSession } from '../sign-on/browser-session.ts'
import { applicationLinkId, findLink, keepLink } from '../upstream/account-link.ts'
import type { ApplicationAdapter } from './adapter.ts'
import { readSaid } from './answer.ts'
import { issueToken } from './issue.ts'
import { resumeRoutes } from './resume-path.ts'
import { requireFirst } from './token-use.ts'

/** A session that waits until an application says which account there belongs to its user. */
interface PendingAccount {
  readonly adapterId: string
  readonly sessionId: string
  readonly targetUrl: string
}

/** What an application calls the user of a session: the account there that was linked, if one was. */
export async function linkedSubject(ctx: AuthorityContext, adapter: ApplicationAdapter, { userKey }: Session): Promise<string | undefined> {
  return (await findLink(ctx, applicationLinkId(adapter.id, userKey)))?.providerUser
}

/** Sends the browser to the Account Link Service: the application signs the person in with the account there. */
export async function askAccount(
  ctx: AuthorityContext,
  adapter: ApplicationAdapter,
  { session, targetUrl, serviceUrl }: { readonly session: Session; readonly targetUrl: string; readonly serviceUrl: string },
  reply: FastifyReply
): Promise<FastifyReply> {
  const nonce = ctx.ids.cookie()
  const pending: PendingAccount = { adapterId: adapter.id, sessionId: session.id, targetUrl }
  await ctx.store.txCreate(pendingKey(nonce), pending, ctx.clock.nowMs() + ctx.transactionMs)
  const url = new URL(serviceUrl)
  for (const name of adapter.resumeNames) url.searchParams.set(name, resumeRoutes.accountLink.replace(':nonce', nonce))
  return seeOther(reply, url.href)
}

/**
 * `/sp/<nonce>/resume/sp/startSSO.ping`: the browser comes back from the Account Link Service with a token that names
 * the account there. It counts once, in the session that was sent, and the link is kept; the application is opened.
 * @throws CURFEW_SESSION_STATE_NOT_FOUND, CURFEW_LINK_REQUIRED, CURFEW_LINK_TAKEN, CURFEW_OPENTOKEN_REPLAYED, and the codes of tokens
 */
export async function resumeAccountLink(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { nonce } = request.params as { readonly nonce: string }
  const pending = (await ctx.store.txGet(pendingKey(nonce), ctx.clock.nowMs())) as PendingAccount | undefined
  const adapter = pending === undefined ? undefined : ctx.adapters.byId(pending.adapterId)
  if (pending === undefined || adapter?.role !== 'sp') throw notFound()
  const session = await currentSession(ctx, request)
  const parameters = parametersOf(request)
  // A form of another site comes without cookies; the same request by GET has them.
  if (request.method === 'POST' && session === undefined) return seeOther(reply, byGet(request))
  if (session === undefined || session.id !== pending.sessionId) throw notFound()
  if (parameters['error'] !== undefined) throw new CurfewError('CURFEW_LINK_REQUIRED', { connection: adapter.id })
  const said = await readSaid(ctx, adapter, parameters, request)
  await requireFirst(ctx, adapter, said, ctx.clock.nowMs())
  if ((await ctx.store.txTake(pendingKey(nonce), ctx.clock.nowMs())).value === undefined) throw notFound()
  const link = { id: applicationLinkId(adapter.id, session.userKey), providerId: adapter.id, providerUser: said.subject, role: 'application' as const }
  await keepLink(ctx, link, session)
  return issueToken(ctx, adapter, { session, subject: said.subject, targetUrl: pending.targetUrl }, request, reply)
}

function notFound(): CurfewError {
  return new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
}

function pendingKey(nonce: string): string {
  return `opentoken-account:${nonce}`
}
