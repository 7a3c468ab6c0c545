import type { IncomingMessage } from 'node:http'
import { nodeRequest, parsedBody } from './node-guard.ts'
import { admissionOf, type Guard, splitTarget } from './guard.ts'
import type { GuardResponse } from './http.ts'
import type { AppSession } from './session-registry.ts'

/** What the guard uses of Fastify, so that this package does not depend on it. */
interface FastifyLike {
  decorateRequest(name: string, value: unknown): unknown
  addContentTypeParser(
    types: string[],
    options: { readonly parseAs: 'buffer' },
    parser: (request: unknown, body: Buffer, done: (error: Error | null, body?: unknown) => void) => void
  ): unknown
  addHook(name: 'preHandler', hook: (request: RequestLike, reply: ReplyLike) => Promise<unknown>): unknown
  setNotFoundHandler?: unknown
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
 * Registers the guard with a Fastify instance: routes for the service provider's paths, and `request.appSession` for
 * every other route of the instance. Call it on the instance whose routes are to be guarded, before they are added.
 */
export function fastifyGuard(app: FastifyLike, guard: Guard): void {
  app.decorateRequest('appSession', null)
  app.addContentTypeParser(
    ['application/x-www-form-urlencoded', 'text/xml'],
    { parseAs: 'buffer' },
    (_request: unknown, body: Buffer, done: (error: Error | null, body?: unknown) => void) => {
      done(null, body)
    }
  )
  const ownPaths = new Set(Object.values(guard.paths) as string[])
  app.addHook('preHandler', async (request: RequestLike, reply: ReplyLike) => {
    if (ownPaths.has(splitTarget(request.raw.url ?? '')[0])) return undefined
    const admission = await admissionOf(guard, request.raw.headers.cookie)
    if (admission.kind === 'answered') return send(reply, admission.answer)
    if (admission.kind === 'signed-out') for (const [name, value] of Object.entries(admission.headers)) reply.header(name, value)
    request.appSession = admission.kind === 'signed-in' ? admission.session : null
    return undefined
  })
  for (const url of ownPaths) {
    app.route({ method: ['GET', 'POST'], url, handler: async (request, reply) => answer(guard, request, reply) })
  }
}

async function answer(guard: Guard, request: RequestLike, reply: ReplyLike): Promise<unknown> {
  const result = await guard.handle({ ...nodeRequest(request.raw), readBody: async () => parsedBody(request.body) })
  return result === undefined ? reply.code(405).send('') : send(reply, result)
}

function send(reply: ReplyLike, answer: GuardResponse): unknown {
  for (const [name, value] of Object.entries(answer.headers)) reply.header(name, value)
  return reply.code(answer.status).send(answer.body)
}
