import type { PeerId } from '../../core/ids.ts'
import type { AuthorityContext } from '../context.ts'

/**
 * Addresses of one provider each: an answer that was meant for one provider can not be brought to another, whatever
 * its parameters say (mix-up).
 */
export const oidcRpPaths = {
  callback: '/sp/:provider/cb.openid',
  loggedOut: '/sp/:provider/logged-out.openid',
  backChannelLogout: '/sp/:provider/backchannel-logout.openid',
  frontChannelLogout: '/sp/:provider/frontchannel-logout.openid',
  initiateLogin: '/sp/init_login.ping'
} as const

/** Absolute, from the configured origin, for registration at the provider. */
export function oidcRpUrl(deps: Pick<AuthorityContext, 'baseUrl'>, path: Exclude<keyof typeof oidcRpPaths, 'initiateLogin'>, provider: PeerId): string {
  return deps.baseUrl + oidcRpPaths[path].replace(':provider', provider)
}
