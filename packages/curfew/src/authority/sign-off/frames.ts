import type { DeliveryId } from '../../core/ids.ts'
import type { FrameWait } from '../../core/frame-wait.ts'
import { isSilent } from '../../core/peer.ts'
import type { Delivery, RunEvent } from '../../core/run.ts'
import { channelOf } from '../../core/step.ts'
import { type Html, html, trusted } from '../pages/html.ts'
import { isImage } from './delivery-state.ts'
import type { RunView } from './run-view.ts'

/** How much sooner than the page's end its script says what has not loaded: the word is to arrive before the end. */
const reportAheadMs = 300

/**
 * The hidden frames and pictures of the sign-off page, and a script that tells this server what the browser saw of those
 * that can not answer. Without scripts they load all the same, and nobody sees whether they did.
 */
export function framesHtml(view: RunView, frames: readonly Delivery[], wait: FrameWait): Html {
  const { run, context, csrfToken } = view
  if (frames.length === 0) return html``
  const elements = frames.map((delivery) => {
    const src = `/signoff/${run.id}/frame/${delivery.id}`
    const mark = isWatched(delivery) ? delivery.id : ''
    return isImage(delivery)
      ? html`<img src="${src}" alt="" width="1" height="1" data-frame="${mark}">`
      : html`<iframe src="${src}" title="${delivery.peerName}" tabindex="-1" aria-hidden="true" data-frame="${mark}"></iframe>`
  })
  const count = frames.filter(isWatched).length
  const report =
    count > 0 &&
    html`<form id="seen" method="post" action="/signoff/${run.id}/frames" target="seen" hidden><input type="hidden" name="csrfToken" value="${csrfToken}"><input type="hidden" name="loaded"><input type="hidden" name="failed"><input type="hidden" name="notLoaded"></form><iframe name="seen" title="-" tabindex="-1" aria-hidden="true"></iframe><script nonce="${context.nonce}">${trusted(watcher(count, wait))}</script>`
  return html`${report}${elements}`
}

/** Of a frame that answers, the answer counts and not that it loaded. */
function isWatched(delivery: Delivery): boolean {
  const channel = channelOf(delivery)
  return channel !== undefined && isSilent(channel)
}

/** Load and error do not bubble, but are captured; listening before the frames stand there misses none. */
function watcher(count: number, { minMs, maxMs, seesFaults }: FrameWait): string {
  return `(() => {
const seen = { loaded: [], failed: [] }, known = new Set()
const form = document.getElementById('seen')
form.submit()
let told = false, isRipe = false
const tell = () => {
if (told) return
told = true
form.elements.loaded.value = seen.loaded.join(' ')
form.elements.failed.value = seen.failed.join(' ')
form.elements.notLoaded.value = [...document.querySelectorAll('[data-frame]')].map((e) => e.dataset.frame).filter((id) => id !== '' && !known.has(id)).join(' ')
form.submit()
}
const look = () => { if (isRipe && known.size >= ${count}) tell() }
const note = ({ target, type }) => {
const id = target instanceof HTMLElement ? target.dataset.frame ?? '' : ''
if (id === '' || known.has(id)) return
known.add(id)
seen[type === 'error' && ${seesFaults} ? 'failed' : 'loaded'].push(id)
look()
}
document.addEventListener('load', note, true)
document.addEventListener('error', note, true)
setTimeout(() => { isRipe = true; look() }, ${minMs})
setTimeout(tell, ${Math.max(minMs, maxMs - reportAheadMs)})
})()`
}

/** What the script of the page says of its frames, as events of the run; at first only that it is there. Anything else is dropped. */
export function seenFrames(form: Readonly<Record<string, string | undefined>>, atMs: number): readonly RunEvent[] {
  const ids = (name: string): readonly DeliveryId[] => (form[name] ?? '').split(' ').filter((id): id is DeliveryId => /^dlv_[0-9A-Za-z]{4,40}$/.test(id))
  const seen = (
    [
      ['loaded', 'loaded'],
      ['failed', 'failed'],
      ['notLoaded', 'not-loaded']
    ] as const
  ).flatMap(([field, how]) => ids(field).map((deliveryId): RunEvent => ({ kind: 'frame-over', deliveryId, how, atMs })))
  return seen.length === 0 ? [{ kind: 'frames-watched', atMs }] : seen
}

/** What becomes of the frames of a page whose time is over. */
export function framesGivenUp(frames: readonly Delivery[], atMs: number): readonly RunEvent[] {
  return frames.map(({ id }): RunEvent => ({ kind: 'frame-over', deliveryId: id, how: 'unknown', atMs }))
}
