import type { Group } from '../core/group.ts'
import type { Fact } from '../stores/fact.ts'
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
  while ((await readRevocations(deps, group, 0)) === entriesMax);
}

async function readRevocations({ links, facts, clock, figures }: PullDeps, group: Group, wait: number): Promise<number> {
  const source = `revocations:${group.letter}`
  const place = readPlace(await facts.cursorOf(source))
  const askedAtMs = clock.nowMs()
  const body = { cursor: place.cursor, max: entriesMax, waitMs: wait }
  const { store, entries } = await links.call(group.id, revocationsRead, body, { answer: revocationsReadAnswer, timeoutMs: silenceMs })
  if (store !== place.store) {
    // Another store, or another list: what was read of the former one says nothing about this.
    await facts.apply({ source, cursor: `${store} 0`, facts: [], nowMs: clock.nowMs() })
    if (place.cursor > 0) return entriesMax
  }
  const last = entries.at(-1)
  if (last !== undefined) {
    const revoked = entries.map(({ sri, untilMs, atMs }): Fact => ({ kind: 'revoked', service: 'revocations', sri, untilMs, atMs }))
    await facts.apply({ source, cursor: `${store} ${last.cursor}`, facts: revoked, nowMs: clock.nowMs() })
    figures.joined(group.id, entries.length)
  }
  if (entries.length < entriesMax) figures.revocationsUpToDate(group.id, askedAtMs)
  return entries.length
}

function readPlace(text: string): { readonly store: string; readonly cursor: number } {
  const at = text.lastIndexOf(' ')
  return at < 0 ? { store: '', cursor: 0 } : { store: text.slice(0, at), cursor: Number(text.slice(at + 1)) }
}
