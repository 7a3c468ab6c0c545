import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import fastifySwagger from '@fastify/swagger'
import fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, type RawServerDefault } from 'fastify'
import { jsonSchemaTransform, jsonSchemaTransformObject, serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod'
import { CurfewError } from '@curfew/codecs'
import { registerClients } from './client-routes.ts'
import { registerCluster } from './cluster-routes.ts'
import type { AdminContext } from './context.ts'
import { registerEvents } from './event-routes.ts'
import { registerLogout } from './logout-routes.ts'
import { withAnswers } from './openapi.ts'
import { sendProblem, unauthorised } from './problem.ts'
import { registerRuns } from './run-routes.ts'
import { registerSessions } from './session-routes.ts'
import { registerStreams } from './stream-routes.ts'
import { registerSystem } from './system-routes.ts'
import { registerUsers } from './user-routes.ts'

/** A Fastify instance whose routes are typed by their zod schemas. */
export type AdminServer = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>

/** Routes that are answered without the token, as they were registered. Everything else is refused, whatever its address looks like. */
const openRoutes: ReadonlySet<string | undefined> = new Set(['/metrics'])

/** The admin API and the metrics, for a listener of their own. Every request needs the token, but those for {@link openRoutes}. */
export function createAdminServer(ctx: AdminContext): FastifyInstance {
  const app = fastify({
    bodyLimit: 64 * 1024,
    requestIdHeader: false,
    genReqId: () => ctx.ids.reference(),
    exposeHeadRoutes: false,
    forceCloseConnections: true
  })
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(serializerCompiler)
  app.setErrorHandler((error, request, reply) => sendProblem(ctx, error, request, reply))
  app.setNotFoundHandler((request, reply) => sendProblem(ctx, new CurfewError('CURFEW_API_NOT_FOUND'), request, reply))
  app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Curfew admin API', version: ctx.version },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }]
    },
    transform: jsonSchemaTransform,
    transformObject: (document) => withAnswers(jsonSchemaTransformObject(document))
  })
  app.addHook('onRequest', async (request) => {
    // By the route that was found, not by the address: `/%761/users` and `http://any/v1/users` lead to the same route.
    if (!openRoutes.has(request.routeOptions.url) && !isAllowed(ctx, request)) throw unauthorised()
  })
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
  })
  app.register(async (scope) => {
    const typed = scope.withTypeProvider<ZodTypeProvider>() as AdminServer
    registerSessions(typed, ctx)
    registerRuns(typed, ctx)
    registerEvents(typed, ctx)
    registerLogout(typed, ctx)
    registerSystem(typed, ctx)
    registerCluster(typed, ctx)
    registerUsers(typed, ctx)
    registerClients(typed, ctx)
    registerStreams(typed, ctx)
  })
  return app
}

/** Compares in constant time, whatever the length. A page of a browser has no token to send. */
function isAllowed(ctx: AdminContext, request: FastifyRequest): boolean {
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(given), hash(ctx.token))
}
