import { CurfewError, isCurfewError } from '@curfew/codecs'
import type { RunId } from '../core/ids.ts'
import type { Effect, LogoutRun, RunEvent } from '../core/run.ts'
import { step } from '../core/step.ts'
import type { EngineDeps } from './deps.ts'
import { timed } from './timed.ts'

export type Settled = readonly number[] | ((run: LogoutRun) => readonly number[])

/** Changes runs. The only place of the engine that commits one. */
export interface RunWriter {
  /**
   * Decides on the run as it is stored and commits what follows, together with whatever else waits for the same run.
   * `decide` is pure: it is asked again when somebody else changed the run meanwhile. Returns the stored run,
   * undefined when it is unknown.
   * @param settled - effects that this change carries out; removed in the same commit. A function looks at the run as it is stored
   */
  write(runId: RunId, decide: (run: LogoutRun) => readonly RunEvent[], settled?: Settled): Promise<LogoutRun | undefined>
}

export type RunWriterDeps = Pick<EngineDeps, 'store' | 'clock' | 'metrics'> & {
  /** Called after every commit that changed the run. */
  readonly onChanged: (before: LogoutRun, after: LogoutRun) => void
  /** Called when a commit added effects; the earliest due time. */
  readonly onEffects: (dueAtMs: number) => void
}

interface Change {
  readonly decide: (run: LogoutRun) => readonly RunEvent[]
  readonly settled: Settled
  resolve(run: LogoutRun | undefined): void
  reject(error: unknown): void
}

/** How often a change is made again because another process changed the run. */
const roundsMax = 50

/** One lane per run: changes that arrive while one is being committed share the next commit. */
export function createRunWriter(deps: RunWriterDeps): RunWriter {
  const lanes = new Map<RunId, Change[]>()
  const drain = async (runId: RunId, waiting: Change[]): Promise<void> => {
    let known: LogoutRun | undefined
    while (waiting.length > 0) {
      let batch: Change[] = []
      try {
        known ??= await deps.store.getRun(runId)
        batch = waiting.splice(0)
        known = known === undefined ? undefined : await commit(deps, known, batch)
        for (const change of batch) change.resolve(known)
      } catch (error) {
        known = undefined
        for (const change of batch.length === 0 ? waiting.splice(0) : batch) change.reject(aboutRun(error, runId))
      }
    }
    lanes.delete(runId)
  }
  return {
    write: (runId, decide, settled = []) =>
      new Promise((resolve, reject) => {
        const change: Change = { decide, settled, resolve, reject }
        const lane = lanes.get(runId)
        if (lane !== undefined) {
          lane.push(change)
          return
        }
        const waiting = [change]
        lanes.set(runId, waiting)
        void drain(runId, waiting)
      })
  }
}

/** Whatever the store says now, the sign-out of this run was written down before: who is told of the error has to know that. */
function aboutRun(error: unknown, run: RunId): unknown {
  if (!isCurfewError(error) || !error.code.startsWith('CURFEW_STORE_')) return error
  return new CurfewError(error.code, { ...error.context, run }, { message: error.message, cause: error })
}

async function commit(deps: RunWriterDeps, known: LogoutRun, batch: readonly Change[]): Promise<LogoutRun | undefined> {
  let run: LogoutRun | undefined = known
  for (let round = 0; round < roundsMax && run !== undefined; round++) {
    const settled = settledBy(batch, run)
    const before = run
    const [next, effects] = decided(before, batch)
    if (next === before && settled.length === 0) return before
    const stored: LogoutRun = { ...next, version: before.version + 1 }
    const { value } = await timed(deps.clock, deps.metrics, 'commitRun', () => deps.store.commitRun({ run: stored, before, effects, settled }))
    if (value === 'unknown') return undefined
    if (value === 'committed') {
      if (next !== before) deps.onChanged(before, stored)
      if (effects.length > 0) deps.onEffects(Math.min(...effects.map((effect) => effect.dueAtMs)))
      return stored
    }
    run = await deps.store.getRun(run.id)
  }
  if (run === undefined) return undefined
  throw new Error(`run ${run.id} changed ${roundsMax} times while it was being written`)
}

function settledBy(batch: readonly Change[], run: LogoutRun): readonly number[] {
  return batch.flatMap(({ settled }) => (typeof settled === 'function' ? settled(run) : settled))
}

function decided(run: LogoutRun, batch: readonly Change[]): readonly [LogoutRun, readonly Effect[]] {
  const effects: Effect[] = []
  let next = run
  for (const change of batch) {
    for (const event of change.decide(next)) {
      const [stepped, more] = step(next, event)
      next = stepped
      effects.push(...more)
    }
  }
  return [next, effects]
}
