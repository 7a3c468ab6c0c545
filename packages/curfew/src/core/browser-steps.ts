import type { Delivery, LogoutRun } from './run.ts'
import { channelOf } from './step.ts'

/** What the browser can do for a run now. */
export interface BrowserSteps {
  /** Hidden frames to load on the sign-off page, all together. */
  readonly frames: readonly Delivery[]
  /** Applications to visit, one at a time, in the order of the plan; none while the browser is out at another one. */
  readonly hops: readonly Delivery[]
}

/** Frames at once, hops one by one, in the order of the plan. */
export function browserSteps(run: LogoutRun): BrowserSteps {
  // Nobody is asked any more of whom an answer is held.
  const waiting = run.deliveries.filter((d) => d.state === 'waiting-for-browser' && d.held === undefined)
  const isOut = run.deliveries.some((d) => d.state === 'sent' && channelOf(d)?.kind === 'hop')
  return {
    frames: waiting.filter((d) => channelOf(d)?.kind === 'frame'),
    hops: isOut ? [] : waiting.filter((d) => channelOf(d)?.kind === 'hop')
  }
}
