import { Broken } from './invariants.ts'
import type { Played } from './kinds.ts'
import type { Trace } from './trace.ts'

/** All that lives in one simulation that keeps a trace from the start. */
export interface World {
  readonly trace: Trace
  /** @throws Broken with the rule that did not hold */
  live(): Promise<void>
}

/** Lets a world live, and says which rule it broke. */
export async function playWorld(world: World): Promise<Played> {
  try {
    await world.live()
    return { broken: undefined, trace: world.trace.lines() }
  } catch (error) {
    if (!(error instanceof Broken)) throw error
    return { broken: error.message, trace: world.trace.lines() }
  }
}
