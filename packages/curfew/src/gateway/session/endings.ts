import { CurfewError, revocationFingerprint, type RevocationList } from '@curfew/codecs'
import type { Clock } from '../../platform/clock.ts'
import type { EndingKind, EndingsLog, EndingsReader } from '../../stores/endings-log.ts'
import type { LiveConnections } from '../live-connections.ts'
import type { EndedByProvider } from './ended-by-provider.ts'
import type { Sealer } from './sealer.ts'
import { sidName } from './web-session.ts'

/** Something that is over, and that the revocation list of an authority says nothing of. */
type Ending =
  /** One session, by a name that is its own (`sessionName`, `sidName`). Without an end: for as long as one may last at the gateway that reads it. */
  | { readonly kind: 'session'; readonly name: string; readonly untilMs?: number }
  /** What a user of that provider had signed in to before that moment. */
  | { readonly kind: 'subject'; readonly issuer: string; readonly subject: string; readonly atMs: number }
  /** One session of that provider, by a message that nobody signed. `from`: who sent it, by address; a gateway of a former release does not say. */
  | { readonly kind: 'sid'; readonly issuer: string; readonly sid: string; readonly from?: string }

/**
 * What is ended at a gateway itself: a sign-out of one host, what a provider sends. It counts here before anything is
 * awaited; the promise is that every gateway gets to know.
 */
export interface Endings {
  /** @throws CURFEW_GATEWAY_ENDINGS_UNSHARED */
  endSession(name: string, untilMs?: number): Promise<void>
  /** What a user of the provider of this gateway had signed in to. @throws CURFEW_GATEWAY_ENDINGS_UNSHARED */
  endSubject(subject: string, atMs: number): Promise<void>
  /**
   * One session of that provider, by a message that nobody signed. Of what one sender has beyond its share others are not told.
   * @param from - who sent it, by address
   * @returns false where it is beyond that share
   * @throws CURFEW_GATEWAY_ENDINGS_UNSHARED
   */
  endSid(sid: string, from: string): Promise<boolean>
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
  readonly live: Pick<LiveConnections, 'close' | 'closeWhere'>
  /** The provider of this gateway; what another one ended, where several gateways share servers, is none of its business. */
  readonly issuer: string
  /** Longest life of a web session. */
  readonly maxMs: number
  readonly clock: Clock
  readonly steadyMs: () => number
  /** Absent: this gateway is the only one. */
  readonly shared?: {
    /** Whoever can write to the log, and has not the secret, ends nothing. */
    readonly sealer: Sealer
    readonly staleMs: number
    onProblem(error: unknown): void
    /** One more that waited has no room: other gateways are never told of it. `count`: how many of this kind by now. */
    onDropped(kind: EndingKind, count: number): void
  }
}

/** Endings that wait for the log to take them, at most: what anybody can send has a part of its own, and takes no room from the rest. */
export const waitingMax: Readonly<Record<EndingKind, number>> = { told: 10_000, unsigned: 1_000 }
/** Of those that nobody signed, what one sender may have. */
export const senderWaitingMax = 100
/** In the order that they go out. */
const kinds: readonly EndingKind[] = ['told', 'unsigned']

/** What waits for the log; `from` is empty for what was signed, or said by ourselves. */
interface Waiting {
  readonly text: string
  readonly from: string
}

export function createEndings(deps: EndingsDeps): Endings {
  const { revocations, endedByProvider, live, issuer, maxMs, clock, steadyMs, shared } = deps
  const state = { log: undefined as EndingsLog | undefined, completeMs: undefined as number | undefined, isSending: false }
  const waiting: Record<EndingKind, Waiting[]> = { told: [], unsigned: [] }
  const dropped: Record<EndingKind, number> = { told: 0, unsigned: 0 }
  const keep = (kind: EndingKind, one: Waiting): void => {
    const others = waiting[kind]
    const isFull = others.length >= waitingMax[kind] || (one.from !== '' && others.filter(({ from }) => from === one.from).length >= senderWaitingMax)
    if (isFull) shared?.onDropped(kind, ++dropped[kind])
    else others.push(one)
  }
  const apply = (endings: readonly Ending[]): void => {
    const nowMs = clock.nowMs()
    let isOfUsers = false
    for (const ending of endings) {
      switch (ending.kind) {
        case 'session':
          revocations.add(ending.name, ending.untilMs ?? nowMs + maxMs, nowMs)
          break
        case 'subject':
          if (ending.issuer !== issuer) break
          endedByProvider.endSubject(issuer, ending.subject, ending.atMs)
          isOfUsers = true
          break
        case 'sid':
          // Anybody can send these: each costs no more than the look at one name.
          if (ending.issuer !== issuer || endedByProvider.isSidEnded(issuer, ending.sid)) break
          endedByProvider.endSid(issuer, ending.sid, ending.from)
          live.close(revocationFingerprint(sidName(issuer, ending.sid)))
          break
      }
    }
    if (isOfUsers) live.closeWhere(({ session }) => endedByProvider.isEnded(session))
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
      keep(kind, { text, from: ending.kind === 'sid' ? (ending.from ?? '') : '' })
      throw new CurfewError('CURFEW_GATEWAY_ENDINGS_UNSHARED', {}, { cause })
    }
  }
  const sendWaiting = async (log: EndingsLog): Promise<void> => {
    if (state.isSending) return
    state.isSending = true
    try {
      for (const kind of kinds) {
        for (let next = waiting[kind][0]; next !== undefined; next = waiting[kind][0]) {
          await log.append(kind, next.text)
          waiting[kind].shift()
        }
      }
    } catch (error) {
      shared?.onProblem(error)
    } finally {
      state.isSending = false
    }
  }
  return {
    isShared: shared !== undefined,
    endSession: (name, untilMs) => tell('told', { kind: 'session', name, ...(untilMs === undefined ? {} : { untilMs }) }),
    endSubject: (subject, atMs) => tell('told', { kind: 'subject', issuer, subject, atMs }),
    async endSid(sid, from) {
      const ending: Ending = { kind: 'sid', issuer, sid, from }
      // Beyond its share it takes the place of another of the same sender here; the log would take it out of the place of others.
      if (shared !== undefined && !endedByProvider.hasRoomOf(from)) {
        apply([ending])
        shared.onDropped('unsigned', ++dropped.unsigned)
        return false
      }
      await tell('unsigned', ending)
      return true
    },
    isYoung: () => shared === undefined || (state.completeMs !== undefined && steadyMs() - state.completeMs <= shared.staleMs),
    ageMs: () => (state.completeMs === undefined ? undefined : steadyMs() - state.completeMs),
    join(open) {
      if (shared === undefined) throw new TypeError('a gateway that shares nothing joins nothing')
      const log = open({
        take: (texts) => apply(texts.flatMap((text) => endingOf(shared.sealer.open(text, clock.nowMs())) ?? [])),
        complete(atMs) {
          state.completeMs = atMs
          if (kinds.some((kind) => waiting[kind].length > 0)) void sendWaiting(log)
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
