import { Counter, Gauge, type Registry } from '@prometheus-io/client'

/** The figures of a gateway; names start with `curfew_gateway_`. */
export interface GatewayMetrics {
  /** Counts one request: `proxied`, `allowed` (forward-auth), `sign-in` or `unchecked`. */
  countRequest(application: string, result: string): void
  /** Requests and WebSockets under a session that are open now. */
  readonly live: Gauge<string>
  /** Those that were closed because their session ended. */
  readonly ended: Counter<string>
  readonly feedAgeSeconds: Gauge<string>
  /** Absent where no endings are shared. */
  readonly endingsAgeSeconds: Gauge<string> | undefined
  /** Those that other gateways are never told of: too many waited for the servers. Absent where no endings are shared. */
  readonly endingsDropped: Counter<'kind'> | undefined
  readonly revoked: Gauge<string>
  readonly feedProblems: Counter<'code'>
  /** Questions about single sessions: `live`, `revoked` or `unknown` where there was no answer. */
  readonly statusQuestions: Counter<'result'>
  /** 1 while the last of them had no answer. */
  readonly statusFailing: Gauge<string>
  /** Questions for the claims of a user: `fresh`, `refused` or `failed`. */
  readonly userRefreshes: Counter<'result'>
}

/** Adds the figures of a gateway to a registry. */
export function createGatewayMetrics(registry: Registry, { sharesEndings }: { readonly sharesEndings: boolean }): GatewayMetrics {
  const registers = [registry]
  return {
    countRequest: requestCounter(registers),
    live: new Gauge({ name: 'curfew_gateway_connections_live', help: 'Open requests and WebSockets that belong to a session.', registers }),
    ended: new Counter({ name: 'curfew_gateway_connections_ended_total', help: 'Open requests and WebSockets closed because their session ended.', registers }),
    feedAgeSeconds: new Gauge({ name: 'curfew_gateway_feed_age_seconds', help: 'How long ago everything on the revocation list was known.', registers }),
    endingsAgeSeconds: sharesEndings
      ? new Gauge({ name: 'curfew_gateway_endings_age_seconds', help: 'How long ago all that other gateways ended was known.', registers })
      : undefined,
    endingsDropped: sharesEndings
      ? new Counter({
          name: 'curfew_gateway_endings_dropped_total',
          help: 'Endings that other gateways are never told of, because too many waited for the servers; unsigned: by frames that anybody can load.',
          labelNames: ['kind'],
          registers
        })
      : undefined,
    revoked: new Gauge({ name: 'curfew_gateway_revoked_sessions', help: 'Revoked sessions held in memory.', registers }),
    feedProblems: new Counter({
      name: 'curfew_gateway_feed_problems_total',
      help: 'Pages refused and connections lost, by code.',
      labelNames: ['code'],
      registers
    }),
    statusQuestions: new Counter({
      name: 'curfew_gateway_status_questions_total',
      help: 'Questions to the authority about single sessions, by result; unknown: there was no answer.',
      labelNames: ['result'],
      registers
    }),
    statusFailing: new Gauge({
      name: 'curfew_gateway_status_failing',
      help: '1 while the last question about a single session had no answer.',
      registers
    }),
    userRefreshes: new Counter({
      name: 'curfew_gateway_user_refreshes_total',
      help: 'Times that the provider was asked for the claims of a user again, by result.',
      labelNames: ['result'],
      registers
    })
  }
}

/** Counts in plain numbers, which are handed over when somebody asks: a labelled counter costs more than the decision. */
function requestCounter(registers: Registry[]): (application: string, result: string) => void {
  const counts = new Map<string, Map<string, number>>()
  new Counter({
    name: 'curfew_gateway_requests_total',
    help: 'Requests, by application and what became of them.',
    labelNames: ['application', 'result'],
    registers,
    collect() {
      for (const [application, results] of counts) for (const [result, count] of results) this.inc({ application, result }, count)
      counts.clear()
    }
  })
  return (application, result) => {
    const results = counts.get(application) ?? new Map<string, number>()
    if (results.size === 0) counts.set(application, results)
    results.set(result, (results.get(result) ?? 0) + 1)
  }
}
