import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { groupOf } from '../../core/group.ts'
import type { Actor } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { sendPage } from '../reply.ts'
import { type Parameters, parametersOf } from '../request.ts'
import { browserOf, isSecure } from './browser-session.ts'
import { formBinding, tokenHash } from './cookies.ts'
import { isUnavailable } from './directory-problem.ts'
import { doneBody, type FormProblem, policyText, resetBody, resetPath } from './password-page.ts'
import { noteChange, type NotedChange, noteOf } from './password-note.ts'
import { policyProblem } from './password-policy.ts'
import { readAfter, refusedText, setOrWithdraw } from './password-set.ts'
import type { NewPassword, User } from './user-directory.ts'

export type ResetDeps = Pick<AuthorityContext, 'store' | 'clock' | 'ids' | 'users' | 'signOn' | 'baseUrl'>

/** A code that the help desk hands over. */
export interface IssuedReset {
  readonly username: string
  readonly url: string
  readonly untilMs: number
}

/** What the store keeps of a code; the code itself is nowhere stored. */
interface StoredReset {
  readonly username: string
  readonly userKey: string
  readonly issuedAtMs: number
  readonly untilMs: number
}

/** Kind under which a code is known in every group; the right to use it is a transaction, which exactly one group has. */
const kind = 'PasswordReset'

/** As `ids.persistentCookie()` makes it: 192 bits, so that guessing needs no limit. */
const codeShape = /^[\w-]{32}$/

/**
 * Issues a code for one reset of the password of one user, until its time and only while the password stays as it is.
 * @throws CURFEW_USERS_UNKNOWN, CURFEW_USERS_UNWRITABLE when the password can't be set here, CURFEW_USERS_UNAVAILABLE
 */
export async function issueReset(deps: ResetDeps, username: string, by: Actor): Promise<IssuedReset> {
  const user = await deps.users.find(username)
  if (user === undefined || user.isDisabled) throw new CurfewError('CURFEW_USERS_UNKNOWN', { user: username.slice(0, 128) })
  if (!deps.signOn.passwords.change || !user.canChangePassword)
    throw new CurfewError('CURFEW_USERS_UNWRITABLE', { user: user.username, why: 'passwords are not set here' })
  const issuedAtMs = deps.clock.nowMs()
  const untilMs = issuedAtMs + deps.signOn.passwords.resetHours * 3_600_000
  const { userKey } = user
  const code = await storeCode(deps, { username: user.username, userKey, issuedAtMs, untilMs })
  await deps.store.appendAudit({ atMs: issuedAtMs, event: 'password.reset-issued', actor: by, userKey })
  return { username: user.username, url: `${deps.baseUrl}${resetPath}?code=${code}`, untilMs }
}

async function storeCode(deps: Pick<ResetDeps, 'store' | 'ids'>, stored: StoredReset): Promise<string> {
  const code = deps.ids.persistentCookie()
  await deps.store.txCreate(useKey(code), true, stored.untilMs)
  await deps.store.putArtifact({ kind, id: tokenHash(code), untilMs: stored.untilMs, value: stored })
  return code
}

export type ResetPageDeps = Pick<AuthorityContext, keyof ResetDeps | 'secrets' | 'csrf' | 'engine' | 'logger' | 'pageContext'>

/** `/ext/pwdreset/Identify`: asks for the code, then for the new password. Looking uses nothing up: mail programs look, too. */
export async function showReset(deps: ResetPageDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { code } = parametersOf(request)
  return showForm(deps, { code, ...(code === undefined ? {} : { user: await userOf(deps, code) }) }, request, reply)
}

/** The answer to the form. The code is used up right before the password is set; of two uses at once one wins. */
export async function reset(deps: ResetPageDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const form = parametersOf(request)
  requireOwnForm(deps, form, request)
  const { code = '', password = '', repeated = '' } = form
  const { t } = deps.pageContext(request)
  try {
    const stored = await storedReset(deps, code)
    const user = stored === undefined ? undefined : await userFor(deps, stored)
    if (stored === undefined || user === undefined) return showForm(deps, { code }, request, reply)
    const { lengthMin } = deps.signOn.passwords
    const again = (problem: FormProblem): Promise<FastifyReply> => showForm(deps, { code, user, problem }, request, reply.status(400))
    const problem = policyProblem(deps.signOn.passwords, { username: user.username, password, repeated })
    if (problem !== undefined) return again(policyText(t, problem, lengthMin))
    if (!(await useUp(deps, code))) return showForm(deps, { code }, request, reply)
    const atMs = deps.clock.nowMs()
    const { endsSessions } = deps.signOn.passwords
    const note = await noteChange(deps, user, { atMs, endsSessions })
    const result = await setOrExplain(deps, note, user, { password, atMs, endsSessions })
    if (result === 'unanswered')
      await deps.store.appendAudit({ atMs, event: 'password.reset-unanswered', actor: { kind: 'user', id: user.username }, userKey: user.userKey })
    if (result !== 'set') {
      // Nothing came of it, as far as is known, so that another code takes the place of the one that is used up.
      const fresh = await storeCode(deps, result === 'unanswered' ? { ...stored, issuedAtMs: deps.clock.nowMs() } : stored)
      const isUp = result !== 'unanswered' && result !== 'unavailable'
      const text = t(isUp ? refusedText[result] : result === 'unanswered' ? 'password.unanswered' : 'signon.unavailable')
      return showForm(deps, { code: fresh, user, problem: { at: 'new', text } }, request, reply.status(isUp ? 400 : 503))
    }
    const known = await readAfter(deps, user)
    if (known !== undefined) await note.settle(known)
    await deps.store.lockClear(user.userKey)
    const ended = endsSessions ? await endAll(deps, user) : undefined
    const detail = { endedSessions: ended ?? 0 }
    await deps.store.appendAudit({ atMs, event: 'password.reset', actor: { kind: 'user', id: user.username }, userKey: user.userKey, detail })
    const context = deps.pageContext(request)
    const parts = { t, title: 'password.changed', next: { url: '/', text: 'signon.submit' }, ...(ended === undefined ? {} : { ended }) } as const
    return sendPage(reply, context, t('password.changed'), doneBody(parts))
  } catch (error) {
    if (!isUnavailable(error)) throw error
    deps.logger.error({ event: 'users.unavailable', err: error }, 'The directory of users does not answer')
    return showForm(deps, { code: undefined, problem: { at: 'whole', text: t('signon.unavailable') } }, request, reply.status(503))
  }
}

async function setOrExplain(
  deps: ResetPageDeps,
  note: NotedChange,
  user: User,
  change: NewPassword
): Promise<Awaited<ReturnType<typeof setOrWithdraw>> | 'unavailable'> {
  try {
    return await setOrWithdraw(deps, note, user, change)
  } catch (error) {
    if (!isUnavailable(error)) throw error
    deps.logger.error({ event: 'users.unavailable', err: error }, 'The directory of users does not answer')
    return 'unavailable'
  }
}

/** Everybody who is signed in as this user: whoever lost a password may have lost more. */
async function endAll(deps: ResetPageDeps, { userKey, username }: User): Promise<number> {
  const { ended } = await deps.engine.endSessions({
    scope: { kind: 'user', userKey },
    reason: 'password-change',
    by: { kind: 'user', id: username },
    starter: { kind: 'none' },
    browser: 'absent'
  })
  return ended.length
}

/** Whose password a code is for; undefined: it is none, was used, is too old, or the password was changed since. */
async function userOf(deps: ResetPageDeps, code: string): Promise<User | undefined> {
  const stored = await storedReset(deps, code)
  return stored === undefined ? undefined : userFor(deps, stored)
}

async function storedReset(deps: ResetPageDeps, code: string): Promise<StoredReset | undefined> {
  if (!codeShape.test(code)) return undefined
  return (await deps.store.getArtifact(kind, tokenHash(code), deps.clock.nowMs()))?.value as StoredReset | undefined
}

async function userFor(deps: ResetPageDeps, { username, userKey, issuedAtMs }: StoredReset): Promise<User | undefined> {
  const user = await deps.users.find(username)
  if (user === undefined || user.userKey !== userKey || user.isDisabled) return undefined
  const changedAtMs = Math.max(user.passwordChangedAtMs ?? 0, (await noteOf(deps, userKey))?.atMs ?? 0)
  return changedAtMs <= issuedAtMs ? user : undefined
}

/** Of all uses, in whichever groups, one gets true. */
async function useUp({ store, clock }: ResetPageDeps, code: string): Promise<boolean> {
  if ((await store.txTake(useKey(code), clock.nowMs())).value === undefined) return false
  await store.dropArtifact(kind, tokenHash(code))
  return true
}

async function showForm(
  deps: ResetPageDeps,
  { code, user, problem }: { readonly code: string | undefined; readonly user?: User | undefined; readonly problem?: FormProblem },
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const context = deps.pageContext(request)
  const binding = formBinding(browserOf(deps, request), reply, deps.ids, { isSecure: isSecure(deps) })
  const isWrong = code !== undefined && user === undefined && problem === undefined
  const shown: FormProblem | undefined = isWrong ? { at: 'whole', text: context.t('password.codeWrong') } : problem
  if (isWrong) reply.status(400)
  const body = resetBody({
    t: context.t,
    lengthMin: deps.signOn.passwords.lengthMin,
    csrfToken: deps.csrf.token(boundTo(binding)),
    code: user === undefined ? '' : (code ?? ''),
    ...(user === undefined ? {} : { username: user.username }),
    ...(shown === undefined ? {} : { problem: shown })
  })
  return sendPage(reply, context, context.t('password.resetTitle'), body)
}

function boundTo(formHash: string): string {
  return `${formHash}.reset`
}

function requireOwnForm(deps: ResetPageDeps, form: Parameters, request: FastifyRequest): void {
  const binding = browserOf(deps, request).formHash
  if (binding === undefined || !deps.csrf.check(boundTo(binding), form['csrfToken'])) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
}

/** Says which group has it, and not the code. */
function useKey(code: string): string {
  return `reset:${groupOf(code) ?? ''}${tokenHash(code)}`
}
