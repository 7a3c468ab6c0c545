/** A token that arrived at a client. */
export interface Arrival {
  readonly path: string
  /** Milliseconds since 1970, with fractions. */
  readonly atMs: number
}

/** The receivers of logout tokens of all clients: what came since the last question, and the port they listen at. */
export interface ReceiverState {
  readonly port: number
  readonly arrivals: readonly Arrival[]
}

/** A client below this path takes the request and never answers. */
export const hangingPath = '/hang/'
