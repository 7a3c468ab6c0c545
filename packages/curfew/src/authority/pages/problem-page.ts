import type { FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { html } from './html.ts'
import type { MessageKey } from './messages.ts'
import { pageHeaders, renderPage } from './page.ts'

/** The page for whatever went wrong: what a person can do, and a reference for whoever helps. */
export function problemPage(
  ctx: Pick<AuthorityContext, 'pageContext'>,
  request: FastifyRequest,
  code: string,
  text: MessageKey = 'error.text'
): { readonly html: string; readonly headers: Readonly<Record<string, string>> } {
  const context = ctx.pageContext(request)
  const { t } = context
  const body = html`<h1>${t('error.title')}</h1><p role="alert">${t(text)}</p><p>${t('error.what')}</p><p class="muted">${t('error.reference', { reference: `${request.id} ${code}` })}</p><p class="actions"><a class="button" href="/">${t('error.home')}</a></p>`
  return { html: renderPage(context, { title: t('error.title'), body }).toString(), headers: pageHeaders(context.nonce) }
}
