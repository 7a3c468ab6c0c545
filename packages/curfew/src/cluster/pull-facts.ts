import type { Group } from '../core/group.ts'
import type { Clock } from '../platform/clock.ts'
import type { FactStore } from '../stores/fact-store.ts'
import { groupError } from './group-error.ts'
import type { GroupLinks } from './group-links.ts'
import { type ExportAnswer, factsExport, factsExportAnswer, factsRead, factsReadAnswer } from './replication-calls.ts'
import type { ReplicationFigures } from './replication-figures.ts'

export interface PullDeps {
  readonly links: Pick<GroupLinks, 'call'>
  readonly facts: FactStore
  readonly clock: Clock
  readonly figures: ReplicationFigures
  /** Name of this node among those of its group. */
  readonly node: string
}

/** How long the other group may wait for something new; a silence of three seconds ends the call. */
const waitMs = 1_000
export const silenceMs = 3_000
const factsMax = 300
/** How long the node that pulls may be silent before another one takes over. */
const leaseMs = 10_000
/** A page of everything holds whole sessions and takes its time; the lease outlasts it. */
const exportMs = 8_000
/** Sessions or other things in such a page: fewer where the answer was lost, or took too long. */
const exportMax = [100, 25, 5] as const

/**
 * Reads what is new in one group and joins it, by the one node of this group that holds the lease. Where that group says
 * that it no longer has what comes next, everything is read once.
 */
export async function pullFacts(deps: PullDeps, group: Group): Promise<'read' | 'idle'> {
  const { links, facts, clock, figures } = deps
  if (!(await holds(deps, `facts:${group.letter}`))) return 'idle'
  const cursor = await facts.cursorOf(group.letter)
  const askedAtMs = clock.nowMs()
  const page = await links.call(group.id, factsRead, { cursor, max: factsMax, waitMs }, { answer: factsReadAnswer, timeoutMs: silenceMs })
  if (page.kind === 'behind') {
    await readAll(deps, group)
    return 'read'
  }
  if (page.facts.length > 0 || page.cursor !== cursor) {
    const { value } = await facts.apply({ source: group.letter, cursor: page.cursor, facts: page.facts, nowMs: clock.nowMs() })
    // Not read as far as that: it comes again, after a pause.
    if (value === 'held') throw groupError('CURFEW_GROUP_FACTS_HELD', { group: group.id })
    figures.joined(group.id, page.facts.length)
  }
  if (page.facts.length < factsMax) figures.upToDate(group.id, askedAtMs)
  return 'read'
}

async function readAll(deps: PullDeps, group: Group): Promise<void> {
  const { facts, clock, figures } = deps
  figures.readAll(group.id)
  let place: string | undefined
  let head: string | undefined
  do {
    const page = await exportPage(deps, group, place)
    head ??= page.head
    place = page.place
    // The cursor comes with the last page: what breaks off before is read again from the beginning.
    const isLast = place === undefined
    const batch = { source: group.letter, facts: page.facts, nowMs: clock.nowMs(), ...(isLast && head !== undefined ? { cursor: head } : {}) }
    if ((await facts.apply(batch)).value === 'held') throw groupError('CURFEW_GROUP_FACTS_HELD', { group: group.id })
    figures.joined(group.id, page.facts.length)
  } while (place !== undefined)
}

/** One page of everything. What is lost on the way is asked for once more, not everything from the beginning. */
async function exportPage(deps: PullDeps, group: Group, place: string | undefined): Promise<ExportAnswer> {
  let failure: unknown
  for (const max of exportMax) {
    await holds(deps, `facts:${group.letter}`)
    try {
      return await deps.links.call(
        group.id,
        factsExport,
        { max, ...(place === undefined ? {} : { place }) },
        { answer: factsExportAnswer, timeoutMs: exportMs }
      )
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

/** Lets another node have the lease at once; one that somebody else holds stays theirs. */
export async function letGo({ facts, clock, node }: Pick<PullDeps, 'facts' | 'clock' | 'node'>, name: string): Promise<void> {
  const nowMs = clock.nowMs()
  await facts.lease(name, node, nowMs, nowMs)
}

/** True while this node is the one of its group that reads under this name. */
export function holds({ facts, clock, node }: Pick<PullDeps, 'facts' | 'clock' | 'node'>, name: string): Promise<boolean> {
  const nowMs = clock.nowMs()
  return facts.lease(name, node, nowMs, nowMs + leaseMs)
}
