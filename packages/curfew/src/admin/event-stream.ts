import { PassThrough } from 'node:stream'
import type { RunId } from '../core/ids.ts'
import type { LogoutRun } from '../core/run.ts'
import type { AdminContext } from './context.ts'
import { type EventFilter, isWanted } from './event-filter.ts'
import { type AuditLine, type Position, positionText, readAfter } from './event-log.ts'
import { attemptsOf, channelText, type Told } from './run-attempts.ts'
import { auditViewOf } from './views.ts'

export interface EventStreamOptions {
  readonly filter: EventFilter
  /** Behind which line it begins. */
  readonly from: Position
  /** Lines that tell of an earlier time are left out; undefined: every line behind `from` is told. */
  readonly linesSinceMs?: number
  /** Attempts before are left out. */
  readonly attemptsSinceMs: number
  /** What open runs have tried so far is known to the reader, or not asked for. */
  readonly isNew: boolean
  /** False: it ends with the newest line. */
  readonly isFollowing: boolean
}

type Deps = Pick<AdminContext, 'store' | 'engine' | 'clock'>

/** Lines that are read at once. */
const linesMax = 200
/** How often the store is asked where nothing here says that there is news. */
const pollMs = 1_000
/** A change here is told before its line in the log is written. */
const soonMs = 50
/** How often open runs are read that no line and no change here speaks of: another process may have sent something. */
const othersMs = 5_000
/** How often a silent stream says where it stands. */
const heartbeatMs = 10_000
/** Runs that are remembered, the latest. One that is forgotten and changes is told of again, under the same ids. */
const runsMax = 500
/** Runs that changed here and are read at once. The lines of others lead to them. */
const changedMax = 200

interface Followed {
  readonly told: Set<string>
  isOpen: boolean
}

/**
 * Server-sent events: what the audit log says behind a position, and the attempts of the runs that it speaks of. Nothing
 * waits in here: as long as the reader does not take what there is, nothing more is read.
 */
export function openEventStream(
  { store, engine, clock }: Deps,
  { filter, from, linesSinceMs = 0, attemptsSinceMs, isNew, isFollowing }: EventStreamOptions
): PassThrough {
  const stream = new PassThrough()
  const followed = new Map<RunId, Followed>()
  const changed = new Set<RunId>()
  let position = from
  let timer: ReturnType<typeof clock.after> | undefined
  let isReading = false
  let spokeAtMs = clock.nowMs()
  let othersAtMs = clock.nowMs()

  const write = (event: string, data: object, at: Position): void => {
    spokeAtMs = clock.nowMs()
    stream.write(`id: ${positionText(at)}\nevent: ${event}\ndata: ${JSON.stringify({ ...data, position: positionText(at) })}\n\n`)
  }
  const wake = (delayMs: number): void => {
    timer?.cancel()
    timer = clock.after(delayMs, read)
  }
  const unsubscribe = engine.subscribe((run) => {
    if (changed.size >= changedMax) return
    if (changed.size === 0 && !isReading && !stream.writableNeedDrain) wake(soonMs)
    changed.add(run.id)
  })
  const newAttempts = (run: LogoutRun): readonly Told[] => {
    const known = followed.get(run.id)
    const told = known?.told ?? new Set<string>()
    followed.delete(run.id)
    followed.set(run.id, { told, isOpen: run.state === 'open' })
    const [oldest] = followed.keys()
    if (followed.size > runsMax && oldest !== undefined) followed.delete(oldest)
    const fresh = attemptsOf(run).filter(({ id, atMs }) => !told.has(id) && atMs >= attemptsSinceMs)
    for (const { id } of fresh) told.add(id)
    return fresh
  }
  const runsToRead = (lines: readonly AuditLine[]): ReadonlySet<RunId> => {
    const ids = new Set([...lines.flatMap(({ runId }) => runId ?? []), ...changed])
    changed.clear()
    if (clock.nowMs() - othersAtMs < othersMs) return ids
    othersAtMs = clock.nowMs()
    for (const [id, { isOpen }] of followed) if (isOpen) ids.add(id)
    return ids
  }
  const tellNews = async (): Promise<boolean> => {
    const batch = await readAfter(store, position, linesMax)
    const read = await Promise.all([...runsToRead(batch.lines)].map((id) => store.getRun(id)))
    const runs = new Map(read.flatMap((run) => (run === undefined ? [] : [[run.id, run] as const])))
    const lines = batch.lines
      .filter(({ atMs }) => atMs >= linesSinceMs)
      .map((line) => lineTold(line, line.runId === undefined ? undefined : runs.get(line.runId)))
    const news = [...lines, ...[...runs.values()].flatMap(newAttempts)].filter((one) => isWanted(filter, one)).sort(inOrder)
    if (stream.destroyed) return false
    if (batch.gap !== undefined) write('gap', { atMs: clock.nowMs(), ...batch.gap }, position)
    // Only behind the last of them all are told: whoever breaks off before gets them once more.
    for (const [i, one] of news.entries()) write('event', one, i === news.length - 1 ? batch.position : position)
    position = batch.position
    // A gap before nothing is told once: whoever comes back goes on behind it.
    if (batch.gap !== undefined && news.length === 0) write('position', {}, position)
    return batch.hasMore
  }
  function read(): void {
    if (isReading || stream.destroyed) return
    isReading = true
    tellNews().then(goOn, () => stream.destroy())
  }
  function goOn(hasMore: boolean): void {
    isReading = false
    if (stream.destroyed) return
    if (!hasMore && !isFollowing) {
      write('position', {}, position)
      stream.end()
    } else if (stream.writableNeedDrain) stream.once('drain', read)
    else if (hasMore) wake(0)
    else {
      if (clock.nowMs() - spokeAtMs >= heartbeatMs) write('position', {}, position)
      wake(changed.size > 0 ? soonMs : pollMs)
    }
  }
  stream.on('close', () => {
    unsubscribe()
    timer?.cancel()
  })
  write('position', {}, position)
  store.listRuns({ state: 'open', limit: runsMax }).then(
    ({ items }) => {
      if (isNew) for (const run of items) newAttempts(run)
      else for (const { id } of items) changed.add(id)
      read()
    },
    () => stream.destroy()
  )
  return stream
}

/** What follows from what, where both bear the same time. */
const places: Readonly<Record<string, number>> = {
  'attempt.sent': 1,
  'delivery.waiting': 1,
  'attempt.failed': 2,
  'delivery.final': 3,
  'delivery.improved': 3,
  'run.finished': 4,
  'run.improved': 4
}

function inOrder(a: Told, b: Told): number {
  return a.atMs - b.atMs || (places[a.event] ?? 0) - (places[b.event] ?? 0)
}

/** One line of the audit log, with what its run knows more of it. */
function lineTold(line: AuditLine, run: LogoutRun | undefined): Told {
  const { id, user: userKey, ...view } = auditViewOf(line)
  const user = run?.username ?? (line.actor.kind === 'user' ? line.actor.id : userKey)
  const outcome = line.detail?.['outcome']
  return {
    ...view,
    id: `aud_${id}`,
    ...(user === undefined ? {} : { user }),
    ...(typeof outcome === 'string' ? { outcome } : {}),
    ...lastAttempt(line, run)
  }
}

function lastAttempt({ event, atMs, detail }: AuditLine, run: LogoutRun | undefined): Pick<Told, 'channel' | 'tookMs'> {
  if (!event.startsWith('delivery.')) return {}
  const attempt = run?.deliveries.find(({ id }) => id === detail?.['delivery'])?.attempts.at(-1)
  return attempt === undefined ? {} : { channel: channelText(attempt.channel), tookMs: Math.max(0, atMs - attempt.startedAtMs) }
}
