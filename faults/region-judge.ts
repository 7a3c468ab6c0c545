import { setTimeout as pause } from 'node:timers/promises'
import type { LogoutRun } from '../packages/curfew/src/core/run.ts'
import { until } from '../packages/curfew/test/stores/redis/servers.ts'
import { type HistoryRules, type Loss, type Operation, violations } from '../sim/revocation-history.ts'
import type { Acknowledged, Event, Ticket } from './events.ts'
import { counted, missing, openIn, print, type Round, runsOf, settled, ticketsIn, type Verdict, wordsOf } from './judge.ts'
import type { Region } from './region-world.ts'
import { longestWait } from './roster.ts'
import { judgeTold, onItsWayMs } from './told.ts'

/**
 * How long two regions have to be joined until one refuses what the other has ended. A call that was under way when the
 * link came back is given up after three seconds, and after many failures the next one follows within five.
 */
export const boundMs = 10_000
const settleMs = 60_000

/** One round of two regions, with shifts that are named for them. */
export interface RegionsRound extends Round {
  readonly cuts: HistoryRules['cuts']
  /** Regions of which nothing was left. */
  readonly losses: readonly RegionLoss[]
}

/** A region is gone. */
export interface RegionLoss extends Loss {
  /** What it had acknowledged, and the other one had not read. */
  readonly unread: readonly Acknowledged[]
}

/** @throws when something is gone that the other region had read before everything else was lost */
export async function judgeRegions(regions: readonly Region[], { journal, outages, shifts, cuts, losses }: RegionsRound): Promise<Verdict> {
  const all = shifts.flatMap(({ events }) => events)
  const facts = acknowledgedIn(all)
  const openRuns = await Promise.all(regions.map(({ store }) => settled(store)))
  let lost: readonly Acknowledged[] = []
  // What one region acknowledged the other one has as well, in the end.
  await until(async () => {
    const gone = await Promise.all(regions.map(({ store }) => missing(store, facts)))
    lost = [...new Set(gone.flat())]
    return lost.length === 0
  }, settleMs).catch(() => undefined)
  await pause(onItsWayMs)
  const unread = new Set(losses.flatMap((loss) => loss.unread))
  const forgotten = new Set(lost.filter((fact) => unread.has(fact)).map(({ ticket }) => ticket.id as string))
  const history = shifts.flatMap(({ name, events }) => events.flatMap((event) => operationOf(event, name))).filter(({ key }) => !forgotten.has(key))
  const broken = violations(history, { boundMs, cuts, losses })
  const { told, faults } = judgeTold(await runsOfAll(regions, ticketsIn(all)), journal, outages)
  const wrong = lost.filter((fact) => !unread.has(fact))
  const open = await Promise.all(regions.map(({ store }) => openIn(store)))
  print([...broken, ...wrong.map(wordsOf), ...faults, ...open.flat()])
  if (losses.length > 0 && wrong.length > 0) throw new Error(`${wrong.length} facts are lost that the other region had read`)
  return {
    acknowledged: facts.length,
    lost: lost.length,
    degraded: 0,
    degradedLost: 0,
    accepted: broken.length,
    degradedAccepted: 0,
    openRuns: openRuns.reduce((sum, open) => sum + open, 0),
    waitMs: Math.max(0, ...shifts.map(longestWait)),
    refused: counted(all.flatMap((event) => (event.kind === 'refused' ? [event.code] : []))),
    told
  }
}

/** Sessions that applications have joined, and that nobody has asked to end. */
export function leftOpen(events: readonly Event[]): readonly Ticket[] {
  const ended = new Set(events.flatMap((event) => ('what' in event && event.what === 'ended' ? [event.ticket.id] : [])))
  const joined = acknowledgedIn(events).filter(({ what }) => what === 'added')
  return ticketsIn(joined).filter(({ id }) => !ended.has(id))
}

export function acknowledgedIn(events: readonly Event[]): readonly Acknowledged[] {
  return events.filter((event) => event.kind === 'acknowledged')
}

/** Runs as both regions know them. */
async function runsOfAll(regions: readonly Region[], tickets: readonly Ticket[]): Promise<readonly LogoutRun[]> {
  const found = await Promise.all(regions.map(({ store }) => runsOf(store, tickets)))
  const inOrder = found.flat().sort((a, b) => a.version - b.version)
  return [...new Map(inOrder.map((run) => [run.id, run])).values()]
}

function operationOf(event: Event, region: string): readonly Operation[] {
  if (event.kind === 'acknowledged' && event.what === 'ended')
    return [{ kind: 'revoked', key: event.ticket.id, region, fromMs: event.fromMs, toMs: event.toMs }]
  if (event.kind !== 'checked') return []
  const answer = event.answer === 'accepted' ? 'accepted' : event.answer === 'ended' ? 'revoked' : 'unknown'
  return [{ kind: 'checked', key: event.ticket.id, region, answer, fromMs: event.fromMs, toMs: event.toMs }]
}
