import type { GatewayConfig } from '../config/gateway-schema.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { EndingsLog } from '../stores/endings-log.ts'

/** Servers by which gateways tell each other what ended. */
export type SharedEndingsServers = NonNullable<GatewayConfig['shared']>

/** Loaded only where it is used: the client of the servers takes its time. */
export async function openSharedEndings({ endings, settings, clock, steadyMs }: GatewayContext, servers: SharedEndingsServers): Promise<EndingsLog> {
  const { openRedisEndings } = await import('../stores/redis/redis-endings.ts')
  const { redisAccess } = await import('./redis-access.ts')
  const access = redisAccess(servers)
  const { prefix, copies } = servers
  const keepMs = Math.max(...settings.applications.map(({ webSession }) => webSession.maxMs))
  return endings.join((reader) => openRedisEndings({ ...access, prefix, copies, keepMs, clock, steadyMs, label: 'curfew-gateway' }, reader))
}
