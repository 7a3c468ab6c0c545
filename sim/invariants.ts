import { countsAsSignedOut } from '../packages/curfew/src/core/outcome.ts'
import type { Delivery, LogoutRun } from '../packages/curfew/src/core/run.ts'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import type { Partner } from './partner.ts'

/** A rule of the product that did not hold. */
export class Broken extends Error {
  override readonly name = 'Broken'
}

/** What the simulation knows to be true, from the acknowledgements it got. */
export interface Known {
  /** Sessions that were acknowledged as ended. */
  readonly ended: ReadonlySet<string>
  /** Sessions that nobody has asked to end. */
  readonly untouched: ReadonlySet<string>
  /** Participants acknowledged before the end, by session. */
  readonly acknowledged: ReadonlyMap<string, ReadonlySet<string>>
}

export interface Checked {
  readonly store: Store
  readonly partners: ReadonlyMap<string, Partner>
  readonly known: Known
}

/** Rules that hold at every moment. @throws Broken */
export async function checkAlways({ store, partners, known }: Checked): Promise<readonly LogoutRun[]> {
  const { items: runs } = await store.listRuns({ limit: 500 })
  for (const run of runs) {
    for (const delivery of run.deliveries) {
      const broken = checkDelivery(run, delivery, partners)
      if (broken !== undefined) throw new Broken(broken)
    }
  }
  for (const id of known.ended) {
    const session = await store.getSession(id as `ses_${string}`)
    if (session !== undefined && session.end === undefined) throw new Broken(`${id} had ended and is live again`)
  }
  for (const id of known.untouched) {
    const session = await store.getSession(id as `ses_${string}`)
    if (session?.end !== undefined) throw new Broken(`${id} was ended although nobody asked for it (${session.end.reason})`)
  }
  return runs
}

/** The rule that this delivery breaks. */
export function checkDelivery(run: LogoutRun, delivery: Delivery, partners: ReadonlyMap<string, Partner>): string | undefined {
  const what = `${run.id} ${delivery.peerId}`
  const { outcome } = delivery
  if ((delivery.state === 'final') !== (outcome !== undefined)) return `${what}: a final delivery has exactly one outcome, an open one none`
  if (!countsAsSignedOut(outcome)) return undefined
  if (partners.get(delivery.peerId)?.live.has(run.sessionId) === true) return `${what} is called signed out, its own journal says it is not`
  if (outcome === undefined || !('proof' in outcome) || outcome.proof.kind === 'none') return `${what} is called signed out without a proof`
  const isByAnswer = delivery.channels.some(({ kind, binding }) => kind === 'server' || (binding !== 'front-channel' && binding !== 'image'))
  return isByAnswer ? undefined : `${what} is called signed out, and was only asked by a frame or a picture`
}

/** Rules that hold once everything has had its time. @throws Broken */
export async function checkAtRest(checked: Checked): Promise<void> {
  const runs = await checkAlways(checked)
  for (const run of runs) if (run.state !== 'done') throw new Broken(`${run.id} never ended: ${run.deliveries.map((d) => `${d.peerId} ${d.state}`).join(', ')}`)
  for (const [sessionId, participants] of checked.known.acknowledged) {
    const session = await checked.store.getSession(sessionId as `ses_${string}`)
    if (session?.end === undefined) continue
    const run = runs.find((candidate) => candidate.id === session.end?.runId)
    if (run === undefined) throw new Broken(`${sessionId} ended without its run`)
    const starter = run.starter.kind === 'participant' ? run.starter.participantId : undefined
    for (const id of participants) {
      const count = run.deliveries.filter((delivery) => delivery.participantId === id && delivery.retryOf === undefined).length
      if (id !== starter && count !== 1) throw new Broken(`${run.id} owes ${id} exactly one delivery and has ${count}`)
      if (id === starter && count !== 0) throw new Broken(`${run.id} tells ${id}, which started it`)
    }
  }
  const pending = (await checked.store.describe()).pendingEffects
  if (pending > runs.length * 3) throw new Broken(`${pending} effects were left behind`)
}
