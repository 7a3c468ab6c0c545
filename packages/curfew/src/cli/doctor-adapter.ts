import type { OpenTokenConnectionConfig, OpenTokenLoginConfig } from '../config/schema.ts'
import type { Check } from './doctor-check.ts'
import { type EndpointDeps, judgeClock, judgeReached, reach } from './doctor-endpoint.ts'

/** One application by OpenToken: its addresses, its clock, and whether it can be told that a session ended. */
export async function adapterChecks(deps: EndpointDeps, adapter: OpenTokenConnectionConfig | OpenTokenLoginConfig): Promise<readonly Check[]> {
  const { id, logoutService } = adapter
  const own =
    'authenticationService' in adapter ? { name: 'authentication service', url: adapter.authenticationService } : { name: 'target', url: adapter.targetUrl }
  const linkService = 'accountLinkService' in adapter ? adapter.accountLinkService : undefined
  const asked = [
    own,
    ...(logoutService === undefined ? [] : [{ name: 'logout service', url: logoutService }]),
    ...(linkService === undefined ? [] : [{ name: 'account link service', url: linkService }])
  ]
  const reached = await Promise.all(asked.map(({ url }) => reach(deps, id, url)))
  const untold: Check = {
    what: `${id}: logout`,
    verdict: 'warn',
    why: 'it has no Logout Service: its sessions are shown as not possible',
    fix: 'Add logoutService when the application has an address that ends its session.'
  }
  return [
    ...(logoutService === undefined ? [untold] : []),
    ...reached.map((one, i) => judgeReached(`${id}: ${asked[i]?.name ?? ''}`, one)),
    ...judgeClock(id, reached)
  ]
}
