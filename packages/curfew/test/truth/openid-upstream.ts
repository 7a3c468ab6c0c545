import assert from 'node:assert/strict'
import type { OpenIdUpstreamSettings } from '../../src/authority/oidc-rp/settings.ts'
import type { Clock } from '../../src/platform/clock.ts'
import { createOpenIdProvider } from '../authority/oidc-rp/open-id-provider.ts'
import type { Kit } from '../authority/kit.ts'
import { authorityUrl } from '../authority/partner.ts'
import type { OutboundRequest, OutboundResponse } from '../../src/platform/outbound.ts'
import type { Behaviour } from './behaviour.ts'
import { createJournal, type KeptSession } from './journal.ts'
import { beSlow } from './slowness.ts'
import type { Upstream } from './upstream.ts'
import { elsewhereOf, formTo, hostOf, page, sendTo, type WebAnswer } from './web.ts'

/** An OpenID provider upstream with an end-session address; by back channel it says what became of its session. */
export interface OpenIdUpstream extends Upstream {
  readonly settings: OpenIdUpstreamSettings
  /** Its server, as the authority asks it. */
  serve(request: OutboundRequest): Promise<Partial<OutboundResponse> | undefined>
  /** Ends a session there and tells the authority by back channel. */
  tell(user: string): Promise<void>
}

export interface OpenIdUpstreamParts {
  readonly id: string
  /** Absent: behind the door of everybody. */
  readonly port?: number | undefined
  readonly clock: Clock
  /** It sends a logout token, too, when the browser comes to its end-session address. */
  readonly confirms: boolean
  readonly behaviour?: Behaviour
  kit(): Kit
}

export function createOpenIdUpstream({ id, port, clock, confirms, behaviour = 'well', kit }: OpenIdUpstreamParts): OpenIdUpstream {
  const host = hostOf(`${id}.test`, port)
  const issuer = `http://${host}`
  const journal = createJournal()
  const provider = createOpenIdProvider(id, { issuer }, () => clock.nowMs())
  const impostor = createOpenIdProvider(id, { issuer }, () => clock.nowMs())
  let next = ''

  async function sendToken(session: KeptSession): Promise<void> {
    const sid = behaviour === 'wrong InResponseTo' ? 'of-somebody-else' : session.index
    const signer = behaviour === 'wrong signature' ? impostor : provider
    const payload = new URLSearchParams({ logout_token: await signer.logoutToken({ sub: session.user, sid }) }).toString()
    const url = `/sp/${id}/backchannel-logout.openid`
    await kit().app.inject({ method: 'POST', url, headers: { 'content-type': 'application/x-www-form-urlencoded' }, payload })
  }

  async function endSession(parameters: URLSearchParams): Promise<WebAnswer> {
    if (behaviour === 'hangs') return new Promise(() => undefined)
    if (behaviour === 'answers 500') return { ...page('It broke'), status: 500 }
    if (behaviour === 'redirects elsewhere') return sendTo(elsewhereOf(port))
    if (behaviour === 'too slow' && parameters.has('id_token_hint')) await beSlow(clock)
    const [, claims = ''] = (parameters.get('id_token_hint') ?? '').split('.')
    const { sid } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as { readonly sid?: string }
    const session = journal.byIndex(sid ?? '') ?? assert.fail('an ID token of nobody')
    session.heard.push('end-session')
    if (behaviour !== 'wrong status') {
      session.isLive = false
      if (confirms) await sendToken(session)
      if (confirms && behaviour === 'answers twice') await sendToken(session)
    }
    if (behaviour === 'never returns the browser') return page('This is where it ends')
    return goBack(parameters)
  }

  /** Where it sends no logout token the return is its answer, and `state` what that refers to. */
  async function goBack(parameters: URLSearchParams): Promise<WebAnswer> {
    const address = parameters.get('post_logout_redirect_uri') ?? ''
    const state = !confirms && behaviour === 'wrong InResponseTo' ? '_somebody-elses-request' : (parameters.get('state') ?? '')
    const url = `${address}?state=${encodeURIComponent(state)}`
    // It opens the address itself before it gives it to the browser.
    if (!confirms && behaviour === 'answers twice') await kit().app.inject(url.slice(authorityUrl.length))
    return !confirms && behaviour === 'answers over another binding' ? formTo(address, { state }) : sendTo(url)
  }

  return {
    id,
    host,
    isDown: behaviour === 'down',
    journal,
    settings: provider.settings,
    entry: `${authorityUrl}/sp/startSSO.ping?PartnerIdpId=${encodeURIComponent(issuer)}`,
    signsIn: (user) => void (next = user),
    serve: (request) => provider.answer(request),
    async tell(user) {
      const session = journal.ofUser(user) ?? assert.fail(user)
      session.isLive = false
      await sendToken(session)
    },
    async handle({ url }) {
      switch (url.pathname) {
        case '/authorize': {
          const session = journal.open(next, `sid-of-${next}`)
          return sendTo(await provider.grant(url.href, { sub: session.user, sid: session.index }))
        }
        case '/logout':
          return endSession(url.searchParams)
        // The page on which it has signed somebody out, with a frame for everybody who was signed in by it.
        case '/out': {
          const session = journal.ofUser(url.searchParams.get('user') ?? '') ?? assert.fail('nobody of that name')
          session.isLive = false
          const query = new URLSearchParams({ iss: issuer, sid: session.index })
          const frame = `<iframe src="${authorityUrl}/sp/${id}/frontchannel-logout.openid?${query.toString()}"></iframe>`
          return { ...page('Out'), body: `<!doctype html><title>Out</title><h1>Out</h1>${frame.replaceAll('&', '&amp;')}` }
        }
        default:
          return { ...page('Nothing here'), status: 404 }
      }
    }
  }
}
