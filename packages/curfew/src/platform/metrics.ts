import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'

/** Every figure that the product shows to Prometheus; names start with `curfew_`. */
export interface Metrics {
  readonly registry: Registry
  readonly runsStarted: Counter<'reason'>
  readonly runsFinished: Counter<'reason' | 'verdict'>
  readonly deliveries: Counter<'peer' | 'channel' | 'outcome'>
  /** Deliveries that were tried and ended without a proof: somebody may want to try them again. */
  readonly deadLetters: Counter<'peer' | 'outcome'>
  readonly attemptSeconds: Histogram<'peer' | 'channel'>
  readonly effectLagSeconds: Histogram<string>
  readonly liveSessions: Gauge<string>
  readonly openRuns: Gauge<string>
  readonly pendingEffects: Gauge<string>
  readonly outboxAgeSeconds: Gauge<string>
  /** Of a store that several machines share. */
  readonly clockAheadSeconds: Gauge<string>
  readonly entriesSwept: Counter<string>
  readonly storeWriteSeconds: Histogram<'call'>
  readonly signIns: Counter<'result'>
  readonly assertionsIssued: Counter<'peer'>
  readonly logoutMessages: Counter<'peer' | 'binding' | 'kind'>
  readonly requestsRefused: Counter<'code'>
  readonly signalPushes: Counter<'peer' | 'result'>
  /** One for the status that a stream has. */
  readonly signalStreams: Gauge<'peer' | 'status'>
  readonly signalsOwed: Gauge<'peer'>
}

/** Creates the figures in a registry of their own: two servers in one process do not share any. */
export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]): Counter<L> =>
    new Counter({ name, help, labelNames: [...labelNames], registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> =>
    new Gauge({ name, help, labelNames: [...labelNames], registers })
  return {
    registry,
    runsStarted: counter('curfew_runs_started_total', 'Logout runs started, by reason.', ['reason']),
    runsFinished: counter('curfew_runs_finished_total', 'Logout runs finished, by reason and verdict.', ['reason', 'verdict']),
    deliveries: counter('curfew_deliveries_total', 'Deliveries that got their outcome.', ['peer', 'channel', 'outcome']),
    deadLetters: counter('curfew_dead_letters_total', 'Deliveries that were tried and ended without a proof.', ['peer', 'outcome']),
    attemptSeconds: new Histogram({
      name: 'curfew_attempt_seconds',
      help: 'Duration of one server-to-server attempt.',
      labelNames: ['peer', 'channel'],
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10],
      registers
    }),
    effectLagSeconds: new Histogram({
      name: 'curfew_effect_lag_seconds',
      help: 'How late an effect was begun.',
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
      registers
    }),
    liveSessions: gauge('curfew_sessions_live', 'Live sessions.'),
    openRuns: gauge('curfew_runs_open', 'Logout runs that are not done.'),
    pendingEffects: gauge('curfew_effects_pending', 'Effects waiting in the outbox.'),
    outboxAgeSeconds: gauge('curfew_outbox_age_seconds', 'For how long the oldest due effect has been waiting.'),
    clockAheadSeconds: gauge('curfew_clock_ahead_seconds', 'How far the clock of this machine is ahead of the time of the store.'),
    entriesSwept: counter('curfew_store_entries_swept_total', 'Look-up entries of a shared store that led nowhere and were dropped.', []),
    storeWriteSeconds: new Histogram({
      name: 'curfew_store_write_seconds',
      help: 'Duration of one acknowledged write of the store.',
      labelNames: ['call'],
      buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
      registers
    }),
    signIns: counter('curfew_sign_ins_total', 'Sign-in attempts, by result.', ['result']),
    assertionsIssued: counter('curfew_assertions_issued_total', 'Assertions issued.', ['peer']),
    logoutMessages: counter('curfew_logout_messages_total', 'Logout messages received and accepted.', ['peer', 'binding', 'kind']),
    requestsRefused: counter('curfew_requests_refused_total', 'Requests refused, by error code.', ['code']),
    signalPushes: counter('curfew_signal_pushes_total', 'Shared signals pushed, by what became of the push.', ['peer', 'result']),
    signalStreams: gauge('curfew_signal_streams', 'Streams of shared signals, by their status.', ['peer', 'status']),
    signalsOwed: gauge('curfew_signals_owed', 'Shared signals that a receiver has not taken yet.', ['peer'])
  }
}
