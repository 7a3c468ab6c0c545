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
  const underWay = new Set<Promise<unknown>>()
  let isClosed = false
  const through = (call: Call): Call => {
    return (...args: readonly unknown[]): Promise<unknown> => {
      if (isClosed) return Promise.reject(storeError('CURFEW_STORE_CLOSED'))
      const answer = call(...args)
      underWay.add(answer)
      const leave = (): void => {
        underWay.delete(answer)
      }
      answer.then(leave, leave)
      return answer
    }
  }
  return {
    guard: <Calls extends object>(calls: Calls) =>
      Object.fromEntries(Object.entries(calls as Readonly<Record<string, Call>>).map(([name, call]) => [name, through(call)])) as Calls,
    async close() {
      isClosed = true
      await Promise.allSettled(underWay)
    }
  }
}
