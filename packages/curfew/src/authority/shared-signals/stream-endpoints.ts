import { createHash } from 'node:crypto'
import { CurfewError, parseSubject } from '@curfew/codecs'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import { noStore } from '../request.ts'
import { signalPaths } from './endpoints.ts'
import { isSame } from './owed.ts'
import { requireReceiver } from './receiver-access.ts'
import { checked, deliveryOf, parseStreamBody, type StreamBody, streamView } from './stream-body.ts'
import { changeStatus } from './stream-status.ts'
import { eventsSupported, removedSubjectsMax, setsPerStreamMax, type Stream, type Streams } from './streams.ts'
import { oweVerification } from './verification.ts'

/** Shortest time between two verifications that a receiver asks for. */
const verificationMsMin = 30_000

export interface StreamRoutesDeps {
  readonly ctx: AuthorityContext
  readonly streams: Streams
  /** Something is owed. */
  readonly wake: () => void
}

/** Stream management (SSF 1.0 section 8.1). */
export function streamRoutes(app: FastifyInstance, deps: StreamRoutesDeps): void {
  const { ctx, streams } = deps
  app.get(signalPaths.stream, async (request, reply) => {
    const client = await requireReceiver(ctx, request, 'ssf.read')
    const stream = await streams.find(client.clientId)
    const asked = (request.query as Readonly<Record<string, unknown>>)['stream_id']
    if (asked === undefined) return send(reply, 200, stream === undefined ? [] : [view(ctx, stream)])
    return send(reply, 200, view(ctx, same(stream, asked)))
  })
  app.post(signalPaths.stream, async (request, reply) => {
    const client = await requireReceiver(ctx, request, 'ssf.manage')
    const body = parseStreamBody(request.body)
    if ((await streams.find(client.clientId)) !== undefined) throw new CurfewError('CURFEW_API_CONFLICT', { client: client.id, why: 'it has a stream' })
    const stream = newStream(ctx, client, body)
    await streams.save(stream)
    await audit(ctx, client, 'stream.created')
    return send(reply, 201, view(ctx, stream))
  })
  app.route({ method: ['PATCH', 'PUT'], url: signalPaths.stream, handler: (request, reply) => changeStream(deps, request, reply) })
  app.delete(signalPaths.stream, async (request, reply) => {
    const client = await requireReceiver(ctx, request, 'ssf.manage')
    const stream = same(await streams.find(client.clientId), (request.query as Readonly<Record<string, unknown>>)['stream_id'])
    await streams.drop(stream)
    await audit(ctx, client, 'stream.deleted')
    return reply.headers(noStore).status(204).send()
  })
  statusRoutes(app, deps)
  app.post(signalPaths.addSubject, (request, reply) => changeSubject(deps, request, reply, 'add'))
  app.post(signalPaths.removeSubject, (request, reply) => changeSubject(deps, request, reply, 'remove'))
  app.post(signalPaths.verification, (request, reply) => verify(deps, request, reply))
}

/** @throws CURFEW_API_NOT_FOUND when the client has no stream of this id */
function same(stream: Stream | undefined, id: unknown): Stream {
  if (stream === undefined || (id !== undefined && id !== stream.id)) throw new CurfewError('CURFEW_API_NOT_FOUND', {})
  return stream
}

function newStream(ctx: AuthorityContext, client: OidcClient, body: StreamBody): Stream {
  return {
    id: `str_${createHash('sha256').update(ctx.ids.message()).digest('base64url').slice(0, 27)}`,
    clientId: client.clientId,
    status: 'enabled',
    eventsRequested: body.events_requested ?? eventsSupported,
    delivery: deliveryOf(body),
    removedSubjects: [],
    createdAtMs: ctx.clock.nowMs(),
    ...(body.description === undefined ? {} : { description: body.description })
  }
}

/** PATCH changes what it names; PUT puts the defaults in place of what it does not. */
async function changeStream({ ctx, streams, wake }: StreamRoutesDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const client = await requireReceiver(ctx, request, 'ssf.manage')
  const body = parseStreamBody(request.body)
  const known = same(await streams.find(client.clientId), body.stream_id ?? '')
  const { description: _description, ...rest } = known
  const isPatch = request.method === 'PATCH'
  const description = body.description ?? (isPatch ? known.description : undefined)
  const stream: Stream = {
    ...rest,
    eventsRequested: body.events_requested ?? (isPatch ? known.eventsRequested : eventsSupported),
    delivery: body.delivery === undefined && isPatch ? known.delivery : deliveryOf(body),
    ...(description === undefined ? {} : { description })
  }
  await streams.save(stream)
  await audit(ctx, client, 'stream.updated')
  wake()
  return send(reply, 200, view(ctx, stream))
}

const statusBody = z.object({ stream_id: z.string(), status: z.enum(['enabled', 'paused', 'disabled']), reason: z.string().max(200).optional() })

function statusRoutes(app: FastifyInstance, { ctx, streams, wake }: StreamRoutesDeps): void {
  app.get(signalPaths.status, async (request, reply) => {
    const client = await requireReceiver(ctx, request, 'ssf.read')
    const stream = same(await streams.find(client.clientId), (request.query as Readonly<Record<string, unknown>>)['stream_id'])
    return send(reply, 200, await statusView(streams, stream))
  })
  app.post(signalPaths.status, async (request, reply) => {
    const client = await requireReceiver(ctx, request, 'ssf.manage')
    const { stream_id: id, status, reason } = checked(statusBody, request.body)
    const known = same(await streams.find(client.clientId), id)
    const stream = await changeStatus(streams, known, { status, isAsked: true, nowMs: ctx.clock.nowMs(), ...(reason === undefined ? {} : { reason }) })
    await audit(ctx, client, `stream.${status}`)
    wake()
    return send(reply, 200, await statusView(streams, stream))
  })
}

async function statusView(streams: Streams, stream: Stream): Promise<object> {
  const isFull = (await streams.owed(stream, setsPerStreamMax)).length >= setsPerStreamMax
  const reason = isFull ? 'the backlog is full' : stream.reason
  return { stream_id: stream.id, status: stream.status, ...(reason === undefined ? {} : { reason }) }
}

const subjectBody = z.object({ stream_id: z.string(), subject: z.unknown(), verified: z.boolean().optional() })

/** Everybody is told of until removed (`default_subjects` is `ALL`). */
async function changeSubject({ ctx, streams }: StreamRoutesDeps, request: FastifyRequest, reply: FastifyReply, how: 'add' | 'remove'): Promise<FastifyReply> {
  const client = await requireReceiver(ctx, request, 'ssf.manage')
  const body = checked(subjectBody, request.body)
  const stream = same(await streams.find(client.clientId), body.stream_id)
  const subject = parseSubject(body.subject)
  if (subject.format === 'complex') throw new CurfewError('CURFEW_API_VALIDATION', { parameter: 'subject.format' })
  const others = stream.removedSubjects.filter((removed) => !isSame(removed, subject))
  if (how === 'remove' && others.length >= removedSubjectsMax) throw new CurfewError('CURFEW_API_CONFLICT', { maximum: removedSubjectsMax })
  await streams.save({ ...stream, removedSubjects: how === 'remove' ? [...others, subject] : others })
  return how === 'add' ? reply.headers(noStore).status(200).send() : reply.headers(noStore).status(204).send()
}

const verificationBody = z.object({ stream_id: z.string(), state: z.string().max(1_024).optional() })

/** Owes the receiver a token that proves the way to it works (SSF 1.0 section 8.1.4). */
async function verify({ ctx, streams, wake }: StreamRoutesDeps, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const client = await requireReceiver(ctx, request, 'ssf.manage')
  const { stream_id: id, state } = checked(verificationBody, request.body)
  const stream = same(await streams.find(client.clientId), id)
  const nowMs = ctx.clock.nowMs()
  if (nowMs - (stream.verifiedAtMs ?? Number.NEGATIVE_INFINITY) < verificationMsMin) throw new CurfewError('CURFEW_SIGNALS_TOO_FAST', { client: client.id })
  await oweVerification(streams, stream, nowMs, state)
  wake()
  return reply.headers(noStore).status(204).send()
}

function view(ctx: AuthorityContext, stream: Stream): object {
  return streamView(ctx.baseUrl, signalPaths.poll, stream, verificationMsMin / 1_000)
}

function send(reply: FastifyReply, status: number, body: object): FastifyReply {
  return reply.headers(noStore).status(status).send(body)
}

async function audit({ store, clock }: AuthorityContext, client: OidcClient, event: string): Promise<void> {
  await store.appendAudit({ atMs: clock.nowMs(), event, actor: { kind: 'peer', id: client.id }, peerId: client.id })
}
