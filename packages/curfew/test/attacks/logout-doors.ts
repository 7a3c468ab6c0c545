/** Addresses at which a person that goes there is signed out, or asked. */
export const doors: readonly string[] = [
  '/idp/startSLO.ping',
  '/sp/startSLO.ping',
  '/idp/init_logout.openid',
  '/idp/init_logout.openid?client_id=wiki',
  '/signoff',
  '/sso/initslo/',
  '/sso/terminatesession',
  '/ext/logout'
]
