import { type Html, html, trusted } from './html.ts'
import { type ComeBack, goAfter } from './come-back.ts'
import { type PageContext, renderPage } from './page.ts'

/**
 * The page that carries a message by HTTP POST: submits itself, and has a button for a browser without JavaScript.
 * Send it with `pageHeaders(nonce, { formsLeave: true })`.
 * @param comesBack - where the browser goes on when the other side does not answer
 * @see saml-bindings-2.0-os section 3.5.4
 */
export function autoPostPage(context: PageContext, url: string, fields: Readonly<Record<string, string>>, comesBack?: ComeBack): Html {
  const { t, nonce } = context
  const inputs = Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)
  const lines = ["document.getElementById('post').submit()", ...(comesBack === undefined ? [] : [goAfter(comesBack)])]
  return renderPage(context, {
    title: t('post.title'),
    body: html`<h1>${t('post.title')}</h1><p>${t('post.text')}</p><form id="post" method="post" action="${url}">${inputs}<div class="actions"><button class="primary">${t('post.continue')}</button></div></form><script nonce="${nonce}">${trusted(lines.join('\n'))}</script>`
  })
}
