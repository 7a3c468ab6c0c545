import type { AuthorityContext } from '../context.ts'
import type { SamlRole } from './settings.ts'

type Origin = Pick<AuthorityContext, 'baseUrl'>

/** Paths of the replaced product; they can't be changed. */
export const samlPaths = {
  idp: {
    singleSignOn: '/idp/SSO.saml2',
    startSingleSignOn: '/idp/startSSO.ping',
    singleLogout: '/idp/SLO.saml2',
    singleLogoutSoap: '/idp/SLO.ssaml2',
    artifactResolution: '/idp/ARS.ssaml2',
    resumeLogout: '/idp/:nonce/resume/idp/SLO.saml2'
  },
  sp: {
    assertionConsumer: '/sp/ACS.saml2',
    startSingleSignOn: '/sp/startSSO.ping',
    startDiscovery: '/sp/cdcstartSSO.ping',
    singleLogout: '/sp/SLO.saml2',
    singleLogoutSoap: '/sp/SLO.ssaml2',
    artifactResolution: '/sp/ARS.ssaml2',
    resumeLogout: '/sp/:nonce/resume/sp/SLO.saml2'
  }
} as const

/** Absolute addresses, from the configured origin: Destinations are compared with these, never with a Host header. */
export function singleSignOnUrl(deps: Origin): string {
  return deps.baseUrl + samlPaths.idp.singleSignOn
}

export function assertionConsumerUrl(deps: Origin): string {
  return deps.baseUrl + samlPaths.sp.assertionConsumer
}

export function singleLogoutUrl(deps: Origin, own: SamlRole): string {
  return deps.baseUrl + samlPaths[own].singleLogout
}

export function singleLogoutSoapUrl(deps: Origin, own: SamlRole): string {
  return deps.baseUrl + samlPaths[own].singleLogoutSoap
}

export function artifactResolutionUrl(deps: Origin, own: SamlRole): string {
  return deps.baseUrl + samlPaths[own].artifactResolution
}

export function instant(ms: number): Temporal.Instant {
  return Temporal.Instant.fromEpochMilliseconds(ms)
}
