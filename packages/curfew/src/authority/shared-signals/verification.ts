import { securityEvents } from '@curfew/codecs'
import { jtiOf, type Stream, type Streams } from './streams.ts'

/** Owes the receiver a token that proves the way to it works (SSF 1.0 section 8.1.4). @param state - comes back in the token */
export async function oweVerification(streams: Streams, stream: Stream, nowMs: number, state?: string): Promise<void> {
  await streams.save({ ...stream, verifiedAtMs: nowMs })
  await streams.owe(stream, {
    jti: jtiOf(stream, `verification\0${nowMs}`),
    event: securityEvents.verification,
    payload: state === undefined ? {} : { state },
    subject: { format: 'opaque', id: stream.id },
    issuedAtMs: nowMs,
    attempts: 0,
    nextAttemptAtMs: 0
  })
}
