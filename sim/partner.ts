import type { PeerProtocol } from '../packages/curfew/src/core/peer.ts'
import type { BrowserAnswer, SendResult } from '../packages/curfew/src/engine/sender.ts'
import type { Clock } from '../packages/curfew/src/platform/clock.ts'
import { createMemorySessionRegistry } from '../packages/sdk/src/memory-session-registry.ts'
import type { SessionRegistry } from '../packages/sdk/src/session-registry.ts'
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
  | 'hangs' // takes the message and does nothing; whoever asked is not let go either

/** What an application knows of its own sessions: the truth that outcomes are compared with. */
export interface Partner {
  readonly id: string
  readonly protocol: PeerProtocol
  readonly live: Set<string>
  /** An assertion arrives, perhaps after the logout of its sign-in: then it opens nothing, as an application of the SDK has it. */
  present(assertion: { readonly sessionIndex: string; readonly issuedAtMs: number }): Promise<void>
  /** Takes a LogoutRequest by SOAP, or a logout token. */
  receive(message: PartnerMessage, signal: AbortSignal): Promise<SendResult>
  /** Takes one through the browser; undefined: the browser does not come back. */
  visit(message: PartnerMessage): BrowserAnswer | undefined
}

export interface PartnerMessage {
  readonly sessionIndex: string
  readonly messageId: string
}

/** How long an assertion can be presented. */
export const assertionMs = 60_000
const identityProvider = 'https://curfew.example'

export interface PartnerOptions {
  readonly id: string
  readonly protocol: PeerProtocol
  readonly clock: Clock
  readonly fraction: () => number
  readonly trace: Trace
  readonly behaviours: readonly Behaviour[]
  /** Replaces where it keeps its sessions by something faulty. */
  readonly spoil?: ((registry: SessionRegistry) => SessionRegistry) | undefined
}

export function createPartner(options: PartnerOptions): Partner {
  const { id, protocol, clock, fraction, trace } = options
  const live = new Set<string>()
  const own = createMemorySessionRegistry()
  const registry = options.spoil?.(own) ?? own
  const nameId = { value: `name at ${id}` }
  const choose = (): Behaviour => options.behaviours[Math.floor(fraction() * options.behaviours.length)] ?? 'answers'
  const end = (sessionIndex: string): 'ended' | 'already-ended' => {
    const nowMs = clock.nowMs()
    // Done when it returns: nothing of this registry waits for anything.
    void registry.endBySubject({ identityProvider, nameId, sessionIndexes: [sessionIndex], issuedUntilMs: nowMs }, nowMs + assertionMs)
    const wasLive = live.delete(sessionIndex)
    trace.add(clock.nowMs(), `${id} ${wasLive ? 'ends its session' : 'had no session left'}`)
    return wasLive ? 'ended' : 'already-ended'
  }
  const confirmed = (sessionIndex: string, messageId: string): SendResult & BrowserAnswer => ({
    kind: 'confirmed',
    result: end(sessionIndex),
    proof:
      protocol === 'oidc'
        ? { kind: 'authenticated-2xx', hash: `answer to ${messageId}` }
        : { kind: 'signed-answer', messageId: `answer to ${messageId}`, hash: 'h', signedBy: id }
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
    async present({ sessionIndex, issuedAtMs }) {
      const nowMs = clock.nowMs()
      const session = {
        id: sessionIndex,
        identityProvider,
        nameId,
        sessionIndex,
        attributes: {},
        createdAtMs: nowMs,
        expiresAtMs: nowMs + 86_400_000,
        issuedAtMs
      }
      await registry.open(session)
      if (await registry.isEnded(session, nowMs)) {
        await registry.end(sessionIndex)
        trace.add(nowMs, `${id} refuses an assertion that comes after its logout`)
        return
      }
      live.add(sessionIndex)
    },
    async receive({ sessionIndex, messageId }, signal) {
      const behaviour = choose()
      trace.add(clock.nowMs(), `${id} gets ${messageId} and ${behaviour}`)
      if (behaviour === 'hangs') return new Promise(() => undefined)
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
        case 'hangs':
        case 'error':
        case 'down':
          return undefined
      }
    }
  }
}
