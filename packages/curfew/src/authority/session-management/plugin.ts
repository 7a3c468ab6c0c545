import { CurfewError } from '@curfew/codecs'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { sessionManagementPaths as paths } from './paths.ts'
import { addRevokedSri, readRevokedSri } from './revoked-sris.ts'
import { extendSessions, readSessions, revokeSessions } from './sessions-by-sri.ts'
import { readUser, revokeUser } from './sessions-by-user.ts'

type Handler = (ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

/** Session Revocation API, and session management by SRI and by user, for clients that are permitted. */
export function sessionManagementPlugin(ctx: AuthorityContext): FastifyPluginAsync {
  return async (app) => {
    if (ctx.clients.configured().length === 0) return
    // Bodies are read here, so that a wrong kind gets an answer of this API.
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body))
    // Programs call here: an error is a problem document, whatever they say they accept.
    app.addHook('onRequest', async (request) => {
      request.headers.accept = 'application/problem+json'
    })
    const serve = (url: string, handlers: { readonly GET?: Handler; readonly POST?: Handler }): void => {
      for (const [method, handler] of Object.entries(handlers)) {
        app.route({ method: method as HTTPMethods, url, handler: (request, reply) => handler(ctx, request, reply) })
      }
      const others = (['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const).filter((method) => !(method in handlers))
      app.route({ method: [...others], url, handler: (_request, reply) => refuse(reply, Object.keys(handlers)) })
    }
    serve(paths.revokedSris, { GET: readRevokedSri, POST: addRevokedSri })
    serve(`${paths.revokedSris}/:sri`, { GET: readRevokedSri })
    serve(paths.sessions, { GET: readSessions })
    serve(`${paths.sessions}/:sri`, { GET: readSessions })
    serve(`${paths.sessions}/:sri/extend`, { POST: extendSessions })
    serve(`${paths.sessions}/:sri/revoke`, { POST: revokeSessions })
    serve(paths.users, { GET: readUser })
    serve(`${paths.users}/:key`, { GET: readUser })
    serve(`${paths.users}/:key/revoke`, { POST: revokeUser })
  }
}

function refuse(reply: FastifyReply, allowed: readonly string[]): never {
  reply.header('allow', allowed.join(', '))
  throw new CurfewError('CURFEW_SESSION_API_METHOD', { allowed: allowed.join(', ') })
}
