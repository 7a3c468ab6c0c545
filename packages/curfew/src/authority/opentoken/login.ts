import { CurfewError, verifyOpenToken } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Session } from '../../core/session.ts'
import type { AuthorityContext } from '../context.ts'
import { sendInstruction } from '../reply.ts'
import { parametersOf, seeOther } from '../request.ts'
import { instant } from '../saml/endpoints.ts'
import { browserOf } from '../sign-on/browser-session.ts'
import type { ProviderWish } from '../sign-on/finish-sign-on.ts'
import { endReplaced, type Identity, sessionToReplace, signIn } from '../sign-on/sign-in.ts'
import { transactionMs } from '../sign-on/transaction.ts'
import type { LoginAdapter } from './adapter.ts'
import { cookieOf } from './carry.ts'
import { recordAdapter } from './participant.ts'
import { referenceParameter, takeReference } from './reference-store.ts'
import { resumeRoutes } from './resume-path.ts'

export interface LoginDeps extends AuthorityContext {
  /** Goes on with the sign-on transaction that waited. */
  finish(nonce: string, session: Session | undefined, authenticatedAtMs: number, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>
}

/** A sign-in that waits for an application's word. */
interface PendingLogin {
  readonly adapterId: string
  /** The sign-on transaction that goes on with it. */
  readonly nonce: string
  /** Hash of the cookie of the browser that was sent: nobody else may bring a token. */
  readonly formHash: string
}

/** What an application said of a user, on its way to the browser's own request, where cookies show. */
interface Arrived {
  readonly identity: Identity
  readonly subject: string
  /** Tells the token from any other; absent for attributes that were picked up, which is possible once anyway. */
  readonly mac?: string
  readonly untilMs: number
}

/** A parked arrival, by its one-time name. */
const parkedParameter = 'arrived'

/** Sends the browser of a sign-on transaction to the Authentication Service of an application. */
export async function askLogin(
  ctx: AuthorityContext,
  adapter: LoginAdapter,
  wish: ProviderWish,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const nonce = ctx.ids.cookie()
  const pending: PendingLogin = { adapterId: adapter.id, nonce: wish.nonce, formHash: wish.formHash }
  await ctx.store.txCreate(pendingKey(nonce), pending, ctx.clock.nowMs() + transactionMs)
  const url = new URL(adapter.authenticationService)
  for (const name of adapter.resumeNames) url.searchParams.set(name, pathOf(nonce))
  return sendInstruction(ctx, request, reply, { method: 'redirect', url: url.href })
}

/**
 * `/idp/<nonce>/resume/idp/startSSO.ping`: the browser comes back from the application that signed it in. The token is
 * proven first; whether this browser may have the session is decided where its cookies show.
 */
export async function resumeLogin(deps: LoginDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { nonce } = request.params as { readonly nonce: string }
  const pending = (await deps.store.txGet(pendingKey(nonce), deps.clock.nowMs())) as PendingLogin | undefined
  const adapter = pending === undefined ? undefined : deps.adapters.byId(pending.adapterId)
  if (pending === undefined || adapter?.role !== 'idp') throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const parked = parametersOf(request)[parkedParameter]
  if (request.method === 'POST' || parked === undefined) return park(deps, nonce, await arrivedWith(deps, adapter, request), reply)
  if (pending.formHash !== browserOf(deps, request).formHash) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
  const arrived = (await deps.store.txTake(parkedKey(nonce, parked), deps.clock.nowMs())).value as Arrived | undefined
  if (arrived === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const former = await sessionToReplace(deps, arrived.identity, {}, request)
  if (former !== undefined) return replace(deps, nonce, arrived, former, reply)
  await requireFirst(deps, adapter, arrived)
  if ((await deps.store.txTake(pendingKey(nonce), deps.clock.nowMs())).value === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  const { session } = await signIn(deps, arrived.identity, { persistent: false }, request, reply)
  await recordAdapter(deps, adapter, session, arrived.subject)
  if (adapter.transport === 'cookie') reply.header('set-cookie', cookieOf(adapter, ''))
  return deps.finish(pending.nonce, session, arrived.identity.authenticatedAtMs, request, reply)
}

/** Somebody else is signed in here: that session's logout runs first, then the browser comes back. */
async function replace(deps: LoginDeps, nonce: string, arrived: Arrived, former: Session, reply: FastifyReply): Promise<FastifyReply> {
  const path = await parkedPath(deps, nonce, arrived)
  const runId = await endReplaced(deps, former, arrived.identity.username, deps.baseUrl + path)
  return seeOther(reply, runId === undefined ? path : `/signoff/${runId}`)
}

async function park(deps: LoginDeps, nonce: string, arrived: Arrived, reply: FastifyReply): Promise<FastifyReply> {
  return seeOther(reply, await parkedPath(deps, nonce, arrived))
}

async function parkedPath(deps: LoginDeps, nonce: string, arrived: Arrived): Promise<string> {
  const name = deps.ids.cookie()
  await deps.store.txCreate(parkedKey(nonce, name), arrived, arrived.untilMs)
  return `${pathOf(nonce)}?${parkedParameter}=${name}`
}

/** @throws CURFEW_OPENTOKEN_REPLAYED for a token that signed somebody in before, at any node */
async function requireFirst(deps: LoginDeps, adapter: LoginAdapter, { mac, untilMs }: Arrived): Promise<void> {
  if (mac === undefined) return
  const { value } = await deps.store.replaySeen(`opentoken:${adapter.id}`, mac, untilMs, deps.clock.nowMs())
  if (value === 'seen') throw new CurfewError('CURFEW_OPENTOKEN_REPLAYED', { connection: adapter.id })
}

/** What came with the request, by the transport of the adapter and no other. */
async function arrivedWith(deps: LoginDeps, adapter: LoginAdapter, request: FastifyRequest): Promise<Arrived> {
  const nowMs = deps.clock.nowMs()
  if (adapter.transport === 'reference') {
    const found = await takeReference(deps.store, adapter.id, parametersOf(request)[referenceParameter] ?? '', nowMs)
    if (found === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
    const values = (name: string): readonly string[] => [found[name] ?? []].flat()
    const attributes = Object.fromEntries(Object.keys(found).map((name) => [name, values(name)]))
    const [subject = ''] = values('subject')
    return { subject, untilMs: nowMs + transactionMs, identity: identityOf(adapter, { subject, attributes, authnContext: values('authnCtx')[0] }, nowMs) }
  }
  const text = adapter.transport === 'cookie' ? request.cookies[adapter.tokenName] : tokenParameter(adapter, request)
  const token = verifyOpenToken(text ?? '', { keys: [adapter.key], now: instant(nowMs), notBeforeToleranceSeconds: adapter.notBeforeToleranceSeconds })
  const { subject, attributes, authnContext, mac } = token
  return { subject, mac, untilMs: token.notOnOrAfter.epochMilliseconds, identity: identityOf(adapter, { subject, attributes, authnContext }, nowMs) }
}

function tokenParameter(adapter: LoginAdapter, request: FastifyRequest): string | undefined {
  const isForm = adapter.transport === 'form'
  return isForm === (request.method === 'POST') ? parametersOf(request)[adapter.tokenName] : undefined
}

interface Said {
  readonly subject: string
  readonly attributes: Readonly<Record<string, readonly string[]>>
  readonly authnContext: string | undefined
}

const unspecifiedContext = 'urn:oasis:names:tc:SAML:2.0:ac:classes:unspecified'

function identityOf(adapter: LoginAdapter, { subject, attributes, authnContext }: Said, nowMs: number): Identity {
  const mapped = Object.entries(adapter.attributes).flatMap(([name, own]) => (attributes[name] === undefined ? [] : [[own, attributes[name]] as const]))
  return {
    userKey: `${adapter.id}:${subject}`,
    username: subject,
    sourceId: adapter.id,
    attributes: Object.fromEntries(mapped),
    authnContext: authnContext ?? unspecifiedContext,
    authenticatedAtMs: nowMs
  }
}

function pathOf(nonce: string): string {
  return resumeRoutes.login.replace(':nonce', nonce)
}

function pendingKey(nonce: string): string {
  return `opentoken-login:${nonce}`
}

function parkedKey(nonce: string, name: string): string {
  return `opentoken-arrived:${nonce}:${name}`
}
