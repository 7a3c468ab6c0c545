import { isCurfewError } from '@curfew/codecs'

/** Words of RFC 8935 section 2.4. */
export type SetErrorWord = 'invalid_request' | 'invalid_key' | 'invalid_issuer' | 'invalid_audience' | 'authentication_failed' | 'access_denied'

const words: Readonly<Record<string, SetErrorWord>> = {
  CURFEW_OIDC_TOKEN_ALGORITHM: 'invalid_key',
  CURFEW_OIDC_TOKEN_KEY_UNKNOWN: 'invalid_key',
  CURFEW_OIDC_TOKEN_SIGNATURE: 'invalid_key',
  CURFEW_SIGNALS_AUTHENTICATION: 'authentication_failed',
  CURFEW_JWT_MALFORMED: 'invalid_request',
  CURFEW_OIDC_TOKEN_TYPE: 'invalid_request',
  CURFEW_OIDC_TOKEN_EXPIRED: 'invalid_request',
  CURFEW_SET_EVENT: 'invalid_request',
  CURFEW_SET_SUBJECT: 'invalid_request',
  CURFEW_API_TOO_LARGE: 'invalid_request',
  CURFEW_API_MALFORMED: 'invalid_request'
}

/** What is wrong with a token, for its sender. Undefined: nothing is; the fault lies here and it is to come again. */
export function setErrorWord(error: unknown): SetErrorWord | undefined {
  if (!isCurfewError(error)) return undefined
  if (error.code !== 'CURFEW_OIDC_TOKEN_CLAIM') return words[error.code]
  if (error.context['claim'] === 'iss') return 'invalid_issuer'
  return error.context['claim'] === 'aud' ? 'invalid_audience' : 'invalid_request'
}
