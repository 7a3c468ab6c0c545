import type { FastifyPluginAsync } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { receiveArtifactResolve } from '../saml/artifact-resolution.ts'
import { samlPaths } from '../saml/endpoints.ts'
import { receiveLogoutMessage, resumeLogout } from '../saml/slo.ts'
import { receiveSoapLogout } from '../saml/slo-soap.ts'
import { xmlBodies } from '../saml/xml-bodies.ts'
import { receiveAuthnRequest, startSingleSignOn } from './sso.ts'

export type SamlIdpDeps = AuthorityContext

/** SAML 2.0 identity provider: single sign-on and single logout. */
export function samlIdpPlugin(deps: SamlIdpDeps): FastifyPluginAsync {
  return async (app) => {
    xmlBodies(app)
    app.route({ method: ['GET', 'POST'], url: samlPaths.idp.singleSignOn, handler: (request, reply) => receiveAuthnRequest(deps, request, reply) })
    app.route({ method: ['GET', 'POST'], url: samlPaths.idp.startSingleSignOn, handler: (request, reply) => startSingleSignOn(deps, request, reply) })
    app.route({ method: ['GET', 'POST'], url: samlPaths.idp.singleLogout, handler: (request, reply) => receiveLogoutMessage(deps, 'idp', request, reply) })
    app.get(samlPaths.idp.resumeLogout, (request, reply) => resumeLogout(deps, request, reply))
    app.post(samlPaths.idp.singleLogoutSoap, (request, reply) => receiveSoapLogout(deps, 'idp', request, reply))
    app.post(samlPaths.idp.artifactResolution, (request, reply) => receiveArtifactResolve(deps, 'idp', request, reply))
  }
}
