import type { CurfewError } from '@curfew/codecs'
import type { FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { type Html, html } from './html.ts'
import type { MessageKey, Translate } from './messages.ts'
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
  const body = problemBody(t, text, `${request.id} ${code}`)
  return { html: renderPage(context, { title: t('error.title'), body }).toString(), headers: pageHeaders(context.nonce) }
}

/** @param reference - where the log says more, and the code */
export function problemBody(t: Translate, text: MessageKey, reference: string): Html {
  return html`<h1>${t('error.title')}</h1><p role="alert">${t(text)}</p><p>${t('error.what')}</p><p class="muted">${t('error.reference', { reference })}</p><p class="actions"><a class="button" href="/">${t('error.home')}</a></p>`
}

/** Sentences for people, by code; every other code shares the general one. */
export const problemTexts: Readonly<Record<string, MessageKey>> = {
  CURFEW_SESSION_STATE_NOT_FOUND: 'error.stateNotFound',
  CURFEW_SESSION_COOKIE_AMBIGUOUS: 'gateway.cookieTwice',
  CURFEW_SESSION_FORM_FOREIGN: 'error.stateNotFound',
  CURFEW_SESSION_CAPACITY: 'error.capacity',
  CURFEW_SESSION_SOME_ENDED: 'error.someEnded',
  CURFEW_API_NOT_FOUND: 'error.notFound',
  CURFEW_RUN_UNKNOWN: 'error.stateNotFound',
  CURFEW_API_TOO_LARGE: 'error.tooLarge',
  CURFEW_STORE_BUSY: 'error.notStored',
  CURFEW_STORE_DISK_FULL: 'error.noRoom',
  CURFEW_STORE_FAILED: 'error.notStored',
  CURFEW_STORE_MEMORY_FULL: 'error.noRoom',
  CURFEW_STORE_NOT_REPLICATED: 'error.unsure',
  CURFEW_STORE_OVERLOADED: 'error.notStored',
  CURFEW_STORE_READ_ONLY: 'error.notStored',
  CURFEW_STORE_UNCONFIRMED: 'error.unsure',
  CURFEW_STORE_UNREACHABLE: 'error.unsure',
  CURFEW_USERS_UNAVAILABLE: 'signon.unavailable',
  CURFEW_USERS_UNWRITABLE: 'error.passwordNotStored',
  CURFEW_LINK_ACCOUNT: 'error.linkAccount',
  CURFEW_LINK_REQUIRED: 'error.linkRequired',
  CURFEW_LINK_TAKEN: 'error.linkTaken'
}

/** The same for a step of a run: what it signs out of has ended before, whatever the store says now. */
export const runProblemTexts: Readonly<Record<string, MessageKey>> = {
  CURFEW_STORE_BUSY: 'error.runNotStored',
  CURFEW_STORE_DISK_FULL: 'error.runNoRoom',
  CURFEW_STORE_FAILED: 'error.runNotStored',
  CURFEW_STORE_MEMORY_FULL: 'error.runNoRoom',
  CURFEW_STORE_NOT_REPLICATED: 'error.runNotStored',
  CURFEW_STORE_OVERLOADED: 'error.runNotStored',
  CURFEW_STORE_READ_ONLY: 'error.runNotStored',
  CURFEW_STORE_UNCONFIRMED: 'error.runNotStored',
  CURFEW_STORE_UNREACHABLE: 'error.runNotStored'
}

/** The sentence for an error; undefined: the general one. An error says by `run` that it is about a step of one that is known to be there. */
export function problemText({ code, context }: CurfewError): MessageKey | undefined {
  return (context['run'] === undefined ? undefined : runProblemTexts[code]) ?? problemTexts[code]
}
