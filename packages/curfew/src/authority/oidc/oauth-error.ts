import { isCurfewError } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { noStore } from '../request.ts'

/** Words of RFC 6749 section 5.2 for our codes; anything else is a fault of ours. */
const words: Readonly<Record<string, { readonly error: string; readonly status: number }>> = {
  CURFEW_OIDC_CLIENT_AUTHENTICATION: { error: 'invalid_client', status: 401 },
  CURFEW_OIDC_LOGOUT_TOKEN: { error: 'invalid_grant', status: 400 },
  CURFEW_API_VALIDATION: { error: 'invalid_request', status: 400 },
  CURFEW_API_TOO_LARGE: { error: 'invalid_request', status: 413 }
}

/** Answers a program in the words of OAuth; what exactly was wrong goes to the log. */
export function sendOAuthError(ctx: AuthorityContext, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = isCurfewError(error) ? words[error.code] : undefined
  if (!isCurfewError(error) || known === undefined) throw error
  ctx.metrics.requestsRefused.inc({ code: error.code })
  ctx.logger.warn({ event: 'request.refused', code: error.code, reference: request.id, ...error.context }, error.message)
  if (known.status === 401) reply.header('www-authenticate', 'Basic realm="curfew"')
  return reply
    .status(known.status)
    .headers(noStore)
    .send({ error: known.error, error_description: `reference ${request.id}` })
}
