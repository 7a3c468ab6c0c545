import type { PeerProtocol } from '../packages/curfew/src/core/peer.ts'
import type { BrowserAnswer, SendResult } from '../packages/curfew/src/engine/sender.ts'
import type { Clock } from '../packages/curfew/src/platform/clock.ts'
import type { Trace } from './trace.ts'

/** What a partner does with one message. */
export type Behaviour =
  | 'answers'
  | 'answers-late' // after the sender gave up; its session has ended all the same
  | 'loses-request' // never arrives
  | 'loses-answer' // session ended, nobody learns of it
  | 'refuses'
  | 'error' // HTTP 500, nothing done
  | 'garbage' // session ended, answer unusable
  | 'down'

/** What an application knows of its own sessions: the truth that outcomes are compared with. */
export interface Partner {
  readonly id: string
  readonly protocol: PeerProtocol
  readonly live: Set<string>
  /** Takes a LogoutRequest by SOAP, or a logout token. */
  receive(message: PartnerMessage, signal: AbortSignal): Promise<SendResult>
  /** Takes one through the browser; undefined: the browser does not come back. */
  visit(message: PartnerMessage): BrowserAnswer | undefined
}

export interface PartnerMessage {
  readonly sessionIndex: string
  readonly messageId: string
}

export interface PartnerOptions {
  readonly id: string
  readonly protocol: PeerProtocol
  readonly clock: Clock
  readonly fraction: () => number
  readonly trace: Trace
  readonly behaviours: readonly Behaviour[]
}

export function createPartner(options: PartnerOptions): Partner {
  const { id, protocol, clock, fraction, trace } = options
  const live = new Set<string>()
  const choose = (): Behaviour => options.behaviours[Math.floor(fraction() * options.behaviours.length)] ?? 'answers'
  const end = (sessionIndex: string): 'ended' | 'already-ended' => {
    const wasLive = live.delete(sessionIndex)
    trace.add(clock.nowMs(), `${id} ${wasLive ? 'ends its session' : 'had no session left'}`)
    return wasLive ? 'ended' : 'already-ended'
  }
  const confirmed = (sessionIndex: string, messageId: string): SendResult & BrowserAnswer => ({
    kind: 'confirmed',
    result: end(sessionIndex),
    proof:
      protocol === 'oidc' ? { kind: 'authenticated-2xx', hash: 'h' } : { kind: 'signed-answer', messageId: `answer to ${messageId}`, hash: 'h', signedBy: id }
  })
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve))
  const untilAborted = (signal: AbortSignal): Promise<SendResult> =>
    new Promise((resolve) => {
      const give = (): void => resolve({ kind: 'failed', why: 'timed-out', code: 'CURFEW_RUN_PARTICIPANT_TIMEOUT', retryable: true })
      if (signal.aborted) give()
      else signal.addEventListener('abort', give, { once: true })
    })
  return {
    id,
    protocol,
    live,
    async receive({ sessionIndex, messageId }, signal) {
      const behaviour = choose()
      trace.add(clock.nowMs(), `${id} gets ${messageId} and ${behaviour}`)
      if (behaviour === 'loses-request') return untilAborted(signal)
      if (behaviour === 'down') return { kind: 'failed', why: 'unreachable', code: 'CURFEW_OUTBOUND_UNREACHABLE', retryable: true }
      if (behaviour === 'error') return { kind: 'failed', why: 'unreachable', code: 'CURFEW_SAML_PEER_HTTP', retryable: true }
      await wait(fraction() * 200)
      if (behaviour === 'refuses') return { kind: 'refused', statusCode: 'RequestDenied', code: 'CURFEW_SAML_LOGOUT_REFUSED' }
      const answer = confirmed(sessionIndex, messageId)
      if (behaviour === 'garbage') return { kind: 'unusable-answer', code: 'CURFEW_SAML_ANSWER_NOT_SAML' }
      if (behaviour === 'loses-answer' || behaviour === 'answers-late') return untilAborted(signal)
      return answer
    },
    visit({ sessionIndex, messageId }) {
      const behaviour = choose()
      trace.add(clock.nowMs(), `the browser brings ${messageId} to ${id}, which ${behaviour}`)
      switch (behaviour) {
        case 'answers':
          return confirmed(sessionIndex, messageId)
        case 'refuses':
          return { kind: 'refused', statusCode: 'RequestDenied', code: 'CURFEW_SAML_LOGOUT_REFUSED' }
        case 'garbage':
          end(sessionIndex)
          return { kind: 'unusable-answer', code: 'CURFEW_SAML_SIGNATURE_INVALID' }
        case 'answers-late':
        case 'loses-answer':
          end(sessionIndex)
          return undefined
        case 'loses-request':
        case 'error':
        case 'down':
          return undefined
      }
    }
  }
}
