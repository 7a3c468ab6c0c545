import { artifactUrl, CurfewError, isCurfewError, type Received, type Status, validateLogoutResponse, verifyLogoutResponse } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { RunId } from '../../core/ids.ts'
import type { Delivery, LogoutRun } from '../../core/run.ts'
import { isFrontBinding, starterAnswer } from '../../core/verdict.ts'
import type { BrowserAnswer, BrowserInstruction } from '../../engine/sender.ts'
import { everyCode } from '../../errors/render.ts'
import type { AuthorityContext } from '../context.ts'
import { html } from '../pages/html.ts'
import { pageHeaders, renderPage } from '../pages/page.ts'
import { sendInstruction } from '../reply.ts'
import { isTopLevel, type Parameters, parametersOf, seeOther } from '../request.ts'
import { browserToken } from '../sign-on/browser-session.ts'
import { ownRole, type SamlPartner } from './connection.ts'
import { instant, samlPaths } from './endpoints.ts'
import { type LogoutDoor, roleDoor } from './logout-door.ts'
import { answerInstruction, answerService } from './logout-message.ts'
import { type AcceptedLogout, acceptLogoutRequest, startLogout, starterStatus } from './logout-request.ts'
import { requireBinding } from './partner.ts'
import { artifactOf, receiveMessage } from './resolve-artifact.ts'
import { judgeAnswer } from './saml-sender.ts'
import type { SamlRole } from './settings.ts'

/**
 * `/idp/SLO.saml2` and `/sp/SLO.saml2`: a partner's wish to end sessions, or its answer to ours, through the browser. A browser that comes
 * back from a partner with an answer nobody can read, fetch or believe is not left standing: its own run goes on, also
 * where the answer came in a form of another site, without cookies.
 */
export function receiveLogoutMessage(ctx: AuthorityContext, own: SamlRole, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return receiveLogoutMessageAt(ctx, roleDoor(ctx, own, request.method === 'POST' ? 'post' : 'redirect'), request, reply)
}

/**
 * The same at any door. An artifact in a form of another site comes without cookies; it goes on in the address, where
 * they show: should its message not be had, the browser is known and carries its run on.
 */
export async function receiveLogoutMessageAt(ctx: AuthorityContext, door: LogoutDoor, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const posted = request.method === 'POST' ? artifactOf(request) : undefined
  if (posted !== undefined) return seeOther(reply, artifactUrl(request.url, posted.text, posted.relayState))
  // Looked up before: to read an answer may take until the browser is at the next application.
  const visit = await visitOf(ctx, request)
  try {
    const refused = refusedBefore(request)
    if (refused !== undefined) throw new CurfewError(refused, {})
    return await handleLogoutMessage(ctx, door, request, reply)
  } catch (error) {
    if (!isCurfewError(error)) throw error
    if (visit === undefined && isFormWithoutCookies(ctx, request) && isPeerCode(error.code)) {
      ctx.logger.warn({ event: 'logout.answer-refused', code: error.code, reference: request.id, ...error.context }, error.message)
      return seeOther(reply, `${samlPaths.idp.singleLogout}?${refusedName}=${error.code}`)
    }
    if (visit === undefined) throw error
    const { run } = visit
    await countAsUnusable(ctx, visit, error.code)
    ctx.logger.warn({ event: 'logout.answer-refused', code: error.code, run: run.id, reference: request.id, ...error.context }, error.message)
    ctx.metrics.requestsRefused.inc({ code: error.code })
    return seeOther(reply, `/signoff/${run.id}`)
  }
}

/** Why the answer was refused that this browser brought: a parameter of the address at which its cookies show. */
const refusedName = 'refused'

/**
 * A form of another site comes without cookies. A browser says where a form is from; whoever is none is answered at once.
 */
function isFormWithoutCookies(ctx: AuthorityContext, request: FastifyRequest): boolean {
  const isForm = request.method === 'POST' && request.headers.origin !== undefined && isTopLevel(request)
  return isForm && browserToken(ctx, request) === undefined && parametersOf(request)['SAMLResponse'] !== undefined
}

/** Worth no more than a message that can not be read: it makes an outcome no better, and only of a browser that is out for an answer. */
function refusedBefore(request: FastifyRequest): `CURFEW_${string}` | undefined {
  const { [refusedName]: code, ...others } = parametersOf(request)
  return request.method === 'GET' && isPeerCode(code) && Object.keys(others).length === 0 ? code : undefined
}

function isPeerCode(code: string | undefined): code is `CURFEW_${string}` {
  return code !== undefined && Object.hasOwn(everyCode, code) && everyCode[code]?.kind === 'peer'
}

/** What a browser is out for when it brings something that may be the answer: its run, and what the application was asked. */
interface Visit {
  readonly run: LogoutRun
  readonly out: Delivery
  readonly messageId: string
}

/** Undefined where the browser is sent nowhere, or where this is no visit of its own: a picture or a frame answers for nobody. */
async function visitOf(ctx: AuthorityContext, request: FastifyRequest): Promise<Visit | undefined> {
  const token = browserToken(ctx, request)
  const isAnswer = mayBeAnswer(parametersOf(request)) || refusedBefore(request) !== undefined
  if (token === undefined || !isAnswer || !isTopLevel(request)) return undefined
  const run = await ctx.store.findOpenRunByToken(token)
  const out = run?.deliveries.find((d) => d.state === 'sent' && d.channels[d.channelIndex]?.kind === 'hop')
  const messageId = out?.attempts.at(-1)?.messageId
  return run === undefined || out === undefined || messageId === undefined ? undefined : { run, out, messageId }
}

/** What the browser brought from the application it was sent to is no answer: nobody waits for a better one. */
async function countAsUnusable({ engine, clock }: AuthorityContext, { run, out, messageId }: Visit, code: string): Promise<void> {
  await engine.apply(run.id, { kind: 'unusable-answer', atMs: clock.nowMs(), deliveryId: out.id, messageId, code })
}

/** What an artifact stands for is unknown until it is resolved. */
function mayBeAnswer(parameters: Parameters): boolean {
  return parameters['SAMLResponse'] !== undefined || parameters['SAMLart'] !== undefined
}

async function handleLogoutMessage(ctx: AuthorityContext, door: LogoutDoor, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const received = await receiveMessage(ctx, request, (sourceId) => door.issuersOf(sourceId))
  switch (received.kind) {
    case 'LogoutRequest':
      return logoutRequested(ctx, door, received, request, reply)
    case 'LogoutResponse':
      return logoutAnswered(ctx, door, received, request, reply)
    case 'AuthnRequest':
    case 'Response':
    case 'ArtifactResolve':
    case 'ArtifactResponse':
      throw new CurfewError('CURFEW_SAML_STRUCTURE', { what: received.kind })
  }
}

async function logoutRequested(
  ctx: AuthorityContext,
  door: LogoutDoor,
  received: Received,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const accepted = await acceptLogoutRequest(ctx, door, received)
  const started = await startLogout(ctx, accepted, browserToken(ctx, request))
  if (started.kind === 'run') return followRun(ctx, ownRole(accepted.connection), started.runId, request, reply)
  const answer = accepted.message.asynchronous ? undefined : await immediateAnswer(ctx, accepted, started.status)
  return answer === undefined ? seeOther(reply, '/signoff/done') : sendInstruction(ctx, request, reply, answer)
}

/**
 * The browser of the session goes to the sign-off page. Any other browser (its cookie is lost, or it did not come
 * along with a POST from another site) first goes to a one-time path, where cookies show and the answer is waited for.
 */
async function followRun(ctx: AuthorityContext, own: SamlRole, runId: RunId, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const run = await ctx.store.getRun(runId)
  if (run?.tokenHash === browserToken(ctx, request)) return seeOther(reply, `/signoff/${runId}`)
  const nonce = ctx.ids.cookie()
  await ctx.store.txCreate(returnKey(nonce), runId, ctx.clock.nowMs() + ctx.transactionMs)
  return seeOther(reply, samlPaths[own].resumeLogout.replace(':nonce', nonce))
}

/** `/idp/<nonce>/resume/idp/SLO.saml2`, and the same for the other role: where a browser goes on that was not known at the LogoutRequest. */
export async function resumeLogout(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { nonce } = request.params as { nonce: string }
  const runId = (await ctx.store.txTake(returnKey(nonce), ctx.clock.nowMs())).value as RunId | undefined
  const run = runId === undefined ? undefined : await ctx.store.getRun(runId)
  if (run === undefined) throw new CurfewError('CURFEW_SESSION_STATE_NOT_FOUND', {})
  if (run.tokenHash === browserToken(ctx, request)) {
    // At the LogoutRequest nobody could say whose browser it is.
    await ctx.engine.apply(run.id, { kind: 'browser-seen', atMs: ctx.clock.nowMs() })
    return seeOther(reply, `/signoff/${run.id}`)
  }
  const settled = await ctx.engine.waitFor(run.id, (r) => nothingToWaitFor(r, ctx.clock.nowMs()), ctx.clock.nowMs() + run.policy.patienceMs)
  const answer = await answerStarter(ctx, settled ?? run)
  return answer === undefined ? seeOther(reply, '/signoff/done') : sendInstruction(ctx, request, reply, answer)
}

/** Without the session's browser its visits can't be waited for. */
function nothingToWaitFor(run: LogoutRun, nowMs: number): boolean {
  const isQuiet = run.deliveries.every((d) => d.state === 'final' || d.state === 'retrying' || d.state === 'waiting-for-browser')
  return isQuiet || starterAnswer(run, nowMs) !== undefined
}

function returnKey(nonce: string): string {
  return `slo-return:${nonce}`
}

/**
 * Makes the answer that the starter of a run gets through this browser, and records that it was given. Of several
 * requests at once one gets it; undefined: no answer is owed, or another request has it.
 */
export async function answerStarter(ctx: AuthorityContext, run: LogoutRun): Promise<BrowserInstruction | undefined> {
  const answer = await starterInstruction(ctx, run)
  const answerId = ctx.ids.message()
  // The answer is made: whoever waits for it gets it, also while the region that would note so is away.
  const stored = await ctx.engine.apply(run.id, { kind: 'starter-answered', atMs: ctx.clock.nowMs(), answerId }).catch(unlessAway)
  const isFirst = stored?.starterAnswerId === undefined || stored.starterAnswerId === answerId
  return isFirst ? answer : undefined
}

function unlessAway(error: unknown): undefined {
  if (isCurfewError(error) && error.code.startsWith('CURFEW_GROUP_')) return undefined
  throw error
}

/** The LogoutResponse that is owed to the partner that started a run; undefined when none is. */
async function starterInstruction(ctx: AuthorityContext, run: LogoutRun): Promise<BrowserInstruction | undefined> {
  const { starter } = run
  if (starter.kind !== 'participant' || !starter.wantsResponse || !isFrontBinding(starter.binding)) return undefined
  const connection = ctx.connections.byId(starter.peerId)
  const service = connection === undefined ? undefined : answerService(connection, starter.binding)
  if (connection === undefined || service === undefined) return undefined
  const answer = { ...answerHead(ctx), requestId: starter.requestId, status: await starterStatus(ctx, run) }
  return answerInstruction(ctx.artifacts, connection, service, answer, starter.relayState)
}

async function immediateAnswer(ctx: AuthorityContext, accepted: AcceptedLogout, status: Status): Promise<BrowserInstruction | undefined> {
  const { binding, connection, message, relayState } = accepted
  const service = binding === 'soap' ? undefined : answerService(connection, binding)
  if (service === undefined) return undefined
  return answerInstruction(ctx.artifacts, connection, service, { ...answerHead(ctx), requestId: message.id, status }, relayState)
}

function answerHead(ctx: AuthorityContext): { readonly id: string; readonly entityId: string; readonly nowMs: number } {
  return { id: ctx.ids.message(), entityId: ctx.saml.entityId, nowMs: ctx.clock.nowMs() }
}

/**
 * A partner's answer to our LogoutRequest. An answer that can't be trusted ends nothing, but the browser that brought
 * it is not left standing: where it names an open request, the run goes on without this partner's word.
 */
async function logoutAnswered(
  ctx: AuthorityContext,
  door: LogoutDoor,
  received: Received,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const messageId = received.claimed.inResponseTo
  const connection = await askedPartner(ctx, door, received)
  const answer = readAnswer(ctx, connection, door, received)
  const run = messageId === undefined ? undefined : await ctx.engine.browserAnswered(connection.id, messageId, answer)
  if (run === undefined || messageId === undefined)
    throw new CurfewError(answer.kind === 'unusable-answer' ? (answer.code as `CURFEW_${string}`) : 'CURFEW_SAML_IN_RESPONSE_TO', { connection: connection.id })
  if (answer.kind === 'unusable-answer')
    ctx.logger.warn({ event: 'logout.answer-unusable', code: answer.code, connection: connection.id, run: run.id }, 'An answer could not be trusted')
  return cameByFrame(run, messageId) ? sendFrameDone(ctx, request, reply) : seeOther(reply, `/signoff/${run.id}`)
}

/** Who was asked by the message that this one answers. */
async function askedPartner(ctx: AuthorityContext, door: LogoutDoor, received: Received): Promise<SamlPartner> {
  const partners = door.partnersOf(received)
  const { inResponseTo = '' } = received.claimed
  for (const one of partners.slice(1)) if ((await ctx.store.findByMessage(one.id, inResponseTo)) !== undefined) return one
  const [first] = partners
  if (first === undefined) throw new CurfewError('CURFEW_SAML_PEER_UNKNOWN', {})
  return first
}

function readAnswer(ctx: AuthorityContext, connection: SamlPartner, door: LogoutDoor, received: Received): BrowserAnswer {
  try {
    requireBinding(connection, received)
    const message = verifyLogoutResponse(received, connection.verification)
    validateLogoutResponse(message, {
      now: instant(ctx.clock.nowMs()),
      destinations: door.destinations,
      skewSeconds: ctx.saml.clockSkewSeconds
    })
    ctx.metrics.logoutMessages.inc({ peer: connection.id, binding: received.binding, kind: 'LogoutResponse' })
    return judgeAnswer(message)
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return { kind: 'unusable-answer', code: error.code }
  }
}

function cameByFrame(run: LogoutRun, messageId: string): boolean {
  return run.deliveries.flatMap((d) => d.attempts).find((attempt) => attempt.messageId === messageId)?.channel.kind === 'frame'
}

/** What a hidden frame of the sign-off page shows when its application has answered. */
function sendFrameDone(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const context = ctx.pageContext(request)
  const title = context.t('state.ended')
  return reply.headers(pageHeaders(context.nonce, { framedBySelf: true })).send(renderPage(context, { title, body: html`<p>${title}</p>` }).toString())
}
