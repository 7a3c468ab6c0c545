import type { LogoutRun } from '../core/run.ts'
import { hasFault, verdictOf } from '../core/verdict.ts'
import type { Store } from '../stores/store.ts'

/**
 * The logout that ended the session of a browser, where somebody has not confirmed it: nobody who comes by later may
 * read that all are signed out. Undefined: all confirmed, or nothing is known of this browser.
 */
export async function incompleteRun(
  { store }: { readonly store: Pick<Store, 'findSessionByToken' | 'getRun'> },
  tokenHash: string
): Promise<LogoutRun | undefined> {
  const runId = (await store.findSessionByToken(tokenHash))?.end?.runId
  const run = runId === undefined ? undefined : await store.getRun(runId)
  return run === undefined || verdictOf(run).kind === 'all-ended' ? undefined : run
}

/** The same where a person began it and something went wrong with it, so that its way to the page of a complete one is barred. */
export async function faultyRun(deps: { readonly store: Pick<Store, 'findSessionByToken' | 'getRun'> }, tokenHash: string): Promise<LogoutRun | undefined> {
  const run = await incompleteRun(deps, tokenHash)
  return run?.starter.kind === 'user' && hasFault(run) ? run : undefined
}
