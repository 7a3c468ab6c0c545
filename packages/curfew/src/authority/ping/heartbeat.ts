import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { noStore } from '../request.ts'

export const heartbeatPath = '/pf/heartbeat.ping'

/** `/pf/heartbeat.ping`: 200 `OK` while requests are served, 503 otherwise; with monitoring a list of figures. */
export async function sendHeartbeat(ctx: AuthorityContext, _request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  reply.headers(noStore)
  if (!ctx.health.isReady()) return reply.status(503).type('text/plain; charset=utf-8').send('NOT READY')
  if (!ctx.health.monitoring) return reply.type('text/plain; charset=utf-8').send('OK')
  const { kind, durability, liveSessions, openRuns, pendingEffects } = await ctx.store.describe()
  const item = {
    store: kind,
    durability,
    live_sessions: liveSessions,
    open_logouts: openRuns,
    pending_messages: pendingEffects,
    connections: ctx.connections.all().length
  }
  return reply.send({ items: [item] })
}
