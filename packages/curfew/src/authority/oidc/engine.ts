import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Provider } from 'oidc-provider'
import type { AuthorityContext } from '../context.ts'
import { problemPage } from '../pages/problem-page.ts'
import { browserOf, currentSession, isSecure, restoredCookie } from '../sign-on/browser-session.ts'
import { browserStateCookie, browserStateOf, browserStateOptions } from '../sign-on/browser-state.ts'
import { newFormCookie } from '../sign-on/cookies.ts'
import { innerSession, innerSessionCookie, type RequestScope, requestScope } from './scope.ts'

/**
 * Hands a request of a browser to the engine as it came, with what our cookies say: which browser, and our session in
 * it. The engine sees the configured origin, whatever the Host header said.
 */
export async function handBrowserToEngine(ctx: AuthorityContext, provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const scope = await scopeOf(ctx, request, reply)
  // What the answer's session_state is made of.
  const state = browserStateOf(ctx, scope.session)
  if (request.cookies[browserStateCookie] !== state) {
    reply.raw.appendHeader('set-cookie', request.server.serializeCookie(browserStateCookie, state, browserStateOptions(ctx)))
  }
  await hand(ctx, provider, scope, request, reply)
}

/** The same for a program, which has no cookies here. */
export async function handToEngine(ctx: AuthorityContext, provider: Provider, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const problem = (reference: string) => problemPage(ctx, request, reference)
  const certificate = ctx.clientCertificates.of(request.raw)
  await hand(ctx, provider, { browser: '', session: undefined, certificate, problem }, request, reply)
}

/** Runs a call of the engine's API for this browser; the reply is the engine's to send. */
export async function inScope<T>(
  ctx: AuthorityContext,
  request: FastifyRequest,
  reply: FastifyReply,
  call: (request: IncomingMessage, response: ServerResponse) => Promise<T>,
  beganAs?: string
): Promise<T> {
  const scope = { ...(await scopeOf(ctx, request, reply)), beganAs }
  return requestScope.run(scope, () => call(withInnerSession(ctx, request.raw), reply.raw))
}

async function scopeOf(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<RequestScope> {
  const known = browserOf(ctx, request).formHash
  const fresh = known === undefined ? newFormCookie(ctx.ids) : undefined
  if (fresh !== undefined) {
    const cookie = request.server.serializeCookie(fresh.name, fresh.value, { path: '/', httpOnly: true, secure: isSecure(ctx), sameSite: 'lax' })
    reply.raw.appendHeader('set-cookie', cookie)
  }
  const session = await currentSession(ctx, request)
  const restored = await restoredCookie(ctx, request)
  if (restored !== undefined) reply.raw.appendHeader('set-cookie', request.server.serializeCookie(restored.name, restored.value, restored.options))
  return {
    browser: known ?? fresh?.hash ?? '',
    session,
    problem: (reference) => problemPage(ctx, request, reference)
  }
}

async function hand(ctx: AuthorityContext, provider: Provider, scope: RequestScope, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  reply.hijack()
  reply.raw.setHeader('x-content-type-options', 'nosniff')
  reply.raw.setHeader('referrer-policy', 'same-origin')
  if (isSecure(ctx)) reply.raw.setHeader('strict-transport-security', 'max-age=31536000')
  hideInnerSession(reply.raw)
  await requestScope.run(scope, () => handlerOf(provider)(withInnerSession(ctx, request.raw), reply.raw))
}

const handlers = new WeakMap<Provider, ReturnType<Provider['callback']>>()

/** The engine puts its handler together anew each time that it is asked for it. */
function handlerOf(provider: Provider): ReturnType<Provider['callback']> {
  const known = handlers.get(provider) ?? provider.callback()
  handlers.set(provider, known)
  return known
}

function withInnerSession(ctx: Pick<AuthorityContext, 'baseUrl'>, request: IncomingMessage): IncomingMessage {
  const others = (request.headers.cookie ?? '').split(/;\s*/).filter((cookie) => cookie !== '' && !cookie.startsWith(`${innerSessionCookie}=`))
  request.headers.cookie = [...others, `${innerSessionCookie}=${innerSession}`].join('; ')
  const { host, protocol } = new URL(ctx.baseUrl)
  request.headers.host = host
  request.headers['x-forwarded-proto'] = protocol.replace(':', '')
  delete request.headers['x-forwarded-host']
  return request
}

/** The made-up cookie stays inside. */
function hideInnerSession(response: ServerResponse): void {
  const setHeader = response.setHeader.bind(response)
  response.setHeader = (name, value) => {
    if (name.toLowerCase() !== 'set-cookie' || !Array.isArray(value)) return setHeader(name, value)
    const cookies: readonly string[] = value
    return setHeader(
      name,
      cookies.filter((cookie) => !cookie.startsWith(`${innerSessionCookie}=`) && !cookie.startsWith(`${innerSessionCookie}.sig=`))
    )
  }
}
