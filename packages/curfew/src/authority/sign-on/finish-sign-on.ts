import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { seeOther } from '../request.ts'
import { browserOf, recordActivity } from './browser-session.ts'
import { noteOf } from './password-note.ts'
import { sentBefore } from './opening.ts'
import { noteReplacement, type Replacement, replacementOf } from './replacement.ts'
import { endReplaced, identityOf, type SessionWish, sessionToReplace, signIn } from './sign-in.ts'
import { createTransaction, readTransaction, type SignOnTransaction, takeTransaction } from './transaction.ts'
import type { User } from './user-directory.ts'

export interface SignOnDeps extends AuthorityContext {
  /** Identity providers that people may choose, in configured order. */
  providers(): readonly SignOnProvider[]
  /** Whether the sign-in of a session is what waits asked for. */
  suffices(transaction: SignOnTransaction, session: Session): boolean
  /** Sends the browser to one of them; the answer comes back to {@link finishSignOn}. */
  askProvider(wish: ProviderWish, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
  /** Goes on with a transaction of another surface; `session` undefined: passive, nobody is signed in. */
  resume(done: SignedIn, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
}

export interface SignOnProvider {
  readonly id: string
  readonly name: string
  readonly logoUrl?: string
}

/** A sign-in at an identity provider for one transaction of one browser. */
export interface ProviderWish {
  readonly providerId: string
  readonly nonce: string
  readonly formHash: string
  readonly forceAuthn: boolean
  readonly isPassive: boolean
  /** What the application said, for a provider that heeds it. */
  readonly hints: Pick<SignOnTransaction, 'loginHint' | 'acrValues' | 'mustMeetAcr' | 'uiLocales'>
}

/** The end of a sign-in transaction. */
export interface SignedIn {
  readonly transaction: SignOnTransaction
  readonly session: Session | undefined
  /** When the user proved who it is: now, or when the session began. */
  readonly authenticatedAtMs: number
}

/** Somebody whose password was right. */
export interface Proved extends SessionWish {
  readonly user: User
  /** Before the password was looked at: a change after that makes the session outdated. */
  readonly checkedAtMs: number
}

/** Signs in who proved to be this user, once somebody else who is signed in here has been signed out. */
export async function accept(deps: SignOnDeps, nonce: string, proved: Proved, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const identity = identityOf(deps, proved.user, proved.checkedAtMs)
  const former = await sessionToReplace(deps, identity, proved, request)
  if (former !== undefined) return replace(deps, nonce, { former, proved }, request, reply)
  const sent = await takeSentForm(deps, nonce, request)
  if (sent.replacement !== undefined) return endFormer(deps, sent.replacement, proved, reply)
  const { transaction } = sent
  requirePasswordCounts(deps, transaction)
  const session = await signIn(deps, identity, proved, request, reply, { nonce, transaction })
  return goOn(deps, { transaction, session, authenticatedAtMs: deps.clock.nowMs() }, request, reply)
}

/** Somebody else is signed in here: that session's logout runs first, then the sign-in goes on where it stood. */
async function replace(
  deps: SignOnDeps,
  nonce: string,
  { former, proved }: { readonly former: Session; readonly proved: Proved },
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const formHash = browserOf(deps, request).formHash
  if (formHash === undefined) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  const transaction = await takeTransaction(deps.store, nonce, deps.clock.nowMs())
  if (transaction === undefined) return endFormer(deps, found((await formBefore(deps, request, nonce))?.replacement), proved, reply)
  requirePasswordCounts(deps, transaction)
  const {
    user: { username },
    ...wish
  } = proved
  const waiting = { ...transaction, verified: { username, ...wish, formHash } }
  const { path } = await createTransaction(deps, waiting)
  const replacement = { transaction, username, former: { id: former.id }, path }
  await noteReplacement(deps, nonce, formHash, replacement)
  return endFormer(deps, replacement, proved, reply)
}

/** A form that is sent twice comes here twice: the session has one run, and both answers lead to it. */
async function endFormer(deps: SignOnDeps, { former, username, path }: Replacement, { user }: Proved, reply: FastifyReply): Promise<FastifyReply> {
  if (user.username !== username) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const runId = await endReplaced(deps, former, username, `${deps.baseUrl}${path}`)
  return seeOther(reply, runId === undefined ? path : `/signoff/${runId}`)
}

/** The former user's logout is over: opens the session of the one whose password was checked before. */
export async function finishReplacing(deps: SignOnDeps, nonce: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { verified, ...transaction } = await takeOrFail(deps, nonce)
  const user = verified === undefined ? undefined : await deps.users.find(verified.username)
  const isSameBrowser = verified?.formHash === browserOf(deps, request).formHash
  if (verified === undefined || user === undefined || !isSameBrowser) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const isOutdated = (user.sessionsValidFromMs ?? (await noteOf(deps, user.userKey))?.validFromMs ?? 0) > verified.checkedAtMs
  const identity = identityOf(deps, user, verified.checkedAtMs)
  const isUsable = !user.isDisabled && !isOutdated && (await sessionToReplace(deps, identity, verified, request)) === undefined
  if (!isUsable) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const session = await signIn(deps, identity, verified, request, reply)
  return continueWith(deps, { transaction, session, authenticatedAtMs: deps.clock.nowMs() }, request, reply)
}

/**
 * Takes the transaction and goes on with what waited for the sign-in.
 * @param session - undefined: nobody is signed in, and no page may be shown
 * @throws CURFEW_SESSION_STATE_NOT_FOUND when it was taken before or is too old
 */
export async function finishSignOn(
  deps: SignOnDeps,
  nonce: string,
  session: Session | undefined,
  authenticatedAtMs: number,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const transaction = await takeOrFail(deps, nonce)
  return goOn(deps, { transaction, session, authenticatedAtMs }, request, reply)
}

async function goOn(deps: SignOnDeps, done: SignedIn, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  if (done.session !== undefined) await recordActivity(deps, done.session)
  return continueWith(deps, done, request, reply)
}

async function continueWith(deps: SignOnDeps, done: SignedIn, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  switch (done.transaction.purpose.kind) {
    case 'home':
      return seeOther(reply, '/')
    case 'landing':
      return seeOther(reply, done.transaction.purpose.url ?? deps.signOn.successUrl ?? '/')
    case 'saml':
    case 'oidc':
    case 'opentoken':
      return deps.resume(done, request, reply)
  }
}

/**
 * What waits for a form that was sent. One that was sent twice goes on twice: the answer to the first may never reach the
 * browser.
 * @throws CURFEW_SESSION_STATE_NOT_FOUND
 */
export async function openSentForm(deps: SignOnDeps, nonce: string, request: FastifyRequest): Promise<SignOnTransaction> {
  return found((await readTransaction(deps.store, nonce, deps.clock.nowMs())) ?? (await formBefore(deps, request, nonce))?.transaction)
}

async function takeSentForm(deps: SignOnDeps, nonce: string, request: FastifyRequest): Promise<FormBefore> {
  const transaction = await takeTransaction(deps.store, nonce, deps.clock.nowMs())
  return transaction === undefined ? found(await formBefore(deps, request, nonce)) : { transaction }
}

/** What waited for a form, and where it goes on instead. */
interface FormBefore {
  readonly transaction: SignOnTransaction
  readonly replacement?: Replacement
}

/** What became of a form that this browser sent a moment ago, and may send again. */
async function formBefore(deps: SignOnDeps, request: FastifyRequest, nonce: string): Promise<FormBefore | undefined> {
  const replacing = async (): Promise<FormBefore | undefined> => {
    const replacement = await replacementOf(deps, nonce, request)
    return replacement === undefined ? undefined : { transaction: replacement.transaction, replacement }
  }
  // Looked for again at the end: the form may have been taken by a request that writes it only now.
  return (await replacing()) ?? (await sentBefore(deps, request, nonce)) ?? (await replacing())
}

/** @throws CURFEW_SESSION_STATE_NOT_FOUND */
export async function openTransaction(deps: SignOnDeps, nonce: string): Promise<SignOnTransaction> {
  return found(await readTransaction(deps.store, nonce, deps.clock.nowMs()))
}

/**
 * Where only the word of an identity provider counts, no password does.
 * @throws CURFEW_SESSION_PROVIDER_DEMANDED
 */
export function requirePasswordCounts({ signOn }: Pick<SignOnDeps, 'signOn'>, { providerId }: SignOnTransaction): void {
  if (providerId !== undefined && providerId !== signOn.sourceId)
    throw new CurfewError('CURFEW_SESSION_PROVIDER_DEMANDED', { provider: providerId.slice(0, 128) })
}

async function takeOrFail(deps: SignOnDeps, nonce: string): Promise<SignOnTransaction> {
  return found(await takeTransaction(deps.store, nonce, deps.clock.nowMs()))
}

function found<T>(known: T | undefined): T {
  if (known === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  return known
}
