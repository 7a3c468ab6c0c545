import { Broken } from './invariants.ts'

export interface Patience {
  readonly withinMs: number
  /** How much time passes between two looks. */
  readonly stepMs: number
  readonly pass: (ms: number) => Promise<void>
}

/** Lets time pass until something is there. @throws Broken when it takes longer than that, or fails */
export async function untilDone<T>(work: Promise<T>, { withinMs, stepMs, pass }: Patience): Promise<T> {
  let result: { readonly value: T } | undefined
  let failure: unknown
  work.then(
    (value) => (result = { value }),
    (error: unknown) => (failure = error)
  )
  for (let waited = 0; result === undefined && failure === undefined; waited += stepMs) {
    if (waited > withinMs) throw new Broken(`nothing came of a call within ${withinMs} ms, although nothing is broken`)
    await pass(stepMs)
  }
  if (result === undefined) throw failure instanceof Broken ? failure : new Broken(`a call failed although nothing is broken: ${String(failure)}`)
  return result.value
}
