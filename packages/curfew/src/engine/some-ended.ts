import { CurfewError, isCurfewError } from '@curfew/codecs'

/**
 * The error of an ending that the store took only a part of: who is told nothing more than that it failed takes the
 * sessions that have ended for live ones.
 * @param ended - how many have ended before, or elsewhere
 */
export function someEnded(error: unknown, ended: number): unknown {
  if (ended === 0 || !isCurfewError(error) || !error.code.startsWith('CURFEW_STORE_')) return error
  return new CurfewError('CURFEW_SESSION_SOME_ENDED', { ended, why: error.code }, { cause: error })
}

/**
 * The same of several groups that failed, each of which may have ended a part.
 * @param ended - how many have ended in those that did not fail
 */
export function someEndedOf(failures: readonly unknown[], ended: number): unknown {
  const parts = failures.filter(isCurfewError).filter(({ code }) => code === 'CURFEW_SESSION_SOME_ENDED')
  const all = parts.reduce((sum, { context }) => sum + Number(context['ended']), ended)
  const [failed] = failures
  if (!isCurfewError(failed) || failed.code !== 'CURFEW_SESSION_SOME_ENDED') return someEnded(failed, all)
  return new CurfewError('CURFEW_SESSION_SOME_ENDED', { ...failed.context, ended: all }, { cause: failed })
}
