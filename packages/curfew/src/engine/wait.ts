import type { RunId } from '../core/ids.ts'
import type { LogoutRun } from '../core/run.ts'
import type { Clock } from '../platform/clock.ts'
import type { Store } from '../stores/store.ts'
import type { Observer } from './observer.ts'

/** How often a waiting request looks at the store itself: another process may have changed the run. */
const lookMs = 250

export interface Wait {
  readonly runId: RunId
  readonly until: (run: LogoutRun) => boolean
  readonly deadlineMs: number
}

export interface WaitDeps {
  readonly store: Pick<Store, 'getRun'>
  readonly clock: Clock
  readonly observer: Pick<Observer, 'subscribe'>
}

/** Resolves with the stored run once `until` holds, with the run as it is at the deadline, undefined when it is unknown. */
export async function waitForRun(deps: WaitDeps, { runId, until, deadlineMs }: Wait): Promise<LogoutRun | undefined> {
  for (;;) {
    // Listens before it reads: a change in between is not missed.
    const change = nextChange(deps, runId, Math.min(lookMs, Math.max(0, deadlineMs - deps.clock.nowMs())))
    try {
      const run = await deps.store.getRun(runId)
      if (run === undefined || until(run) || deps.clock.nowMs() >= deadlineMs) return run
      await change.happened
    } finally {
      change.cancel()
    }
  }
}

function nextChange({ clock, observer }: WaitDeps, runId: RunId, withinMs: number): { readonly happened: Promise<void>; cancel(): void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = clock.after(withinMs, resolve)
  const unsubscribe = observer.subscribe((run) => {
    if (run.id === runId) resolve()
  })
  return {
    happened: promise,
    cancel() {
      timer.cancel()
      unsubscribe()
    }
  }
}
