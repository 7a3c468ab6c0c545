import type { FastifyPluginAsync } from 'fastify'
import { receiveArtifactResolve } from '../saml/artifact-resolution.ts'
import { samlPaths } from '../saml/endpoints.ts'
import { receiveLogoutMessage, resumeLogout } from '../saml/slo.ts'
import { receiveSoapLogout } from '../saml/slo-soap.ts'
import { xmlBodies } from '../saml/xml-bodies.ts'
import { type ArriveDeps, resumeArrival } from '../upstream/arrive.ts'
import { resumePaths } from '../upstream/waiting.ts'
import { receiveResponse } from './consume.ts'
import { startDiscovery, startSignIn } from './start-sso.ts'

/** SAML 2.0 service provider: sign-in at upstream identity providers, and their logout. */
export function samlSpPlugin(deps: ArriveDeps): FastifyPluginAsync {
  const paths = samlPaths.sp
  return async (app) => {
    xmlBodies(app)
    app.route({ method: ['GET', 'POST'], url: paths.assertionConsumer, handler: (request, reply) => receiveResponse(deps, request, reply) })
    app.get(resumePaths.saml, (request, reply) => resumeArrival(deps, request, reply))
    app.route({ method: ['GET', 'POST'], url: paths.startSingleSignOn, handler: (request, reply) => startSignIn(deps, request, reply) })
    app.route({ method: ['GET', 'POST'], url: paths.startDiscovery, handler: (request, reply) => startDiscovery(deps, request, reply) })
    app.route({ method: ['GET', 'POST'], url: paths.singleLogout, handler: (request, reply) => receiveLogoutMessage(deps, 'sp', request, reply) })
    app.get(paths.resumeLogout, (request, reply) => resumeLogout(deps, request, reply))
    app.post(paths.singleLogoutSoap, (request, reply) => receiveSoapLogout(deps, 'sp', request, reply))
    app.post(paths.artifactResolution, (request, reply) => receiveArtifactResolve(deps, 'sp', request, reply))
  }
}
