import { z } from 'zod'
import type { AdminContext } from './context.ts'
import { auditView, configView, type HealthView, healthView, peerView } from './schemas.ts'
import type { AdminServer } from './server.ts'
import { auditViewOf } from './views.ts'

/** The worst first. */
const statuses: readonly HealthView['status'][] = ['stopping', 'starting', 'draining', 'ok']

async function stateOf(ctx: AdminContext): Promise<Pick<HealthView, 'status' | 'workers'>> {
  const { workers } = ctx
  if (workers === undefined) return { status: ctx.status() }
  const states = await workers.states()
  return { status: statuses.find((word) => states.some((one) => one.status === word)) ?? ctx.status(), workers: [...states] }
}

export function registerSystem(app: AdminServer, ctx: AdminContext): void {
  app.get('/v1/health', { schema: { response: { 200: healthView } } }, async () => ({
    ...(await stateOf(ctx)),
    version: ctx.version,
    baseUrl: ctx.baseUrl,
    ...(ctx.signingKeys === undefined ? {} : { signingKeys: [...ctx.signingKeys] }),
    store: await ctx.store.describe()
  }))

  app.get('/v1/config', { schema: { response: { 200: configView } } }, async () => ({ ...ctx.settings, items: [...ctx.settings.items] }))

  app.get('/v1/peers', { schema: { response: { 200: z.object({ items: z.array(peerView) }) } } }, async () => ({
    items: ctx.peers().map(({ peer, certificates, metadata }) => ({
      id: peer.id,
      name: peer.name,
      protocol: peer.protocol,
      entityId: peer.entityId,
      channels: peer.channels.map(({ kind, binding, url }) => ({ kind, binding, url })),
      mayBeAsked: peer.mayBeAsked,
      certificates: [...certificates],
      ...(metadata === undefined ? {} : { metadata: { ...metadata, changes: [...metadata.changes] } })
    }))
  }))

  app.get(
    '/v1/audit',
    {
      schema: {
        querystring: z.object({
          afterId: z.coerce.number().int().min(0).optional(),
          user: z.string().optional(),
          limit: z.coerce.number().int().min(1).max(1_000).default(100)
        }),
        response: { 200: z.object({ items: z.array(auditView) }) }
      }
    },
    async (request) => {
      const { afterId, user, limit } = request.query
      const items = await ctx.store.listAudit({ limit, ...(afterId === undefined ? {} : { afterId }), ...(user === undefined ? {} : { userKey: user }) })
      return { items: items.map(auditViewOf) }
    }
  )

  app.get('/v1/openapi.json', { schema: { hide: true } }, async (_request, reply) => reply.type('application/json').send(JSON.stringify(app.swagger())))

  /** Figures for Prometheus: counts only, no names of people, so that a scraper needs no token. */
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    // A store that does not answer takes no other figure away.
    await measureStreams(ctx).catch(() => undefined)
    return reply.type(ctx.metrics.registry.contentType).send(await (ctx.workers ?? ctx.metrics.registry).metrics())
  })
}

/** Streams are the store's: they are looked at when somebody asks. */
async function measureStreams(ctx: AdminContext): Promise<void> {
  const { metrics } = ctx
  const known = await ctx.streams()
  metrics.signalStreams.reset()
  metrics.signalsOwed.reset()
  for (const { connection, status, owed } of known) {
    metrics.signalStreams.set({ peer: connection, status }, 1)
    metrics.signalsOwed.set({ peer: connection }, owed)
  }
}
