import type { Config } from './schema.ts'

/**
 * Clients that go by the revocation list and have no endings on it: `sessions.revokeOnLogout` is off, and they are not
 * PingAccess Logout Capable. A gateway behind one would keep people signed in until its own limits.
 */
export function clientsWithoutEndings({ connections, gateway, sessions }: Pick<Config, 'connections' | 'gateway' | 'sessions'>): readonly string[] {
  if (sessions.revokeOnLogout) return []
  const followsHere = gateway?.sessionCheck.feed === true ? gateway.provider.clientId : undefined
  return connections.flatMap((connection) => {
    if (connection.protocol !== 'oidc' || connection.logout?.pingAccessLogoutCapable === true) return []
    const mayRead = (connection.revocationFeed ?? connection.sessionRevocation) === true
    return mayRead || connection.id === followsHere ? [connection.id] : []
  })
}
