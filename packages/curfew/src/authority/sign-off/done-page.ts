import { type Html, html } from '../pages/html.ts'
import type { Translate } from '../pages/messages.ts'

/** @param isKnown - this browser had a session that ended; of any other nobody can say that it was signed out */
export function doneTitle(t: Translate, isKnown: boolean): string {
  return isKnown ? t('done.title') : t('done.nothing')
}

/** The end of a sign-out of which there is no run to show. */
export function doneBody(t: Translate, organisation: string, isKnown: boolean): Html {
  const text = isKnown && html`<p>${t('done.text', { organisation })}</p>`
  return html`<h1>${doneTitle(t, isKnown)}</h1>${text}<p class="actions"><a class="button" href="/">${t('error.home')}</a></p>`
}
