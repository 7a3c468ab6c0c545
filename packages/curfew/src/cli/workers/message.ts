/** What one process of a node can be asked by another. */
export type Question = 'metrics' | 'state'

/** What a worker writes to its supervisor. */
export type FromWorker =
  | { readonly curfew: 'ready' }
  | { readonly curfew: 'ask'; readonly id: number; readonly question: Question }
  | { readonly curfew: 'said'; readonly id: number; readonly text: string }

/** What a supervisor writes to a worker. */
export type ToWorker =
  | { readonly curfew: 'question'; readonly id: number; readonly question: Question }
  | { readonly curfew: 'answers'; readonly id: number; readonly texts: readonly string[] }

/** Messages of the runtime itself come the same way. */
export function isOurs<M extends FromWorker | ToWorker>(message: unknown): message is M {
  return typeof message === 'object' && message !== null && 'curfew' in message
}

/** The variable that tells a process that it is a worker, and which. */
export const workerVariable = 'CURFEW_WORKER'
