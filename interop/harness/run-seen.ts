import { setTimeout as sleep } from 'node:timers/promises'
import type { Authority, RunSeen } from './authority.ts'

/** How long a run may take until it is what a journey waits for. */
export const runMsMax = 15_000

/** The latest run of the user of this journey, once it fits. @param what - what is waited for, said when it does not come */
export async function runWhen(
  { authority, user }: { readonly authority: Authority; readonly user: string },
  what: string,
  fits: (run: RunSeen) => boolean,
  timeoutMs = runMsMax
): Promise<RunSeen> {
  const untilMs = performance.now() + timeoutMs
  let run: RunSeen | undefined
  do {
    ;[run] = await authority.runsOf(user)
    if (run !== undefined && fits(run)) return run
    await sleep(100)
  } while (performance.now() < untilMs)
  throw new Error(`${what}: ${run === undefined ? 'there is no run' : described(run)}`)
}

export function isProved(outcome: string): boolean {
  return outcome === 'ended' || outcome === 'already-ended'
}

/** What a run says, for people. */
export function described(run: RunSeen): string {
  return `${run.verdict}; ${run.deliveries.map((d) => `${d.peer} ${d.outcome ?? d.state}${d.code === undefined ? '' : ` (${d.code})`}`).join(', ')}`
}
