import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { html, trusted } from '../pages/html.ts'
import { noStore } from '../request.ts'
import { browserStateCookie } from '../sign-on/browser-state.ts'
import { webOrigin } from './session-state.ts'

/**
 * `/as/check_session.openid`, the `check_session_iframe`: a client's page holds it in a frame and asks it by
 * postMessage whether the session changed. Without the cookie, or where browsers do not hash, it says `error`: a
 * client that then asks by `prompt=none` would ask for ever. Only pages of clients' origins may hold it; which one
 * this is says the referrer, so that the header does not list every application to every visitor.
 * @see OpenID Connect Session Management 1.0 section 3.2
 */
export function sendCheckSession(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { nonce } = ctx.pageContext(request)
  const policy = ["default-src 'none'", `script-src 'nonce-${nonce}'`, "base-uri 'none'", "form-action 'none'", `frame-ancestors ${holderOf(ctx, request)}`]
  const page = html`<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Session</title></head><body><script nonce="${nonce}">${trusted(script)}</script></body></html>`
  return reply
    .headers({
      ...noStore,
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'cross-origin-resource-policy': 'cross-origin',
      vary: 'Referer'
    })
    .send(page.toString())
}

/** The origin that asks for the frame, when it is a client's. */
function holderOf(ctx: Pick<AuthorityContext, 'clients'>, request: FastifyRequest): string {
  const asking = webOrigin(request.headers.referer ?? '')
  const isClient = ctx.clients.all().some(({ redirectUris }) => redirectUris.some((uri) => webOrigin(uri) === asking))
  return asking !== undefined && isClient ? asking : "'none'"
}

/** The cookie is read anew for every question. The origin of who asks goes into the hash: another one never fits. */
const script = String.raw`
const stateOf = () => document.cookie.split('; ').find((cookie) => cookie.startsWith('${browserStateCookie}='))?.slice(${browserStateCookie.length + 1})
const hashOf = async (text) => {
  const octets = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
  return btoa(String.fromCharCode(...octets)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}
const judge = async (data, origin) => {
  const [, clientId, hash, salt] = (typeof data === 'string' && /^(\S.*) ([\w-]{43})\.([\w-]+)$/.exec(data)) || []
  const state = stateOf()
  if (salt === undefined || state === undefined) return 'error'
  return (await hashOf([clientId, origin, state, salt].join(' '))) === hash ? 'unchanged' : 'changed'
}
addEventListener('message', async ({ data, origin, source }) => {
  if (source === null || source === window || origin === 'null') return
  source.postMessage(await judge(data, origin).catch(() => 'error'), origin)
})
`
