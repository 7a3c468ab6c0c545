import type { AuthorityContext } from '../context.ts'

/** Paths of the replaced product; they can't be changed. */
export const samlPaths = {
  singleSignOn: '/idp/SSO.saml2',
  singleLogout: '/idp/SLO.saml2',
  singleLogoutSoap: '/idp/SLO.ssaml2',
  startSingleSignOn: '/idp/startSSO.ping'
} as const

/** Absolute addresses, from the configured origin: Destinations are compared with these, never with a Host header. */
export function singleSignOnUrl(deps: Pick<AuthorityContext, 'baseUrl'>): string {
  return deps.baseUrl + samlPaths.singleSignOn
}

export function singleLogoutUrl(deps: Pick<AuthorityContext, 'baseUrl'>): string {
  return deps.baseUrl + samlPaths.singleLogout
}

export function singleLogoutSoapUrl(deps: Pick<AuthorityContext, 'baseUrl'>): string {
  return deps.baseUrl + samlPaths.singleLogoutSoap
}

export function instant(ms: number): Temporal.Instant {
  return Temporal.Instant.fromEpochMilliseconds(ms)
}
