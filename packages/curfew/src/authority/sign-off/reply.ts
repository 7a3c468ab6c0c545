import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Csrf } from '../pages/csrf.ts'
import type { Html } from '../pages/html.ts'
import { type PageContext, pageHeaders, renderPage } from '../pages/page.ts'

/** The fields of a form as single strings; a repeated or structured field is dropped. */
export function formOf(request: FastifyRequest): Readonly<Record<string, string | undefined>> {
  const body = request.body
  if (typeof body !== 'object' || body === null) return {}
  return Object.fromEntries(Object.entries(body).filter((entry): entry is [string, string] => typeof entry[1] === 'string'))
}

/** @throws CURFEW_SESSION_FORM_FOREIGN when the form was not made for this browser */
export function requireCsrf(csrf: Csrf, binding: string, form: Readonly<Record<string, string | undefined>>): void {
  if (!csrf.check(binding, form['csrfToken'])) throw new CurfewError('CURFEW_SESSION_FORM_FOREIGN', {})
}

/** Sends one whole page with its headers. */
export function sendPage(reply: FastifyReply, context: PageContext, title: string, body: Html, head?: Html): FastifyReply {
  const page = renderPage(context, { title, body, ...(head === undefined ? {} : { head }) })
  return reply.headers(pageHeaders(context.nonce)).send(page.toString())
}
