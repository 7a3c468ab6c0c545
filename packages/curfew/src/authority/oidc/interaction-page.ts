import { type Html, html } from '../pages/html.ts'
import type { Translate } from '../pages/messages.ts'

interface InteractionParts {
  readonly t: Translate
  /** Name of the application that waits. */
  readonly app: string
  readonly action: string
  readonly csrfToken: string
}

/** `prompt=select_account`: the person goes on as whoever is signed in here, or signs in as somebody else. */
export function accountBody({ t, app, user, action, csrfToken }: InteractionParts & { readonly user: string }): Html {
  return html`<h1>${t('account.title', { user })}</h1><p>${t('account.text', { app })}</p><form method="post" action="${action}"><input type="hidden" name="csrfToken" value="${csrfToken}"><div class="actions"><button class="primary" name="choice" value="continue">${t('account.continue', { user })}</button><button name="choice" value="other">${t('account.other')}</button></div></form>`
}

export interface ConsentParts extends InteractionParts {
  /** What the application asks to know. */
  readonly asked: { readonly scopes: readonly string[]; readonly claims: readonly string[] }
}

/** What an application asks for about the person, and the two answers. */
export function consentBody({ t, app, asked: { scopes, claims }, action, csrfToken }: ConsentParts): Html {
  const named = [...scopes.filter((scope) => scope !== 'openid'), ...claims].map((one) => textOf(one, t))
  const lines = (named.length === 0 ? [t('consent.openid')] : named).map((text) => html`<li><span class="name">${text}</span></li>`)
  return html`<h1>${t('consent.title', { app })}</h1><p>${t('consent.text', { app })}</p><ul class="list">${lines}</ul><form method="post" action="${action}"><input type="hidden" name="csrfToken" value="${csrfToken}"><div class="actions"><button class="primary" name="choice" value="allow">${t('consent.allow')}</button><button name="choice" value="deny">${t('consent.deny')}</button></div></form>`
}

/** A scope or claim as people know it. */
function textOf(asked: string, t: Translate): string {
  if (asked === 'profile') return t('consent.profile')
  if (asked === 'email') return t('consent.email')
  return asked === 'offline_access' ? t('consent.offline') : asked
}
