import { type CurfewError, soapFault } from '@curfew/codecs'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { noStore } from '../request.ts'

/** What was refused at a SOAP endpoint, as the log names it. */
export type RefusedEvent = 'logout.refused' | 'artifact.refused'

export function noteRefusal(ctx: AuthorityContext, event: RefusedEvent, error: CurfewError, request: FastifyRequest): void {
  ctx.metrics.requestsRefused.inc({ code: error.code })
  ctx.logger.warn({ event, code: error.code, reference: request.id, ...error.context }, error.message)
}

/** A fault that leaks nothing: whoever asked gets a reference, the log the reason. */
export function sendSoapFault(reply: FastifyReply, request: FastifyRequest): FastifyReply {
  return reply
    .status(500)
    .headers({ ...noStore, 'content-type': 'text/xml; charset=utf-8' })
    .send(soapFault('Client', `The message was not accepted. Reference ${request.id}`))
}
