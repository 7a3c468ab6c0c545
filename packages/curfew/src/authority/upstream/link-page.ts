import { type Html, html } from '../pages/html.ts'
import type { Translate } from '../pages/messages.ts'

export interface LinkParts {
  readonly t: Translate
  /** One-time path of this question. */
  readonly action: string
  readonly csrfToken: string
  /** Name of the identity provider, and what it calls the person. */
  readonly provider: string
  readonly providerUser: string
  /** The person may go on without. */
  readonly mayDecline: boolean
  readonly username?: string
  readonly problem?: string
}

/** Asks for the account here that belongs to somebody from an identity provider. The password is never filled in again. */
export function linkBody(parts: LinkParts): Html {
  const { t, provider, providerUser, action, csrfToken } = parts
  const problem = parts.problem === undefined ? undefined : html`<p class="bad" role="alert" id="problem">${parts.problem}</p>`
  const invalid = parts.problem === undefined ? html`` : html` aria-invalid="true" aria-describedby="problem"`
  const hidden = html`<input type="hidden" name="csrfToken" value="${csrfToken}">`
  const decline =
    parts.mayDecline &&
    html`<form method="post" action="${action}">${hidden}<input type="hidden" name="choice" value="decline"><p class="muted">${t('link.declineHint')}</p><div class="actions"><button>${t('link.decline')}</button></div></form>`
  return html`<h1>${t('link.title')}</h1><p>${t('link.signedIn', { provider, user: providerUser })}</p><p>${t('link.text', { provider })}</p><p class="muted">${t('link.warning', { user: providerUser })}</p>${problem}<form method="post" action="${action}">${hidden}<input type="hidden" name="choice" value="link"><label for="username">${t('signon.username')}</label><input type="text" id="username" name="username" value="${parts.username}" autocomplete="username" autocapitalize="none" spellcheck="false" required${invalid}><label for="password">${t('signon.password')}</label><input type="password" id="password" name="password" autocomplete="current-password" required${invalid}><div class="actions"><button class="primary">${t('link.submit')}</button></div></form>${decline}`
}
