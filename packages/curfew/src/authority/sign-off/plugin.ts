import { Readable } from 'node:stream'
import { CurfewError } from '@curfew/codecs'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { DeliveryId, RunId } from '../../core/ids.ts'
import type { Delivery, LogoutRun } from '../../core/run.ts'
import type { Session } from '../../core/session.ts'
import { channelOf, hasBrowserWay } from '../../core/step.ts'
import { hasFault, isSettled, verdictOf } from '../../core/verdict.ts'
import type { BrowserInstruction } from '../../engine/sender.ts'
import { autoPostPage } from '../pages/auto-post.ts'
import type { ComeBack } from '../pages/come-back.ts'
import { html } from '../pages/html.ts'
import { type PageContext, pageHeaders, renderPage } from '../pages/page.ts'
import { isAboutCopy } from '../hand-over.ts'
import { incompleteRun } from '../incomplete-run.ts'
import { forgetPages, isTopLevel } from '../request.ts'
import { askBody, askedApps, offlineChoice, onlyChoice, survivingApps } from './ask-page.ts'
import { isImage, openFrames, waitingHops } from './delivery-state.ts'
import type { SignOffDeps } from './deps.ts'
import { doneBody, doneTitle } from './done-page.ts'
import { seenFrames } from './frames.ts'
import { comeBackOf, framesOf, livePage, resultBody, resultTitle, stayLink } from './live-page.ts'
import { formOf, requireCsrf, sendPage } from './reply.ts'
import type { RunView } from './run-view.ts'
import { registerSessionsPage } from './sessions-page.ts'

/** Seconds a person gets to read a result that is not all good before the page goes on by itself. */
export const readSeconds = 20

/** The sign-off pages: ask, live, result, done, my sessions. */
export function signOffPlugin(deps: SignOffDeps): FastifyPluginAsync {
  return async (app) => {
    app.get('/signoff', async (request, reply) => showAsk(deps, request, reply))
    app.post('/signoff', async (request, reply) => answerAsk(deps, request, reply))
    app.get('/signoff/done', async (request, reply) => showDone(deps, request, reply))
    registerSessionsPage(app, deps)
    app.get('/signoff/:run', async (request, reply) => showRun(deps, request, reply))
    app.get('/signoff/:run/go', async (request, reply) => goOn(deps, request, reply))
    app.get('/signoff/:run/finish', async (request, reply) => finish(deps, request, reply))
    app.get('/signoff/:run/frame/:delivery', async (request, reply) => showFrame(deps, request, reply))
    app.post('/signoff/:run/frames', async (request, reply) => noteFrames(deps, request, reply))
    app.post('/signoff/:run/retry', async (request, reply) => retry(deps, request, reply))
  }
}

async function showAsk(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const session = await deps.currentSession(request)
  return session === undefined ? resumeOrDone(deps, request, reply) : sendAsk(deps, session, request, reply)
}

async function sendAsk(deps: SignOffDeps, session: Session, request: FastifyRequest, reply: FastifyReply, isAgain = false): Promise<FastifyReply> {
  const participants = await deps.store.getParticipants(session.id)
  const context = deps.pageContext(request)
  const apps = askedApps(participants, (id) => deps.peer(id))
  const survivors = survivingApps(participants, (id) => deps.peer(id))
  const body = askBody({ context, username: session.username, apps, survivors, csrfToken: deps.answers.value(session.tokenHash), isAgain })
  return sendPage(isAgain ? reply.status(409) : reply, context, context.t('ask.title'), body)
}

/** A browser without a live session may still owe hops of a run that it was lost from, or has to hear who did not confirm. */
async function resumeOrDone(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const token = deps.browserToken(request)
  const run = token === undefined ? undefined : ((await deps.store.findOpenRunByToken(token)) ?? (await incompleteRun(deps, token)))
  return reply.redirect(run === undefined ? '/signoff/done' : `/signoff/${run.id}`, 303)
}

async function answerAsk(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const session = await deps.currentSession(request)
  if (session === undefined) return resumeOrDone(deps, request, reply)
  const form = formOf(request)
  const choice = form['choice'] ?? ''
  if ((await deps.answers.take(session.tokenHash, form['csrfToken'])) === 'again') return askAgain(deps, session, choice, request, reply)
  if (choice.startsWith(onlyChoice)) return leaveOne(deps, session, choice.slice(onlyChoice.length), reply)
  if (choice !== 'everywhere') return reply.redirect('/', 303)
  const summary = await deps.engine.endSessions({
    scope: { kind: 'session', sessionId: session.id },
    reason: 'user',
    by: { kind: 'user', id: session.username },
    starter: { kind: 'user' },
    browser: 'present',
    ...offlineChoice(form)
  })
  const run = summary.ended[0] ?? summary.already[0]
  return reply.redirect(run === undefined ? '/signoff/done' : `/signoff/${run.runId}`, 303)
}

/** The answer had been given. Of a button that was pressed twice the sign-out is under way, and waits for this browser. */
async function askAgain(deps: SignOffDeps, session: Session, choice: string, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const open = choice.startsWith(onlyChoice) ? await deps.store.findOpenRunByToken(session.tokenHash) : undefined
  return open === undefined ? sendAsk(deps, session, request, reply, true) : reply.redirect(`/signoff/${open.id}`, 303)
}

/** Signs out of one application; the session and the others go on. */
async function leaveOne(deps: SignOffDeps, session: Session, peerId: string, reply: FastifyReply): Promise<FastifyReply> {
  const runId = await deps.engine.logOutOf({
    sessionId: session.id,
    peerIds: [peerId],
    by: { kind: 'user', id: session.username },
    starter: { kind: 'user' },
    browser: 'present'
  })
  return reply.redirect(runId === undefined ? '/signoff' : `/signoff/${runId}`, 303)
}

async function showDone(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const context = deps.pageContext(request)
  const { t } = context
  const hasSession = (await deps.currentSession(request)) !== undefined
  if (hasSession) return reply.redirect('/signoff', 303)
  const token = deps.browserToken(request)
  const session = token === undefined ? undefined : await deps.store.findSessionByToken(token)
  const incomplete = token === undefined ? undefined : await incompleteRun(deps, token)
  if (incomplete !== undefined) return reply.redirect(`/signoff/${incomplete.id}`, 303)
  // Of a browser that nothing is known of nobody can say that it was signed out.
  const isKnown = session?.end !== undefined
  if (isKnown) forgetPages(reply)
  return sendPage(reply, context, doneTitle(t, isKnown), doneBody(t, deps.organisation, isKnown))
}

async function showRun(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const view = await comeBack(deps, await openView(deps, request), request)
  const nowMs = deps.clock.nowMs()
  const isResumed = !isAboutCopy(request) && view.isOwner && waitingHops(view.run.deliveries).length + openFrames(view.run.deliveries).length > 0
  if (isSettled(view.run, nowMs) && !isResumed) {
    return isAwaited(view, request) ? reply.redirect(`/signoff/${view.run.id}/finish`, 303) : showResult(deps, view, request, reply)
  }
  const isCopy = isAboutCopy(request)
  const stream = Readable.from(livePage({ view, engine: deps.engine, clock: deps.clock, isCopy, isClosed: () => request.raw.destroyed }))
  const frames = isCopy ? [] : framesOf(view)
  const origins = (wanted: (delivery: Delivery) => boolean): readonly string[] => [
    // A later channel of the same application may be loaded by the same page.
    ...new Set(frames.filter(wanted).flatMap((d) => d.channels.slice(d.channelIndex).map(({ url }) => new URL(url).origin)))
  ]
  const sources = frames.length === 0 ? {} : { frames: origins((d) => !isImage(d)), images: origins(isImage) }
  reply.headers(pageHeaders(view.context.nonce, sources))
  reply.header('x-accel-buffering', 'no')
  return reply.send(stream)
}

/**
 * The browser is here, and so no longer at the application that it was sent to: nobody waits for an answer from there. Nor
 * does it wait for a retry of what it can carry itself.
 */
async function comeBack(deps: SignOffDeps, view: RunView, request: FastifyRequest): Promise<RunView> {
  const isOut = view.run.deliveries.some((delivery) => delivery.state === 'sent' && channelOf(delivery)?.kind === 'hop')
  const canCarry = view.run.deliveries.some((delivery) => delivery.state === 'retrying' && hasBrowserWay(delivery))
  // A picture or a frame of another page is not the browser coming back.
  if (!view.isOwner || !(isOut || canCarry) || request.method !== 'GET' || !isTopLevel(request) || isAboutCopy(request)) return view
  const run = await deps.engine.apply(view.run.id, { kind: 'browser-seen', atMs: deps.clock.nowMs() })
  return run === undefined ? view : { ...view, run }
}

/** True when everything is done and somebody waits for the browser: who started, or the page that it was to end at. */
function isAwaited({ run, isOwner }: RunView, request: FastifyRequest): boolean {
  if (!isOwner) return false
  if (run.starter.kind === 'participant') return run.starterAnsweredAtMs === undefined
  return verdictOf(run).kind === 'all-ended' && landingOf(run) !== undefined && !isToStay(request)
}

/** The person asked to keep the result on the screen. */
function isToStay({ query }: FastifyRequest): boolean {
  return (query as Record<string, unknown>)['stay'] !== undefined
}

function showResult(deps: SignOffDeps, view: RunView, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { context, run } = view
  const isComplete = verdictOf(run).kind === 'all-ended'
  const landing = view.isOwner ? landingOf(run) : undefined
  const home = view.isOwner && run.isPartial === true ? { url: '/', label: context.t('error.home') } : undefined
  const onward = landing === undefined ? home : { url: landing, label: context.t('live.continue') }
  const refresh = landing === undefined || isToStay(request) ? undefined : html`<meta http-equiv="refresh" content="${readSeconds};url=${landing}">`
  if (view.isOwner && run.isPartial !== true) {
    forgetPages(reply)
    if (isComplete) deps.clearSessionCookies(reply)
  }
  const body = html`${resultBody(view, onward)}${refresh === undefined ? undefined : stayLink(view)}`
  return sendPage(reply, context, resultTitle(view), body, refresh)
}

/** Where a sign-out that a person started ends; both addresses were accepted by the redirect decision before. */
function landingOf(run: LogoutRun): string | undefined {
  if (run.starter.kind !== 'user') return undefined
  return hasFault(run) ? (run.starter.errorUrl ?? run.starter.landingUrl) : run.starter.landingUrl
}

async function goOn(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const view = await openView(deps, request)
  if (!view.isOwner) return reply.redirect(`/signoff/${view.run.id}`, 303)
  const step = await deps.engine.nextBrowserStep(view.run.id, () => request.raw.destroyed)
  if (step.kind === 'hop') return sendInstruction(reply, view.context, step.instruction, { comesBack: comeBackOf(view.run, [step.delivery]) })
  return reply.redirect(`/signoff/${view.run.id}`, 303)
}

async function finish(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const view = await openView(deps, request)
  const { run } = view
  if (!view.isOwner || !isSettled(run, deps.clock.nowMs())) return reply.redirect(`/signoff/${run.id}`, 303)
  if (run.starter.kind === 'participant' && run.starterAnsweredAtMs === undefined) {
    const answer = await deps.answerStarter(run)
    if (answer !== undefined) return sendInstruction(reply, view.context, answer)
    // In a copy the answer is owed for ever: the page of the run would send the browser here again.
    if (isAboutCopy(request)) return showResult(deps, view, request, reply)
  }
  const isAllEnded = verdictOf(run).kind === 'all-ended'
  const landing = isAllEnded ? landingOf(run) : undefined
  if (landing === undefined) return reply.redirect(`/signoff/${run.id}`, 303)
  deps.clearSessionCookies(reply)
  return reply.redirect(landing, 303)
}

async function showFrame(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const view = await openView(deps, request)
  const { delivery } = request.params as { delivery: string }
  const instruction = view.isOwner ? await deps.engine.prepareFrame(view.run.id, delivery as DeliveryId) : undefined
  if (instruction !== undefined) return sendInstruction(reply, view.context, instruction, { isFrame: true })
  const body = html`<p>${view.context.t('live.refresh')}</p>`
  return reply
    .headers(pageHeaders(view.context.nonce, { framedBySelf: true }))
    .send(renderPage(view.context, { title: view.context.t('live.title'), body }).toString())
}

/** What the browser saw of the frames of its page. It can make an outcome worse, never better. */
async function noteFrames(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const view = await openView(deps, request)
  const form = formOf(request)
  if (view.isOwner) {
    requireCsrf(deps.csrf, view.run.tokenHash, form)
    await Promise.all(seenFrames(form, deps.clock.nowMs()).map((event) => deps.engine.apply(view.run.id, event)))
  }
  return reply.headers({ 'cache-control': 'no-store' }).status(204).send()
}

async function retry(deps: SignOffDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const view = await openView(deps, request)
  const form = formOf(request)
  if (!view.isOwner) return reply.redirect(`/signoff/${view.run.id}`, 303)
  requireCsrf(deps.csrf, view.run.tokenHash, form)
  await deps.engine.retry(view.run.id, form['delivery'] as DeliveryId, { kind: 'user', id: view.run.username })
  return reply.redirect(`/signoff/${view.run.id}`, 303)
}

async function openView(deps: SignOffDeps, request: FastifyRequest): Promise<RunView> {
  const { run: runId } = request.params as { run: string }
  const run = /^run_[0-9A-Za-z]{4,40}$/.test(runId) ? await deps.store.getRun(runId as RunId) : undefined
  if (run === undefined) throw new CurfewError('CURFEW_RUN_UNKNOWN', { run: runId.slice(0, 24) })
  return {
    run,
    context: deps.pageContext(request),
    isOwner: deps.browserToken(request) === run.tokenHash,
    csrfToken: deps.csrf.token(run.tokenHash),
    peer: (id) => deps.peer(id)
  }
}

function sendInstruction(
  reply: FastifyReply,
  context: PageContext,
  instruction: BrowserInstruction,
  how: { readonly isFrame?: true; readonly comesBack?: ComeBack } = {}
): FastifyReply {
  if (instruction.method === 'redirect') {
    if (instruction.cookie !== undefined) reply.header('set-cookie', instruction.cookie)
    return reply.headers({ 'cache-control': 'no-cache, no-store', pragma: 'no-cache' }).redirect(instruction.url, 303)
  }
  const page = autoPostPage(context, instruction.url, instruction.fields, how.comesBack)
  return reply.headers(pageHeaders(context.nonce, { formsLeave: true, framedBySelf: how.isFrame === true })).send(page.toString())
}
