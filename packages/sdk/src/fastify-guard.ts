import type { IncomingMessage } from 'node:http'
import { nodeRequest, readStream } from './node-guard.ts'
import { admissionOf, type Guard, splitTarget } from './guard.ts'
import type { GuardResponse } from './http.ts'
import type { AppSession } from './session-registry.ts'

/** What the guard uses of Fastify, so that this package does not depend on it. */
interface FastifyLike {
  hasRequestDecorator(name: string): boolean
  decorateRequest(name: string, value: unknown): unknown
  addHook(name: 'preHandler', hook: (request: RequestLike, reply: ReplyLike) => Promise<unknown>): unknown
  register(plugin: (child: unknown) => Promise<void>): unknown
}

/** A context of the guard's own: what it reads bodies with is not the application's. */
interface ChildLike {
  removeAllContentTypeParsers(): unknown
  addContentTypeParser(types: string, parser: (request: unknown, payload: unknown, done: (error: Error | null, body?: unknown) => void) => void): unknown
  route(options: { method: string[]; url: string; handler: (request: RequestLike, reply: ReplyLike) => Promise<unknown> }): unknown
}

interface RequestLike {
  readonly raw: IncomingMessage
  readonly body?: unknown
  appSession?: AppSession | null
}

interface ReplyLike {
  code(status: number): ReplyLike
  header(name: string, value: unknown): ReplyLike
  send(body: string): unknown
}

/**
 * Registers the guard with a Fastify instance: routes for the guard's paths, in a context of their own whatever body parsers
 * the application has, and `request.appSession` for every other route of the instance. Call it on the instance whose routes
 * are to be guarded, before they are added; an instance may have several guards.
 */
export function fastifyGuard(app: FastifyLike, guard: Guard): void {
  if (!app.hasRequestDecorator('appSession')) app.decorateRequest('appSession', null)
  const ownPaths = new Set(Object.values(guard.paths) as string[])
  app.addHook('preHandler', async (request: RequestLike, reply: ReplyLike) => {
    if (ownPaths.has(splitTarget(request.raw.url ?? '')[0])) return undefined
    const admission = await admissionOf(guard, request.raw.headers.cookie)
    if (admission.kind === 'answered') return send(reply, admission.answer)
    if (admission.kind === 'signed-out') for (const [name, value] of Object.entries(admission.headers)) reply.header(name, value)
    if (admission.kind === 'signed-in') request.appSession = admission.session
    return undefined
  })
  app.register(async (context) => {
    const child = context as ChildLike
    child.removeAllContentTypeParsers()
    child.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
    for (const url of ownPaths) {
      child.route({ method: ['GET', 'POST'], url, handler: async (request, reply) => answer(guard, request, reply) })
    }
  })
}

async function answer(guard: Guard, request: RequestLike, reply: ReplyLike): Promise<unknown> {
  const result = await guard.handle({ ...nodeRequest(request.raw), readBody: () => readStream(request.body, request.raw.headers['content-length']) })
  return result === undefined ? reply.code(405).send('') : send(reply, result)
}

function send(reply: ReplyLike, answer: GuardResponse): unknown {
  for (const [name, value] of Object.entries(answer.headers)) reply.header(name, value)
  return reply.code(answer.status).send(answer.body)
}
