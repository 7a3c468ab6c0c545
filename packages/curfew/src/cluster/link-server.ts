import { isCurfewError } from '@curfew/codecs'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Group } from '../core/group.ts'
import { boundProblems, type ProblemLines } from '../platform/bounded-log.ts'
import type { Clock } from '../platform/clock.ts'
import type { Store } from '../stores/store.ts'
import { bodyBytesMax, type Caller, type CallHandler, noncesMax, type ServeOptions, windowMs } from './call.ts'
import { groupError } from './group-error.ts'
import { linkHeaders } from './link-http.ts'
import { createNonces, type Nonces } from './nonces.ts'
import type { CallHead, Prover } from './proof.ts'

/** One kind of call that is answered here. */
export interface Served {
  readonly schema: z.ZodType
  readonly handler: CallHandler<never>
  readonly options: ServeOptions
}

export interface LinkServerDeps {
  readonly self: Group
  /** Every group that may call, the own one too. */
  readonly callers: readonly Group[]
  readonly prover: Prover
  readonly clock: Clock
  readonly store: Pick<Store, 'replaySeen'>
  readonly logger: ProblemLines
  served(name: string): Served | undefined
  onCall(call: { readonly group: string; readonly name: string; readonly result: 'answered' | 'refused' | 'failed' }): void
}

/**
 * What other groups talk to. A request counts for nothing before its proof: who asks, whom, what, and that it was made
 * just now and not taken before. Whoever can't prove that gets a bare 401 and learns nothing.
 */
export function createLinkServer(given: LinkServerDeps): FastifyInstance {
  // Whoever reaches it makes it write.
  const deps = { ...given, logger: boundProblems(given.logger, given.clock) }
  const nonces = createNonces(noncesMax)
  const arrivedAtMs = new WeakMap<FastifyRequest, number>()
  const app = fastify({ bodyLimit: bodyBytesMax, exposeHeadRoutes: false, routerOptions: { caseSensitive: true } })
  app.addHook('onRequest', (request, _reply, done) => {
    arrivedAtMs.set(request, deps.clock.nowMs())
    done()
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setErrorHandler((error: { readonly statusCode?: number }, _request, reply) => reply.status(error.statusCode === 413 ? 413 : 400).send())
  app.setNotFoundHandler((_request, reply) => reply.status(404).send())
  app.post('/link/1/:name', (request, reply) => answerCall(deps, nonces, arrivedAtMs.get(request) ?? deps.clock.nowMs(), request, reply))
  return app
}

async function answerCall(deps: LinkServerDeps, nonces: Nonces, arrivedAtMs: number, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { self, prover, clock } = deps
  const { name } = request.params as { readonly name: string }
  const body = request.body instanceof Uint8Array ? request.body : new Uint8Array()
  const head = headOf(request)
  const caller = head === undefined ? undefined : deps.callers.find(({ id }) => id === head.from)
  const nowMs = clock.nowMs()
  if (head === undefined || !prover.isCall(head, body, headerOf(request, linkHeaders.proof))) return refuse(deps, request, reply, 'not-proved')
  const send = (status: number, value: unknown): FastifyReply => {
    const octets = Buffer.from(JSON.stringify(value ?? null))
    const proof = prover.answer({ from: self.id, to: head.from, nonce: head.nonce, status }, octets)
    return reply
      .status(status)
      .headers({ 'content-type': 'application/json', 'cache-control': 'no-store', [linkHeaders.proof]: proof })
      .send(octets)
  }
  /** The caller has proved itself, so it may know why. */
  const deny = (why: string, facts: Readonly<Record<string, string | number>> = {}): FastifyReply => {
    deps.onCall({ group: head.from, name, result: 'refused' })
    deps.logger.warn({ event: 'group.call-refused', group: head.from, call: name, why, ...facts }, 'A call of another group was refused')
    return send(403, { code: 'CURFEW_GROUP_CALL_REFUSED', context: { why, ...facts } })
  }
  if (head.to !== self.id) return reply.status(421).send()
  if (caller === undefined) return deny('unknown-group')
  if (Math.abs(nowMs - head.atMs) > windowMs) return deny('clock', { apartSeconds: Math.round((nowMs - head.atMs) / 1000) })
  // Counted by this clock alone: that of the caller may be seconds apart, and many calls have less time than that.
  const deadlineMs = arrivedAtMs + head.deadlineMs - head.atMs
  if (nowMs > deadlineMs) return deny('late')
  const served = deps.served(name)
  if (served === undefined) return deny('unknown-call')
  const taken = await takeNonce(deps, nonces, head, served.options, nowMs)
  if (taken !== 'fresh') return deny(taken === 'seen' ? 'replayed' : 'busy')
  const { success, data } = served.schema.safeParse(parsed(body))
  if (!success) return deny('shape')
  if (clock.nowMs() > deadlineMs) return deny('late')
  return carryOut(deps, { name, served, data: data as never, caller: { group: caller, deadlineMs } }, send)
}

/** Once per node, and for calls that change something once per group. */
async function takeNonce(deps: LinkServerDeps, nonces: Nonces, head: CallHead, { isRead }: ServeOptions, nowMs: number): Promise<'fresh' | 'seen' | 'full'> {
  // A call may be from a clock that is ahead: it is good until the end of its own window.
  const untilMs = nowMs + 2 * windowMs
  const here = nonces.take(`${head.from} ${head.nonce}`, untilMs, nowMs)
  if (here !== 'fresh' || isRead === true) return here
  return (await deps.store.replaySeen(`group:${head.from}`, head.nonce, untilMs, nowMs)).value
}

interface Work {
  readonly name: string
  readonly served: Served
  readonly data: never
  readonly caller: Caller
}

async function carryOut(
  deps: LinkServerDeps,
  { name, served, data, caller }: Work,
  send: (status: number, value: unknown) => FastifyReply
): Promise<FastifyReply> {
  const { id: group } = caller.group
  try {
    const value = await served.handler(data, caller)
    deps.onCall({ group, name, result: 'answered' })
    return send(200, value)
  } catch (error) {
    deps.onCall({ group, name, result: 'failed' })
    deps.logger.warn({ event: 'group.call-failed', group, call: name, err: error }, 'A call of another group could not be carried out')
    return send(
      422,
      isCurfewError(error) ? { code: error.code, context: error.context } : { code: groupError('CURFEW_GROUP_CALL_FAILED').code, context: { call: name } }
    )
  }
}

function refuse(deps: LinkServerDeps, request: FastifyRequest, reply: FastifyReply, why: string): FastifyReply {
  deps.onCall({ group: 'unknown', name: 'unknown', result: 'refused' })
  deps.logger.warn({ event: 'group.call-refused', why, from: request.ip }, 'A call that proved nothing was refused')
  return reply.status(401).send()
}

const idShape = /^[A-Za-z0-9]{1,36}$/
const nonceShape = /^[\w-]{22}$/
const instantShape = /^\d{1,15}$/

/** The head as it came; undefined where a part is missing or has another shape. */
function headOf(request: FastifyRequest): CallHead | undefined {
  const from = headerOf(request, linkHeaders.from)
  const to = headerOf(request, linkHeaders.to)
  const at = headerOf(request, linkHeaders.at)
  const deadline = headerOf(request, linkHeaders.deadline)
  const nonce = headerOf(request, linkHeaders.nonce)
  const isWell = idShape.test(from) && idShape.test(to) && instantShape.test(at) && instantShape.test(deadline) && nonceShape.test(nonce)
  return isWell ? { method: 'POST', path: request.url, from, to, atMs: Number(at), deadlineMs: Number(deadline), nonce } : undefined
}

function headerOf(request: FastifyRequest, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? value : ''
}

function parsed(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString())
  } catch {
    return undefined
  }
}
