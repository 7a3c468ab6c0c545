import { isCurfewError } from '@curfew/codecs'

/** True when people could not be looked up or checked at all: that is not a wrong password. */
export function isUnavailable(error: unknown): boolean {
  return isCurfewError(error) && error.code === 'CURFEW_USERS_UNAVAILABLE'
}
