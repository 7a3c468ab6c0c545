import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { RefusedPassword } from '../../platform/ldap/ldap-link.ts'
import { judgeLanding } from '../redirects.ts'
import { sendPage } from '../reply.ts'
import { type Parameters, parametersOf } from '../request.ts'
import { browserOf, currentSession, isSecure } from './browser-session.ts'
import { checkPassword, type PasswordCheck, recordRefusal } from './check-password.ts'
import { formBinding } from './cookies.ts'
import { isUnavailable } from './directory-problem.ts'
import { accept, finishSignOn, openTransaction, requirePasswordCounts, type SignOnDeps } from './finish-sign-on.ts'
import { changeBody, doneBody, type FormProblem, policyText } from './password-page.ts'
import { noteChange } from './password-note.ts'
import { policyProblem } from './password-policy.ts'
import { isRefused, readAfter, refusedText, setOrWithdraw } from './password-set.ts'
import { sessionWishOf } from './session-wish.ts'
import { renewCookies, type SessionWish } from './sign-in.ts'
import type { User } from './user-directory.ts'

/**
 * `/ext/pwdchange/Identify`: somebody who knows the password chooses another one. With `resume` it is a part of that
 * sign-in, which goes on afterwards.
 */
export async function showChange(deps: SignOnDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { resume, TargetResource } = parametersOf(request)
  if (resume !== undefined) requirePasswordCounts(deps, await openTransaction(deps, resume))
  return showForm(deps, { fields: { resume, TargetResource } }, request, reply)
}

/** A right password that may not be used any longer: the sign-in waits for a new one. */
export async function demandChange(
  deps: SignOnDeps,
  wish: SessionWish & { readonly nonce: string; readonly user: User },
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const { nonce, user, persistent, device } = wish
  const fields = { resume: nonce, isForced: 'yes', username: user.username, device, ...(persistent ? { persistent: 'yes' } : {}) }
  return showForm(deps, { fields }, request, reply)
}

/** The answer to the form: current password, rules, new password, new cookies, and the end of the other sessions. */
export async function change(deps: SignOnDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const form = parametersOf(request)
  const own = await ownSession(deps, request)
  requireOwnForm(deps, form, own, request)
  const { resume } = form
  if (resume !== undefined) requirePasswordCounts(deps, await openTransaction(deps, resume))
  const again = (problem: FormProblem, status: number): Promise<FastifyReply> => showForm(deps, { fields: form, problem }, request, reply.status(status))
  const { t } = deps.pageContext(request)
  const username = usernameOf(form, own)
  const { password = '', repeated = '', current = '' } = form
  const problem = policyProblem(deps.signOn.passwords, { username, current, password, repeated })
  if (problem !== undefined) return again(policyText(t, problem, deps.signOn.passwords.lengthMin), 400)
  try {
    const checked = await checkPassword(deps, username, current)
    if (checked.kind !== 'ok') return again(await refusal(deps, checked, request), checked.kind === 'locked' ? 429 : 401)
    const { user } = checked
    if (!user.canChangePassword) return again({ at: 'whole', text: t('password.elsewhere') }, 403)
    const endsOthers = wantsEnd(deps, form)
    const changed = await put(deps, { user, own, current, password, endsOthers }, reply)
    if (typeof changed === 'string' && changed !== 'unanswered') return again({ at: 'new', text: t(refusedText[changed]) }, 400)
    if (changed === 'unanswered') return again({ at: 'whole', text: t('password.unanswered') }, 503)
    const { kept, ended } = changed
    if (resume === undefined) return showDone(deps, { ended, isSignedIn: kept !== undefined }, request, reply)
    if (kept !== undefined) return finishSignOn(deps, resume, kept, deps.clock.nowMs(), request, reply)
    const proved = { user: changed.user, checkedAtMs: changed.atMs, ...sessionWishOf(deps, form) }
    return accept(deps, resume, proved, request, reply)
  } catch (error) {
    if (!isUnavailable(error)) throw error
    deps.logger.error({ event: 'users.unavailable', err: error }, 'The directory of users does not answer')
    return again({ at: 'whole', text: t('signon.unavailable') }, 503)
  }
}

interface Wish {
  readonly user: User
  readonly own: Session | undefined
  readonly current: string
  readonly password: string
  readonly endsOthers: boolean
}

interface Changed {
  readonly user: User
  /** From then on sessions count. */
  readonly atMs: number
  /** The session of this browser, which goes on. */
  readonly kept: Session | undefined
  /** How many others ended; undefined: none was asked to. */
  readonly ended: number | undefined
}

/**
 * The session of this browser gets new cookies first, so that it counts as opened with the new password: whoever holds
 * a copy of the former cookie is out, and so is everybody in another session, once the password is stored.
 */
async function put(
  deps: SignOnDeps,
  { user, own, current, password, endsOthers }: Wish,
  reply: FastifyReply
): Promise<Changed | RefusedPassword | 'unanswered'> {
  const kept = own?.userKey === user.userKey ? own : undefined
  const atMs = deps.clock.nowMs()
  if (kept !== undefined) await renewCookies(deps, kept, { authenticatedAtMs: provedAtMs(kept, atMs) }, reply)
  const note = await noteChange(deps, user, { atMs, endsSessions: endsOthers })
  const result = await setOrWithdraw(deps, note, user, { password, current, atMs, endsSessions: endsOthers })
  if (isRefused(result)) return result
  const known = await readAfter(deps, user)
  if (known !== undefined) await note.settle(known)
  const record = {
    atMs: deps.clock.nowMs(),
    actor: { kind: 'user', id: user.username },
    userKey: user.userKey,
    ...(kept === undefined ? {} : { sessionId: kept.id })
  } as const
  if (result === 'unanswered') {
    await deps.store.appendAudit({ ...record, event: 'password.change-unanswered' })
    return result
  }
  const ended = endsOthers ? await endOthers(deps, user, kept) : undefined
  await deps.store.appendAudit({ ...record, event: 'password.changed', detail: { endedSessions: ended ?? 0 } })
  return { user: known ?? user, atMs, kept, ended }
}

/** Of two proofs the later one has the cookies that count, and the clock of the node that took the one before may be ahead. */
function provedAtMs({ authenticatedAtMs }: Session, atMs: number): number {
  return Math.max(atMs, authenticatedAtMs + 1)
}

async function endOthers(deps: SignOnDeps, { userKey, username }: User, kept: Session | undefined): Promise<number> {
  const { ended } = await deps.engine.endSessions({
    scope: { kind: 'user', userKey, ...(kept === undefined ? {} : { except: kept.id }) },
    reason: 'password-change',
    by: { kind: 'user', id: username },
    starter: { kind: 'none' },
    browser: 'absent'
  })
  return ended.length
}

async function refusal(deps: SignOnDeps, checked: Exclude<PasswordCheck, { readonly kind: 'ok' }>, request: FastifyRequest): Promise<FormProblem> {
  await recordRefusal(deps, checked)
  const { t } = deps.pageContext(request)
  const text = checked.kind === 'locked' ? t('signon.locked', { minutes: deps.signOn.locking.windowMinutes }) : t('signon.failed')
  return { at: 'current', text }
}

function wantsEnd({ signOn }: SignOnDeps, form: Parameters): boolean {
  switch (signOn.passwords.otherSessions) {
    case 'ask':
      return form['endOthers'] === 'yes'
    case 'end':
      return true
    case 'keep':
      return false
  }
}

async function showForm(
  deps: SignOnDeps,
  { fields, problem }: { readonly fields: Parameters; readonly problem?: FormProblem },
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const context = deps.pageContext(request)
  const own = await ownSession(deps, request)
  const binding = formBinding(browserOf(deps, request), reply, deps.ids, { isSecure: isSecure(deps) })
  const { lengthMin, otherSessions, endsSessions } = deps.signOn.passwords
  const { resume, TargetResource, isForced, persistent, device } = fields
  const ticked = problem === undefined ? endsSessions : fields['endOthers'] === 'yes'
  const body = changeBody({
    t: context.t,
    lengthMin,
    csrfToken: deps.csrf.token(boundTo(binding, own)),
    username: { value: usernameOf(fields, own), isFixed: own !== undefined && resume === undefined },
    isForced: isForced === 'yes',
    fields: { resume, TargetResource, isForced, persistent, device },
    ...(otherSessions === 'ask' ? { endsOthers: ticked } : {}),
    ...(problem === undefined ? {} : { problem })
  })
  // In the middle of a sign-in the answer may send the browser on to an application.
  return sendPage(reply, context, context.t('password.changeTitle'), body, { formsLeave: resume !== undefined })
}

function showDone(
  deps: SignOnDeps,
  { ended, isSignedIn }: { readonly ended: number | undefined; readonly isSignedIn: boolean },
  request: FastifyRequest,
  reply: FastifyReply
): FastifyReply {
  const context = deps.pageContext(request)
  const raw = parametersOf(request)['TargetResource']
  const { url } = judgeLanding(deps, { use: 'sso', parameter: 'TargetResource', raw }, request)
  const next = { url: url ?? '/', text: isSignedIn || url !== undefined ? 'live.continue' : 'signon.submit' } as const
  const parts = { t: context.t, title: 'password.changed', next, ...(ended === undefined ? {} : { ended }) } as const
  return sendPage(reply, context, context.t('password.changed'), doneBody(parts))
}

/** The session of this browser, where its user has a password here. */
async function ownSession(deps: SignOnDeps, request: FastifyRequest): Promise<Session | undefined> {
  const session = await currentSession(deps, request)
  return session?.sourceId === deps.signOn.sourceId ? session : undefined
}

/** In the middle of a sign-in the name is typed; otherwise it is that of who is signed in, whatever the form says. */
function usernameOf(form: Parameters, own: Session | undefined): string {
  const typed = form['username'] ?? ''
  return own === undefined || form['resume'] !== undefined ? typed : own.username
}

function boundTo(formHash: string, own: Session | undefined): string {
  return `${formHash}.password.${own?.tokenHash ?? ''}`
}

/** @throws CURFEW_SESSION_FORM_FOREIGN when the form was not shown in this browser, for whoever is signed in now */
function requireOwnForm(deps: SignOnDeps, form: Parameters, own: Session | undefined, request: FastifyRequest): void {
  const binding = browserOf(deps, request).formHash
  const isOwn = binding !== undefined && deps.csrf.check(boundTo(binding, own), form['csrfToken'])
  if (!isOwn) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
}
