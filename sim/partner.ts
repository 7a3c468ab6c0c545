import type { PeerProtocol } from '../packages/curfew/src/core/peer.ts'
import { channelOf } from '../packages/curfew/src/core/step.ts'
import type { BrowserAnswer, SendRequest, SendResult } from '../packages/curfew/src/engine/sender.ts'
import type { Clock } from '../packages/curfew/src/platform/clock.ts'
import { createMemorySessionRegistry } from '../packages/sdk/src/memory-session-registry.ts'
import type { AppSession, SessionRegistry } from '../packages/sdk/src/session-registry.ts'
import type { Trace } from './trace.ts'

/** What a partner does with one message. */
export type Behaviour =
  | 'answers'
  | 'answers-late' // its answer comes after the sender gave up
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
  /** Sessions of the authority by which somebody is signed in here. */
  readonly live: ReadonlySet<string>
  /** An assertion arrives, perhaps after the logout of its sign-in: then it opens nothing, as an application of the SDK has it. */
  present(assertion: Assertion): Promise<void>
  /** Signs in by an assertion, whatever came before it. */
  open(assertion: Assertion): Promise<void>
  /** Ends its own session before it tells anybody, as whoever starts a logout does. */
  signOut(sessionId: string): void
  /** Takes a LogoutRequest by SOAP, or a logout token. */
  receive(message: PartnerMessage, signal: AbortSignal): Promise<SendResult>
  /** Takes one through the browser; undefined: the browser does not come back. */
  visit(message: PartnerMessage): Promise<Visit | undefined>
}

/** What one sign-in tells a partner, and the session of the authority that it came from. */
export interface Assertion {
  readonly sessionId: string
  readonly name: string
  /** Empty: it knows people by their name alone. */
  readonly sessionIndex: string
  readonly issuedAtMs: number
}

/** A logout: `nowMs` is when it was issued. */
export type PartnerMessage = Pick<SendRequest, 'run' | 'delivery' | 'messageId' | 'nowMs'>

export interface Visit {
  readonly answer: BrowserAnswer
  /** How much later the browser is back. */
  readonly afterMs: number
}

/** How long an assertion can be presented. */
export const assertionMs = 60_000
/** How late an answer is at most, from when its sender gave up on. */
const lateMsMax = 12_000
const identityProvider = 'https://curfew.example'

export interface PartnerOptions {
  readonly id: string
  readonly protocol: PeerProtocol
  readonly clock: Clock
  readonly fraction: () => number
  readonly trace: Trace
  readonly behaviours: readonly Behaviour[]
  /** When a session of the authority ended; undefined: it goes on. */
  readonly endedAtMs: (sessionId: string) => number | undefined
  /** It is past a limit, and perhaps no timer has ended it yet. Absent: none has limits. */
  readonly isPastLimits?: (sessionId: string) => boolean
  /** Hears of a sign-in that was ended, or refused, by a logout of another one. */
  readonly fail: (what: string) => void
  /** Replaces where it keeps its sessions by something faulty. */
  readonly spoil?: ((registry: SessionRegistry) => SessionRegistry) | undefined
}

export function createPartner(options: PartnerOptions): Partner {
  const { id, protocol, clock, fraction, trace, endedAtMs, isPastLimits = () => false, fail } = options
  const live = new Set<string>()
  const own = createMemorySessionRegistry()
  const registry = options.spoil?.(own) ?? own
  /** By name: sign-ins up to then were ended by a logout that names nobody but the user. */
  const endedByName = new Map<string, number>()
  const choose = (): Behaviour => options.behaviours[Math.floor(fraction() * options.behaviours.length)] ?? 'answers'
  const sessionOf = ({ sessionId, name, sessionIndex, issuedAtMs }: Assertion): AppSession & { readonly issuedAtMs: number } => ({
    id: sessionId,
    identityProvider,
    nameId: { value: name },
    ...(sessionIndex === '' ? {} : { sessionIndex }),
    attributes: {},
    createdAtMs: clock.nowMs(),
    expiresAtMs: clock.nowMs() + 86_400_000,
    issuedAtMs
  })
  const open = async (session: AppSession): Promise<void> => {
    await registry.open(session)
    live.add(session.id)
  }
  const drop = async (sessionId: string): Promise<void> => {
    live.delete(sessionId)
    await registry.end(sessionId)
  }
  /** Who signed in after the logout began is not meant by it, and nobody else is by a message that names one session. */
  const judge = ({ id: sessionId, issuedAtMs = 0 }: AppSession, { run, delivery }: PartnerMessage): void => {
    const isOver = endedAtMs(sessionId) !== undefined || isPastLimits(sessionId)
    const isMeant = isOver || (delivery.sessionIndex === '' && issuedAtMs <= run.startedAtMs)
    if (!isMeant) fail(`${id} is told by ${run.id} of the end of ${run.sessionId}, and ends its session from ${sessionId}, which goes on`)
  }
  const end = async (message: PartnerMessage): Promise<'ended' | 'already-ended'> => {
    const { run, delivery, nowMs } = message
    const { nameId, sessionIndex } = delivery
    // A browser brings its own session with it, which was there before the logout; a message that names the user alone means all of them.
    const isBrought = sessionIndex === '' && channelOf(delivery)?.kind !== 'server'
    const issuedUntilMs = isBrought ? run.startedAtMs : nowMs
    // As the SDK has it, with one clock for all.
    const named = sessionIndex === '' ? { sessionIndexes: [], sparesIssuedAfterMs: issuedUntilMs } : { sessionIndexes: [sessionIndex] }
    if (sessionIndex === '') endedByName.set(nameId.value, Math.max(run.startedAtMs, endedByName.get(nameId.value) ?? 0))
    const ended = await registry.endBySubject({ identityProvider, nameId, ...named, issuedUntilMs }, clock.nowMs() + assertionMs)
    for (const session of ended) {
      live.delete(session.id)
      judge(session, message)
    }
    trace.add(clock.nowMs(), `${id} ${ended.length > 0 ? `ends its session from ${ended.map((one) => one.id).join(' and ')}` : 'had no session left'}`)
    return ended.length > 0 ? 'ended' : 'already-ended'
  }
  const confirmed = async (message: PartnerMessage): Promise<SendResult & BrowserAnswer> => {
    const { messageId } = message
    return {
      kind: 'confirmed',
      result: await end(message),
      proof:
        protocol === 'oidc'
          ? { kind: 'authenticated-2xx', hash: `answer to ${messageId}` }
          : { kind: 'signed-answer', messageId: `answer to ${messageId}`, hash: 'h', signedBy: id }
    }
  }
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve))
  const aborted = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
  const untilAborted = async (signal: AbortSignal): Promise<SendResult> => {
    await aborted(signal)
    return { kind: 'failed', why: 'timed-out', code: 'CURFEW_RUN_PARTICIPANT_TIMEOUT', retryable: true }
  }
  return {
    id,
    protocol,
    live,
    open: (assertion) => open(sessionOf(assertion)),
    async present(assertion) {
      const { sessionId, name, issuedAtMs } = assertion
      const nowMs = clock.nowMs()
      const session = sessionOf(assertion)
      const overAtMs = endedAtMs(sessionId)
      if (overAtMs !== undefined && issuedAtMs > overAtMs) fail(`${id} is given an assertion that was issued after the end of ${sessionId}`)
      await open(session)
      if (!(await registry.isEnded(session, nowMs))) return
      await drop(sessionId)
      trace.add(nowMs, `${id} refuses an assertion of ${sessionId} that comes after its logout`)
      if (issuedAtMs > Math.max(overAtMs ?? 0, endedByName.get(name) ?? 0)) fail(`${id} refuses a sign-in from ${sessionId}, which goes on`)
    },
    signOut: (sessionId) => void drop(sessionId),
    async receive(message, signal) {
      const behaviour = choose()
      trace.add(clock.nowMs(), `${id} gets ${message.messageId} and ${behaviour}`)
      if (behaviour === 'hangs') return new Promise(() => undefined)
      if (behaviour === 'loses-request') return untilAborted(signal)
      if (behaviour === 'down') return { kind: 'failed', why: 'unreachable', code: 'CURFEW_OUTBOUND_UNREACHABLE', retryable: true }
      if (behaviour === 'error') return { kind: 'failed', why: 'unreachable', code: 'CURFEW_SAML_PEER_HTTP', retryable: true }
      const slowness = fraction()
      await wait(slowness * 200)
      if (behaviour === 'refuses') return { kind: 'refused', statusCode: 'RequestDenied', code: 'CURFEW_SAML_LOGOUT_REFUSED' }
      const answer = await confirmed(message)
      if (behaviour === 'garbage') return { kind: 'unusable-answer', code: 'CURFEW_SAML_ANSWER_NOT_SAML' }
      if (behaviour === 'loses-answer') return untilAborted(signal)
      if (behaviour === 'answers-late') {
        await aborted(signal)
        await wait(slowness * lateMsMax)
        trace.add(clock.nowMs(), `the answer of ${id} to ${message.messageId} comes late`)
      }
      return answer
    },
    async visit(message) {
      const behaviour = choose()
      trace.add(clock.nowMs(), `the browser brings ${message.messageId} to ${id}, which ${behaviour}`)
      switch (behaviour) {
        case 'answers':
          return { answer: await confirmed(message), afterMs: 0 }
        case 'answers-late':
          return { answer: await confirmed(message), afterMs: fraction() * lateMsMax }
        case 'refuses':
          return { answer: { kind: 'refused', statusCode: 'RequestDenied', code: 'CURFEW_SAML_LOGOUT_REFUSED' }, afterMs: 0 }
        case 'garbage':
          await end(message)
          return { answer: { kind: 'unusable-answer', code: 'CURFEW_SAML_SIGNATURE_INVALID' }, afterMs: 0 }
        case 'loses-answer':
          await end(message)
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
