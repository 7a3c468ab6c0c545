import type { OidcIdentityProviderConfig } from '../config/schema.ts'
import type { Check } from './doctor-check.ts'
import { type EndpointDeps, judgeClock, judgeReached, reach } from './doctor-endpoint.ts'

/** One OpenID provider upstream: its configuration, and whether our clocks agree. */
export async function upstreamChecks(deps: EndpointDeps, { id, issuer }: OidcIdentityProviderConfig): Promise<readonly Check[]> {
  const reached = await reach(deps, id, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  return [judgeReached(`${id}: configuration`, reached), ...judgeClock(id, [reached])]
}
