import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Provider } from 'oidc-provider'
import { quietImport } from '../../platform/quiet-import.ts'
import type { AuthorityContext } from '../context.ts'
import { seeOther } from '../request.ts'
import { sendCheckSession } from './check-session.ts'
import { sendConfiguration } from './discovery.ts'
import { oidcPaths } from './endpoints.ts'
import { endSession } from './end-session.ts'
import { handBrowserToEngine, handToEngine } from './engine.ts'
import { answerInteraction, finishInteraction, showInteraction } from './interaction.ts'
import { endWithoutBrowser, showRunToProgram } from './headless-logout.ts'
import { introspect } from './introspect.ts'
import { sendOAuthError } from './oauth-error.ts'
import { registrationRoutes } from './registration/endpoint.ts'
import { revokeToken } from './revoke.ts'

/** OpenID provider: the engine's endpoints, and ours around it. */
export function oidcPlugin(deps: AuthorityContext): FastifyPluginAsync {
  return async (app) => {
    if (deps.clients.configured().length === 0 && deps.registration === undefined) return
    const provider = await loadEngine(deps)
    app.register(async (inner) => engineRoutes(inner, deps, provider))
    app.get(`${oidcPaths.interaction}/:uid`, (request, reply) => showInteraction(deps, provider, request, reply))
    app.post(`${oidcPaths.interaction}/:uid`, (request, reply) => answerInteraction(deps, provider, request, reply))
    app.get(`${oidcPaths.interaction}/:uid/:nonce`, (request, reply) => finishInteraction(deps, provider, request, reply))
    app.route({ method: ['GET', 'POST'], url: oidcPaths.endSession, handler: (request, reply) => endSession(deps, request, reply) })
    app.get(oidcPaths.checkSession, async (request, reply) => sendCheckSession(deps, request, reply))
    app.register(async (inner) => programRoutes(inner, deps))
    const { registration } = deps
    if (registration !== undefined) app.register(async (inner) => registrationRoutes(inner, deps, registration))
    for (const path of [oidcPaths.configuration, oidcPaths.authorizationServer]) app.get(path, (request, reply) => sendConfiguration(deps, request, reply))
    // A form of another site comes without cookies; the same request by GET has them.
    app.post(oidcPaths.authorization, (request, reply) => askAgain(request, reply))
  }
}

/** For programs: errors are in the words of OAuth. */
function programRoutes(app: FastifyInstance, deps: AuthorityContext): void {
  app.setErrorHandler(async (error, request, reply) => sendOAuthError(deps, error, request, reply))
  app.post(oidcPaths.introspection, (request, reply) => introspect(deps, request, reply))
  app.post(oidcPaths.revocation, (request, reply) => revokeToken(deps, request, reply))
  app.post(oidcPaths.logout, (request, reply) => endWithoutBrowser(deps, request, reply))
  app.get(`${oidcPaths.logout}/:run`, (request, reply) => showRunToProgram(deps, request, reply))
}

/** The engine says at its first import that it does not know this version of Node; what it needs is there. */
const runtimeNotice = 'oidc-provider WARNING: Unsupported runtime'

/** Loads the engine only where there are clients. */
async function loadEngine(deps: AuthorityContext): Promise<Provider> {
  const { createProvider } = await quietImport(runtimeNotice, () => import('./provider.ts'))
  return createProvider(deps)
}

/** Bodies are left alone here: the engine reads them. */
function engineRoutes(app: FastifyInstance, deps: AuthorityContext, provider: Provider): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  const browser = (request: FastifyRequest, reply: FastifyReply): Promise<void> => handBrowserToEngine(deps, provider, request, reply)
  const program = (request: FastifyRequest, reply: FastifyReply): Promise<void> => handToEngine(deps, provider, request, reply)
  app.get(oidcPaths.authorization, browser)
  app.get(`${oidcPaths.authorization}/:uid`, browser)
  app.route({ method: ['POST', 'OPTIONS'], url: oidcPaths.pushedAuthorization, handler: program })
  app.route({ method: ['POST', 'OPTIONS'], url: oidcPaths.token, handler: program })
  app.route({ method: ['GET', 'POST', 'OPTIONS'], url: oidcPaths.userinfo, handler: program })
  app.route({ method: ['GET', 'OPTIONS'], url: oidcPaths.keys, handler: program })
}

function askAgain(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const fields = Object.entries((request.body ?? {}) as Readonly<Record<string, unknown>>)
  const query = new URLSearchParams(fields.flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, String(one)])))
  return seeOther(reply, `${oidcPaths.authorization}?${query.toString()}`)
}
