import { securityEvents } from '@curfew/codecs'
import { jtiOf, type Stream, type Streams, type StreamStatus, type StreamTally } from './streams.ts'

/** So many pushes in a row have to fail, over so long a time, before a stream is paused. */
const failuresBeforePause = 10
const failingMsBeforePause = 3_600_000

export interface StatusChange {
  readonly status: StreamStatus
  readonly reason?: string
  /** The receiver asked for it itself, and needs no token about it. */
  readonly isAsked: boolean
  readonly nowMs: number
}

/**
 * Sets the status of a stream. A receiver that did not ask for it is owed a token that says so (SSF 1.0 section 8.1.5).
 * One that goes on begins anew: what failed before counts no longer, and what is owed is due at once.
 */
export async function changeStatus(streams: Streams, stream: Stream, change: StatusChange): Promise<Stream> {
  const { status, reason, isAsked, nowMs } = change
  const { reason: _reason, ...known } = stream
  const next: Stream = { ...known, status, ...(reason === undefined ? {} : { reason }) }
  await streams.save(next)
  if (status === 'enabled') {
    await streams.count(next, accepting)
    const [head] = await streams.owed(next, 1)
    if (head !== undefined && head.set.nextAttemptAtMs > nowMs) await streams.postpone(next, head.id, { ...head.set, nextAttemptAtMs: nowMs })
  }
  if (!isAsked && status !== stream.status) {
    await streams.owe(next, {
      jti: jtiOf(next, `status\0${status}\0${nowMs}`),
      event: securityEvents.streamUpdated,
      payload: { status, ...(reason === undefined ? {} : { reason }) },
      subject: { format: 'opaque', id: next.id },
      issuedAtMs: nowMs,
      attempts: 0,
      nextAttemptAtMs: 0
    })
  }
  return next
}

/** Whether a token may leave now: of a stream that does not run only the word of its status. */
export function mayLeave({ status }: Stream, { event }: { readonly event: string }): boolean {
  return status === 'enabled' || event === securityEvents.streamUpdated
}

/** The tally of a stream whose receiver takes what it is sent. */
export function accepting(tally: StreamTally): StreamTally {
  const { failures: _failures, failingSinceMs: _since, ...rest } = tally
  return rest
}

/** The tally after one more push that failed. */
export function failing(tally: StreamTally, code: string, atMs: number): StreamTally {
  return { ...tally, failures: (tally.failures ?? 0) + 1, failingSinceMs: tally.failingSinceMs ?? atMs, lastError: { code, atMs } }
}

/** Why the stream is to be paused; undefined: it is not. */
export function pauseReason({ failures = 0, failingSinceMs, lastError }: StreamTally, nowMs: number): string | undefined {
  if (failingSinceMs === undefined || failures < failuresBeforePause || nowMs - failingSinceMs < failingMsBeforePause) return undefined
  return `${failures} pushes failed since ${new Date(failingSinceMs).toISOString()}: ${lastError?.code ?? 'unknown'}`
}
