import { isCurfewError } from '@curfew/codecs'
import type { Group } from '../core/group.ts'
import type { Fact } from '../stores/fact.ts'
import { groupError } from './group-error.ts'
import { holds, type PullDeps, silenceMs } from './pull-facts.ts'
import { revocationsRead, revocationsReadAnswer } from './replication-calls.ts'

const entriesMax = 500
const waitMs = 1_000

/** Reads the revocation list of one group by itself, so that no backlog of other facts delays it. */
export async function pullRevocations(deps: PullDeps, group: Group): Promise<'read' | 'idle'> {
  if (!(await holds(deps, `revocations:${group.letter}`))) return 'idle'
  await readRevocations(deps, group, waitMs)
  return 'read'
}

/** Reads the list to its end, from where it was read last: the whole list where it never was. */
export async function catchUpOnRevocations(deps: PullDeps, group: Group): Promise<void> {
  try {
    while ((await readRevocations(deps, group, 0)) === entriesMax);
  } catch (error) {
    // All of it counts here; that it stays is looked after later.
    if (!isCurfewError(error) || error.code !== 'CURFEW_GROUP_FACTS_HELD') throw error
  }
}

/**
 * Reads a page. Of one whose revocations count here, but are not remembered until there are copies, the cursor stays: the
 * rest of the list is read all the same, and all of it again after a pause.
 * @throws CURFEW_GROUP_FACTS_HELD
 */
async function readRevocations(deps: PullDeps, group: Group, wait: number): Promise<number> {
  let place = readPlace(await deps.facts.cursorOf(sourceOf(group)))
  for (let isHeld = false; ; ) {
    const page: ReadPage = await readPage(deps, group, { ...place, isHeld }, isHeld ? 0 : wait)
    isHeld ||= page.isHeld
    if (!isHeld) return page.entries
    if (page.entries < entriesMax) throw groupError('CURFEW_GROUP_FACTS_HELD', { group: group.id })
    place = page.next
  }
}

/** Where a list was read to. */
interface Place {
  readonly store: string
  readonly cursor: number
}

interface ReadPage {
  readonly entries: number
  readonly next: Place
  readonly isHeld: boolean
}

/** @param place - `isHeld`: of what stands before it, something is not remembered, so that the cursor that is kept stays there */
async function readPage(
  { links, facts, clock, figures }: PullDeps,
  group: Group,
  place: Place & { readonly isHeld: boolean },
  wait: number
): Promise<ReadPage> {
  const source = sourceOf(group)
  const askedAtMs = clock.nowMs()
  const body = { cursor: place.cursor, max: entriesMax, waitMs: wait }
  const { store, entries } = await links.call(group.id, revocationsRead, body, { answer: revocationsReadAnswer, timeoutMs: silenceMs })
  if (store !== place.store) {
    // Another store, or another list: what was read of the former one says nothing about this.
    await facts.apply({ source, cursor: `${store} 0`, facts: [], nowMs: clock.nowMs() })
    if (place.cursor > 0) return { entries: entriesMax, next: { store, cursor: 0 }, isHeld: false }
  }
  const last = entries.at(-1)
  let isHeld = false
  if (last !== undefined) {
    const revoked = entries.map(({ sri, untilMs, atMs }): Fact => ({ kind: 'revoked', service: 'revocations', sri, untilMs, atMs }))
    const cursor = place.isHeld ? {} : { cursor: `${store} ${last.cursor}` }
    isHeld = (await facts.apply({ source, ...cursor, facts: revoked, nowMs: clock.nowMs() })).value === 'held'
    if (!isHeld) figures.joined(group.id, entries.length)
  }
  if (entries.length < entriesMax && !isHeld && !place.isHeld) figures.revocationsUpToDate(group.id, askedAtMs)
  return { entries: entries.length, next: { store, cursor: last?.cursor ?? place.cursor }, isHeld }
}

function sourceOf({ letter }: Group): string {
  return `revocations:${letter}`
}

function readPlace(text: string): Place {
  const at = text.lastIndexOf(' ')
  return at < 0 ? { store: '', cursor: 0 } : { store: text.slice(0, at), cursor: Number(text.slice(at + 1)) }
}
