import { countsAsSignedOut } from '../../core/outcome.ts'
import type { Peer } from '../../core/peer.ts'
import type { Delivery, LogoutRun } from '../../core/run.ts'
import { isLeftOut, isOpenedAgain, isSurvivor, standingDeliveries, wantedDeliveries } from '../../core/verdict.ts'
import { type Html, html } from '../pages/html.ts'
import type { PageContext } from '../pages/page.ts'
import { stateHtml } from './delivery-state.ts'

/** What the pages of one run are drawn from. */
export interface RunView {
  readonly run: LogoutRun
  readonly context: PageContext
  /** This browser is the one whose session ended: it may go on, retry, return. */
  readonly isOwner: boolean
  readonly csrfToken: string
  peer(id: string): Peer | undefined
}

/** Names of the applications that did not confirm, in page order. */
export function unconfirmedNames(run: LogoutRun): readonly string[] {
  return wantedDeliveries(run)
    .filter((delivery) => !countsAsSignedOut(delivery.outcome))
    .map((delivery) => delivery.peerName)
}

/** Names of the applications that keep access by an offline grant. */
function survivorNames(run: LogoutRun): readonly string[] {
  return namesOnce(wantedDeliveries(run).filter(isSurvivor))
}

/** Names of those that were to confirm and did not. */
function missingNames(run: LogoutRun): readonly string[] {
  return namesOnce(wantedDeliveries(run).filter((delivery) => !countsAsSignedOut(delivery.outcome) && !isSurvivor(delivery)))
}

/** An application that was used at several hosts is one to a person; the list tells which of them. */
function namesOnce(deliveries: readonly Delivery[]): readonly string[] {
  return [...new Set(deliveries.map(({ peerName }) => peerName))]
}

/** Says who keeps access after the sign-out, and to whom it may do so how it is ended. */
function survivorHtml({ run, isOwner, context: { t } }: RunView, list: (all: readonly string[]) => string): Html | undefined {
  const names = survivorNames(run)
  if (names.length === 0) return undefined
  const how = isOwner ? t('live.survivesEnd') : ''
  return html`<span class="verdict bad">${t('live.survives', { apps: list(names), count: names.length })} ${how}</span>`
}

/** The one sentence: safe to leave, or not, and what to do. `settled`: nobody waits for this page any more. */
export function verdictHtml(view: RunView, settled: boolean): Html {
  const { context, run } = view
  const { t } = context
  const names = missingNames(run)
  const list = (all: readonly string[]): string => new Intl.ListFormat(context.language, { type: 'conjunction' }).format(all)
  if (run.isPartial === true) return partialVerdict(view, settled, list)
  const survivors = survivorHtml(view, list)
  if (names.length === 0) return survivors ?? html`<span class="verdict good">${t('live.safe')}</span>`
  if (!settled) return html`<span class="verdict">${t('live.working')}</span>`
  return html`<span class="verdict bad">${t('live.unsafe', { apps: list(names), count: names.length })}</span>${survivors}`
}

/** After a partial logout nobody may take it for a whole one: the sentence says that the sign-in goes on. */
function partialVerdict(view: RunView, settled: boolean, list: (all: readonly string[]) => string): Html {
  const { run, context } = view
  const { t } = context
  const names = missingNames(run)
  const wanted = list(namesOnce(wantedDeliveries(run)))
  const survivors = survivorHtml(view, list)
  if (names.length === 0) return html`<span class="verdict good">${t('live.onlyDone', { apps: wanted })}</span>${survivors}`
  if (!settled) return html`<span class="verdict">${t('live.onlyWorking', { apps: wanted })}</span>`
  return html`<span class="verdict bad">${t('live.onlyUnsafe', { apps: list(names) })}</span>${survivors}`
}

/** Picture or first letter of an application; pictures come from us or from a `data:` address only. */
export function badge(name: string, logoUrl: string | undefined): Html {
  const isOwn = logoUrl !== undefined && (logoUrl.startsWith('data:image/') || /^\/(?![/\\])/.test(logoUrl))
  if (isOwn) return html`<img class="badge" src="${logoUrl}" alt="">`
  return html`<span class="badge" aria-hidden="true">${[...name][0]?.toUpperCase() ?? '?'}</span>`
}

/** One line of the list; `state` is the place where the state stands (text, or a slot that later chunks fill). */
export function deliveryLine(view: RunView, delivery: Delivery, state: Html, actions: Html | undefined): Html {
  const peer = view.peer(delivery.peerId)
  const name = delivery.grant === undefined ? delivery.peerName : view.context.t('live.offline', { app: delivery.peerName })
  const host = distinctHost(view, delivery)
  const where = host !== undefined && html`<br><span class="muted">${host}</span>`
  return html`<li>${badge(delivery.peerName, peer?.logoUrl)}<span class="name">${name}${where}</span><span class="state">${state}</span>${actions}</li>`
}

/** The host that tells a line from others of the same name; undefined where the name is enough. */
function distinctHost(view: RunView, { id, peerName, grant, channels }: Delivery): string | undefined {
  const isOther = standingDeliveries(view.run).some((other) => other.id !== id && other.peerName === peerName && other.grant === grant)
  if (!isOther && starterName(view) !== peerName) return undefined
  const host = URL.parse(channels[0]?.url ?? '')?.host
  return host === '' ? undefined : host
}

/** What the application that started the sign-out is called; undefined: none did. */
function starterName(view: RunView): string | undefined {
  const { starter } = view.run
  return starter.kind === 'participant' ? (view.peer(starter.peerId)?.name ?? starter.peerId) : undefined
}

/** The application that started the sign-out stands in the list too: it is not told again. */
export function starterLine(view: RunView): Html | undefined {
  const { starter } = view.run
  const name = starterName(view)
  if (starter.kind !== 'participant' || name === undefined) return undefined
  return html`<li>${badge(name, view.peer(starter.peerId)?.logoUrl)}<span class="name">${name}</span><span class="state"><span class="mark" aria-hidden="true">→</span>${view.context.t('live.starter')}</span></li>`
}

/** What a person can do about a delivery that is not confirmed. */
export function lineActions(view: RunView, delivery: Delivery): Html | undefined {
  const { t } = view.context
  const isOpen = delivery.outcome === undefined && delivery.state !== 'retrying'
  const isFine = countsAsSignedOut(delivery.outcome) || (view.run.isPartial === true && isLeftOut(delivery))
  if (!view.isOwner || isOpen || isFine) return undefined
  const home = view.peer(delivery.peerId)?.homeUrl
  const open =
    home === undefined
      ? undefined
      : html`<a class="button" href="${home}" target="_blank" rel="noopener noreferrer">${t('live.open', { app: delivery.peerName })}</a>`
  const survives = isSurvivor(delivery)
  const host = distinctHost(view, delivery)
  const app = host === undefined ? delivery.peerName : `${delivery.peerName} (${host})`
  const canRetry =
    delivery.outcome !== undefined && delivery.channels.length > 0 && !isOpenedAgain(delivery) && (survives || delivery.outcome.kind !== 'not-asked')
  const label = survives ? t('live.endAccessOf', { app }) : t('live.retryApp', { app })
  const retry = canRetry
    ? html`<form method="post" action="/signoff/${view.run.id}/retry"><input type="hidden" name="csrfToken" value="${view.csrfToken}"><input type="hidden" name="delivery" value="${delivery.id}"><button aria-label="${label}">${survives ? t('live.endAccess') : t('live.retry')}</button></form>`
    : undefined
  return html`<span class="small actions">${retry}${open}</span>`
}

/** The list without slots, for the page that does not change any more. */
export function finalList(view: RunView): Html {
  const lines = standingDeliveries(view.run).map((delivery) =>
    deliveryLine(view, delivery, stateHtml(view.run, delivery, view.context), lineActions(view, delivery))
  )
  return html`<h2>${view.context.t('live.list')}</h2><ul class="list">${starterLine(view)}${lines}</ul>`
}
