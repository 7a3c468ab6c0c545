import type { LogoutRun } from '../../core/run.ts'
import { standingDeliveries, verdictOf } from '../../core/verdict.ts'

/** A run as an application reads it. */
export interface RunFacts {
  readonly run: string
  /** `done`: nothing of it changes any more. */
  readonly state: LogoutRun['state']
  /** `all-ended` only when every application proved its end. */
  readonly verdict: ReturnType<typeof verdictOf>['kind']
  readonly participants: readonly {
    readonly name: string
    /** The line is about a grant that outlives the session. */
    readonly grant?: 'offline'
    readonly state: string
    readonly outcome?: string
    /** Why it is not signed out, a code of the catalogue. */
    readonly code?: string
  }[]
  /** Where the same is told again. */
  readonly status_uri: string
}

export function runFactsOf(run: LogoutRun, statusUri: string): RunFacts {
  return {
    run: run.id,
    state: run.state,
    verdict: verdictOf(run).kind,
    participants: standingDeliveries(run).map(({ peerName, state, outcome, grant }) => ({
      name: peerName,
      ...(grant === undefined ? {} : { grant }),
      state,
      ...(outcome === undefined ? {} : { outcome: outcome.kind }),
      ...(outcome !== undefined && 'code' in outcome ? { code: outcome.code } : {})
    })),
    status_uri: statusUri
  }
}
