import type { Clock } from '../../platform/clock.ts'
import { createRounds } from '../../platform/rounds.ts'
import { dropLead, isLeading, type Lead, leadPattern, leadPlaces, nameOfLead, putLead, readLeads } from './entry-leads.ts'
import { type RedisContext, scanned } from './redis-context.ts'
import type { Topology } from './topology.ts'

/**
 * Entries are written before the fact that they lead to, and dropped after it: a process that is killed in between leaves
 * them, and nobody else knows of them. So one process of those on the store looks through all of them now and then, and
 * drops what has led nowhere for a while.
 */
export interface EntrySweep {
  /** Entries that this process has dropped. */
  readonly dropped: number
  /** One second's work at most; answers after how many milliseconds there is more. For tests; {@link start} does it by itself. */
  round(): Promise<number>
  start(): void
  /** Waits for a round under way; another process may go on at once. */
  stop(): Promise<void>
}

export interface EntrySweepDeps {
  readonly context: Pick<RedisContext, 'shards' | 'keys'>
  readonly topology: Pick<Topology, 'primaries'>
  readonly prefix: string
  /** The time of the store. */
  readonly clock: Clock
  readonly steadyMs: () => number
  /** Tells this process from every other. */
  readonly token: string
  /** A pass was given up, and begins from the start; told once until one has come to its end. */
  readonly onFailed?: (error: unknown) => void
}

/** What is looked at in a second, at most: keys, and whether what they lead to is there. */
export const looksMax = 2_000
/** What one page of `SCAN` counts as: the server goes through so many keys, whatever is among them. */
const pageKeys = 100
const pageLooks = 10
const membersMax = 100
/** Led nowhere for so long, an entry is dropped: whatever is being opened is there by then, and what copies are owed is paid. */
export const goneMs = 600_000
/** Entries that are waited for at one time; the pass waits with them. */
const goneMax = 20_000
/** From the end of one pass to the next. */
export const passEveryMs = 21_600_000
const roundMs = 1_000
const idleMs = 10_000
const leaseMs = 30_000
const lease = 'sweep'
/** The note that says when the last pass ended. */
const note = 'swept'

interface Gone {
  readonly lead: Lead
  readonly sinceMs: number
}

/** Some of what there is, and what it cost to look at. */
interface Looked {
  readonly leads: readonly Lead[]
  readonly looks: number
}

/** @returns what sweeps; nothing happens before it is started */
export function createEntrySweep({ context, topology, prefix, clock, steadyMs, token, onFailed }: EntrySweepDeps): EntrySweep {
  const { shards, keys } = context
  const placeOf = leadPlaces(context)
  const gone = new Map<string, Gone>()
  /** Dropped in the round before. */
  let last: readonly Lead[] = []
  let dropped = 0
  let pass: AsyncGenerator<Looked, undefined, undefined> | undefined
  let hasFailed = false
  let heldUntilMs = Number.NEGATIVE_INFINITY
  /** More was looked at than a round may: the next ones may less. */
  let debt = 0

  const claim = async (untilMs: number): Promise<boolean> => {
    const nowMs = clock.nowMs()
    const { reply } = await shards.write(keys.common, 'lease', [lease, token, String(nowMs), String(nowMs + untilMs)], { isEnding: true })
    return Number(reply) === 1
  }
  const holds = async (): Promise<boolean> => {
    const nowMs = steadyMs()
    if (nowMs < heldUntilMs - leaseMs / 2) return true
    heldUntilMs = (await claim(leaseMs)) ? nowMs + leaseMs : Number.NEGATIVE_INFINITY
    return heldUntilMs > nowMs
  }
  const isDue = async (): Promise<boolean> => {
    const before = await shards.read(keys.common, 'HGET', 'notes', note)
    return before === null || clock.nowMs() - Number(before) >= passEveryMs
  }
  /** What was there after all when its entry was dropped is led to again. */
  const mend = async (): Promise<void> => {
    await Promise.all(last.map(async (lead) => ((await isLeading(context, lead)) ? putLead(context, lead) : undefined)))
    last = []
  }
  const drop = async (max: number): Promise<number> => {
    const nowMs = steadyMs()
    const due = [...gone.entries().take(max)].filter(([, { sinceMs }]) => nowMs - sinceMs >= goneMs)
    const now: Lead[] = []
    await Promise.all(
      due.map(async ([name, { lead }]) => {
        if (!(await isLeading(context, lead))) {
          await dropLead(context, lead)
          now.push(lead)
        }
        gone.delete(name)
      })
    )
    last = now
    dropped += now.length
    return due.length
  }
  const judge = async (leads: readonly Lead[]): Promise<void> => {
    const nowMs = steadyMs()
    await Promise.all(
      leads.map(async (lead) => {
        const name = nameOfLead(lead)
        if (await isLeading(context, lead)) gone.delete(name)
        else if (!gone.has(name)) gone.set(name, { lead, sinceMs: nowMs })
      })
    )
  }
  /** Goes on with the pass for so many looks; returns what is left of them. */
  const look = async (max: number): Promise<number> => {
    let left = max
    pass ??= (await isDue()) ? everything() : undefined
    while (pass !== undefined && left > 0 && gone.size < goneMax) {
      const { done, value } = await pass.next()
      if (done === true) {
        await shards.write(keys.common, 'note', [note, String(clock.nowMs())], { isEnding: true })
        pass = undefined
        hasFailed = false
        break
      }
      await judge(value.leads)
      left -= value.looks
    }
    return left
  }
  async function* everything(): AsyncGenerator<Looked, undefined, undefined> {
    for (const primary of topology.primaries()) {
      let cursor = '0'
      do {
        const reply = await primary.read(['SCAN', cursor, 'MATCH', leadPattern(prefix), 'COUNT', String(pageKeys)])
        const { next, found } = scanned(reply)
        cursor = next
        const places = found.flatMap((name) => placeOf(name) ?? [])
        let open = places.map((place) => ({ place, next: '0' }))
        yield { leads: [], looks: pageLooks }
        while (open.length > 0) {
          const pages = await Promise.all(open.map(async (one) => ({ place: one.place, ...(await readLeads(context, one.place, one.next, membersMax)) })))
          const leads = pages.flatMap((page) => page.leads)
          yield { leads, looks: pages.length + leads.length }
          open = pages.filter((page) => page.next !== '0')
        }
      } while (cursor !== '0')
    }
  }
  const round = async (): Promise<number> => {
    if (!(await holds())) {
      gone.clear()
      pass = undefined
      return idleMs
    }
    await mend()
    const most = Math.max(0, looksMax - debt)
    const left = await look(most - (await drop(most)))
    debt = Math.max(0, debt - looksMax, -left)
    return pass === undefined && last.length === 0 ? idleMs : roundMs
  }
  const rounds = createRounds(clock, () =>
    round().catch((error: unknown) => {
      if (pass !== undefined && !hasFailed) {
        hasFailed = true
        onFailed?.(error)
      }
      // A server that does not answer, or another one took over: what was read of it is not where it was.
      pass = undefined
      return idleMs
    })
  )
  return {
    get dropped() {
      return dropped
    },
    round,
    start: () => rounds.start(),
    async stop() {
      await rounds.stop()
      if (heldUntilMs > steadyMs()) await claim(0).catch(() => undefined)
    }
  }
}
