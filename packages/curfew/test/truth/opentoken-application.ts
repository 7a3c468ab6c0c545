import { openTokenKey, verifyOpenToken, writeOpenToken } from '@curfew/codecs'
import type { ApplicationSettings } from '../../src/authority/opentoken/settings.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { Kit } from '../authority/kit.ts'
import { authorityUrl } from '../authority/partner.ts'
import type { Behaviour } from './behaviour.ts'
import { appCookie, createJournal, type Journal } from './journal.ts'
import { beSlow } from './slowness.ts'
import { elsewhereOf, everywhereCookie, formTo, hostOf, page, sendTo, type Site, type WebAnswer } from './web.ts'

/** An application by OpenToken with a Logout Service. `confirmation`: it comes back bare, or with a token that says what became of it. */
export interface OpenTokenApplication extends Site {
  readonly id: string
  readonly journal: Journal
  readonly settings: ApplicationSettings
}

export interface OpenTokenApplicationParts {
  readonly id: string
  /** Absent: behind the door of everybody. */
  readonly port?: number | undefined
  readonly clock: Clock
  readonly confirmation: 'return' | 'answer'
  readonly behaviour?: Behaviour
  kit(): Kit
}

const password = 'shared secret'
const key = openTokenKey(2, password)
const stranger = openTokenKey(2, 'another secret')

export function createOpenTokenApplication({ id, port, clock, confirmation, behaviour = 'well', kit }: OpenTokenApplicationParts): OpenTokenApplication {
  const host = hostOf(`${id}.localhost`, port)
  const origin = `http://${host}`
  const journal = createJournal()
  const now = (): Temporal.Instant => Temporal.Instant.fromEpochMilliseconds(clock.nowMs())

  async function signOut(parameters: URLSearchParams, cookies: ReadonlyMap<string, string>): Promise<WebAnswer> {
    if (behaviour === 'hangs') return new Promise(() => undefined)
    if (behaviour === 'answers 500') return { ...page('It broke'), status: 500 }
    if (behaviour === 'redirects elsewhere') return sendTo(elsewhereOf(port))
    if (behaviour === 'never returns the browser') return page('This is where it ends')
    if (behaviour === 'too slow' && parameters.has('opentoken')) await beSlow(clock)
    const { subject } = verifyOpenToken(parameters.get('opentoken') ?? '', { keys: [key], now: now() })
    const path = parameters.get('resumePath') ?? ''
    const session = journal.byCookie(cookies)
    session?.heard.push('opentoken')
    if (behaviour === 'wrong status') return sendTo(`${authorityUrl}${path}?error=not-now`)
    if (session !== undefined) session.isLive = false
    if (session !== undefined && behaviour === 'partial logout of its own') session.livesBehind = true
    if (confirmation === 'return') return goBack(path, {})
    const resume = behaviour === 'wrong InResponseTo' ? `${path}x` : path
    const result = behaviour === 'partial logout of its own' ? 'partial' : 'ended'
    const said = { subject, attributes: { resume: [resume], logout: [result] }, notBefore: now(), notOnOrAfter: now().add({ seconds: 60 }) }
    const token = writeOpenToken(said, behaviour === 'wrong signature' ? stranger : key, Buffer.alloc(16, 9))
    return goBack(path, { opentoken: token })
  }

  async function goBack(path: string, fields: Readonly<Record<string, string>>): Promise<WebAnswer> {
    const query = new URLSearchParams(fields).toString()
    const address = query === '' ? path : `${path}?${query}`
    // It opens the one-time address itself before it gives it to the browser.
    if (behaviour === 'answers twice') await kit().app.inject(address)
    return behaviour === 'answers over another binding' ? formTo(authorityUrl + path, fields) : sendTo(authorityUrl + address)
  }

  return {
    id,
    host,
    isDown: behaviour === 'down',
    journal,
    settings: {
      id,
      password,
      transport: 'query',
      targetUrl: `${origin}/open`,
      logoutService: `${origin}/logout?cmd=slo`,
      confirmation,
      attributes: { index: 'sessionIndex' }
    },
    async handle({ url, cookies }) {
      switch (url.pathname) {
        case '/':
          return journal.byCookie(cookies)?.isLive === true ? page(`In ${id}`) : sendTo(`${authorityUrl}/sp/startSSO.ping?SpSessionAuthnAdapterId=${id}`)
        case '/open': {
          const { subject, attributes } = verifyOpenToken(url.searchParams.get('opentoken') ?? '', { keys: [key], now: now() })
          const session = journal.open(subject, attributes['index']?.[0] ?? '')
          return sendTo('/', [everywhereCookie(appCookie, session.cookie)])
        }
        case '/logout':
          return signOut(url.searchParams, cookies)
        default:
          return { ...page('Nothing here'), status: 404 }
      }
    }
  }
}
