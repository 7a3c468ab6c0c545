import type { AuthorityContext } from '../context.ts'

/** Paths of the replaced product. */
export const oidcPaths = {
  configuration: '/.well-known/openid-configuration',
  authorizationServer: '/.well-known/oauth-authorization-server',
  authorization: '/as/authorization.oauth2',
  pushedAuthorization: '/as/par.oauth2',
  token: '/as/token.oauth2',
  registration: '/as/clients.oauth2',
  introspection: '/as/introspect.oauth2',
  revocation: '/as/revoke_token.oauth2',
  userinfo: '/idp/userinfo.openid',
  keys: '/pf/JWKS',
  endSession: '/idp/init_logout.openid',
  /** Ours: an application without a browser ends a session. */
  logout: '/as/logout.oauth2',
  checkSession: '/as/check_session.openid',
  /** Where a person signs in or agrees, in the middle of an authorization. */
  interaction: '/as/interaction'
} as const

export function oidcUrl(deps: Pick<AuthorityContext, 'baseUrl'>, path: keyof typeof oidcPaths): string {
  return deps.baseUrl + oidcPaths[path]
}
