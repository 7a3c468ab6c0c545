import { setTimeout as pause } from 'node:timers/promises'
import type { Participant } from '../packages/curfew/src/core/participant.ts'
import type { Delivery, LogoutRun } from '../packages/curfew/src/core/run.ts'
import type { SessionEnd } from '../packages/curfew/src/core/session.ts'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import { until } from '../packages/curfew/test/stores/redis/servers.ts'
import { answerTo } from './callers.ts'
import type { Acknowledged, Event, Ticket } from './events.ts'
import type { Journal } from './journal.ts'
import type { Outage } from './net.ts'
import { longestWait, type Shift } from './roster.ts'
import { addTold, judgeTold, onItsWayMs, type Told } from './told.ts'

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
  /** The longest that one caller waited for a success, also where its node was dead. */
  readonly waitMs: number
  /** What callers were told, by code. */
  readonly refused: Readonly<Record<string, number>>
  /** Where applications keep journals of their own. */
  readonly told?: Told
}

/** How long runs may take to end after the fault: a lease, a retry, and the work itself. */
const settleMs = 60_000

/** What one round left behind. */
export interface Round {
  readonly journal: Journal
  /** When the network was cut. */
  readonly outages: readonly Outage[]
  readonly shifts: readonly Shift[]
}

/** Holds what was told against what is there. The fault is over, no node is under load. */
export async function judge(store: Store, { journal, outages, shifts }: Round): Promise<Verdict> {
  const all = shifts.flatMap(({ events }) => events)
  const facts = all.filter((event) => event.kind === 'acknowledged')
  const [sure, weak] = [facts.filter(({ durability }) => durability !== 'degraded'), facts.filter(({ durability }) => durability === 'degraded')]
  // What is owed is sent again for as long as it takes; a run of a node that died is taken over.
  const openRuns = await settled(store)
  // What is on its way to an application that has its outcome arrives by then.
  await pause(onItsWayMs)
  const lost = await missing(store, sure)
  const { told, faults } = judgeTold(await runsOf(store, ticketsIn(all)), journal, outages)
  const weakLost = await missing(store, weak)
  print([...lost.map(wordsOf), ...weakLost.map((fact) => `degraded, ${wordsOf(fact)}`), ...faults, ...(await openIn(store))])
  return {
    acknowledged: sure.length,
    lost: lost.length,
    degraded: weak.length,
    degradedLost: weakLost.length,
    accepted: await acceptedAfter(store, all, sure),
    degradedAccepted: await acceptedAfter(store, all, weak),
    openRuns,
    waitMs: Math.max(0, ...shifts.map(longestWait)),
    refused: counted(all.flatMap((event) => (event.kind === 'refused' ? [event.code] : []))),
    told
  }
}

/** What runs that did not end wait for. */
export async function openIn(store: Store): Promise<readonly string[]> {
  const { items } = await store.listRuns({ state: 'open', limit: printedMax })
  return items.map(({ id, sessionId, deliveries }) => `open: ${id} of ${sessionId}: ${deliveries.map(stateOf).join(', ')}`)
}

function stateOf({ peerId, state, attempts }: Delivery): string {
  return `${peerId} ${state} after attempts at ${attempts.map(({ startedAtMs }) => startedAtMs).join(' and ')}`
}

const printedMax = 5

/** Says what is wrong, some of it where it is much. */
export function print(faults: readonly string[]): void {
  for (const fault of faults.slice(0, printedMax)) console.log(`  ${fault}`)
  if (faults.length > printedMax) console.log(`  and ${faults.length - printedMax} more`)
}

export function wordsOf({ what, ticket, peerId = '' }: Acknowledged): string {
  return `lost: ${ticket.id} ${what} ${peerId}`.trimEnd()
}

/** The sessions that calls were about, however they were answered. */
export function ticketsIn(events: readonly Event[]): readonly Ticket[] {
  const tickets = events.flatMap((event) => (event.kind === 'acknowledged' || event.kind === 'refused' ? [event.ticket] : []))
  return [...new Map(tickets.map((ticket) => [ticket.id, ticket])).values()]
}

/** More runs than one session ever has here. */
const runsMax = 10

export async function runsOf(store: Store, tickets: readonly Ticket[]): Promise<readonly LogoutRun[]> {
  const pages = await Promise.all(tickets.map(({ id }) => store.listRuns({ sessionId: id, limit: runsMax })))
  return pages.flatMap(({ items }) => items)
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
  const joined = facts.filter(({ what }) => what === 'added')
  const added = Map.groupBy(joined, ({ ticket }) => ticket.id)
  const there = await Promise.all(
    facts.map(async ({ what, ticket, peerId }) => {
      const session = await store.getSession(ticket.id)
      switch (what) {
        case 'opened':
          return session !== undefined && (await store.findSessionByToken(ticket.tokenHash))?.id === ticket.id
        case 'added':
          return hasJoined(await store.getParticipants(ticket.id), peerId, added.get(ticket.id) ?? [])
        case 'ended':
          if (session?.end === undefined || !(await store.isRevoked(ticket.sri, Date.now()))) return false
          return isTold(store, ticket, session.end, added.get(ticket.id) ?? [])
      }
    })
  )
  return facts.filter((_, i) => there[i] === false)
}

/** Where nobody says who joined, it counts how many did. */
function hasJoined(participants: readonly Participant[], peerId: string | undefined, added: readonly Acknowledged[]): boolean {
  return peerId === undefined ? participants.length >= added.length : participants.some((one) => one.peerId === peerId)
}

/** The run of the end is there and done, and whoever had joined has a delivery: in it, or in a further one where it could not know of that. */
async function isTold(store: Store, ticket: Ticket, end: SessionEnd, added: readonly Acknowledged[]): Promise<boolean> {
  const run = await store.getRun(end.runId)
  if (run?.state !== 'done') return false
  if (hasAll([run], added)) return true
  const runs = await runsOf(store, [ticket])
  const done = runs.filter(({ state }) => state === 'done')
  return hasAll(done, added)
}

function hasAll(runs: readonly LogoutRun[], added: readonly Acknowledged[]): boolean {
  const peers = new Set(runs.flatMap(({ deliveries }) => deliveries.map(({ peerId }) => peerId)))
  return peers.size >= added.length && added.every(({ peerId }) => peerId === undefined || peers.has(peerId))
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

export function counted(codes: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1
  return counts
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
