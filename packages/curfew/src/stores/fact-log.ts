import type { SessionId } from '../core/ids.ts'
import { type Fact, type Replication, replicatedServices } from './fact.ts'
import { type FactCursor, readFactCursor, writeFactCursor } from './fact-cursor.ts'
import type { FactPage, FactStore, TrimLimits } from './fact-store.ts'
import type { Store } from './store.ts'

/** One fact with its place in its part of the stream. */
export interface NumberedFact {
  readonly number: number
  readonly fact: Fact
}

/** The last number of a part of the stream, the last one that is gone, and how many facts there are: numbers may be left out. */
export interface PartEnds {
  readonly head: number
  readonly floor: number
  readonly length: number
}

/** What a store keeps facts in: one stream or several, each numbered upwards, and small named texts beside them. */
export interface FactParts {
  readonly parts: number
  /** The last number of every part, and the last one that is gone. */
  ends(): Promise<readonly PartEnds[]>
  /** Facts of every part after its position, at most `max` of each, and the ends of that moment. */
  after(positions: readonly number[], max: number): Promise<readonly (PartEnds & { readonly facts: readonly NumberedFact[] })[]>
  /** Drops facts up to a number from every part. */
  drop(upTo: readonly number[]): Promise<void>
  /** Begins a stream that has no epoch: its store lost what it had. Returns the new one. */
  begin(): Promise<string>
  note(name: string): Promise<string | undefined>
  keepNote(name: string, text: string): Promise<void>
  /** A page of what is not a session or a run: facts from a place. */
  services(place: string | undefined, max: number): Promise<{ readonly facts: readonly Fact[]; readonly place?: string }>
}

type LogCalls = Pick<FactStore, 'streamId' | 'read' | 'head' | 'cursorOf' | 'acknowledge' | 'backlog' | 'trim' | 'export'>

/** What reads and shortens the stream, the same for every store. */
export function factLog(parts: FactParts, store: Pick<Store, 'listSessions' | 'listRuns'> & Pick<FactStore, 'ofSession'>, replication: Replication): LogCalls {
  const epochOf = async (): Promise<string> => (await parts.note('epoch')) ?? parts.begin()
  const head = async (): Promise<FactCursor> => ({ epoch: await epochOf(), positions: (await parts.ends()).map((part) => part.head) })
  const reported = (group: string): Promise<string | undefined> => parts.note(`read:${group}`)
  return {
    async read(text, max) {
      const cursor = readFactCursor(text, await epochOf(), parts.parts)
      return cursor === undefined ? { kind: 'behind' } : readAfter(parts, cursor, max)
    },
    streamId: epochOf,
    head: async () => writeFactCursor(await head()),
    cursorOf: async (source) => (await parts.note(cursorNote(source))) ?? '',
    acknowledge: (group, cursor) => parts.keepNote(`read:${group}`, cursor),
    async backlog(groups) {
      const epoch = await epochOf()
      const ends = await parts.ends()
      const open = await Promise.all(
        groups.map(async (group) => {
          const read = readFactCursor((await reported(group)) ?? '', epoch, parts.parts)?.positions
          return ends.reduce((sum, part, i) => sum + Math.max(0, Math.min(part.length, part.head - (read?.[i] ?? part.floor))), 0)
        })
      )
      return Math.max(0, ...open)
    },
    async trim(limits) {
      const epoch = await epochOf()
      const ends = await parts.ends()
      const positions = ends.map((part) => part.head)
      const read = await Promise.all(
        limits.groups.map(async (group) => readFactCursor((await reported(group)) ?? '', epoch, parts.parts)?.positions ?? positions.map(() => 0))
      )
      const aged = await marked(parts, { epoch, positions }, limits)
      await parts.drop(
        ends.map((part, i) => {
          const surplus = part.length > limits.factsMax ? part.head - limits.factsMax : 0
          return Math.max(Math.min(part.head, ...read.map((all) => all[i] ?? 0)), aged[i] ?? 0, surplus)
        })
      )
    },
    export: (place, max, nowMs) => exportPage(parts, store, replication, { place, max, nowMs })
  }
}

/** Name of the note that keeps how far another group was read; `apply` writes it with the facts. */
export function cursorNote(source: string): string {
  return `joined:${source}`
}

async function readAfter(parts: FactParts, { epoch, positions }: FactCursor, max: number): Promise<FactPage> {
  const found = await parts.after(positions, Math.max(perPartMin, Math.ceil(max / parts.parts)))
  const isBehind = positions.some((position, i) => position < (found[i]?.floor ?? 0) || position > (found[i]?.head ?? 0))
  if (isBehind) return { kind: 'behind' }
  const next = positions.map((position, i) => found[i]?.facts.at(-1)?.number ?? position)
  return { kind: 'facts', facts: found.flatMap((part) => part.facts.map(({ fact }) => fact)), cursor: writeFactCursor({ epoch, positions: next }) }
}

/** Facts of one part that a page holds at least, if there are so many: a busy part keeps no other back. */
const perPartMin = 8

/** Marks of how far the stream was at a time: what a fact is too old by, without a time in every fact. */
interface Mark {
  readonly atMs: number
  readonly positions: readonly number[]
}

const marksMax = 24

/** Everything before the returned positions is older than the limit. */
async function marked(parts: FactParts, { epoch, positions }: FactCursor, { nowMs, ageMsMax }: TrimLimits): Promise<readonly number[]> {
  const text = await parts.note('marks')
  const all = text === undefined ? [] : (JSON.parse(text) as readonly (Mark & { readonly epoch: string })[]).filter((mark) => mark.epoch === epoch)
  const last = all.at(-1)
  const old = all.filter((mark) => mark.atMs <= nowMs - ageMsMax)
  if (last === undefined || nowMs - last.atMs >= ageMsMax / marksMax) {
    const kept = [...old.slice(-1), ...all.filter((mark) => mark.atMs > nowMs - ageMsMax), { epoch, atMs: nowMs, positions }]
    await parts.keepNote('marks', JSON.stringify(kept))
  }
  return old.at(-1)?.positions ?? []
}

interface ExportAsk {
  readonly place: string | undefined
  readonly max: number
  readonly nowMs: number
}

interface ExportedPage {
  readonly facts: readonly Fact[]
  readonly place?: string
}

/** Sessions, then runs, then the rest: a place is the kind and where in it. */
async function exportPage(
  parts: FactParts,
  store: Pick<Store, 'listSessions' | 'listRuns'> & Pick<FactStore, 'ofSession'>,
  { services }: Replication,
  { place = 'sessions ', max, nowMs }: ExportAsk
): Promise<ExportedPage> {
  const at = place.indexOf(' ')
  const inside = place.slice(at + 1) === '' ? undefined : place.slice(at + 1)
  const then = (kind: string, next: string | undefined, after: string): string => (next === undefined ? `${after} ` : `${kind} ${next}`)
  switch (place.slice(0, at)) {
    case 'sessions': {
      if (!services.sessions) return { facts: [], place: 'services ' }
      const page = await store.listSessions({ limit: max, nowMs, ...(inside === undefined ? {} : { cursor: inside }) })
      const facts = await Promise.all(page.items.map(({ session }) => store.ofSession(session.id as SessionId)))
      return { facts: facts.flat(), place: then('sessions', page.nextCursor, 'runs') }
    }
    case 'runs': {
      const page = await store.listRuns({ limit: max, ...(inside === undefined ? {} : { cursor: inside }) })
      return { facts: page.items.map((run) => ({ kind: 'run', service: 'sessions', run })), place: then('runs', page.nextCursor, 'services') }
    }
    default: {
      const { facts, place: next } = await parts.services(inside, max)
      const wanted = facts.filter((fact) => fact.service === 'revocations' || services[fact.service])
      return { facts: wanted, ...(next === undefined ? {} : { place: `services ${next}` }) }
    }
  }
}

/** Changes whenever the facts appended differ in kind: what was not told before is not in the stream. */
export function epochOf(replication: Replication): string {
  return `${replication.group}${replicatedServices.map((service) => (replication.services[service] ? '1' : '0')).join('')}`
}
