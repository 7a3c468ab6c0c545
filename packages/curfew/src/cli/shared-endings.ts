import type { GatewayConfig } from '../config/gateway-schema.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { EndingsLog } from '../stores/endings-log.ts'
import type { Finding } from '../stores/redis/start-checks.ts'

/** Servers by which gateways tell each other what ended. */
export type SharedEndingsServers = NonNullable<GatewayConfig['shared']>

/**
 * Loaded only where it is used: the client of the servers takes its time.
 * @param isOfStore - the servers are those of the store, and have been looked at; there signing out is not refused for want of
 *   copies
 * @throws CURFEW_STORE_UNSUITABLE
 */
export async function openSharedEndings(
  { endings, settings, clock, steadyMs, logger }: GatewayContext,
  servers: SharedEndingsServers,
  isOfStore: boolean
): Promise<EndingsLog> {
  const { checkEndingsServer, openRedisEndings } = await import('../stores/redis/redis-endings.ts')
  const { redisAccess } = await import('./redis-access.ts')
  const access = redisAccess(servers)
  const { prefix, copies } = servers
  const keepMs = Math.max(...settings.applications.map(({ webSession }) => webSession.maxMs))
  const reached = { ...access, copies, clock, steadyMs, label: 'curfew-gateway' }
  if (!isOfStore) await checkEndingsServer(reached)
  const onWarning = ({ server, what, fix }: Finding): void => logger.warn({ event: 'gateway.endings-setting', server }, `${server}: ${what}; ${fix}`)
  return endings.join((reader) => openRedisEndings({ ...reached, prefix, keepMs, needsCopies: !isOfStore, ...(isOfStore ? {} : { onWarning }) }, reader))
}
