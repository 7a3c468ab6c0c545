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
