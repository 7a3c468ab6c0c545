import { type Html, html } from '../pages/html.ts'
import type { Translate } from '../pages/messages.ts'
import { badge } from '../sign-off/run-view.ts'

export interface HomeApp {
  readonly name: string
  readonly logoUrl: string | undefined
  /** Starts single sign-on to it. */
  readonly href: string
  /** It takes part in this session. */
  readonly isUsed: boolean
}

/** Who is signed in, what can be opened, and the way out. */
export function homeBody(t: Translate, username: string, apps: readonly HomeApp[]): Html {
  const lines = apps.map(
    (app) =>
      html`<li>${badge(app.name, app.logoUrl)}<span class="name">${app.name}</span>${app.isUsed && html`<span class="good"><span aria-hidden="true">✓ </span>${t('home.used')}</span>`}<span class="small"><a class="button" href="${app.href}">${t('home.open', { app: app.name })}</a></span></li>`
  )
  const list = apps.length === 0 ? html`<p class="muted">${t('home.empty')}</p>` : html`<ul class="list">${lines}</ul>`
  return html`<h1>${t('home.title')}</h1><p>${t('home.signedInAs', { user: username })}</p>${list}<div class="actions"><a class="button primary" href="/signoff">${t('home.signOut')}</a><a class="button" href="/signoff/sessions">${t('home.sessions')}</a></div>`
}
