import type { RunId } from '../core/ids.ts'
import type { Effect } from '../core/run.ts'
import type { Timer } from '../platform/clock.ts'
import type { ClaimedEffect } from '../stores/store.ts'
import type { EngineDeps, EngineLimits } from './deps.ts'
import type { Observer } from './observer.ts'
import type { RunWriter } from './run-writer.ts'
import type { ClaimedSend, SendQueue } from './send-queue.ts'

/** Takes effects from the store when they are due and carries them out. */
export interface Outbox {
  start(): Promise<void>
  /** Takes nothing more, waits for what is under way, gives the other leases back. */
  stop(): Promise<void>
  /** There may be work at this time. */
  wake(atMs: number): void
}

export type OutboxDeps = Pick<EngineDeps, 'store' | 'clock' | 'random' | 'receipts' | 'logger' | 'metrics' | 'owner' | 'leaseMs' | 'onSessionEnded'> & {
  readonly writer: RunWriter
  readonly sends: SendQueue
  readonly observer: Observer
  readonly limits: EngineLimits
}

/** Pause before the outbox is looked at again when a due effect belongs to a run of another owner. */
const crowdedMs = 50
/** Pause after the store failed. */
const storeFailedMs = 500

export function createOutbox(deps: OutboxDeps): Outbox {
  const underWay = new Set<Promise<void>>()
  let isRunning = false
  let timer: { readonly atMs: number; readonly handle: Timer } | undefined
  let looking: Promise<void> | undefined
  let isDirty = false

  const schedule = (atMs: number): void => {
    if (!isRunning || (timer !== undefined && timer.atMs <= atMs)) return
    timer?.handle.cancel()
    const handle = deps.clock.after(Math.max(0, atMs - deps.clock.nowMs()), () => {
      timer = undefined
      look()
    })
    timer = { atMs, handle }
  }
  const look = (): void => {
    if (!isRunning) return
    isDirty = true
    looking ??= lookUntilClean().finally(() => {
      looking = undefined
    })
  }
  const lookUntilClean = async (): Promise<void> => {
    while (isDirty && isRunning) {
      isDirty = false
      try {
        const askedAtMs = deps.clock.nowMs()
        const claimed = await claim(deps, askedAtMs)
        // The lease runs from the question on, however late the answer comes: nobody may send after it.
        for (const work of carryOut(deps, claimed, askedAtMs + deps.leaseMs)) track(work)
        if (claimed.length > 0) isDirty = true
        else schedule(await nextLookAtMs(deps))
      } catch (error) {
        deps.logger.error({ event: 'outbox.failed', err: error }, 'The outbox could not be read')
        schedule(deps.clock.nowMs() + storeFailedMs)
      }
    }
  }
  const track = (work: Promise<void>): void => {
    underWay.add(work)
    void work.finally(() => underWay.delete(work))
  }
  return {
    async start() {
      // What a former life of this node held is free again: nobody else uses this name.
      const { value } = await deps.store.releaseEffects(deps.owner)
      if (value > 0) deps.logger.info({ event: 'outbox.resumed', effects: value }, 'Work of the former process of this node goes on')
      deps.sends.open()
      isRunning = true
      look()
    },
    async stop() {
      isRunning = false
      timer?.handle.cancel()
      timer = undefined
      deps.sends.close()
      await looking
      while (underWay.size > 0) await Promise.allSettled([...underWay])
      await deps.store.releaseEffects(deps.owner)
    },
    wake(atMs) {
      if (atMs <= deps.clock.nowMs()) look()
      else schedule(atMs)
    }
  }
}

async function claim({ store, owner, leaseMs, limits, metrics }: OutboxDeps, nowMs: number): Promise<readonly ClaimedEffect[]> {
  const nextAtMs = await store.nextEffectAtMs()
  metrics.outboxAgeSeconds.set(nextAtMs === undefined ? 0 : Math.max(0, nowMs - nextAtMs) / 1000)
  if (nextAtMs === undefined || nextAtMs > nowMs) return []
  return store.claimEffects({ owner, nowMs, leaseMs, max: limits.claimMax })
}

async function nextLookAtMs({ store, clock, limits }: OutboxDeps): Promise<number> {
  const nextAtMs = await store.nextEffectAtMs()
  const nowMs = clock.nowMs()
  return Math.min(nowMs + limits.outboxPollMs, Math.max(nowMs + crowdedMs, nextAtMs ?? Number.MAX_SAFE_INTEGER))
}

/** Sends first: an interrupted one starts anew before a wake of the same run looks at the clock. */
function* carryOut(deps: OutboxDeps, claimed: readonly ClaimedEffect[], leaseUntilMs: number): Generator<Promise<void>> {
  const nowMs = deps.clock.nowMs()
  for (const [runId, effects] of Map.groupBy(claimed, (item) => item.runId)) {
    for (const { effect } of effects) deps.metrics.effectLagSeconds.observe(Math.max(0, nowMs - effect.dueAtMs) / 1000)
    yield carryOutRun(deps, runId, effects, leaseUntilMs).catch((error: unknown) => {
      // The lease ends and the effect is taken again.
      deps.logger.error({ event: 'effect.failed', run: runId, err: error }, 'An effect could not be carried out; it is taken again when its lease ends')
    })
  }
}

async function carryOutRun(deps: OutboxDeps, runId: RunId, effects: readonly ClaimedEffect[], leaseUntilMs: number): Promise<void> {
  const sends = effects.filter((item): item is ClaimedSend => item.effect.kind === 'send')
  const others = effects.filter(({ effect }) => effect.kind !== 'send')
  const sending = sends.length === 0 ? [] : [deps.sends.take(runId, sends, leaseUntilMs)]
  const wakes = others.filter(({ effect }) => effect.kind === 'wake')
  const receipts = idsOf(others, 'receipt')
  const waking = wakes.length === 0 ? [] : [tick(deps, runId, wakes)]
  const receipting = receipts.length === 0 ? [] : [makeReceipt(deps, runId, receipts)]
  const signals = idsOf(others, 'signal')
  const signalling = signals.length === 0 ? [] : [oweSignals(deps, runId, signals)]
  const results = await Promise.allSettled([...sending, ...waking, ...receipting, ...signalling])
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

function idsOf(effects: readonly ClaimedEffect[], kind: Effect['kind']): readonly number[] {
  return effects.filter(({ effect }) => effect.kind === kind).map(({ id }) => id)
}

/** Never before what was due, although a clock that is put right may go back in between: a wake is gone with its event. */
async function tick({ writer, clock, random }: OutboxDeps, runId: RunId, wakes: readonly ClaimedEffect[]): Promise<void> {
  const jitter = random.fraction()
  const dueAtMs = Math.max(...wakes.map(({ effect }) => effect.dueAtMs))
  await writer.write(
    runId,
    () => [{ kind: 'tick', atMs: Math.max(clock.nowMs(), dueAtMs), jitter }],
    wakes.map(({ id }) => id)
  )
}

/** What is owed is stored before the effect is settled: a crash in between owes it twice under one name. */
async function oweSignals(deps: OutboxDeps, runId: RunId, settled: readonly number[]): Promise<void> {
  const run = await deps.store.getRun(runId)
  if (run !== undefined) await deps.onSessionEnded?.(run)
  await deps.writer.write(runId, () => [], settled)
}

/** A run that was opened again meanwhile gets its receipt when it is done again. */
async function makeReceipt(deps: OutboxDeps, runId: RunId, settled: readonly number[]): Promise<void> {
  const run = await deps.store.getRun(runId)
  if (run?.state !== 'done') {
    await deps.writer.write(runId, () => [], settled)
    return
  }
  const receipt = await deps.receipts.sign(run)
  deps.observer.finished(run)
  await deps.writer.write(runId, () => [{ kind: 'receipt-made', atMs: deps.clock.nowMs(), receipt }], settled)
}
