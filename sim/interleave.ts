import { setImmediate } from 'node:timers/promises'

/** Runs several actors, one step of one of them at a time, in an order that a seed decides. */
export interface Interleaving {
  /** Called by an actor before everything that others could see: it goes on when its turn comes. One that does two things at once waits for two. */
  turn(): Promise<void>
  /** Starts an actor; it runs until its first turn. */
  start(actor: () => Promise<void>): void
  /** Lets actors take turns until all are done. @throws what an actor threw */
  finish(): Promise<void>
}

/** @param onStep - called before each step: time passes */
export function createInterleaving(fraction: () => number, onStep: () => void): Interleaving {
  const waiting: (() => void)[] = []
  const waking: (() => Promise<void>)[] = []
  let failure: unknown
  /** Nothing here waits for anything but its turn: what follows from a step has happened before the next macrotask. */
  const settled = (act: () => void): Promise<void> => {
    act()
    return setImmediate()
  }
  const run = (actor: () => Promise<void>): void => {
    actor().catch((error: unknown) => (failure ??= error))
  }
  return {
    turn: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
      }),
    start: (actor) => void waking.push(actor),
    async finish() {
      while (waking.length + waiting.length > 0 && failure === undefined) {
        const actor = waking.shift()
        if (actor !== undefined) {
          await settled(() => run(actor))
          continue
        }
        onStep()
        const [next] = waiting.splice(Math.floor(fraction() * waiting.length), 1)
        await settled(() => next?.())
      }
      if (failure !== undefined) throw failure
    }
  }
}
