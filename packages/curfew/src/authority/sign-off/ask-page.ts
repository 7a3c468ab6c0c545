import type { PeerId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Peer } from '../../core/peer.ts'
import { type Html, html, noDefaultButton } from '../pages/html.ts'
import type { Translate } from '../pages/messages.ts'
import type { PageContext } from '../pages/page.ts'
import { badge } from './run-view.ts'

export interface AskedApp {
  readonly id: string
  readonly name: string
  readonly logoUrl?: string
  /** It can be told by itself, the session goes on. */
  readonly canLeave: boolean
}

/** What the page says of the participants of a session, each partner once. */
export function askedApps(participants: readonly Participant[], peer: (id: PeerId) => Peer | undefined): readonly AskedApp[] {
  return [...new Set(participants.map(({ peerId }) => peerId))].map((id) => {
    const known = peer(id)
    const logo = known?.logoUrl === undefined ? {} : { logoUrl: known.logoUrl }
    const canLeave = known?.role === 'application' && known.mayBeAsked && known.channels.length > 0
    return { id, name: known?.name ?? id, ...logo, canLeave }
  })
}

/** Applications with an offline grant in this session that no setting ends. */
export function survivingApps(participants: readonly Participant[], peer: (id: PeerId) => Peer | undefined): readonly string[] {
  const grants = participants.filter(({ grant, peerId }) => grant === 'offline' && peer(peerId)?.endsOfflineGrants !== true)
  return [...new Set(grants.map(({ peerId }) => peer(peerId)?.name ?? peerId))]
}

/** The field of the form by which offline grants end, too. */
const endOfflineField = 'endOffline'

/** What an answer to the page says of offline grants, for the ending. */
export function offlineChoice(form: Readonly<Record<string, string | undefined>>): { readonly endOfflineGrants?: true } {
  return form[endOfflineField] === 'yes' ? { endOfflineGrants: true } : {}
}

/** Value of the button that signs out of one application only. */
export const onlyChoice = 'only:'

export interface AskParts {
  readonly context: PageContext
  /** Absent: `text` stands for who it is. */
  readonly username?: string
  readonly text?: string
  /** The applications and identity providers of this session. */
  readonly apps: readonly AskedApp[]
  /** Names of applications that would keep access by an offline grant; the person may end that, too. */
  readonly survivors?: readonly string[]
  /** Of `LogoutAnswers`. */
  readonly csrfToken: string
  /** The last answer did not count: it had been given before, or came too late. */
  readonly isAgain?: boolean
  /** Where the form goes; the sign-off page by default. */
  readonly action?: string
  /** Fields that the form carries along, such as a landing page. */
  readonly fields?: Readonly<Record<string, string>>
}

/** Asks before anything ends: who, which applications, sign out or stay. */
export function askBody(parts: AskParts): Html {
  const { t, language } = parts.context
  const names = { user: parts.username ?? '' }
  const text = parts.text ?? (parts.apps.length === 0 ? t('ask.textNone', names) : t('ask.text', names))
  const apps = parts.apps.map(
    ({ id, name, logoUrl, canLeave }) =>
      html`<li>${badge(name, logoUrl)}<span class="name">${name}</span>${canLeave && html`<span class="small"><button form="ask" formaction="/signoff" name="choice" value="${onlyChoice}${id}">${t('ask.only', { app: name })}</button></span>`}</li>`
  )
  const survivors = parts.survivors ?? []
  const ends =
    survivors.length > 0 &&
    html`<label class="check"><input type="checkbox" name="${endOfflineField}" value="yes">${t('ask.endOffline', { apps: new Intl.ListFormat(language).format(survivors), count: survivors.length })}</label>`
  const hidden = Object.entries(parts.fields ?? {}).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)
  const notice = parts.isAgain === true && html`<p role="alert">${t('ask.again')}</p>`
  return html`<h1>${t('ask.title')}</h1>${notice}<p>${text}</p>${noDefaultButton('ask')}${apps.length > 0 && html`<ul class="list">${apps}</ul>`}<form id="ask" method="post" action="${parts.action ?? '/signoff'}"><input type="hidden" name="csrfToken" value="${parts.csrfToken}">${hidden}${ends}<div class="actions"><button class="primary" name="choice" value="everywhere">${t('ask.everywhere')}</button><button name="choice" value="stay">${t('ask.stay')}</button></div></form>`
}

/** Nothing ended; the session goes on. */
export function cancelledBody(t: Translate): Html {
  return html`<h1>${t('ask.cancelled')}</h1><p class="actions"><a class="button" href="/">${t('error.home')}</a></p>`
}
