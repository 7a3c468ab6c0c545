import type { FastifyRequest } from 'fastify'
import type { Actor } from '../core/session.ts'

/** How the command line names itself. */
export const commandLineAgent = 'curfew-cli'

/** Who asked, for runs and the audit log: whoever holds the token is an administrator. */
export function actorOf(request: FastifyRequest, reason?: string): Actor {
  const by = (request.headers['user-agent'] ?? '').startsWith(`${commandLineAgent}/`) ? 'cli' : 'api'
  return { kind: 'admin', id: reason === undefined ? by : `${by}: ${reason}` }
}
