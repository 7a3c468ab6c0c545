import type { IncomingMessage } from 'node:http'
import { nodeRequest, parsedBody } from './node-guard.ts'
import type { Guard } from './guard.ts'
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
  app.addHook('preHandler', async (request: RequestLike) => {
    request.appSession = (await guard.session(request.raw.headers.cookie)) ?? null
  })
  for (const url of new Set(Object.values(guard.paths) as string[])) {
    app.route({ method: ['GET', 'POST'], url, handler: async (request, reply) => answer(guard, request, reply) })
  }
}

async function answer(guard: Guard, request: RequestLike, reply: ReplyLike): Promise<unknown> {
  const result = await guard.handle({ ...nodeRequest(request.raw), readBody: async () => parsedBody(request.body) })
  if (result === undefined) return reply.code(405).send('')
  for (const [name, value] of Object.entries(result.headers)) reply.header(name, value)
  return reply.code(result.status).send(result.body)
}
