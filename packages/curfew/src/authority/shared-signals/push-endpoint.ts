import { createHash, timingSafeEqual } from 'node:crypto'
import { CurfewError, isCurfewError } from '@curfew/codecs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { noStore } from '../request.ts'
import { receiveSet } from './receive.ts'
import { setErrorWord } from './set-error.ts'
import type { TransmitterSettings } from './settings.ts'
import type { TransmitterKeys } from './transmitter-keys.ts'

/** Where transmitters push to; their id follows. */
export const receivePath = '/ssf/receive'
/** Largest token that is taken, in bytes. */
const setBytesMax = 32_768

/** Takes pushed tokens (RFC 8935): 202 when what they ask for is stored, 400 with the reason when they are no good. */
export function pushRoutes(app: FastifyInstance, ctx: AuthorityContext, keys: TransmitterKeys): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/secevent+jwt', { parseAs: 'string', bodyLimit: setBytesMax }, (_request, body, done) => done(null, body))
  app.setErrorHandler(async (error, request, reply) => sendSetError(ctx, error, request, reply))
  app.post(`${receivePath}/:id`, async (request, reply) => {
    const transmitter = requireTransmitter(ctx, request)
    if (typeof request.body !== 'string') throw new CurfewError('CURFEW_JWT_MALFORMED', { why: 'the body is not application/secevent+jwt' })
    await receiveSet(ctx, keys, transmitter, request.body.trim())
    return reply.headers(noStore).status(202).send()
  })
}

/** An unknown transmitter and a wrong token look the same. */
function requireTransmitter(ctx: AuthorityContext, request: FastifyRequest): TransmitterSettings {
  const { id } = request.params as { readonly id: string }
  const transmitter = ctx.sharedSignals.transmitters.find((one) => one.id === id && one.pushToken !== undefined)
  const given = /^Bearer ([\x21-\x7e]{1,1024})$/i.exec(request.headers.authorization ?? '')?.[1]
  const isRight = isSame(given ?? '', transmitter?.pushToken ?? '')
  if (transmitter === undefined || given === undefined || !isRight) throw new CurfewError('CURFEW_SIGNALS_AUTHENTICATION', { transmitter: id.slice(0, 40) })
  return transmitter
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

function sendSetError(ctx: AuthorityContext, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined
  const err = setErrorWord(error) ?? (status !== undefined && status >= 400 && status < 500 ? 'invalid_request' : undefined)
  const code = isCurfewError(error) ? error.code : 'CURFEW_API_FAILED'
  ctx.metrics.requestsRefused.inc({ code })
  if (err === undefined) {
    ctx.logger.error({ event: 'signal.failed', code, reference: request.id, err: error }, 'A shared signal could not be taken; its sender tries again')
    return reply.headers(noStore).status(503).send({ reference: request.id })
  }
  ctx.logger.warn({ event: 'signal.refused', code, reference: request.id, ...(isCurfewError(error) ? error.context : {}) }, 'A shared signal was refused')
  if (err === 'authentication_failed') reply.header('www-authenticate', 'Bearer realm="curfew"')
  return reply
    .headers(noStore)
    .status(err === 'authentication_failed' ? 401 : 400)
    .send({ err, description: `reference ${request.id}` })
}
