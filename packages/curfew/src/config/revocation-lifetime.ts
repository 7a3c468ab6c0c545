import type { Config } from './schema.ts'

/** A web session that can outlive what the revocation list remembers of it. */
export interface LifetimeProblem {
  readonly path: readonly (string | number)[]
  readonly what: string
  readonly fix: string
}

/**
 * A session that was revoked must be over before the list forgets it, or it would be good again. A gateway that follows another
 * authority goes by the list of that one.
 */
export function lifetimeProblems({
  gateway,
  server,
  sessions: { revocationMinutes }
}: Pick<Config, 'gateway' | 'server' | 'sessions'>): readonly LifetimeProblem[] {
  if (gateway === undefined || !isOwn(gateway.provider.issuer, server.baseUrl)) return []
  if (!gateway.sessionCheck.feed && !gateway.sessionCheck.status) return []
  return gateway.webSessions.flatMap(({ maxMinutes }, i) =>
    maxMinutes <= revocationMinutes
      ? []
      : [
          {
            path: ['gateway', 'webSessions', i, 'maxMinutes'],
            what: `the revocation list forgets a session after ${revocationMinutes} minutes: one of ${maxMinutes} that was revoked would be good again.`,
            fix: `Set sessions.revocationMinutes to ${maxMinutes} at least, or maxMinutes to ${revocationMinutes} at most.`
          }
        ]
  )
}

function isOwn(issuer: string | undefined, baseUrl: string): boolean {
  return issuer === undefined || new URL(issuer).origin === new URL(baseUrl).origin
}
