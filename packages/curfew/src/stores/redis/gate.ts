import { storeError } from '../store-error.ts'

/** Lets calls through until it is closed, and knows which are under way. */
export interface Gate {
  /** The same calls; after the end they are refused with CURFEW_STORE_CLOSED. */
  guard<Calls extends object>(calls: Calls): Calls
  /** Lets nobody in any more and waits for those who are. */
  close(): Promise<void>
}

type Call = (...args: readonly unknown[]) => Promise<unknown>

export function createGate(): Gate {
  let underWay = 0
  let isClosed = false
  const { promise: left, resolve: lastLeaves } = Promise.withResolvers<void>()
  const leave = (): void => {
    underWay -= 1
    if (isClosed && underWay === 0) lastLeaves()
  }
  const through = (call: Call): Call => {
    return (...args: readonly unknown[]): Promise<unknown> => {
      if (isClosed) return Promise.reject(storeError('CURFEW_STORE_CLOSED'))
      const answer = call(...args)
      underWay += 1
      answer.then(leave, leave)
      return answer
    }
  }
  return {
    guard: <Calls extends object>(calls: Calls) =>
      Object.fromEntries(Object.entries(calls as Readonly<Record<string, Call>>).map(([name, call]) => [name, through(call)])) as Calls,
    async close() {
      isClosed = true
      if (underWay > 0) await left
    }
  }
}
