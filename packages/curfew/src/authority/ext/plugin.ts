import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { dropOff, pickUp } from '../opentoken/reference.ts'
import { parametersOf } from '../request.ts'
import { change, showChange } from '../sign-on/password-change.ts'
import { reset, showReset } from '../sign-on/password-reset.ts'
import type { SignOnDeps } from '../sign-on/finish-sign-on.ts'
import { startAdapterLogout } from './adapter-logout.ts'
import { checkExtPaths, type ExtPath } from './registry.ts'

/**
 * `/ext/*`: paths that adapters register. They are known, and checked against each other, before the server starts.
 * @throws CURFEW_CONFIG_EXT_PATH
 */
export function extPlugin(ctx: SignOnDeps): FastifyPluginAsync {
  const paths = checkExtPaths([...ownPaths(ctx), ...passwordPaths(ctx), ...logoutPaths(ctx)])
  return async (app) => {
    for (const entry of paths) app.route({ method: [...entry.methods], url: `/ext${entry.path}`, handler: (request, reply) => entry.handle(request, reply) })
  }
}

function ownPaths(ctx: AuthorityContext): readonly ExtPath[] {
  if (!ctx.adapters.all().some(({ transport }) => transport === 'reference')) return []
  const own = { owner: 'reference adapter', isOwn: true } as const
  return [
    { ...own, path: '/ref/pickup', methods: ['GET', 'POST'], handle: (request, reply) => pickUp(ctx, request, reply) },
    { ...own, path: '/ref/dropoff', methods: ['POST'], handle: (request, reply) => dropOff(ctx, request, reply) }
  ]
}

function passwordPaths(ctx: SignOnDeps): readonly ExtPath[] {
  if (!ctx.signOn.hasForm || !ctx.signOn.passwords.change) return []
  const own = { owner: 'password pages', isOwn: true, methods: ['GET', 'POST'] } as const
  return [
    { ...own, path: '/pwdchange/Identify', handle: (request, reply) => (isAnswer(request) ? change(ctx, request, reply) : showChange(ctx, request, reply)) },
    { ...own, path: '/pwdreset/Identify', handle: (request, reply) => (isAnswer(request) ? reset(ctx, request, reply) : showReset(ctx, request, reply)) }
  ]
}

/** An application may send a browser here by GET or POST; only our own form carries a token. */
function isAnswer(request: FastifyRequest): boolean {
  return request.method === 'POST' && parametersOf(request)['csrfToken'] !== undefined
}

function logoutPaths(ctx: AuthorityContext): readonly ExtPath[] {
  return ctx.adapterLogouts.map((logout) => ({
    path: logout.path,
    owner: logout.sourceId,
    methods: ['GET', 'POST'],
    handle: (request, reply) => startAdapterLogout(ctx, logout, request, reply)
  }))
}
