import { type Html, html } from '../pages/html.ts'
import type { PageContext } from '../pages/page.ts'
import { badge } from './run-view.ts'

export interface AskParts {
  readonly context: PageContext
  readonly username: string
  /** Names of the applications of this session. */
  readonly apps: readonly string[]
  readonly csrfToken: string
  /** Where the form goes; the sign-off page by default. */
  readonly action?: string
  /** Fields that the form carries along, such as a landing page. */
  readonly fields?: Readonly<Record<string, string>>
}

/** Asks before anything ends: who, which applications, sign out or stay. */
export function askBody(parts: AskParts): Html {
  const { t } = parts.context
  const names = { user: parts.username }
  const apps = parts.apps.map((name) => html`<li>${badge(name, undefined)}<span class="name">${name}</span></li>`)
  const hidden = Object.entries(parts.fields ?? {}).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)
  return html`<h1>${t('ask.title')}</h1><p>${parts.apps.length === 0 ? t('ask.textNone', names) : t('ask.text', names)}</p>${apps.length > 0 && html`<ul class="list">${apps}</ul>`}<form method="post" action="${parts.action ?? '/signoff'}"><input type="hidden" name="csrfToken" value="${parts.csrfToken}">${hidden}<div class="actions"><button class="primary" name="choice" value="everywhere">${t('ask.everywhere')}</button><button name="choice" value="stay">${t('ask.stay')}</button></div></form>`
}
