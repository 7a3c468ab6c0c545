import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { pageHeaders, renderPage } from '../pages/page.ts'
import { parametersOf, seeOther } from '../request.ts'
import { browserOf, currentSession, isSecure } from '../sign-on/browser-session.ts'
import { checkPassword, recordRefusal } from '../sign-on/check-password.ts'
import { formBinding } from '../sign-on/cookies.ts'
import { isUnavailable } from '../sign-on/directory-problem.ts'
import type { Identity } from '../sign-on/sign-in.ts'
import { readTransaction } from '../sign-on/transaction.ts'
import type { User } from '../sign-on/user-directory.ts'
import { type AccountLinking, declineLink, findLink, hasDeclined, keepLink, linkIdOf } from './account-link.ts'
import type { Arrival, WaitingArrival } from './arrival.ts'
import { linkBody } from './link-page.ts'
import { putAway, waitingMs } from './waiting.ts'

export const linkPath = '/sp/:nonce/resume/sp/link'

/** A question that is shown: for this browser, about this arrival, answered once. */
interface PendingLink {
  readonly waiting: WaitingArrival
  readonly formHash: string
}

/** What the account link says of an arrival. */
export type LinkVerdict =
  /** Goes on as this person: of the account here, or of the provider where there is no link. */
  | { readonly kind: 'go'; readonly arrival: Arrival }
  /** The person has to say which account is theirs, or may. */
  | { readonly kind: 'ask'; readonly linkId: string }
  /** A link is needed, and no page may be shown. */
  | { readonly kind: 'nobody' }

/**
 * Looks for the account here of whoever arrived. Nobody is asked about an answer that was not asked for: another page
 * could have brought it, and a password typed on top of it would give the account to whoever sent it.
 * @throws CURFEW_LINK_ACCOUNT for a link to an account that is disabled or gone
 * @throws CURFEW_LINK_REQUIRED where a link is needed and can not be made from this answer
 */
export async function resolveLink(ctx: AuthorityContext, waiting: WaitingArrival, arrival: Arrival): Promise<LinkVerdict> {
  const linking = linkingOf(ctx, arrival.providerId)
  const unlinked: LinkVerdict = { kind: 'go', arrival }
  if (linking === 'off') return unlinked
  const linkId = linkIdOf(ctx, arrival)
  const link = linkId === undefined ? undefined : await findLink(ctx, linkId)
  if (link !== undefined) return { kind: 'go', arrival: { ...arrival, identity: linkedIdentity(arrival, await accountOf(ctx, link.username, link.userKey)) } }
  const isRequired = linking === 'required'
  if (waiting.asker === undefined || linkId === undefined) {
    if (isRequired) throw new CurfewError('CURFEW_LINK_REQUIRED', { connection: arrival.providerId, isAsked: String(waiting.asker !== undefined) })
    return unlinked
  }
  const transaction = await readTransaction(ctx.store, waiting.asker.nonce, ctx.clock.nowMs())
  if (transaction?.isPassive === true) return isRequired ? { kind: 'nobody' } : unlinked
  if (!isRequired && (waiting.staysUnlinked === true || (await hasDeclined(ctx, linkId)))) return unlinked
  return { kind: 'ask', linkId }
}

/** Shows the question; the answer comes to a path of its own, from this browser, once. */
export async function askForLink(ctx: AuthorityContext, waiting: WaitingArrival, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const formHash = formBinding(browserOf(ctx, request), reply, ctx.ids, { isSecure: isSecure(ctx) })
  const nonce = ctx.ids.cookie()
  const pending: PendingLink = { waiting, formHash }
  await ctx.store.txCreate(keyOf(nonce), pending, ctx.clock.nowMs() + waitingMs)
  return seeOther(reply, linkPath.replace(':nonce', nonce))
}

/** `GET`: the form, as often as it is looked at. */
export async function showLink(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { nonce, arrival } = await pendingOf(ctx, request)
  return showForm(ctx, { nonce, arrival }, request, reply)
}

/** `POST`: the password of the account here makes the link; whatever was chosen, the sign-in goes on. */
export async function answerLink(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { nonce, pending, arrival, linkId } = await pendingOf(ctx, request)
  const form = parametersOf(request)
  if (!ctx.csrf.check(bindingOf(pending.formHash, nonce), form['csrfToken'])) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  if (form['choice'] === 'decline') return decline(ctx, { nonce, pending, arrival, linkId }, reply)
  const { t } = ctx.pageContext(request)
  try {
    const checked = await checkPassword(ctx, form['username'] ?? '', form['password'] ?? '')
    if (checked.kind !== 'ok') {
      await recordRefusal(ctx, checked)
      const isLocked = checked.kind === 'locked'
      const problem = isLocked ? t('signon.locked', { minutes: ctx.signOn.locking.windowMinutes }) : t('signon.failed')
      return showForm(ctx, { nonce, arrival, problem }, request, reply.status(isLocked ? 429 : 401))
    }
    if (checked.user.mustChangePassword === true) return showForm(ctx, { nonce, arrival, problem: t('link.changeFirst') }, request, reply.status(403))
    await take(ctx, nonce)
    const { providerId, identity } = arrival
    await keepLink(ctx, { id: linkId, providerId, providerUser: identity.username, role: 'upstream' }, checked.user)
  } catch (error) {
    if (!isUnavailable(error)) throw error
    ctx.logger.error({ event: 'users.unavailable', err: error }, 'The directory of users does not answer')
    return showForm(ctx, { nonce, arrival, problem: t('signon.unavailable') }, request, reply.status(503))
  }
  return goOn(ctx, pending.waiting, arrival, reply)
}

interface Question {
  readonly nonce: string
  readonly pending: PendingLink
  readonly arrival: Arrival
  readonly linkId: string
}

async function decline(ctx: AuthorityContext, { nonce, pending, arrival, linkId }: Question, reply: FastifyReply): Promise<FastifyReply> {
  if (linkingOf(ctx, arrival.providerId) === 'required') throw new CurfewError('CURFEW_LINK_REQUIRED', { connection: arrival.providerId })
  await take(ctx, nonce)
  await declineLink(ctx, linkId)
  return goOn(ctx, { ...pending.waiting, staysUnlinked: true }, arrival, reply)
}

/** Back to the one-time path of arrivals, where the session is opened with whatever is linked by now. */
async function goOn(ctx: AuthorityContext, waiting: WaitingArrival, { protocol }: Arrival, reply: FastifyReply): Promise<FastifyReply> {
  return seeOther(reply, await putAway(ctx, protocol, waiting))
}

/** @throws CURFEW_SESSION_STATE_NOT_FOUND, CURFEW_SESSION_FORM_FOREIGN */
async function pendingOf(ctx: AuthorityContext, request: FastifyRequest): Promise<Question> {
  const { nonce } = request.params as { readonly nonce: string }
  const pending = (await ctx.store.txGet(keyOf(nonce), ctx.clock.nowMs())) as PendingLink | undefined
  const arrival = pending?.waiting.arrival
  const linkId = arrival === undefined ? undefined : linkIdOf(ctx, arrival)
  if (pending === undefined || arrival === undefined || linkId === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  if (pending.formHash !== browserOf(ctx, request).formHash) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  return { nonce, pending, arrival, linkId }
}

/** Exactly one answer counts. @throws CURFEW_SESSION_STATE_NOT_FOUND */
async function take(ctx: AuthorityContext, nonce: string): Promise<void> {
  if ((await ctx.store.txTake(keyOf(nonce), ctx.clock.nowMs())).value === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
}

/** @throws CURFEW_LINK_ACCOUNT */
async function accountOf(ctx: AuthorityContext, username: string, userKey: string): Promise<User> {
  const user = await ctx.users.find(username)
  if (user === undefined || user.userKey !== userKey || user.isDisabled) throw new CurfewError('CURFEW_LINK_ACCOUNT', { user: userKey })
  return user
}

/** Who the account says it is, as strongly as the provider proved it. */
function linkedIdentity({ identity }: Arrival, { userKey, username, attributes }: User): Identity {
  return { ...identity, userKey, username, attributes }
}

/** True where accounts elsewhere may be linked to accounts here. */
export function canLink(ctx: AuthorityContext): boolean {
  if (ctx.adapters.applications().some(({ accountLinkService }) => accountLinkService !== undefined)) return true
  const providers = [...ctx.connections.identityProviders(), ...ctx.upstreams.all(), ...ctx.adapters.logins()]
  return providers.some(({ id }) => linkingOf(ctx, id) !== 'off')
}

/** Without accounts here there is nothing to link to. */
function linkingOf({ connections, upstreams, adapters, signOn }: AuthorityContext, providerId: string): AccountLinking {
  if (!signOn.hasForm) return 'off'
  const adapter = adapters.byId(providerId)
  if (adapter?.role === 'idp') return adapter.accountLinking
  const provider = connections.byId(providerId)
  const known = provider?.role === 'idp' ? provider.accountLinking : upstreams.byId(providerId)?.settings.accountLinking
  return known ?? 'off'
}

interface Shown {
  readonly nonce: string
  readonly arrival: Arrival
  readonly problem?: string
}

async function showForm(ctx: AuthorityContext, { nonce, arrival, problem }: Shown, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const context = ctx.pageContext(request)
  const session = await currentSession(ctx, request)
  const own = session?.sourceId === ctx.signOn.sourceId ? session.username : undefined
  const username = parametersOf(request)['username'] ?? own
  const body = linkBody({
    t: context.t,
    action: linkPath.replace(':nonce', nonce),
    csrfToken: ctx.csrf.token(bindingOf(browserOf(ctx, request).formHash ?? '', nonce)),
    provider: ctx.peer(arrival.providerId)?.name ?? arrival.providerId,
    providerUser: arrival.identity.username,
    mayDecline: linkingOf(ctx, arrival.providerId) !== 'required',
    ...(username === undefined ? {} : { username }),
    ...(problem === undefined ? {} : { problem })
  })
  // The answer may send the browser on to an application: Chromium holds redirects against `form-action`.
  const headers = pageHeaders(context.nonce, { formsLeave: true })
  return reply.headers(headers).send(renderPage(context, { title: context.t('link.title'), body }).toString())
}

function bindingOf(formHash: string, nonce: string): string {
  return `${formHash}.link.${nonce}`
}

function keyOf(nonce: string): string {
  return `account-link:${nonce}`
}
