import type { ServerResponse } from 'node:http'
import { send } from '../answer.ts'
import type { GatewayContext } from '../context.ts'

/** What a gateway knows about its own state. */
export interface GatewayHealth {
  readonly status: 'ok' | 'unchecked' | 'starting'
  readonly liveConnections: number
  readonly revokedSessions: number
  readonly revokedBytes: number
  /** Seconds since everything on the revocation list was known; absent without a feed, or before that. */
  readonly feedAgeSeconds?: number
}

export function healthOf(ctx: GatewayContext): GatewayHealth {
  const { completeAtMs, size, bytes } = ctx.revocations
  const { feed, staleMs } = ctx.settings.sessionCheck
  const ageMs = completeAtMs === undefined ? undefined : ctx.clock.nowMs() - completeAtMs
  const isStale = feed && (ageMs === undefined || ageMs > staleMs)
  return {
    status: !ctx.isReady() ? 'starting' : isStale ? 'unchecked' : 'ok',
    liveConnections: ctx.live.count,
    revokedSessions: size,
    revokedBytes: bytes,
    ...(feed && ageMs !== undefined ? { feedAgeSeconds: Math.round(ageMs / 100) / 10 } : {})
  }
}

/**
 * `/pa/heartbeat.ping`: 200 while the gateway takes requests. That the authority can not be reached shows in the
 * figures, not in the status: taking the gateway out of service would help nobody.
 */
export function heartbeat(ctx: GatewayContext, response: ServerResponse): void {
  const status = ctx.isReady() ? 200 : 503
  if (ctx.settings.heartbeatMonitoring) send(response, 'application/json', JSON.stringify(healthOf(ctx)), { status })
  else send(response, 'text/plain; charset=utf-8', ctx.isReady() ? 'OK' : 'NOT READY', { status })
}
