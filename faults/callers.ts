import { setTimeout as pause } from 'node:timers/promises'
import { isCurfewError } from '../packages/codecs/src/errors.ts'
import { participantIdOf } from '../packages/curfew/src/authority/saml/participant-id.ts'
import type { Participant } from '../packages/curfew/src/core/participant.ts'
import { isLive, type Session } from '../packages/curfew/src/core/session.ts'
import type { Engine } from '../packages/curfew/src/engine/engine.ts'
import type { Clock } from '../packages/curfew/src/platform/clock.ts'
import type { Locator } from '../packages/curfew/src/platform/locator.ts'
import type { Durability, Store } from '../packages/curfew/src/stores/store.ts'
import { type Answer, type Event, type Fact, nowMs, type Span, type Ticket } from './events.ts'

export interface CallersDeps {
  readonly store: Store
  readonly engine: Engine
  readonly locator: Locator
  /** The time that the store goes by. */
  readonly clock: Pick<Clock, 'nowMs'>
  /** Applications that take part in every session. */
  readonly peers: readonly string[]
  /** What an ending has that is not degraded. */
  readonly durability: Durability
  readonly say: (event: Event) => void
}

/** Callers that sign people in and out through one node. */
export interface Callers {
  /** One sign-in with its applications; undefined: it was refused. */
  open(lane: number): Promise<Ticket | undefined>
  end(lane: number, ticket: Ticket): Promise<void>
  check(ticket: Ticket): Promise<void>
  /** So many callers at once, each without end; most of what they open they end. */
  start(lanes: number, pauseMs: number): void
  /** Resolves when every caller has its answer. */
  stop(): Promise<void>
}

const hourMs = 3_600_000
/** How much of what is opened stays. */
const keptShare = 0.3

export function createCallers(deps: CallersDeps): Callers {
  const { store, engine, locator, clock, peers, say } = deps
  let isRunning = false
  let running: Promise<unknown> = Promise.resolve()

  /** Does one thing and tells what came of it; false: it was refused. */
  const told = async (what: Fact, lane: number, ticket: Ticket, work: () => Promise<Done>): Promise<boolean> => {
    const fromMs = nowMs()
    try {
      const { isDone, ...done } = await work()
      if (isDone) say({ kind: 'acknowledged', what, lane, ticket, ...done, fromMs, toMs: nowMs() })
      return isDone
    } catch (error) {
      say({ kind: 'refused', what, lane, ticket, code: isCurfewError(error) ? error.code : String(error), fromMs, toMs: nowMs() })
      return false
    }
  }
  const end = async (lane: number, ticket: Ticket): Promise<void> => {
    await told('ended', lane, ticket, async () => {
      const { ended } = await engine.endSessions({
        scope: { kind: 'session', sessionId: ticket.id },
        reason: 'admin',
        by: { kind: 'admin', id: 'faults' },
        starter: { kind: 'none' },
        browser: 'absent'
      })
      return { isDone: ended.length > 0, durability: ended[0]?.isDegraded === true ? 'degraded' : deps.durability }
    })
  }
  const open = async (lane: number): Promise<Ticket | undefined> => {
    const session = newSession(locator, clock.nowMs())
    const ticket: Ticket = { id: session.id, sri: session.sri, tokenHash: session.tokenHash }
    const isOpen = await told('opened', lane, ticket, async () => {
      const { value, durability } = await store.openSession(session)
      return { isDone: value === 'opened', durability }
    })
    if (!isOpen) return undefined
    for (const peerId of peers) {
      await told('added', lane, ticket, async () => {
        const { value, durability } = await store.addParticipant(session.id, newParticipant(peerId, session, locator, clock.nowMs()))
        return { isDone: value === 'added', peerId, durability }
      })
    }
    return ticket
  }
  const run = async (lane: number, pauseMs: number): Promise<void> => {
    while (isRunning) {
      const ticket = await open(lane)
      if (ticket !== undefined && Math.random() > keptShare) await end(lane, ticket)
      await pause(pauseMs)
    }
  }
  return {
    open,
    end,
    async check(ticket) {
      const fromMs = nowMs()
      const span = (): Span => ({ fromMs, toMs: nowMs() })
      try {
        say({ kind: 'checked', ticket, answer: await answerTo(store, ticket, clock.nowMs()), ...span() })
      } catch (error) {
        if (!isCurfewError(error)) throw error
        say({ kind: 'checked', ticket, ...span() })
      }
    },
    start(lanes, pauseMs) {
      isRunning = true
      running = Promise.all(Array.from({ length: lanes }, (_, lane) => run(lane, pauseMs)))
    },
    async stop() {
      isRunning = false
      await running
    }
  }
}

interface Done {
  readonly isDone: boolean
  readonly peerId?: string
  readonly durability: Durability
}

/** As the surfaces judge a cookie, and as a gateway judges the session behind it: both have to let it in. */
export async function answerTo(store: Store, { tokenHash, sri }: Ticket, atMs: number): Promise<Answer> {
  const session = await store.findSessionByToken(tokenHash)
  if (session === undefined) return 'unknown'
  return isLive(session, atMs) && !(await store.isRevoked(sri, atMs)) ? 'accepted' : 'ended'
}

function newSession(locator: Locator, atMs: number): Session {
  const id = locator.newSessionId()
  const username = `u${id.slice(-8)}`
  return {
    id,
    version: 1,
    userKey: `form:${username}`,
    username,
    sourceId: 'form',
    attributes: { mail: [`${username}@example.org`] },
    authnContext: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport',
    createdAtMs: atMs,
    authenticatedAtMs: atMs,
    lastActivityAtMs: atMs,
    idleExpiresAtMs: atMs + hourMs,
    expiresAtMs: atMs + 8 * hourMs,
    idleTimeoutMs: hourMs,
    persistent: false,
    tokenHash: `token of ${id}`,
    sri: locator.seal('curfew:sri', id)
  }
}

function newParticipant(peerId: string, session: Session, locator: Locator, atMs: number): Participant {
  const nameId = { value: `${session.username} at ${peerId}` }
  return {
    id: participantIdOf(peerId, nameId),
    peerId,
    role: 'application',
    protocol: 'oidc',
    nameId,
    sessionIndex: locator.seal(peerId, session.id),
    addedAtMs: atMs,
    lastIssuedAtMs: atMs,
    assertionNotOnOrAfterMs: atMs + 300_000
  }
}
