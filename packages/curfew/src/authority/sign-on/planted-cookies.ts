import { CurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { formCookie, persistentCookie, sessionCookie } from './cookies.ts'

const guarded = [sessionCookie, persistentCookie, formCookie] as const

/**
 * Refuses a request that brings one of our cookies twice: another host of the domain has planted one, for the domain or
 * for a longer path, and which of them a reader takes is chance. A session must not be opened by chance, and a logout
 * must not pass over the session of the other one. What can be removed is removed with the answer.
 * @throws CURFEW_SESSION_COOKIE_AMBIGUOUS
 */
export function refusePlantedCookies(request: FastifyRequest, reply: FastifyReply): void {
  const names = (request.headers.cookie ?? '').split(';').map((pair) => pair.split('=', 1)[0]?.trim())
  const doubled = guarded.filter((name) => names.indexOf(name) !== names.lastIndexOf(name))
  if (doubled.length === 0) return
  reply.header(
    'set-cookie',
    doubled.flatMap((name) => removals(name, request))
  )
  throw new CurfewError('CURFEW_SESSION_COOKIE_AMBIGUOUS', { cookies: doubled.join(' ') })
}

/** For this host and each domain above it, for the root and each path above this one: a cookie is removed where it was set. */
function removals(name: string, request: FastifyRequest): readonly string[] {
  const labels = request.hostname.split('.')
  const domains = labels.slice(0, -1).map((_, i) => `; Domain=${labels.slice(i).join('.')}`)
  const steps = (request.url.split('?')[0] ?? '/').split('/').slice(1, 1 + pathStepsMax)
  const paths = ['/', ...steps.map((_, i) => `/${steps.slice(0, i + 1).join('/')}`)].filter((path) => /^[\w./-]+$/.test(path))
  return ['', ...domains.slice(-domainsMax)].flatMap((domain) => [...new Set(paths)].map((path) => `${name}=; Path=${path}${domain}; Max-Age=0`))
}

const domainsMax = 4
const pathStepsMax = 4
