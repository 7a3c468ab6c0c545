import type { AuthorityContext } from '../context.ts'

const base = '/pf-ws/rest/sessionMgmt'

/** Paths of the replaced product. */
export const sessionManagementPaths = { revokedSris: `${base}/revokedSris`, sessions: `${base}/sessions`, users: `${base}/users` } as const

/** The revocation list as a stream; not in the replaced product. */
export const revocationFeedPath = `${base}/revocationFeed`

/** As discovery publishes them (AC-103). */
export function sessionManagementUrls({ baseUrl }: Pick<AuthorityContext, 'baseUrl'>): Readonly<Record<string, string>> {
  return {
    ping_revoked_sris_endpoint: baseUrl + sessionManagementPaths.revokedSris,
    ping_session_management_sris_endpoint: baseUrl + sessionManagementPaths.sessions,
    ping_session_management_users_endpoint: baseUrl + sessionManagementPaths.users,
    curfew_revocation_feed_endpoint: baseUrl + revocationFeedPath
  }
}
