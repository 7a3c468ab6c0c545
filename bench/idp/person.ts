import {
  decodePost,
  decodeRedirect,
  encodeRedirect,
  type Response,
  serialiseAuthnRequest,
  serialiseLogoutRequest,
  type Verified,
  verifyLogoutResponse,
  verifyResponse
} from '@curfew/codecs'
import { createIds } from '../../packages/curfew/src/platform/ids.ts'
import { systemRandom } from '../../packages/curfew/src/platform/random.ts'
import { createUserAgent, type UserAgent } from '../oidc/user-agent.ts'
import type { Application, Applications } from './applications.ts'
import type { Provider } from './providers.ts'

const ids = createIds(systemRandom)
const applicationsMax = 200

/** Somebody with a browser at one provider. */
export interface Person {
  readonly provider: Provider
  readonly applications: Applications
  readonly username: string
  readonly agent: UserAgent
}

export function personAt(provider: Provider, applications: Applications, username: string): Person {
  return { provider, applications, username, agent: createUserAgent() }
}

/** From the AuthnRequest of an application to its Response, which is verified; with the form where the provider asks. */
export async function signIn({ provider, applications, username, agent }: Person, application: Application): Promise<Verified<Response>> {
  const { head, tail } = serialiseAuthnRequest({
    ...headOf(application),
    kind: 'AuthnRequest',
    destination: provider.ssoUrl,
    assertionConsumerServiceURL: application.acsUrl,
    forceAuthn: false,
    isPassive: false
  })
  const url = await encodeRedirect(provider.ssoUrl, { parameter: 'SAMLRequest', xml: head + tail }, applications.signing)
  let page = await agent.follow(url, application.acsUrl)
  if (page.body.includes('name="password"')) {
    const action = new URL(unescape(/<form[^>]*action="([^"]*)"/.exec(page.body)?.[1] ?? ''), page.url)
    const fields = { ...hiddenFields(page.body), username, password: provider.password }
    const sent = await agent.post(action.href, fields, { origin: action.origin })
    page = sent.location === '' ? { ...sent, url: page.url } : await agent.follow(new URL(sent.location, action).href, application.acsUrl)
  }
  const response = hiddenFields(page.body)['SAMLResponse']
  if (response === undefined) throw new Error(`${provider.name} answered ${page.status} without a Response: ${titleOf(page.body)}`)
  return verifyResponse(decodePost([['SAMLResponse', response]]), provider.keys)
}

/**
 * A logout that this application starts by Redirect, until it has its LogoutResponse; returns how many other applications
 * the browser was led to, each of which verifies and answers.
 *
 * @throws Error where the provider does not answer, or not with Success
 */
export async function signOut(person: Person, application: Application, response: Verified<Response>): Promise<number> {
  const { provider, applications, agent } = person
  const { assertion } = response
  if (assertion?.subject.nameId === undefined) throw new Error(`${provider.name} named nobody`)
  const { head, tail } = serialiseLogoutRequest({
    ...headOf(application),
    kind: 'LogoutRequest',
    destination: provider.sloUrl,
    subject: assertion.subject.nameId,
    sessionIndexes: [assertion.authnStatement?.sessionIndex ?? ''],
    asynchronous: false
  })
  let url = await encodeRedirect(provider.sloUrl, { parameter: 'SAMLRequest', xml: head + tail }, applications.signing)
  const origin = new URL(application.sloUrl).origin
  for (let led = 0; led <= applicationsMax; ) {
    const page = await agent.follow(url, origin)
    const { location } = page
    const query = location.slice(location.indexOf('?') + 1)
    if (location.startsWith(application.sloUrl) && query.includes('SAMLResponse=')) {
      const answer = verifyLogoutResponse(decodeRedirect(query), provider.keys)
      const codes = [answer.status.code, ...answer.status.subcodes]
      if (codes.length > 1 || !codes[0]?.endsWith(':Success')) throw new Error(`${provider.name} answered ${codes.join(' > ')}`)
      return led
    }
    if (location === '') url = onwardOf(provider, page)
    else {
      url = await applications.answer(query, provider.keys, provider.sloUrl)
      led += 1
    }
  }
  throw new Error(`${provider.name} led the browser to more than ${applicationsMax} applications`)
}

/** Where a page sends the browser by itself: at once, whatever it says about seconds. */
function onwardOf({ name }: Provider, { url, status, body }: { readonly url: string; readonly status: number; readonly body: string }): string {
  const onward = /<meta http-equiv="refresh" content="\d+;url=([^"]+)">/.exec(body)?.[1]
  if (onward === undefined) throw new Error(`${name} answered ${status} with a page that leads nowhere: ${titleOf(body)}`)
  return new URL(unescape(onward), url).href
}

function titleOf(page: string): string {
  return /<title>([^<]*)/.exec(page)?.[1]?.trim() ?? page.slice(0, 200)
}

function hiddenFields(page: string): Record<string, string> {
  const inputs = [...page.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => input)
  const of = (input: string, name: string): string => unescape(new RegExp(`${name}="([^"]*)"`).exec(input)?.[1] ?? '')
  return Object.fromEntries(inputs.map((input) => [of(input, 'name'), of(input, 'value')]))
}

function unescape(value: string): string {
  return value.replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&')
}

function headOf({ entityId }: Application): { readonly id: string; readonly issuer: string; readonly issueInstant: Temporal.Instant } {
  return { id: ids.message(), issuer: entityId, issueInstant: Temporal.Now.instant() }
}
