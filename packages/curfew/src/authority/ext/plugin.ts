import type { FastifyPluginAsync } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { dropOff, pickUp } from '../opentoken/reference.ts'
import { startAdapterLogout } from './adapter-logout.ts'
import { checkExtPaths, type ExtPath } from './registry.ts'

/**
 * `/ext/*`: paths that adapters register. They are known, and checked against each other, before the server starts.
 * @throws CURFEW_CONFIG_EXT_PATH
 */
export function extPlugin(ctx: AuthorityContext): FastifyPluginAsync {
  const paths = checkExtPaths([...ownPaths(ctx), ...logoutPaths(ctx)])
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

function logoutPaths(ctx: AuthorityContext): readonly ExtPath[] {
  return ctx.adapterLogouts.map((logout) => ({
    path: logout.path,
    owner: logout.sourceId,
    methods: ['GET', 'POST'],
    handle: (request, reply) => startAdapterLogout(ctx, logout, request, reply)
  }))
}
