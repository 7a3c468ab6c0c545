import type { IncomingMessage } from 'node:http'
import type { GatewayContext } from '../context.ts'
import type { Place } from '../route/applications.ts'
import type { WebSessionSettings } from '../settings.ts'
import type { CookieAttributes } from './cookies.ts'

/**
 * The cookies of a browser that brought more than one session. Which of them was planted nobody sees, so all go: those of
 * this host and of the domains above it, of the whole host and of every part of it that the request lies in. The whole host
 * first: what has no room in the head goes with one of the next answers.
 * @param webSessions - whose cookies they are
 */
export function clearEverywhere(
  ctx: Pick<GatewayContext, 'clock' | 'cookies'>,
  request: Pick<IncomingMessage, 'url'>,
  { host, isSecure }: Pick<Place, 'host' | 'isSecure'>,
  webSessions: readonly WebSessionSettings[]
): readonly string[] {
  const labels = (host.split(':', 1)[0] ?? '').split('.')
  const domains = labels.map((_, i) => labels.slice(i).join('.')).filter((domain) => domain.includes('.'))
  const jars = webSessions.flatMap(({ cookieDomain: _own, ...hostOnly }) =>
    // A browser keeps partitioned cookies apart from others of the same name.
    (hostOnly.partitioned ? [hostOnly, { ...hostOnly, partitioned: false }] : [hostOnly]).flatMap((settings) => [
      settings,
      ...domains.map((cookieDomain) => ({ ...settings, cookieDomain }))
    ])
  )
  const [root = '/', ...parts] = cookiePathsOf(request.url ?? '')
  const at = (path: string): readonly string[] => jars.map((settings) => ctx.cookies.clear(settings, { isSecure, path }).replace(/; Expires=[^;]+/, ''))
  const deeper = parts.flatMap(at)
  // Where there is no room for all of them each has its turn, in one of the next answers.
  const turn = deeper.length === 0 ? 0 : Math.floor(ctx.clock.nowMs() / 1000) % deeper.length
  const all = [...at(root), ...deeper.slice(turn), ...deeper.slice(0, turn)]
  let bytes = 0
  return all.filter((cookie) => (bytes += cookie.length + setCookieBytes) <= headBytesMax)
}

/**
 * The cookie of a web session, and those of the same name that the host wrote before it came to share its cookie with a
 * domain, or to keep it partitioned: they are in browsers still, and good.
 */
export function clearOwn({ cookies }: Pick<GatewayContext, 'cookies'>, settings: WebSessionSettings, attributes: CookieAttributes): readonly string[] {
  const { cookieDomain, ...hostOnly } = settings
  const jars = cookieDomain === undefined ? [settings] : [settings, hostOnly]
  const former = settings.partitioned ? jars.map((jar) => ({ ...jar, partitioned: false })) : []
  return [...jars, ...former].map((jar) => cookies.clear(jar, attributes))
}

/** `set-cookie: ` and the end of its line. */
const setCookieBytes = 14
/** Proxies take a head of 4 KiB by default (nginx), the rest of it included. */
const headBytesMax = 3_000

/** Parts of a path that cookies are looked for at. */
const cookiePathDepthMax = 3

/** Every `Path` of a cookie that a browser sends with this request, to some depth (RFC 6265 section 5.1.4). */
function cookiePathsOf(target: string): readonly string[] {
  const [path = ''] = target.split('?', 1)
  const parts = path.split('/').slice(1, cookiePathDepthMax + 1)
  const odd = parts.findIndex((part) => !/^[\w.~%@:+,=!$&'()*-]+$/.test(part))
  const known = odd === -1 ? parts : parts.slice(0, odd)
  return ['/', ...known.flatMap((_, i) => [`/${known.slice(0, i + 1).join('/')}`, `/${known.slice(0, i + 1).join('/')}/`])]
}
