import type { DeliveryView, RunView, SessionDetail } from '../../packages/curfew/src/admin/schemas.ts'
import { until } from '../../packages/curfew/test/stores/redis/servers.ts'
import { addTold, noneTold as none, type Told } from '../told.ts'
import type { Applications, Entry } from './applications.ts'
import type { Places } from './browser.ts'
import { isLetIn, sessionOf } from './people.ts'
import type { Authority } from './server.ts'
import type { Visit } from './visit.ts'

/** What one look at the visits came to. */
export interface Finding {
  readonly facts: number
  readonly lost: number
  readonly letIn: number
  readonly openRuns: number
  readonly told: Told
  /** What is wrong, in words. */
  readonly faults: readonly string[]
}

export interface JudgeParts {
  readonly authority: Authority
  readonly applications: Applications
  readonly places: Places
}

export const samlPeer = 'saml'
export const openIdPeer = 'openid'
/** How long a run may take to its end: retries after a restart, on a machine with other work. */
const runMsMax = 60_000
/** How many visits are looked at at once. */
const looksMax = 8

/** What was counted of each visit so far: one that goes on is looked at in every round, and its facts count once. */
export type Counted = Map<Visit, Pick<Finding, 'facts' | 'lost'>>

/**
 * Holds what was answered against what the authority says now, and what it says against the applications' own records.
 * @param counted - is brought forward; facts in it are not counted again
 */
export async function judgeVisits(parts: JudgeParts, visits: readonly Visit[], counted: Counted = new Map()): Promise<Finding> {
  const waiting = visits.values()
  const findings: Finding[] = []
  const look = async (): Promise<void> => {
    for (const visit of waiting) findings.push(countOnce(counted, visit, await (visit.end === 'not-asked' ? judgeOpen : judgeEnded)(parts, visit)))
  }
  await Promise.all(Array.from({ length: looksMax }, look))
  const sum = (of: (one: Finding) => number): number => findings.reduce((total, one) => total + of(one), 0)
  return {
    facts: sum((one) => one.facts),
    lost: sum((one) => one.lost),
    letIn: sum((one) => one.letIn),
    openRuns: sum((one) => one.openRuns),
    told: findings.map(({ told }) => told).reduce(addTold, none),
    faults: findings.flatMap(({ faults }) => faults)
  }
}

export function countOnce(counted: Counted, visit: Visit, found: Finding): Finding {
  const before = counted.get(visit) ?? { facts: 0, lost: 0 }
  const now = { facts: Math.max(before.facts, found.facts), lost: Math.max(before.lost, found.lost) }
  counted.set(visit, now)
  return { ...found, facts: now.facts - before.facts, lost: now.lost - before.lost }
}

/** The applications whose answer the browser has. */
function joined({ client }: Visit): readonly string[] {
  return client === undefined ? [samlPeer] : [samlPeer, openIdPeer]
}

/** Nobody asked for its end: it is there with its applications, and its cookie is good. */
async function judgeOpen({ authority, places }: JudgeParts, visit: Visit): Promise<Finding> {
  const session = await detailOf(authority, visit)
  const peers = session?.participants.map(({ peer }) => peer) ?? []
  const faults = joined(visit).flatMap((peer) => (peers.includes(peer) ? [] : [`${visit.user}: ${peer} is not in the session`]))
  if (session?.state !== 'live') faults.push(`${visit.user}: the session is ${session?.state ?? 'gone'}`)
  else if (!(await isLetIn(visit, places))) faults.push(`${visit.user}: the session is there and its cookie is refused`)
  return { facts: 1 + joined(visit).length, lost: faults.length, letIn: 0, openRuns: 0, told: none, faults }
}

/** Its end was answered: there is a run that ends, everybody was told, nobody is let in. */
async function judgeEnded({ authority, applications, places }: JudgeParts, visit: Visit): Promise<Finding> {
  const facts = 2 + joined(visit).length
  const session = await detailOf(authority, visit)
  const lost = { facts, lost: 1, letIn: 0, openRuns: 0, told: none }
  if (session?.end === undefined) return { ...lost, faults: [`${visit.user}: the session is ${session?.state ?? 'gone'}, its end was answered`] }
  const run = await endedRun(authority, session.end.run)
  if (run.state !== 'done') return { ...lost, lost: 0, openRuns: 1, faults: [`${visit.user}: ${run.id} is open`] }
  const missing = joined(visit).filter((peer) => !run.deliveries.some((one) => one.peer === peer) && !isStarter(visit, peer))
  const twice = run.deliveries.filter((one, i) => run.deliveries.findIndex(({ peer }) => peer === one.peer) !== i)
  const told = run.deliveries.map((delivery) => judgeDelivery(applications, visit, delivery))
  const isIn = await isLetIn(visit, places)
  const saidTooMuch = visit.saidSuccess && run.verdict !== 'all-ended'
  return {
    facts,
    lost: missing.length,
    letIn: isIn ? 1 : 0,
    openRuns: 0,
    told: addTold(told.reduce(addTold, none), { ...none, tooGood: twice.length + (saidTooMuch ? 1 : 0) }),
    faults: [
      ...missing.map((peer) => `${visit.user}: ${peer} was not told by ${run.id}`),
      ...twice.map(({ peer }) => `${visit.user}: ${peer} has more than one outcome in ${run.id}`),
      ...run.deliveries.flatMap((one, i) => wordsOf(visit, one, told[i] ?? none)),
      ...(saidTooMuch ? [`${visit.user}: the application was told of success, the run is ${run.verdict}`] : []),
      ...(isIn ? [`${visit.user}: let in after the end`] : [])
    ]
  }
}

function isStarter({ way }: Visit, peer: string): boolean {
  return way === 'application' && peer === samlPeer
}

function judgeDelivery(applications: Applications, visit: Visit, delivery: DeliveryView): Told {
  const entry = entryOf(applications, visit, delivery.peer)
  const claims = delivery.outcome === 'ended' || delivery.outcome === 'already-ended'
  const heard = entry?.heardAtMs ?? []
  return {
    outcomes: delivery.outcome === undefined ? 0 : 1,
    tooGood: claims && entry?.isLive === true ? 1 : 0,
    afterOutcome: heard.filter((atMs) => atMs > (delivery.finalAtMs ?? 0)).length,
    repeats: Math.max(0, heard.length - 1),
    // Both applications are up: it is true, but it need not be so bad.
    unlike: claims ? 0 : 1
  }
}

function entryOf({ saml, openId }: Applications, { sessionIndex, client }: Visit, peer: string): Entry | undefined {
  if (peer === samlPeer) return saml.entry(sessionIndex)
  return client === undefined ? undefined : openId.entry(client.sid)
}

function wordsOf({ user }: Visit, { peer, outcome = 'none', code = '' }: DeliveryView, { tooGood, afterOutcome, unlike }: Told): readonly string[] {
  return [
    ...(tooGood > 0 ? [`${user}: ${peer} is "${outcome}" and its session lives`] : []),
    ...(afterOutcome > 0 ? [`${user}: ${peer} was asked after its outcome "${outcome}" was final`] : []),
    ...(unlike > 0 ? [`${user}: ${peer} is "${outcome}" ${code}`] : [])
  ]
}

async function detailOf(authority: Authority, visit: Visit): Promise<SessionDetail | undefined> {
  visit.session ??= await sessionOf(authority, visit.user)
  if (visit.session === undefined) return undefined
  return authority.ask<SessionDetail>(`/v1/sessions/${visit.session}`).catch((error: unknown) => {
    if (String(error).includes('CURFEW_SESSION_UNKNOWN')) return undefined
    throw error
  })
}

async function endedRun(authority: Authority, id: string): Promise<RunView> {
  let run = await authority.ask<RunView>(`/v1/runs/${id}`)
  if (run.state === 'done') return run
  await until(async () => {
    run = await authority.ask<RunView>(`/v1/runs/${id}`)
    return run.state === 'done'
  }, runMsMax).catch(() => undefined)
  return run
}
