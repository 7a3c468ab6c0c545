import { CurfewError } from '@curfew/codecs'
import fastifyFormbody from '@fastify/formbody'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import { createBulkhead } from '../../platform/bulkhead.ts'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import { requireCaller, type SessionPermission } from './caller.ts'
import { sessionManagementPaths as paths } from './paths.ts'
import { addRevokedSri, readRevokedSri } from './revoked-sris.ts'
import { extendSessions, readSessions, revokeSessions } from './sessions-by-sri.ts'
import { readUser, revokeUser } from './sessions-by-user.ts'

/** @param client - who calls, with the permission that the route needs */
type Handler = (ctx: AuthorityContext, client: OidcClient, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

interface Route {
  readonly permission: SessionPermission
  readonly handler: Handler
}

/** Calls of one client that are carried out at once, at each node: others get their turn between them, whatever it sends. */
export const callsAtOnceMax = 16
/** Calls of it that wait for a place; more are refused. Twenty gateways that ask about sessions have 320 under way. */
export const callsWaitingMax = 1_000
/** When a refused client may come again. */
const againSeconds = 1

/** Session Revocation API, and session management by SRI and by user, for clients that are permitted. */
export function sessionManagementPlugin(ctx: AuthorityContext): FastifyPluginAsync {
  return async (app) => {
    if (ctx.clients.configured().length === 0) return
    // Bodies are read here, so that a wrong kind gets an answer of this API.
    app.removeAllContentTypeParsers()
    // A call that needs no body of its own may have one that proves the client, as at the token endpoint.
    await app.register(fastifyFormbody)
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
    // Programs call here: an error is a problem document, whatever they say they accept.
    app.addHook('onRequest', async (request) => {
      request.headers.accept = 'application/problem+json'
    })
    const places = createBulkhead({ concurrentMax: callsAtOnceMax, queuedMax: callsWaitingMax })
    const call = async ({ permission, handler }: Route, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const client = await requireCaller(ctx, request, permission)
      if (places.isFull(client.id)) {
        reply.header('retry-after', againSeconds)
        throw new CurfewError('CURFEW_SESSION_API_BUSY', { client: client.id, atOnce: callsAtOnceMax, waiting: callsWaitingMax })
      }
      return places.run(client.id, () => handler(ctx, client, request, reply))
    }
    const serve = (url: string, routes: { readonly GET?: Route; readonly POST?: Route }): void => {
      for (const [method, route] of Object.entries(routes))
        app.route({ method: method as HTTPMethods, url, handler: (request, reply) => call(route, request, reply) })
      const others = (['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).filter((method) => !(method in routes))
      app.route({ method: [...others], url, handler: (_request, reply) => refuse(reply, Object.keys(routes)) })
    }
    const managing = (handler: Handler): Route => ({ permission: 'sessionManagement', handler })
    // Who may read the feed may ask: it says no more.
    const reading: Route = { permission: 'revocationFeed', handler: readRevokedSri }
    serve(paths.revokedSris, { GET: reading, POST: { permission: 'sessionRevocation', handler: addRevokedSri } })
    serve(`${paths.revokedSris}/:sri`, { GET: reading })
    serve(paths.sessions, { GET: managing(readSessions) })
    serve(`${paths.sessions}/:sri`, { GET: managing(readSessions) })
    serve(`${paths.sessions}/:sri/extend`, { POST: managing(extendSessions) })
    serve(`${paths.sessions}/:sri/revoke`, { POST: managing(revokeSessions) })
    serve(paths.users, { GET: managing(readUser) })
    serve(`${paths.users}/:key`, { GET: managing(readUser) })
    serve(`${paths.users}/:key/revoke`, { POST: managing(revokeUser) })
  }
}

function refuse(reply: FastifyReply, allowed: readonly string[]): never {
  reply.header('allow', allowed.join(', '))
  throw new CurfewError('CURFEW_SESSION_API_METHOD', { allowed: allowed.join(', ') })
}
