import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SessionTimes } from '../../core/expiry.ts'
import type { RunId, UserKey } from '../../core/ids.ts'
import type { Attributes, Device, Session } from '../../core/session.ts'
import type { Renewal } from '../../stores/store.ts'
import { type AuthorityContext, ownPartner } from '../context.ts'
import { currentSession, isSecure } from './browser-session.ts'
import { renewBrowserState } from './browser-state.ts'
import { newSessionCookies, type SessionCookies, setSessionCookies, tokenHash } from './cookies.ts'
import { type Claim, claimOpening, cookiesOf, giveUp, type Opening, type SentForm } from './opening.ts'
import { isKeptOn, policyFor, sessionTimesFor } from './session-limits.ts'
import type { User } from './user-directory.ts'

/** What the form of this adapter proves. @see saml-authn-context-2.0-os section 3.4.9 */
export const passwordContext = 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport'

/** Somebody who proved who it is, by a password here or by the word of an identity provider. */
export interface Identity {
  readonly userKey: UserKey
  readonly username: string
  /** The sign-in form, or the identity provider. */
  readonly sourceId: string
  readonly attributes: Attributes
  readonly authnContext: string
  readonly authenticatedAtMs: number
  /** The source lets the session last no longer than this. */
  readonly notOnOrAfterMs?: number
}

/** What the person said of the device. */
export interface SessionWish {
  /** Stay signed in over browser restarts. */
  readonly persistent: boolean
  /** Whose the device is; absent: nobody asked. */
  readonly device?: Device
}

/** What a right password at the form proves. @param checkedAtMs - before the password was looked at */
export function identityOf(ctx: Pick<AuthorityContext, 'signOn'>, user: User, checkedAtMs: number): Identity {
  return {
    userKey: user.userKey,
    username: user.username,
    sourceId: ctx.signOn.sourceId,
    attributes: user.attributes,
    authnContext: passwordContext,
    authenticatedAtMs: checkedAtMs
  }
}

/**
 * Makes a session for somebody who proved who it is. Id and cookies are always new, so what a browser held before
 * is worth nothing; the same person proving itself again keeps the session. Another user's session in this browser must
 * have been ended before ({@link endReplaced}). Of several sign-ins of one browser in the same moment one makes the
 * session, and the others get it, with the same cookies: whichever answer the browser keeps, it has the one session.
 * @param sent - the form that was sent, for another that goes out with it at the same time
 * @throws CURFEW_SESSION_CAPACITY when the store has no room; existing sessions stay complete
 */
export async function signIn(
  ctx: AuthorityContext,
  identity: Identity,
  wish: SessionWish,
  request: FastifyRequest,
  reply: FastifyReply,
  sent?: SentForm
): Promise<Session> {
  const former = await currentSession(ctx, request)
  const own = former?.userKey === identity.userKey ? former : undefined
  const opening: Opening = {
    sessionId: own?.id ?? ctx.locator.newSessionId(),
    seed: ctx.ids.cookie(),
    isPersistent: own === undefined ? mayPersist(ctx, identity, wish) : staysPersistent(ctx, own, identity, wish),
    atMs: ctx.clock.nowMs(),
    ...(sent === undefined ? {} : { sent })
  }
  for (;;) {
    const claim = await claimOpening(ctx, request, opening)
    if (claim.kind === 'mine') {
      if (own !== undefined) return orGivenUp(ctx, opening, renewed(ctx, own, identity, wish, reply, cookiesOf(ctx, opening, ctx.ids.group)))
      const session = await orGivenUp(ctx, opening, openSession(ctx, identity, wish, opening, request, reply))
      await ctx.engine.enforceSessionLimit(session.userKey)
      return session
    }
    const { session } = claim
    if (session.userKey === identity.userKey) return comeTo(ctx, claim, identity, wish, reply)
    await endOvertaken(ctx, session, identity)
  }
}

/** The session that another sign-in of this browser opens in the same moment; proved in another way, it says so from then on. */
async function comeTo(
  ctx: AuthorityContext,
  { opening, session }: Extract<Claim, { readonly kind: 'theirs' }>,
  identity: Identity,
  wish: SessionWish,
  reply: FastifyReply
): Promise<Session> {
  const { device = session.device } = wish
  const isSame = identity.authnContext === session.authnContext && device === session.device
  // Others set the same cookies, persistent or not: whichever answer the browser keeps leads to the session.
  const cookies = cookiesOf(ctx, opening, ctx.ids.group)
  const present = isSame ? session : await renewed(ctx, session, identity, wish, reply, cookies)
  if (isSame) setSessionCookies(reply, cookies, { isSecure: isSecure(ctx) })
  renewBrowserState(ctx, present, reply)
  return present
}

/** What comes of an opening. Where nothing does, nobody waits for its session. */
async function orGivenUp(ctx: AuthorityContext, opening: Opening, made: Promise<Session>): Promise<Session> {
  try {
    return await made
  } catch (error) {
    // A store that does not take this either: then they wait until it is taken for dead.
    await Promise.allSettled([giveUp(ctx, opening)])
    throw error
  }
}

/** Two people signed in in one browser in the same moment: whoever was later stays. */
async function endOvertaken({ engine }: AuthorityContext, { id }: Session, { username }: Identity): Promise<void> {
  await engine.endSessions({
    scope: { kind: 'session', sessionId: id },
    reason: 'replaced',
    by: { kind: 'user', id: username },
    starter: { kind: 'none' },
    browser: 'absent'
  })
}

function mayPersist(ctx: AuthorityContext, { sourceId }: Pick<Identity, 'sourceId'>, { persistent, device }: SessionWish): boolean {
  const policy = policyFor(ctx.sessions, sourceId)
  return policy.persistent && persistent && isKeptOn(policy, device)
}

function staysPersistent(ctx: AuthorityContext, session: Session, { sourceId }: Identity, { persistent, device }: SessionWish): boolean {
  if (device === undefined || device === session.device) return session.persistent
  return mayPersist(ctx, { sourceId }, { persistent, device })
}

/**
 * The same person signs in again: what it says of the device now, and how and when it proved itself now, is what the
 * session says from here on. Whoever has a copy of the former cookies has nothing.
 */
async function renewed(
  ctx: AuthorityContext,
  session: Session,
  { authnContext, authenticatedAtMs }: Identity,
  { device = session.device }: SessionWish,
  reply: FastifyReply,
  cookies: SessionCookies
): Promise<Session> {
  // An identity provider counts in seconds: what it says now is later than what is known.
  const proof = { authnContext, authenticatedAtMs: Math.max(authenticatedAtMs, session.authenticatedAtMs + 1) }
  await putCookies(ctx, { id: session.id, ...(device === undefined ? {} : { device }) }, proof, cookies, reply)
  return (await ctx.store.getSession(session.id)) ?? session
}

/** The live session of this browser that has to end first: of somebody else, or on a device that keeps none (AC-128). */
export async function sessionToReplace(
  ctx: AuthorityContext,
  { userKey, sourceId }: Pick<Identity, 'userKey' | 'sourceId'>,
  { device }: Pick<SessionWish, 'device'>,
  request: FastifyRequest
): Promise<Session | undefined> {
  const former = await currentSession(ctx, request)
  if (former?.userKey !== userKey) return former
  const wasKept = isKeptOn(policyFor(ctx.sessions, former.sourceId), former.device)
  return wasKept && !isKeptOn(policyFor(ctx.sessions, sourceId), device) ? former : undefined
}

/**
 * Ends the session of the user that somebody else takes over from, in a run like any other: its applications are
 * told before the next user meets them. Returns the run, undefined when the session ended meanwhile.
 * @param landingUrl - where the new user's sign-in goes on
 */
export async function endReplaced(ctx: AuthorityContext, former: Pick<Session, 'id'>, username: string, landingUrl: string): Promise<RunId | undefined> {
  const summary = await ctx.engine.endSessions({
    scope: { kind: 'session', sessionId: former.id },
    reason: 'replaced',
    by: { kind: 'user', id: username },
    starter: { kind: 'user', landingUrl, errorUrl: landingUrl },
    browser: 'present'
  })
  return (summary.ended[0] ?? summary.already[0])?.runId
}

async function openSession(
  ctx: AuthorityContext,
  identity: Identity,
  { device }: SessionWish,
  opening: Opening,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<Session> {
  const policy = policyFor(ctx.sessions, identity.sourceId)
  const nowMs = ctx.clock.nowMs()
  const { sessionId: id, isPersistent } = opening
  const cookies = cookiesOf(ctx, opening, ctx.ids.group)
  const userAgent = request.headers['user-agent']?.slice(0, 256)
  const { notOnOrAfterMs, ...known } = identity
  const session: Session = {
    id,
    version: 1,
    ...known,
    createdAtMs: nowMs,
    lastActivityAtMs: nowMs,
    ...limitedBy(sessionTimesFor(policy, nowMs), notOnOrAfterMs),
    persistent: isPersistent,
    tokenHash: tokenHash(cookies.session),
    sri: ctx.locator.seal(ownPartner, id),
    address: request.ip,
    ...(cookies.persistent === undefined ? {} : { persistentTokenHash: tokenHash(cookies.persistent) }),
    ...(userAgent === undefined ? {} : { userAgent }),
    ...(device === undefined ? {} : { device })
  }
  await store(ctx, session)
  setSessionCookies(reply, cookies, { isSecure: isSecure(ctx) })
  renewBrowserState(ctx, session, reply)
  ctx.metrics.signIns.inc({ result: 'ok' })
  return session
}

/**
 * Gives the session of this browser new cookies, because its user proved again who it is; the former ones are worth
 * nothing afterwards. Id, applications and limits stay.
 */
export async function renewCookies(
  ctx: Pick<AuthorityContext, 'store' | 'ids' | 'secrets' | 'baseUrl'>,
  { id, persistent, device }: Session,
  proof: Pick<Renewal, 'authenticatedAtMs' | 'authnContext'>,
  reply: FastifyReply
): Promise<Omit<Renewal, 'authenticatedAtMs'>> {
  return putCookies(ctx, { id, ...(device === undefined ? {} : { device }) }, proof, newSessionCookies(ctx.ids, persistent, ctx.secrets.persistent), reply)
}

async function putCookies(
  ctx: Pick<AuthorityContext, 'store' | 'baseUrl'>,
  { id, device }: Pick<Session, 'id' | 'device'>,
  proof: Pick<Renewal, 'authenticatedAtMs' | 'authnContext'>,
  cookies: SessionCookies,
  reply: FastifyReply
): Promise<Omit<Renewal, 'authenticatedAtMs'>> {
  const { session, persistent } = cookies
  const renewal = {
    tokenHash: tokenHash(session),
    persistent: persistent !== undefined,
    ...(device === undefined ? {} : { device }),
    ...(persistent === undefined ? {} : { persistentTokenHash: tokenHash(persistent) })
  }
  await ctx.store.renewSession(id, { ...renewal, ...proof })
  setSessionCookies(reply, cookies, { isSecure: isSecure(ctx) })
  return renewal
}

function limitedBy(times: SessionTimes, notOnOrAfterMs = Number.MAX_SAFE_INTEGER): SessionTimes {
  return {
    ...times,
    expiresAtMs: Math.min(times.expiresAtMs, notOnOrAfterMs),
    idleExpiresAtMs: Math.min(times.idleExpiresAtMs, notOnOrAfterMs)
  }
}

async function store(ctx: AuthorityContext, session: Session): Promise<void> {
  const { value } = await ctx.store.openSession(session)
  if (value === 'opened') {
    await ctx.store.appendAudit({
      atMs: session.createdAtMs,
      event: 'session.opened',
      actor: { kind: 'user', id: session.username },
      userKey: session.userKey,
      sessionId: session.id
    })
    return
  }
  if (value === 'exists') throw new Error('a fresh session id was used before')
  ctx.logger.error({ event: 'session.refused', code: 'CURFEW_SESSION_CAPACITY' }, 'The store is full: a sign-in was refused')
  throw new CurfewError('CURFEW_SESSION_CAPACITY', {})
}
