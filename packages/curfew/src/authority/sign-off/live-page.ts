import { frameGraceMs, pageWait, visitMs } from '../../core/frame-wait.ts'
import type { Delivery, LogoutRun, RunEvent } from '../../core/run.ts'
import { isSettled, standingDeliveries } from '../../core/verdict.ts'
import { lookingMsMax } from '../../engine/browser.ts'
import type { Engine } from '../../engine/engine.ts'
import { probeTimeoutMs } from '../../engine/probe-cache.ts'
import type { Clock } from '../../platform/clock.ts'
import { type ComeBack, goAfter } from '../pages/come-back.ts'
import { type Html, html, trusted } from '../pages/html.ts'
import { pageEnd, pageStart } from '../pages/page.ts'
import { styleSheet } from '../pages/style.ts'
import { openFrames, stateHtml, unaskedFrames, waitingHops } from './delivery-state.ts'
import { framesGivenUp, framesHtml } from './frames.ts'
import { finalList, deliveryLine, type RunView, starterLine, unconfirmedNames, verdictHtml } from './run-view.ts'

/** How long one streamed response stays open; then the page asks for itself again. */
export const streamMsMax = 25_000
/** After how long a page is asked for again that shows a copy, because the region of the run is away. */
const copySeconds = 5
/** How often the stream looks at the run when nothing told it of a change. */
const lookMs = 500

export interface LiveStream {
  readonly view: RunView
  readonly engine: Pick<Engine, 'apply' | 'waitFor'>
  readonly clock: Pick<Clock, 'nowMs'>
  /** Only a copy of the run is here: it is shown as it is, nothing is loaded, and nobody is sent on. */
  readonly isCopy: boolean
  /** True once the reader went away: stop writing. */
  isClosed(): boolean
}

/**
 * The sign-off page while the run is open, as chunks of one response that needs no script: the list stands in a
 * declarative shadow root with a slot per line, and every change arrives as one more element for its slot and
 * hides the one before. Hidden frames load in the same page. The stream ends with a refresh: to the next
 * application, to whoever started, or to this page again.
 */
export async function* livePage(stream: LiveStream): AsyncGenerator<string> {
  const { view, engine, clock } = stream
  const openedAtMs = clock.nowMs()
  const openUntilMs = openedAtMs + streamMsMax
  const frames = stream.isCopy ? [] : framesOf(view)
  const wait = pageWait(view.run)
  const mayGoAtMs = frames.length === 0 ? openedAtMs : openedAtMs + wait.minMs
  const framesUntilMs = openedAtMs + wait.maxMs
  yield opening(view, frames).toString()
  let shown: ReadonlyMap<string, Shown> = new Map()
  let run: LogoutRun = view.run
  if (frames.length > 0) run = await told(stream, run, [{ kind: 'frames-offered', deliveryIds: frames.map(({ id }) => id), atMs: openedAtMs }])
  for (;;) {
    if (frames.length > 0 && clock.nowMs() >= framesUntilMs + (isWatched(run, openedAtMs) ? frameGraceMs : 0))
      run = await told(stream, run, framesGivenUp(stillOpen(run, frames), clock.nowMs()))
    const { chunk, states } = changes({ ...view, run }, shown, clock.nowMs())
    shown = states
    if (chunk !== '') yield chunk
    const nowMs = clock.nowMs()
    if (stream.isCopy) {
      yield closing({ ...view, run, isOwner: false }, { path: `/signoff/${run.id}`, seconds: copySeconds }, false).toString()
      return
    }
    const next = nowMs < mayGoAtMs ? undefined : leave(run, view, frames, nowMs)
    if (next !== undefined || nowMs >= openUntilMs || stream.isClosed()) {
      yield closing({ ...view, run }, next ?? { path: `/signoff/${run.id}`, seconds: 1 }, frames.length > 0).toString()
      return
    }
    const version = run.version
    const milestones = [mayGoAtMs, framesUntilMs].filter((atMs) => atMs > nowMs)
    run = (await engine.waitFor(run.id, (r) => r.version !== version, Math.min(nowMs + lookMs, openUntilMs, ...milestones))) ?? run
  }
}

async function told({ engine }: LiveStream, run: LogoutRun, events: readonly RunEvent[]): Promise<LogoutRun> {
  const runs = await Promise.all(events.map((event) => engine.apply(run.id, event)))
  return runs.at(-1) ?? run
}

/** A script of this page has said that it will tell what becomes of its frames. */
function isWatched({ framesWatchedAtMs }: LogoutRun, openedAtMs: number): boolean {
  return framesWatchedAtMs !== undefined && framesWatchedAtMs >= openedAtMs
}

/** Frames of this page that are not over. */
function stillOpen(run: LogoutRun, frames: readonly Delivery[]): readonly Delivery[] {
  return openFrames(run.deliveries).filter(({ id }) => frames.some((frame) => frame.id === id))
}

/** Where the page goes on to by itself. */
interface Onward {
  readonly path: string
  readonly seconds: number
}

/** Where the page goes now; undefined: it stays and waits. `frames`: what this page loads. */
function leave(run: LogoutRun, view: RunView, frames: readonly Delivery[], nowMs: number): Onward | undefined {
  // Nobody waits for a logout that began without the browser; when it comes all the same, it goes where it is owed.
  const owesHop = view.isOwner && waitingHops(run.deliveries).length > 0
  const owesFrame = view.isOwner && openFrames(run.deliveries).length > 0
  if (isSettled(run, nowMs) && !owesHop && !owesFrame) return { path: `/signoff/${run.id}/finish`, seconds: 0 }
  if (owesHop && !owesFrame) return { path: `/signoff/${run.id}/go`, seconds: 0 }
  // An application that could not be reached otherwise is to be asked by a frame, which this page does not have.
  const hasMore = view.isOwner && unaskedFrames(run.deliveries).some(({ id }) => !frames.some((frame) => frame.id === id))
  return hasMore && stillOpen(run, frames).length === 0 ? { path: `/signoff/${run.id}`, seconds: 0 } : undefined
}

/**
 * The refresh works without scripts, but browsers begin it only once every frame has loaded: an application that hangs
 * in its frame would hold the page. Where there are frames, a script goes on all the same; where scripts are off, a
 * person has the link below.
 *
 * A browser that has left for an application shows this page until that one answers. One that never does would keep it:
 * a script comes back for the others when the time of the visit is over.
 */
function goOnBy({ path, seconds }: Onward, hasFrames: boolean, { run, context }: RunView): Html {
  const refresh = html`<meta http-equiv="refresh" content="${seconds};url=${path}">`
  const goes = hasFrames ? [goAfter({ path, afterMs: seconds * 1000 })] : []
  const comeBack = comeBackOf(run, waitingHops(run.deliveries))
  // Before the browser leaves, the authority may look whether the application is there at all.
  const lines = path.endsWith('/go') ? [...goes, goAfter({ ...comeBack, afterMs: Math.max(comeBack.afterMs, lookingMsMax + probeTimeoutMs) })] : goes
  return lines.length === 0 ? refresh : html`${refresh}<script nonce="${context.nonce}">${trusted(lines.join('\n'))}</script>`
}

/** The application that the browser goes to next, where there is one only to go to. */
function onlyHop({ deliveries }: LogoutRun): Delivery | undefined {
  const [hop, ...others] = waitingHops(deliveries)
  return others.length === 0 ? hop : undefined
}

/**
 * A browser at an application that does not answer goes on with the others.
 * @param hops - where it may go: while it is not known which one that is, the shortest visit counts, so that the last page
 *   is not late
 */
export function comeBackOf(run: LogoutRun, hops: readonly Delivery[]): ComeBack {
  return { path: `/signoff/${run.id}`, afterMs: Math.min(run.policy.hopTimeoutMs, ...hops.map((hop) => visitMs(run, hop))) }
}

/** Frames and pictures that this page loads. */
export function framesOf(view: RunView): readonly Delivery[] {
  return view.isOwner ? unaskedFrames(view.run.deliveries) : []
}

function opening(view: RunView, frames: readonly Delivery[]): Html {
  const { context, run } = view
  const { t } = context
  const deliveries = standingDeliveries(run)
  const lines = deliveries.map((delivery, i) => deliveryLine(view, delivery, html`<slot name="d${i}">${stateHtml(run, delivery, context)}</slot>`, undefined))
  const style = html`<style nonce="${context.nonce}">${trusted(styleSheet(context.brand))}</style>`
  return html`${pageStart(context, { title: t('live.title') })}<div class="frames">${framesHtml(view, frames, pageWait(run))}</div><div><template shadowrootmode="open">${style}<h1>${t('live.title')}</h1><div role="status"><slot name="verdict">${verdictHtml(view, false)}</slot></div>${view.isOwner ? undefined : html`<p class="muted">${t('live.elsewhere')}</p>`}<h2>${t('live.list')}</h2><ul class="list">${starterLine(view)}${lines}</ul><slot></slot></template>`
}

/** What stands in a slot now: its content and the element that shows it. */
interface Shown {
  readonly content: string
  readonly id: string
}

/**
 * Elements for the slots that changed. Each hides the one before it by a rule of its own: browsers do not match
 * `:last-child` and its kin while the parent is still being read, which here is all the time.
 */
function changes(view: RunView, shown: ReadonlyMap<string, Shown>, nowMs: number): { chunk: string; states: ReadonlyMap<string, Shown> } {
  const states = new Map(shown)
  let chunk = ''
  const put = (slot: string, content: string): void => {
    const before = shown.get(slot)
    if (before?.content === content) return
    const id = `${slot}-${view.run.version}${before === undefined ? '' : 'n'}${nowMs % 100_000}`
    states.set(slot, { content, id })
    const hiding = before === undefined ? '' : html`<style nonce="${view.context.nonce}">${trusted(`#${before.id}{display:none}`)}</style>`.toString()
    chunk += `<span slot="${slot}" id="${id}">${content}</span>${hiding}`
  }
  standingDeliveries(view.run).forEach((delivery, i) => put(`d${i}`, stateHtml(view.run, delivery, view.context).toString()))
  put('verdict', verdictHtml(view, isSettled(view.run, nowMs)).toString())
  return { chunk, states }
}

/** The end of the stream. The link does what the refresh does, for a browser that does not follow refreshes. */
function closing(view: RunView, onward: Onward, hasFrames: boolean): Html {
  const { t } = view.context
  const owesHop = view.isOwner && waitingHops(view.run.deliveries).length > 0
  const path = owesHop ? `/signoff/${view.run.id}/go` : `/signoff/${view.run.id}`
  const words = owesHop ? nextWords(view) : t('live.refresh')
  return html`${goOnBy(onward, hasFrames, view)}<p class="actions"><a class="button" href="${path}">${words}</a></p></div>${pageEnd(view.context)}`
}

function nextWords({ run, context: { t } }: RunView): string {
  const hop = onlyHop(run)
  return hop === undefined ? t('live.continue') : t('live.next', { app: hop.peerName })
}

/** The page of a run whose answer is known: safe to reload, to open twice and after the session record is gone. */
export function resultBody(view: RunView, onward: { readonly url: string; readonly label: string } | undefined): Html {
  const { t } = view.context
  const isIncomplete = unconfirmedNames(view.run).length > 0
  const background = isIncomplete && view.run.state === 'open' ? html`<p class="muted">${t('live.background')}</p>` : undefined
  const link = onward === undefined ? undefined : html`<p class="actions"><a class="button primary" href="${onward.url}">${onward.label}</a></p>`
  return html`<h1>${resultTitle(view)}</h1><div role="status">${verdictHtml(view, true)}</div>${background}${link}${finalList(view)}<p class="muted">${t('live.reference', { run: view.run.id })}</p>`
}

/** The way to keep a result on the screen that goes on by itself. */
export function stayLink({ run, context }: RunView): Html {
  return html`<p><a href="/signoff/${run.id}?stay=1">${context.t('live.stay')}</a></p>`
}

export function resultTitle({ run, context: { t } }: RunView): string {
  if (unconfirmedNames(run).length === 0) return t('result.title')
  return t(run.isPartial === true ? 'result.titleOnlyPartial' : 'result.titlePartial')
}
