import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import type { ClientSettings } from '../../src/authority/oidc/settings.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { Kit } from '../authority/kit.ts'
import { authorizationUrl, exchange, secret } from '../authority/oidc/relying-party.ts'
import { authorityUrl } from '../authority/partner.ts'
import type { Behaviour } from './behaviour.ts'
import { appCookie, createJournal, type Journal } from './journal.ts'
import { beSlow } from './slowness.ts'
import { elsewhereOf, everywhereCookie, formOfRequest, hostOf, page, sendTo, type Site, type WebAnswer } from './web.ts'

/** How a client is told of a logout. `picture`: an application behind PingAccess; `image`: PingFederate's own way. */
export type ClientWay = 'back-channel' | 'front-channel' | 'image' | 'picture' | 'none'

/** A client that keeps its own sessions: by back channel it finds them by `sid`, in a frame or picture by its cookie only. */
export interface OpenIdClient extends Site {
  readonly id: string
  readonly journal: Journal
  readonly settings: ClientSettings
}

export interface OpenIdClientParts {
  readonly id: string
  /** Absent: behind the door of everybody. */
  readonly port?: number | undefined
  readonly clock: Clock
  readonly way: ClientWay
  readonly behaviour?: Behaviour
  kit(): Kit
}

const picturePath = '/pa/oidc/logout.png'

export function createOpenIdClient({ id, port, clock, way, behaviour = 'well', kit }: OpenIdClientParts): OpenIdClient {
  const host = hostOf(`${id}.localhost`, port)
  const origin = `http://${host}`
  const journal = createJournal()
  const tokens = new Map<string, string>()

  async function unlike(): Promise<WebAnswer | undefined> {
    if (behaviour === 'hangs') return new Promise(() => undefined)
    if (behaviour === 'answers 500') return { ...page('It broke'), status: 500 }
    if (behaviour === 'wrong status') return { status: 400, headers: { 'content-type': 'application/json' }, body: '{"error":"invalid_request"}' }
    if (behaviour === 'redirects elsewhere') return sendTo(elsewhereOf(port))
    if (behaviour === 'too slow') await beSlow(clock)
    return undefined
  }

  async function byBackChannel(form: URLSearchParams): Promise<WebAnswer> {
    const strange = await unlike()
    if (strange !== undefined) return strange
    const keys = createLocalJWKSet((await kit().app.inject('/pf/JWKS')).json<JSONWebKeySet>())
    const { payload } = await jwtVerify(form.get('logout_token') ?? '', keys, {
      issuer: authorityUrl,
      audience: id,
      typ: 'logout+jwt',
      currentDate: new Date(clock.nowMs())
    })
    const session = journal.byIndex(String(payload['sid']))
    if (session === undefined) return { status: 400 }
    session.heard.push('back-channel')
    session.isLive = false
    if (behaviour !== 'partial logout of its own') return { status: 200, body: '' }
    session.livesBehind = true
    return { status: 504, body: '' }
  }

  /** In a frame or picture nothing but the cookie says whose session it is. */
  async function byCookie(cookies: ReadonlyMap<string, string>, heard: 'front-channel' | 'image', sid: string | null): Promise<WebAnswer> {
    const strange = await unlike()
    if (strange !== undefined) return strange
    const session = journal.byCookie(cookies)
    if (session !== undefined && (sid === null || sid === session.index)) {
      session.heard.push(heard)
      session.isLive = false
    }
    return heard === 'image' ? { status: 200, headers: { 'content-type': 'image/gif' }, body: Buffer.from('R0lGODlhAQABAAAAACw=', 'base64') } : page('Out')
  }

  return {
    id,
    host,
    isDown: behaviour === 'down',
    journal,
    settings: {
      id,
      clientSecret: secret,
      redirectUris: [`${origin}/cb`],
      postLogoutRedirectUris: [`${origin}/bye`],
      logout: logoutOf(origin, way)
    },
    async handle(request) {
      const { url, cookies } = request
      switch (url.pathname) {
        case '/':
          return journal.byCookie(cookies)?.isLive === true
            ? page(`In ${id}`)
            : sendTo(`${authorityUrl}${authorizationUrl(id, { redirect_uri: `${origin}/cb` })}`)
        case '/cb': {
          const answer = await exchange(kit(), id, url.searchParams.get('code') ?? '', `${origin}/cb`)
          const { id_token: idToken } = answer.json<{ id_token: string }>()
          const claims = decodeJwt(idToken)
          const session = journal.open(claims.sub ?? '', String(claims['sid']))
          tokens.set(session.cookie, idToken)
          return sendTo('/', [everywhereCookie(appCookie, session.cookie)])
        }
        case '/front':
          return byCookie(cookies, 'front-channel', url.searchParams.get('sid'))
        case '/image':
        case picturePath:
          return byCookie(cookies, 'image', null)
        case '/backchannel':
          return byBackChannel(formOfRequest(request))
        case '/start': {
          const session = journal.byCookie(cookies)
          if (session !== undefined) session.isLive = false
          const query = new URLSearchParams({
            id_token_hint: tokens.get(session?.cookie ?? '') ?? '',
            post_logout_redirect_uri: `${origin}/bye`,
            state: 'over'
          })
          return sendTo(`${authorityUrl}/idp/init_logout.openid?${query.toString()}`)
        }
        case '/bye':
          return page('Bye')
        default:
          return { ...page('Nothing here'), status: 404 }
      }
    }
  }
}

function logoutOf(origin: string, way: ClientWay): NonNullable<ClientSettings['logout']> {
  switch (way) {
    case 'back-channel':
      return { modes: ['backChannel'], backChannelUri: `${origin}/backchannel` }
    case 'front-channel':
      return { modes: ['frontChannel'], frontChannelUris: [`${origin}/front`] }
    case 'image':
      return { modes: ['pingFrontChannel'], frontChannelUris: [`${origin}/image`] }
    case 'picture':
      return { modes: [], pingAccessLogoutCapable: true, picturePath }
    case 'none':
      return { modes: [] }
  }
}
