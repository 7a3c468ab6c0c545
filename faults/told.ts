import type { Delivery, LogoutRun } from '../packages/curfew/src/core/run.ts'
import { countsAsSignedOut } from '../packages/curfew/src/core/outcome.ts'
import type { Heard, Journal } from './journal.ts'
import type { Outage } from './net.ts'

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

export const noneTold: Told = { outcomes: 0, tooGood: 0, afterOutcome: 0, repeats: 0, unlike: 0 }

export function addTold(a: Told, b: Told): Told {
  return {
    outcomes: a.outcomes + b.outcomes,
    tooGood: a.tooGood + b.tooGood,
    afterOutcome: a.afterOutcome + b.afterOutcome,
    repeats: a.repeats + b.repeats,
    unlike: a.unlike + b.unlike
  }
}

/** A message that left before the outcome was stored may arrive so much later; clocks of nodes are apart by less. */
export const onItsWayMs = 2_000

/** What was found, and what is wrong of it, in words. */
export interface ToldFinding {
  readonly told: Told
  readonly faults: readonly string[]
}

/**
 * Holds the outcomes of runs against the journals of the applications, which are all up. Two regions may have ended one
 * session, each with a run of its own: then an application has heard too much when every run had its outcome.
 * @param outages - when the network was cut: what was sent into that arrives at its end
 */
export function judgeTold(runs: readonly LogoutRun[], journal: Journal, outages: readonly Outage[] = []): ToldFinding {
  const deliveries = runs.flatMap((run) => run.deliveries)
  const findings = [...Map.groupBy(deliveries, ({ peerId, sessionIndex }) => `${peerId} ${sessionIndex}`)].map(([name, same]) =>
    judgeOne(name, same, journal.of(same[0]?.peerId ?? '', same[0]?.sessionIndex ?? ''), outages)
  )
  return { told: findings.map(({ told }) => told).reduce(addTold, noneTold), faults: findings.flatMap(({ faults }) => faults) }
}

function judgeOne(name: string, deliveries: readonly Delivery[], heard: readonly Heard[], outages: readonly Outage[]): ToldFinding {
  const final = deliveries.filter(({ outcome }) => outcome !== undefined)
  const tooGood = final.filter((delivery) => countsAsSignedOut(delivery.outcome) && !heard.some(({ atMs }) => atMs <= lastMs(delivery)))
  const late =
    final.length < deliveries.length
      ? []
      : heard.filter((one) => deliveries.every((delivery) => one.atMs > lastMs(delivery)) && !isHeldUp(one, deliveries, outages))
  const unlike = final.filter(({ outcome }) => !countsAsSignedOut(outcome))
  const asked = `asked at ${heard.map(({ atMs, messageId }) => `${atMs} with ${messageId}`).join(', ') || 'no time'}`
  const words = deliveries.map(({ id, outcome, finalAtMs, attempts }) => `${id} ${outcome?.kind} at ${finalAtMs} by ${JSON.stringify(attempts)}`).join('; ')
  return {
    told: {
      outcomes: final.length,
      tooGood: tooGood.length,
      afterOutcome: late.length,
      repeats: Math.max(0, heard.length - 1 - late.length),
      unlike: unlike.length
    },
    faults: [
      ...(tooGood.length > 0 ? [`${name}: signed out, and its own record does not say so: ${words}; ${asked}`] : []),
      ...(late.length > 0 ? [`${name}: asked after its outcome was final: ${words}; ${asked}`] : [])
    ]
  }
}

function lastMs({ finalAtMs = 0 }: Delivery): number {
  return finalAtMs + onItsWayMs
}

/**
 * It was made before the outcome, and what goes over the network had to wait for the end of a cut: senders try again after
 * pauses that double, so for as long again as the cut was, at the most.
 */
function isHeldUp({ atMs, madeAtMs }: Heard, deliveries: readonly Delivery[], outages: readonly Outage[]): boolean {
  const isMadeBefore = deliveries.some(({ finalAtMs = 0 }) => madeAtMs <= finalAtMs)
  const arrivesBy = ({ fromMs, toMs }: Outage): number => toMs + (toMs - fromMs) + onItsWayMs
  return isMadeBefore && outages.some((outage) => outage.fromMs <= atMs && outage.toMs >= madeAtMs && atMs <= arrivesBy(outage))
}
