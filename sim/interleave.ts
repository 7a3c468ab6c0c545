/** Runs several actors, one step of one of them at a time, in an order that a seed decides. */
export interface Interleaving {
  /** Called by an actor before everything that others could see: it goes on when its turn comes. */
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
  let idle: () => void = () => undefined
  let failure: unknown
  const settled = (act: () => void): Promise<void> =>
    new Promise((resolve) => {
      idle = resolve
      act()
    })
  const run = (actor: () => Promise<void>): void => {
    actor()
      .catch((error: unknown) => (failure ??= error))
      .finally(() => idle())
  }
  return {
    turn: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
        idle()
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
