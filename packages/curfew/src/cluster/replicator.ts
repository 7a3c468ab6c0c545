import type { Group } from '../core/group.ts'
import type { Store } from '../stores/store.ts'
import type { LateParticipants } from '../stores/fact-store.ts'
import { createPullLoop, type PullLoop } from './pull-loop.ts'
import { letGo, pullFacts, type PullDeps } from './pull-facts.ts'
import { catchUpOnRevocations, pullRevocations } from './pull-revocations.ts'
import { type ServeDeps, serveReplication } from './serve-replication.ts'
import type { GroupLinks } from './group-links.ts'

/** What one node does so that groups know what the others know. */
export interface Replicator {
  /**
   * Brings the revocation list up to date, before anything is served: from a group that does not answer in time it is
   * read later, and that is logged.
   */
  catchUp(): Promise<void>
  start(): void
  /** Finishes what is under way; another node of this group reads on at once. It may be started again. */
  stop(): Promise<void>
}

export interface ReplicatorDeps extends PullDeps, ServeDeps {
  readonly links: Pick<GroupLinks, 'call' | 'serve' | 'others'>
  readonly store: Store
  /** Uniform in [0, 1). */
  readonly fraction: () => number
  readonly logger: Record<'info' | 'warn' | 'error', (fields: object, message: string) => void>
  /** Opens the run that tells late participants of the end of their session. */
  readonly logOutLate: (late: LateParticipants) => Promise<unknown>
  readonly limits: ReplicationLimits
}

/** Times in milliseconds. */
export interface ReplicationLimits {
  /** How long the revocation list may take at the start (`bulk.revoked.sris.timeout`). */
  readonly revocationsMs: number
  /** How long facts are kept for a group that does not read them. */
  readonly ageMsMax: number
  /** Facts kept at most for it, in each part of the stream. */
  readonly factsMax: number
  /** More facts than that unread are reported. */
  readonly backlogAlert: number
}

const lateEveryMs = 1_000
const lateMax = 50
const trimEveryMs = 15_000
/** Held over several rounds, so that nobody else trims in between; asked for often while somebody else has it. */
const trimLeaseMs = 3 * trimEveryMs
const trimAskMs = 2_000

export function createReplicator(deps: ReplicatorDeps): Replicator {
  const { links, clock, logger } = deps
  serveReplication(deps)
  const loops = links.others.flatMap((group) => [
    loopOf(deps, group, 'facts', () => pullFacts(deps, group)),
    loopOf(deps, group, 'revocations', () => pullRevocations(deps, group))
  ])
  const timed = [
    everyOf(deps, 'late participants', () => logOutLate(deps)),
    everyOf(deps, 'the stream of facts', () => shorten(deps)),
    everyOf(deps, 'the lease of that stream', async () => ((await holdsTrim(deps)) ? trimEveryMs : trimAskMs))
  ]
  return {
    async catchUp() {
      // Before this node tells anything: one of a former version trims what others have not read yet.
      await holdsTrim(deps)
      const untilMs = clock.nowMs() + deps.limits.revocationsMs
      await Promise.all(
        links.others.map(async (group) => {
          const isDone = await withinTime(deps, untilMs, () => catchUpOnRevocations(deps, group))
          if (isDone) return
          logger.warn(
            { event: 'replication.revocations-incomplete', group: group.id, waitedMs: deps.limits.revocationsMs },
            `The revocation list of ${group.id} could not be read before the start; it is read as soon as that group answers`
          )
        })
      )
    },
    start() {
      for (const loop of [...loops, ...timed]) loop.start()
    },
    async stop() {
      await Promise.all([...loops, ...timed].map((loop) => loop.stop()))
      const names = links.others.flatMap(({ letter }) => [`facts:${letter}`, `revocations:${letter}`])
      await Promise.allSettled([...names, 'trim'].map((name) => letGo(deps, name)))
    }
  }
}

function loopOf({ clock, fraction, logger }: ReplicatorDeps, group: Group, what: string, pull: () => Promise<'read' | 'idle'>): PullLoop {
  return createPullLoop({
    clock,
    fraction,
    pull,
    onError(error, failures) {
      if (failures === 1)
        logger.warn({ event: 'replication.failed', group: group.id, what, err: error }, `What is new at ${group.id} could not be read; it is tried again`)
    }
  })
}

/** @param work - says how long to wait before it is done again, in milliseconds */
function everyOf({ clock, fraction, logger }: ReplicatorDeps, what: string, work: () => Promise<number>): PullLoop {
  const nap = (delayMs: number): Promise<void> =>
    new Promise((resolve) => {
      timer = clock.after(delayMs, resolve)
      wake = resolve
    })
  let timer: { cancel(): void } | undefined
  let wake: () => void = () => undefined
  const loop = createPullLoop({
    clock,
    fraction,
    async pull() {
      await nap(await work())
      return 'read'
    },
    onError: (error, failures) => {
      if (failures === 1) logger.error({ event: 'replication.failed', what, err: error }, `Work on ${what} failed; it is tried again`)
    }
  })
  return {
    start: () => loop.start(),
    async stop() {
      const stopped = loop.stop()
      timer?.cancel()
      wake()
      await stopped
    }
  }
}

async function logOutLate(deps: ReplicatorDeps): Promise<number> {
  const late = await deps.facts.late(lateMax)
  // One that fails keeps no other back.
  const failed = (await Promise.allSettled(late.map((one) => deps.logOutLate(one)))).find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
  return lateEveryMs
}

/** True while this node is the one of its group that trims. */
function holdsTrim({ facts, clock, node }: ReplicatorDeps): Promise<boolean> {
  const nowMs = clock.nowMs()
  return facts.lease('trim', node, nowMs, nowMs + trimLeaseMs)
}

async function shorten(deps: ReplicatorDeps): Promise<number> {
  const { facts, clock, links, limits, figures, logger } = deps
  const groups = links.others.map(({ letter }) => letter)
  const backlog = await facts.backlog(groups)
  figures.backlog(backlog)
  if (!(await holdsTrim(deps))) return trimEveryMs
  if (backlog > limits.backlogAlert) {
    logger.error(
      { event: 'replication.backlog', facts: backlog, alert: limits.backlogAlert },
      'Another group does not read the facts of this one; beyond the limits they are dropped'
    )
  }
  await facts.trim({ nowMs: clock.nowMs(), groups, ageMsMax: limits.ageMsMax, factsMax: limits.factsMax })
  return trimEveryMs
}

/** Tries until it is done or the time is over. */
async function withinTime({ clock }: Pick<ReplicatorDeps, 'clock'>, untilMs: number, work: () => Promise<void>): Promise<boolean> {
  while (clock.nowMs() < untilMs) {
    try {
      const over = new Promise<'over'>((resolve) => {
        clock.after(untilMs - clock.nowMs(), () => resolve('over'))
      })
      if ((await Promise.race([work(), over])) === 'over') return false
      return true
    } catch {
      // The other group may be starting as well.
      await new Promise<void>((resolve) => {
        clock.after(retryMs, resolve)
      })
    }
  }
  return false
}

const retryMs = 200
