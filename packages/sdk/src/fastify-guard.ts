import type { IncomingMessage } from 'node:http'
import { nodeRequest, parsedBody } from './node-guard.ts'
import type { ServiceProvider } from './saml-service-provider.ts'
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
export function fastifyGuard(app: FastifyLike, provider: ServiceProvider): void {
  app.decorateRequest('appSession', null)
  app.addContentTypeParser(
    ['application/x-www-form-urlencoded', 'text/xml'],
    { parseAs: 'buffer' },
    (_request: unknown, body: Buffer, done: (error: Error | null, body?: unknown) => void) => {
      done(null, body)
    }
  )
  app.addHook('preHandler', async (request: RequestLike) => {
    request.appSession = (await provider.session(request.raw.headers.cookie)) ?? null
  })
  for (const url of new Set(Object.values(provider.paths) as string[])) {
    app.route({ method: ['GET', 'POST'], url, handler: async (request, reply) => answer(provider, request, reply) })
  }
}

async function answer(provider: ServiceProvider, request: RequestLike, reply: ReplyLike): Promise<unknown> {
  const result = await provider.handle({ ...nodeRequest(request.raw), readBody: async () => parsedBody(request.body) })
  if (result === undefined) return reply.code(405).send('')
  for (const [name, value] of Object.entries(result.headers)) reply.header(name, value)
  return reply.code(result.status).send(result.body)
}
