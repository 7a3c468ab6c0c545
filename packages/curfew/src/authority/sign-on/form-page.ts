import { type Html, html } from '../pages/html.ts'
import type { Translate } from '../pages/messages.ts'
import { badge } from '../sign-off/run-view.ts'
import { type OfferedProvider, type ProviderChoice, queryCharactersMax } from './provider-choice.ts'

export interface FormParts {
  readonly t: Translate
  /** People may sign in here with a password. */
  readonly hasPassword: boolean
  readonly providers: ProviderChoice
  /** Resume path of the transaction. */
  readonly action: string
  readonly csrfToken: string
  readonly appName?: string
  readonly username?: string
  /** What is asked about the device: nothing, whether to stay signed in, or whose it is. */
  readonly deviceQuestion: 'none' | 'persistent' | 'device'
  /** The user has a session and must prove again who it is. */
  readonly isRepeat: boolean
  /** Where a password is changed or reset; absent: nowhere here. */
  readonly passwordLinks?: { readonly change: string; readonly reset: string }
  readonly problem?: string
}

/** The sign-in form, and the identity providers beside it. The user name stays filled in after a mistake, the password never. */
export function formBody(parts: FormParts): Html {
  const { t } = parts
  const purpose = parts.appName === undefined ? undefined : html` <span class="muted">${t('signon.for', { app: parts.appName })}</span>`
  const problem = parts.problem === undefined ? undefined : html`<p class="bad" role="alert" id="problem">${parts.problem}</p>`
  return html`<h1>${t('signon.title')}${purpose}</h1>${parts.isRepeat && html`<p>${t('signon.again')}</p>`}${problem}${parts.hasPassword ? passwordForm(parts) : undefined}${providerList(parts)}`
}

function passwordForm(parts: FormParts): Html {
  const { t } = parts
  const invalid = parts.problem === undefined ? html`` : html` aria-invalid="true" aria-describedby="problem"`
  const device = deviceBox(parts)
  const { passwordLinks } = parts
  const links =
    passwordLinks &&
    html`<ul class="links"><li><a href="${passwordLinks.change}">${t('password.changeTitle')}</a></li><li><a href="${passwordLinks.reset}">${t('password.haveCode')}</a></li></ul>`
  return html`<form method="post" action="${parts.action}"><input type="hidden" name="csrfToken" value="${parts.csrfToken}"><label for="username">${t('signon.username')}</label><input type="text" id="username" name="username" value="${parts.username}" autocomplete="username" autocapitalize="none" spellcheck="false" required${invalid}><label for="password">${t('signon.password')}</label><input type="password" id="password" name="password" autocomplete="current-password" required${invalid}>${device}<div class="actions"><button class="primary">${t('signon.submit')}</button></div></form>${links}`
}

function deviceBox({ t, deviceQuestion }: FormParts): Html | undefined {
  switch (deviceQuestion) {
    case 'none':
      return undefined
    case 'persistent':
      return html`<label class="check"><input type="checkbox" name="persistent" value="yes">${t('signon.persistent')}</label>`
    case 'device':
      return html`<label class="check"><input type="checkbox" name="device" value="private" aria-describedby="device">${t('signon.device')}</label><p class="muted" id="device">${t('signon.deviceHint')}</p>`
  }
}

/** A plain list of links and a plain form: choosing and searching work without JavaScript. */
function providerList(parts: FormParts): Html | undefined {
  const { t, providers, hasPassword } = parts
  const { remembered, shown, more, isSearchable, query } = providers
  if (remembered === undefined && shown.length === 0 && !isSearchable) return undefined
  const title = html`<h2>${t(hasPassword ? 'signon.providersOr' : 'signon.providers')}</h2>`
  const again =
    remembered === undefined ? undefined : html`<p class="muted">${t('signon.remembered')}</p><ul class="list">${providerLine(parts, remembered, true)}</ul>`
  const nothing = shown.length === 0 && query !== '' ? html`<p role="status">${t('signon.noProvider', { query })}</p>` : undefined
  const rest = more === 0 ? undefined : html`<p class="muted">${t('signon.moreProviders', { count: more })}</p>`
  return html`${title}${again}${isSearchable ? searchForm(parts) : undefined}${nothing}<ul class="list">${shown.map((one) => providerLine(parts, one, false))}</ul>${rest}`
}

function providerLine({ t, action }: FormParts, { id, name, logoUrl }: OfferedProvider, isFirst: boolean): Html {
  return html`<li>${badge(name, logoUrl)}<a class="button${isFirst ? ' primary' : ''}" href="${action}?identityProvider=${encodeURIComponent(id)}">${t('signon.provider', { provider: name })}</a></li>`
}

function searchForm({ t, action, providers: { query } }: FormParts): Html {
  return html`<form role="search" method="get" action="${action}"><label for="q">${t('signon.search')}</label><input type="text" id="q" name="q" value="${query}" maxlength="${queryCharactersMax}" autocomplete="off"><div class="actions"><button>${t('signon.searchSubmit')}</button></div></form>`
}
