import type { IncomingMessage } from 'node:http'
import type { GatewayContext } from '../context.ts'

/**
 * The cookies of a browser that brought more than one session. Which of them was planted nobody sees, so all go: those of
 * this host and of the domains above it, of the whole host and of every part of it that the request lies in.
 */
export function clearEverywhere(ctx: Pick<GatewayContext, 'applications' | 'cookies'>, request: Pick<IncomingMessage, 'headers' | 'url'>): readonly string[] {
  const places = new Map(ctx.applications.ofHost(request.headers.host).map((place) => [place.application.webSession.id, place]))
  const paths = cookiePathsOf(request.url ?? '')
  return [...places.values()].flatMap(({ application, host, isSecure }) => {
    const name = host.split(':', 1)[0] ?? ''
    const parents = name.split('.').map((_, i, parts) => parts.slice(i).join('.'))
    const { cookieDomain: _own, ...hostOnly } = application.webSession
    const domains = parents.filter((domain) => domain.includes('.')).map((cookieDomain) => ({ ...hostOnly, cookieDomain }))
    return [hostOnly, ...domains].flatMap((settings) => paths.map((path) => ctx.cookies.clear(settings, { isSecure, path })))
  })
}

/** Parts of a path that cookies are looked for at: a head with all of them still goes through other proxies. */
const cookiePathDepthMax = 3

/** Every `Path` of a cookie that a browser sends with this request, to some depth (RFC 6265 section 5.1.4). */
function cookiePathsOf(target: string): readonly string[] {
  const [path = ''] = target.split('?', 1)
  const parts = path.split('/').slice(1, cookiePathDepthMax + 1)
  const odd = parts.findIndex((part) => !/^[\w.~%@:+,=!$&'()*-]+$/.test(part))
  const known = odd === -1 ? parts : parts.slice(0, odd)
  return ['/', ...known.flatMap((_, i) => [`/${known.slice(0, i + 1).join('/')}`, `/${known.slice(0, i + 1).join('/')}/`])]
}
