import type { PeerId } from '../../core/ids.ts'
import type { Participant } from '../../core/participant.ts'
import type { Session } from '../../core/session.ts'
import { type Html, html, noDefaultButton } from '../pages/html.ts'
import type { PageContext } from '../pages/page.ts'
import type { LinkedAccount } from './deps.ts'

/** One session of the person, as the page lists it. */
export interface ListedSession {
  readonly session: Pick<Session, 'id' | 'createdAtMs' | 'userAgent'>
  /** It is the one of this browser. */
  readonly isThis: boolean
  readonly participants: readonly Pick<Participant, 'peerId' | 'grant'>[]
}

export interface SessionsParts {
  readonly context: PageContext
  readonly sessions: readonly ListedSession[]
  /** Groups did not answer: there may be more sessions. */
  readonly isSomeAway: boolean
  readonly links: readonly LinkedAccount[]
  readonly csrfToken: string
  /** Whoever has a password here is asked for it before anything changes. */
  readonly asksPassword: boolean
  /** Where it is changed; absent: nowhere here. */
  readonly passwordUrl?: string
  /** What came of the last answer. */
  readonly notice?: Html
  readonly nameOf: (peer: PeerId) => string
}

/** Where a person is signed in, and the accounts elsewhere that open this one; each can be ended or taken back. */
export function sessionsBody(parts: SessionsParts): Html {
  const { context, sessions, isSomeAway, passwordUrl } = parts
  const { t } = context
  const more = isSomeAway && html`<p class="muted" role="status">${t('sessions.someAway')}</p>`
  const others = (sessions.length > 1 || isSomeAway) && html`<div class="actions"><button name="end" value="others">${t('sessions.endOthers')}</button></div>`
  const password =
    parts.asksPassword &&
    html`<label for="password">${t('sessions.confirm')}</label><input id="password" name="password" type="password" autocomplete="current-password" required>`
  const change = passwordUrl !== undefined && html`<ul class="links"><li><a href="${passwordUrl}">${t('password.changeTitle')}</a></li></ul>`
  const times = startTimes(context, sessions)
  const lines = sessions.map((one, i) => sessionLine(parts, one, times[i] ?? ''))
  return html`<h1>${t('sessions.title')}</h1>${parts.notice}<p>${t('sessions.text')}</p><form method="post" action="/signoff/sessions"><input type="hidden" name="csrfToken" value="${parts.csrfToken}">${noDefaultButton()}${password}<ul class="list">${lines}</ul>${more}${others}${linkList(parts)}</form>${change}`
}

/** When each began, to the second and with the time zone: a page knows that of the server only. No two are called the same. */
function startTimes({ language }: PageContext, sessions: readonly ListedSession[]): readonly string[] {
  const format = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'long' })
  const seen = new Map<string, number>()
  return sessions.map(({ session }) => {
    const text = format.format(session.createdAtMs)
    const nth = (seen.get(text) ?? 0) + 1
    seen.set(text, nth)
    return nth === 1 ? text : `${text} (${nth})`
  })
}

function sessionLine({ context, nameOf }: SessionsParts, { session, isThis, participants }: ListedSession, when: string): Html {
  const { t, language } = context
  const names = [...new Set(participants.map((p) => (p.grant === undefined ? nameOf(p.peerId) : t('live.offline', { app: nameOf(p.peerId) }))))]
  const apps = names.length === 0 ? t('sessions.noApps') : t('sessions.apps', { apps: new Intl.ListFormat(language).format(names) })
  const device = isThis ? html`<strong>${t('sessions.this')}</strong> · ` : undefined
  return html`<li><span class="name long">${device}${deviceName(session.userAgent) ?? t('sessions.unknownDevice')}<br><span class="muted">${t('sessions.started', { when })}<br>${apps}</span></span><span class="small"><button name="end" value="${session.id}" aria-label="${t('sessions.endThis', { when })}">${t('sessions.end')}</button></span></li>`
}

/** Sign-ins elsewhere that open this account, then accounts at applications; each may be taken back. */
function linkList(parts: SessionsParts): Html {
  const { links, context } = parts
  const of = (wanted: LinkedAccount['role']): readonly Html[] => links.filter(({ role }) => role === wanted).map((link) => linkLine(parts, link))
  const [signIns, accounts] = [of('upstream'), of('application')]
  const { t } = context
  const first = signIns.length > 0 && html`<h2>${t('link.listTitle')}</h2><p>${t('link.listText')}</p><ul class="list">${signIns}</ul>`
  const second = accounts.length > 0 && html`<h2>${t('link.appsTitle')}</h2><p>${t('link.appsText')}</p><ul class="list">${accounts}</ul>`
  return html`${first}${second}`
}

function linkLine({ context: { t, language }, nameOf }: SessionsParts, { id, providerId, providerUser, linkedAtMs }: LinkedAccount): Html {
  const provider = nameOf(providerId)
  const when = new Intl.DateTimeFormat(language, { dateStyle: 'medium' }).format(linkedAtMs)
  const name = t('link.removeThis', { provider, user: providerUser })
  return html`<li><span class="name long">${provider}<br><span class="muted">${t('link.since', { user: providerUser, when })}</span></span><span class="small"><button name="unlink" value="${id}" aria-label="${name}">${t('link.remove')}</button></span></li>`
}

/** A name a person recognises, from a User-Agent: browser and system, never the whole header. */
export function deviceName(userAgent: string | undefined): string | undefined {
  if (userAgent === undefined) return undefined
  const browsers: readonly (readonly [string, string])[] = [
    ['Edg/', 'Edge'],
    ['OPR/', 'Opera'],
    ['Firefox/', 'Firefox'],
    ['Chrome/', 'Chrome'],
    ['Safari/', 'Safari']
  ]
  const systems: readonly (readonly [string, string])[] = [
    ['Android', 'Android'],
    ['iPhone', 'iPhone'],
    ['iPad', 'iPad'],
    ['Windows', 'Windows'],
    ['Mac OS X', 'macOS'],
    ['Linux', 'Linux']
  ]
  const browser = browsers.find(([mark]) => userAgent.includes(mark))?.[1]
  const system = systems.find(([mark]) => userAgent.includes(mark))?.[1]
  return browser === undefined ? system : system === undefined ? browser : `${browser}, ${system}`
}
