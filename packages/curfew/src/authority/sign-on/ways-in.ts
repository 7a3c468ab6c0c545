import type { AuthorityContext } from '../context.ts'

/** Whether people may sign in elsewhere, at an identity provider or at an application that signs people in. */
export function hasProvider({ upstreams, connections, adapters }: Pick<AuthorityContext, 'upstreams' | 'connections' | 'adapters'>): boolean {
  return upstreams.all().length + connections.identityProviders().length + adapters.logins().length > 0
}
