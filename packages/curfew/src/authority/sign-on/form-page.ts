import { type Html, html } from '../pages/html.ts'
import type { Translate } from '../pages/messages.ts'
import { badge } from '../sign-off/run-view.ts'

export interface FormParts {
  readonly t: Translate
  /** People may sign in here with a password. */
  readonly hasPassword: boolean
  readonly providers: readonly { readonly id: string; readonly name: string; readonly logoUrl?: string }[]
  /** Resume path of the transaction. */
  readonly action: string
  readonly csrfToken: string
  readonly appName?: string
  readonly username?: string
  readonly offersPersistent: boolean
  /** The user has a session and must prove again who it is. */
  readonly isRepeat: boolean
  readonly problem?: Html
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
  const persistent = parts.offersPersistent && html`<label class="check"><input type="checkbox" name="persistent" value="yes">${t('signon.persistent')}</label>`
  return html`<form method="post" action="${parts.action}"><input type="hidden" name="csrfToken" value="${parts.csrfToken}"><label for="username">${t('signon.username')}</label><input type="text" id="username" name="username" value="${parts.username}" autocomplete="username" autocapitalize="none" spellcheck="false" required${invalid}><label for="password">${t('signon.password')}</label><input type="password" id="password" name="password" autocomplete="current-password" required${invalid}>${persistent}<div class="actions"><button class="primary">${t('signon.submit')}</button></div></form>`
}

function providerList({ t, providers, action, hasPassword }: FormParts): Html | undefined {
  if (providers.length === 0) return undefined
  const lines = providers.map(
    ({ id, name, logoUrl }) =>
      html`<li>${badge(name, logoUrl)}<a class="button" href="${action}?identityProvider=${encodeURIComponent(id)}">${t('signon.provider', { provider: name })}</a></li>`
  )
  return html`<h2>${t(hasPassword ? 'signon.providersOr' : 'signon.providers')}</h2><ul class="list">${lines}</ul>`
}
