import { CurfewError, type RevocationList } from '@curfew/codecs'
import type { Clock } from '../../platform/clock.ts'
import type { EndingKind, EndingsLog, EndingsReader } from '../../stores/endings-log.ts'
import type { LiveConnections } from '../live-connections.ts'
import type { EndedByProvider } from './ended-by-provider.ts'
import type { Sealer } from './sealer.ts'

/** Something that is over, and that the revocation list of an authority says nothing of. */
type Ending =
  /** One session, by a name that is its own (`sessionName`, `sidName`). */
  | { readonly kind: 'session'; readonly name: string; readonly untilMs: number }
  /** What a user had signed in to before that moment. */
  | { readonly kind: 'subject'; readonly subject: string; readonly atMs: number }
  /** One session, by a message that nobody signed. */
  | { readonly kind: 'sid'; readonly sid: string }

/**
 * What is ended at a gateway itself: a sign-out of one host, what a provider sends. It counts here before anything is
 * awaited; the promise is that every gateway gets to know.
 */
export interface Endings {
  /** @throws CURFEW_GATEWAY_ENDINGS_UNSHARED */
  endSession(name: string, untilMs: number): Promise<void>
  /** @throws CURFEW_GATEWAY_ENDINGS_UNSHARED */
  endSubject(subject: string, atMs: number): Promise<void>
  /** @throws CURFEW_GATEWAY_ENDINGS_UNSHARED */
  endSid(sid: string): Promise<void>
  /** False where other gateways end sessions too, and what they ended is not known young enough. */
  isYoung(): boolean
  /** How long ago all that other gateways ended was known; undefined before that, and where there are none. */
  ageMs(): number | undefined
  readonly isShared: boolean
  /** Reads the log from now on, and writes to it. */
  join(open: (reader: EndingsReader) => EndingsLog): EndingsLog
}

export interface EndingsDeps {
  readonly revocations: Pick<RevocationList, 'add'>
  readonly endedByProvider: EndedByProvider
  readonly live: Pick<LiveConnections, 'closeWhere'>
  readonly clock: Clock
  readonly steadyMs: () => number
  /** Absent: this gateway is the only one. */
  readonly shared?: {
    /** Whoever can write to the log, and has not the secret, ends nothing. */
    readonly sealer: Sealer
    readonly staleMs: number
    onProblem(error: unknown): void
  }
}

/** Endings that wait for the log to take them. */
const waitingMax = 10_000

export function createEndings(deps: EndingsDeps): Endings {
  const { revocations, endedByProvider, live, clock, steadyMs, shared } = deps
  const state = { log: undefined as EndingsLog | undefined, completeMs: undefined as number | undefined, isSending: false }
  const waiting: { readonly kind: EndingKind; readonly text: string }[] = []
  const apply = (endings: readonly Ending[]): void => {
    const nowMs = clock.nowMs()
    let isByProvider = false
    for (const ending of endings) {
      switch (ending.kind) {
        case 'session':
          revocations.add(ending.name, ending.untilMs, nowMs)
          break
        case 'subject':
          endedByProvider.endSubject(ending.subject, ending.atMs)
          isByProvider = true
          break
        case 'sid':
          endedByProvider.endSid(ending.sid)
          isByProvider = true
          break
      }
    }
    if (isByProvider) live.closeWhere(({ session }) => endedByProvider.isEnded(session))
  }
  const tell = async (kind: EndingKind, ending: Ending): Promise<void> => {
    apply([ending])
    if (shared === undefined) return
    const text = shared.sealer.seal(JSON.stringify(ending), clock.nowMs())
    try {
      if (state.log === undefined) throw new CurfewError('CURFEW_STORE_UNREACHABLE', { why: 'not joined yet' })
      await state.log.append(kind, text)
    } catch (cause) {
      // Whoever asked is told so; it goes out as soon as it can all the same.
      if (waiting.length < waitingMax) waiting.push({ kind, text })
      throw new CurfewError('CURFEW_GATEWAY_ENDINGS_UNSHARED', {}, { cause })
    }
  }
  const sendWaiting = async (log: EndingsLog): Promise<void> => {
    if (state.isSending) return
    state.isSending = true
    try {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        await log.append(next.kind, next.text)
        waiting.shift()
      }
    } catch (error) {
      shared?.onProblem(error)
    } finally {
      state.isSending = false
    }
  }
  return {
    isShared: shared !== undefined,
    endSession: (name, untilMs) => tell('told', { kind: 'session', name, untilMs }),
    endSubject: (subject, atMs) => tell('told', { kind: 'subject', subject, atMs }),
    endSid: (sid) => tell('unsigned', { kind: 'sid', sid }),
    isYoung: () => shared === undefined || (state.completeMs !== undefined && steadyMs() - state.completeMs <= shared.staleMs),
    ageMs: () => (state.completeMs === undefined ? undefined : steadyMs() - state.completeMs),
    join(open) {
      if (shared === undefined) throw new TypeError('a gateway that shares nothing joins nothing')
      const log = open({
        take: (texts) => apply(texts.flatMap((text) => endingOf(shared.sealer.open(text, clock.nowMs())) ?? [])),
        complete(atMs) {
          state.completeMs = atMs
          if (waiting.length > 0) void sendWaiting(log)
        },
        onProblem: (error) => shared.onProblem(error)
      })
      state.log = log
      return log
    }
  }
}

/** Only for text that a gateway of this secret sealed; one of a later release may say what is not known here. */
function endingOf(text: string | undefined): Ending | undefined {
  if (text === undefined) return undefined
  const { kind, ...rest } = JSON.parse(text) as Ending
  return kind === 'session' || kind === 'subject' || kind === 'sid' ? ({ kind, ...rest } as Ending) : undefined
}
