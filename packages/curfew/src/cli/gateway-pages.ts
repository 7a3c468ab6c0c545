import type { IncomingMessage } from 'node:http'
import { type Html, html } from '../authority/pages/html.ts'
import type { MessageKey, Translate } from '../authority/pages/messages.ts'
import { type PageContext, pageHeaders, renderPage } from '../authority/pages/page.ts'
import type { Config } from '../config/schema.ts'
import type { GatewayPage, GatewayPages } from '../gateway/context.ts'
import type { Random } from '../platform/random.ts'
import { createPageContext, loadBrand } from './pages-setup.ts'

/** Sentences for people, by code; every other code shares the general one. */
export const gatewayTexts: Readonly<Record<string, MessageKey>> = {
  CURFEW_API_NOT_FOUND: 'error.notFound',
  CURFEW_API_TOO_LARGE: 'error.tooLarge',
  CURFEW_GATEWAY_ADDRESS_LOST: 'gateway.addressLost',
  CURFEW_GATEWAY_APPLICATION_TIMEOUT: 'gateway.applicationDown',
  CURFEW_GATEWAY_APPLICATION_UNREACHABLE: 'gateway.applicationDown',
  CURFEW_GATEWAY_COOKIE_AMBIGUOUS: 'gateway.cookieTwice',
  CURFEW_GATEWAY_ENDINGS_UNSHARED: 'gateway.unshared',
  CURFEW_GATEWAY_FORM_LOST: 'gateway.formLost',
  CURFEW_GATEWAY_HOST_UNKNOWN: 'error.notFound',
  CURFEW_GATEWAY_PROVIDER: 'gateway.providerDown',
  CURFEW_GATEWAY_SESSION_UNCHECKED: 'gateway.unchecked',
  CURFEW_OIDC_STATE: 'error.stateNotFound'
}

/** The pages of a gateway look and speak like those of the authority. */
export function createGatewayPages(brand: Config['brand'], random: Random): GatewayPages {
  const contextOf = createPageContext(loadBrand(brand), random)
  const pageOf = (request: IncomingMessage, make: (context: PageContext) => { readonly title: string; readonly body: Html }): GatewayPage => {
    const { headers, method = 'GET', url = '/' } = request
    // Language links would ask for the same thing once more.
    const { path: _path, ...context } = contextOf({ headers, method, url, query: {} })
    return { html: renderPage(context, make(context)).toString(), headers: pageHeaders(context.nonce) }
  }
  return {
    loggedOut: (request, { isProviderAway }) =>
      pageOf(request, ({ t }) => ({ title: t('gateway.loggedOutTitle'), body: loggedOutBody(t, request.headers.host ?? '', isProviderAway) })),
    problem: (request, { code, reference, home }) =>
      pageOf(request, ({ t }) => ({
        title: t('error.title'),
        body: gatewayProblemBody(t, gatewayTexts[code] ?? 'error.text', { reference: `${reference} ${code}`, home })
      }))
  }
}

/** The session at one host is over; what became of the others is not known here. */
export function loggedOutBody(t: Translate, host: string, isProviderAway: boolean): Html {
  return html`<h1>${t('gateway.loggedOutTitle')}</h1><p>${t('gateway.loggedOutText', { host })}</p>${isProviderAway ? html`<p role="alert">${t('gateway.providerKeeps')}</p>` : undefined}<p class="actions"><a class="button" href="/">${t('error.home')}</a></p>`
}

/** `reference`: where the log says more, and the code. `home`: where the start page is. */
export function gatewayProblemBody(t: Translate, text: MessageKey, { reference, home }: { readonly reference: string; readonly home: string }): Html {
  return html`<h1>${t('error.title')}</h1><p role="alert">${t(text)}</p><p class="muted">${t('error.reference', { reference })}</p><p class="actions"><a class="button" href="${home}">${t('error.home')}</a></p>`
}
