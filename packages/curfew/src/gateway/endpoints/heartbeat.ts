import type { ServerResponse } from 'node:http'
import { send } from '../answer.ts'
import type { GatewayContext } from '../context.ts'
import { isFeedYoung, mayAsk } from '../session/verdict.ts'

/** What a gateway knows about its own state. */
export interface GatewayHealth {
  /** `unchecked`: nothing young enough is known of sessions, by whichever way they are checked. */
  readonly status: 'ok' | 'unchecked' | 'starting'
  readonly liveConnections: number
  readonly revokedSessions: number
  readonly revokedBytes: number
  /** Seconds since everything on the revocation list was known; absent without a feed, or before that. */
  readonly feedAgeSeconds?: number
  /** The same of what other gateways ended; absent where none is shared, or before that. */
  readonly endingsAgeSeconds?: number
  /** Whether the last question about a single session had an answer; absent where none is asked. */
  readonly statusAnswers?: boolean
}

export function healthOf(ctx: GatewayContext): GatewayHealth {
  const { size, bytes } = ctx.revocations
  const { feed, status } = ctx.settings.sessionCheck
  const nowMs = ctx.clock.nowMs()
  const ageMs = feed ? ctx.revocations.ageMs(nowMs) : undefined
  const isAsked = mayAsk(ctx)
  const endingsMs = ctx.endings.ageMs()
  const isKnown = ctx.endings.isYoung() && ((!feed && !status) || isFeedYoung(ctx, nowMs) || (isAsked && !ctx.status.isFailing))
  return {
    status: !ctx.isReady() ? 'starting' : isKnown ? 'ok' : 'unchecked',
    liveConnections: ctx.live.count,
    revokedSessions: size,
    revokedBytes: bytes,
    ...(ageMs === undefined ? {} : { feedAgeSeconds: tenths(ageMs) }),
    ...(endingsMs === undefined ? {} : { endingsAgeSeconds: tenths(endingsMs) }),
    ...(isAsked ? { statusAnswers: !ctx.status.isFailing } : {})
  }
}

function tenths(ms: number): number {
  return Math.round(ms / 100) / 10
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
