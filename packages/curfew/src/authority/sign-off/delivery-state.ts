import { countsAsSignedOut } from '../../core/outcome.ts'
import type { Delivery, LogoutRun } from '../../core/run.ts'
import { isLeftOut, isOpenedAgain, isSurvivor } from '../../core/verdict.ts'
import { type Html, html } from '../pages/html.ts'
import type { MessageKey } from '../pages/messages.ts'
import type { PageContext } from '../pages/page.ts'

/** How a person sees the state of one delivery: a word, a mark that is not colour alone, a tone. */
export interface DeliveryState {
  readonly key: MessageKey
  readonly mark: string
  readonly tone: 'good' | 'bad' | 'working' | 'plain'
}

/** The state to show. Only proved outcomes are shown as good. */
export function deliveryState(run: LogoutRun, delivery: Delivery): DeliveryState {
  const { outcome } = delivery
  if (run.isPartial === true && isLeftOut(delivery)) return { key: 'state.kept', mark: '–', tone: 'plain' }
  if (isSurvivor(delivery)) return { key: 'state.survives', mark: '!', tone: 'bad' }
  if (delivery.grant !== undefined && countsAsSignedOut(outcome)) return { key: 'state.accessEnded', mark: '✓', tone: 'good' }
  if (isOpenedAgain(delivery)) return { key: 'state.openedAgain', mark: '–', tone: 'plain' }
  if (outcome !== undefined) {
    const isGood = countsAsSignedOut(outcome)
    return { key: `state.${outcome.kind}`, mark: isGood ? '✓' : '!', tone: isGood ? 'good' : 'bad' }
  }
  switch (delivery.state) {
    case 'pending':
      return { key: 'state.waiting', mark: '…', tone: 'plain' }
    case 'sent':
      return { key: 'state.working', mark: '↻', tone: 'working' }
    case 'waiting-for-browser':
      return { key: isFrame(delivery) ? 'state.working' : 'state.browser', mark: '…', tone: 'plain' }
    case 'retrying':
      return { key: 'state.retrying', mark: '!', tone: 'bad' }
    case 'final':
      return { key: 'state.waiting', mark: '…', tone: 'plain' }
  }
}

/** The words of the state, for one line of the list. */
export function stateHtml(run: LogoutRun, delivery: Delivery, { t, language }: PageContext): Html {
  const state = deliveryState(run, delivery)
  const taken = secondsTaken(delivery)
  const seconds = taken === undefined ? undefined : new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(taken)
  const time = seconds === undefined ? undefined : html` <span class="muted time">${t('live.seconds', { seconds })}</span>`
  return html`<span class="${state.tone}"><span class="mark" aria-hidden="true">${state.mark}</span>${t(state.key)}</span>${time}`
}

function secondsTaken(delivery: Delivery): number | undefined {
  const first = delivery.attempts[0]
  if (first === undefined || delivery.finalAtMs === undefined) return undefined
  return Math.max(0, delivery.finalAtMs - first.startedAtMs) / 1_000
}

/** True while the delivery's present channel is a hidden frame. */
export function isFrame(delivery: Delivery): boolean {
  return delivery.channels[delivery.channelIndex]?.kind === 'frame'
}

/** True for a picture: it is loaded as one, not as a document. */
export function isImage(delivery: Delivery): boolean {
  return delivery.channels[delivery.channelIndex]?.binding === 'image'
}

/** Frames and pictures that are under way or waited for. */
export function openFrames(deliveries: readonly Delivery[]): readonly Delivery[] {
  return deliveries.filter((d) => isFrame(d) && (d.state === 'waiting-for-browser' || d.state === 'sent'))
}

/** Frames and pictures that no page has loaded yet: each is loaded once. */
export function unaskedFrames(deliveries: readonly Delivery[]): readonly Delivery[] {
  return openFrames(deliveries).filter((d) => d.state === 'waiting-for-browser')
}

/** Applications that the browser has to visit itself. Which of several is the next one shows when they are looked at. */
export function waitingHops(deliveries: readonly Delivery[]): readonly Delivery[] {
  return deliveries.filter((d) => d.state === 'waiting-for-browser' && d.channels[d.channelIndex]?.kind === 'hop')
}
