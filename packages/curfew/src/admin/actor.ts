import type { Actor } from '../core/session.ts'

/** How the command line names itself. */
export const commandLineAgent = 'curfew-cli'

/** Who asked, for runs and the audit log: whoever holds the token is an administrator. `agent` is the User-Agent header. */
export function actorOf(agent: unknown, reason?: string): Actor {
  const by = typeof agent === 'string' && agent.startsWith(`${commandLineAgent}/`) ? 'cli' : 'api'
  return { kind: 'admin', id: reason === undefined ? by : `${by}: ${reason}` }
}
