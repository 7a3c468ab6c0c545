import type { Delivery, LogoutRun } from './run.ts'

/** How long the sign-off page stays for its hidden frames and pictures. In milliseconds from its opening. */
export interface FrameWait {
  /** It does not go on sooner, so that a request that has just left is not broken off. */
  readonly minMs: number
  /** What has not loaded by then is given up. */
  readonly maxMs: number
  /** A picture that the browser could not load is a fault. */
  readonly seesFaults: boolean
}

/**
 * How much longer the word of a page about its frames is waited for: by the page's own response where its script has
 * said that there will be one, and by the clock of the run where nobody is left to judge.
 */
export const frameGraceMs = 2_000

const shownMinMs = 2_000
/** Where an application started the sign-out, its user waits for that application: less time, and no faults. */
const passingMinMs = 1_000
const passingMaxMs = 3_000

/** The times of the replaced product's pages: one that a person looks at, and one on the way back to an application. */
export function frameWait({ starter, policy }: Pick<LogoutRun, 'starter' | 'policy'>): FrameWait {
  const isPassing = starter.kind === 'participant'
  const maxMs = isPassing ? Math.min(policy.frameTimeoutMs, passingMaxMs) : policy.frameTimeoutMs
  return { minMs: Math.min(maxMs, isPassing ? passingMinMs : shownMinMs), maxMs, seesFaults: !isPassing }
}

/**
 * The same for one page: where an application waits for a visit of the browser itself, or will if its frame brings nothing,
 * a frame that hangs holds it up no longer than the page stays anyway.
 */
export function pageWait(run: Pick<LogoutRun, 'starter' | 'policy' | 'deliveries'>): FrameWait {
  const wait = frameWait(run)
  const isAwaited = run.deliveries.some((d) => d.state === 'waiting-for-browser' && d.channels.slice(d.channelIndex).some(({ kind }) => kind === 'hop'))
  return isAwaited ? { ...wait, maxMs: Math.min(wait.maxMs, shownMinMs) } : wait
}

/** An application whose frame took long has this much for a visit, unless the policy gives less to every visit. */
const visitMinMs = 3_000

/** How long the browser may stay away at an application: what its frame has taken without an answer comes off. */
export function visitMs({ policy }: Pick<LogoutRun, 'policy'>, { attempts }: Pick<Delivery, 'attempts'>): number {
  const frames = attempts.filter(({ channel, endedAtMs }) => channel.kind === 'frame' && endedAtMs !== undefined)
  const takenMs = frames.reduce((sum, { startedAtMs, endedAtMs = startedAtMs }) => sum + endedAtMs - startedAtMs, 0)
  return Math.min(policy.hopTimeoutMs, Math.max(visitMinMs, policy.hopTimeoutMs - takenMs))
}
