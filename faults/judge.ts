import type { Store } from '../packages/curfew/src/stores/store.ts'
import { until } from '../packages/curfew/test/stores/redis/servers.ts'
import { answerTo } from './callers.ts'
import type { Event, Ticket } from './events.ts'

/** What one round came to, or several of them together. */
export interface Verdict {
  /** Facts that were acknowledged with as many copies as configured. */
  readonly acknowledged: number
  /** Of those: gone afterwards. */
  readonly lost: number
  /** Facts that were acknowledged as `degraded`, and those of them that are gone. */
  readonly degraded: number
  readonly degradedLost: number
  /** Times that a session was let in after its end was acknowledged. */
  readonly accepted: number
  /** The same for ends that were acknowledged as `degraded`. */
  readonly degradedAccepted: number
  readonly openRuns: number
  /** The longest that one caller waited from one success to the next. */
  readonly waitMs: number
  /** What callers were told, by code. */
  readonly refused: Readonly<Record<string, number>>
  /** Where applications keep journals of their own. */
  readonly told?: Told
}

/** What applications were told, held against what they wrote down themselves. */
export interface Told {
  readonly outcomes: number
  /** Outcomes that are better than the journal, or more than one for the same application. */
  readonly tooGood: number
  /** Times that an application was asked after its outcome was final. */
  readonly afterOutcome: number
  /** Times that it was asked once more before: at least once is promised. */
  readonly repeats: number
  /** Outcomes that are true, but not those of an application that is up. */
  readonly unlike: number
}

export type Acknowledged = Extract<Event, { readonly kind: 'acknowledged' }>

/** How long runs may take to end after the fault: a lease, a retry, and the work itself. */
const settleMs = 60_000

/** Holds what was told against what is there. The fault is over, no node is under load. */
export async function judge(store: Store, events: readonly (readonly Event[])[]): Promise<Verdict> {
  const all = events.flat()
  const facts = all.filter((event) => event.kind === 'acknowledged')
  const [sure, weak] = [facts.filter(({ durability }) => durability !== 'degraded'), facts.filter(({ durability }) => durability === 'degraded')]
  // What is owed is sent again for as long as it takes; a run of a node that died is taken over.
  const openRuns = await settled(store)
  return {
    acknowledged: sure.length,
    lost: (await missing(store, sure)).length,
    degraded: weak.length,
    degradedLost: (await missing(store, weak)).length,
    accepted: await acceptedAfter(store, all, sure),
    degradedAccepted: await acceptedAfter(store, all, weak),
    openRuns,
    waitMs: Math.max(0, ...events.map(longestWait)),
    refused: counted(all.flatMap((event) => (event.kind === 'refused' ? [event.code] : [])))
  }
}

export async function settled(store: Store): Promise<number> {
  let open = 0
  await until(async () => {
    open = (await store.describe()).openRuns
    return open === 0
  }, settleMs).catch(() => undefined)
  return open
}

/** The facts that are not there. */
export async function missing(store: Store, facts: readonly Acknowledged[]): Promise<readonly Acknowledged[]> {
  const participants = new Map<string, number>()
  for (const { what, ticket } of facts) if (what === 'added') participants.set(ticket.id, (participants.get(ticket.id) ?? 0) + 1)
  const there = await Promise.all(
    facts.map(async ({ what, ticket }) => {
      const session = await store.getSession(ticket.id)
      switch (what) {
        case 'opened':
          return session !== undefined && (await store.findSessionByToken(ticket.tokenHash))?.id === ticket.id
        case 'added':
          return (await store.getParticipants(ticket.id)).length >= (participants.get(ticket.id) ?? 0)
        case 'ended':
          return session?.end !== undefined && (await store.isRevoked(ticket.sri, Date.now()))
      }
    })
  )
  return facts.filter((_, i) => there[i] === false)
}

/** Times that a session was let in by a check that began after its end was acknowledged, now included. */
async function acceptedAfter(store: Store, all: readonly Event[], facts: readonly Acknowledged[]): Promise<number> {
  const endedAtMs = new Map(facts.filter(({ what }) => what === 'ended').map(({ ticket, toMs }) => [ticket.id, toMs]))
  const then = all.filter(
    (event) => event.kind === 'checked' && event.answer === 'accepted' && event.fromMs > (endedAtMs.get(event.ticket.id) ?? Number.POSITIVE_INFINITY)
  )
  const tickets: readonly Ticket[] = facts.filter(({ what }) => what === 'ended').map(({ ticket }) => ticket)
  const now = await Promise.all(tickets.map((ticket) => answerTo(store, ticket, Date.now())))
  return then.length + now.filter((answer) => answer === 'accepted').length
}

/** The longest time between two successes of one caller of one node. */
export function longestWait(events: readonly Event[]): number {
  const lastMs = new Map<number, number>()
  let longest = 0
  for (const event of events) {
    if (event.kind !== 'acknowledged' || event.lane < 0) continue
    longest = Math.max(longest, event.toMs - (lastMs.get(event.lane) ?? event.toMs))
    lastMs.set(event.lane, event.toMs)
  }
  return longest
}

export function counted(codes: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1
  return counts
}

export function addTold(a: Told, b: Told): Told {
  return {
    outcomes: a.outcomes + b.outcomes,
    tooGood: a.tooGood + b.tooGood,
    afterOutcome: a.afterOutcome + b.afterOutcome,
    repeats: a.repeats + b.repeats,
    unlike: a.unlike + b.unlike
  }
}

/** Several rounds as one. */
export function together(verdicts: readonly Verdict[]): Verdict {
  const told = verdicts.flatMap((one) => one.told ?? [])
  const sum = (of: (verdict: Verdict) => number): number => verdicts.reduce((total, one) => total + of(one), 0)
  return {
    acknowledged: sum((one) => one.acknowledged),
    lost: sum((one) => one.lost),
    degraded: sum((one) => one.degraded),
    degradedLost: sum((one) => one.degradedLost),
    accepted: sum((one) => one.accepted),
    degradedAccepted: sum((one) => one.degradedAccepted),
    openRuns: sum((one) => one.openRuns),
    waitMs: Math.max(0, ...verdicts.map((one) => one.waitMs)),
    ...(told.length === 0 ? {} : { told: told.reduce(addTold) }),
    refused: counted(verdicts.flatMap(({ refused }) => Object.entries(refused).flatMap(([code, count]) => Array.from({ length: count }, () => code))))
  }
}
