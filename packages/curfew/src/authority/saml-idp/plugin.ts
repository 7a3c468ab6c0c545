import type { FastifyPluginAsync } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { samlPaths } from './endpoints.ts'
import { receiveLogoutMessage, resumeLogout } from './slo.ts'
import { receiveSoapLogout } from './slo-soap.ts'
import { receiveAuthnRequest, startSingleSignOn } from './sso.ts'

export type SamlIdpDeps = AuthorityContext

/** SAML 2.0 identity provider: single sign-on and single logout. */
export function samlIdpPlugin(deps: SamlIdpDeps): FastifyPluginAsync {
  return async (app) => {
    app.addContentTypeParser(['text/xml', 'application/xml', 'application/soap+xml'], { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    app.route({ method: ['GET', 'POST'], url: samlPaths.singleSignOn, handler: (request, reply) => receiveAuthnRequest(deps, request, reply) })
    app.route({ method: ['GET', 'POST'], url: samlPaths.startSingleSignOn, handler: (request, reply) => startSingleSignOn(deps, request, reply) })
    app.route({ method: ['GET', 'POST'], url: samlPaths.singleLogout, handler: (request, reply) => receiveLogoutMessage(deps, request, reply) })
    app.get('/idp/:nonce/resume/idp/SLO.saml2', (request, reply) => resumeLogout(deps, request, reply))
    app.post(samlPaths.singleLogoutSoap, (request, reply) => receiveSoapLogout(deps, request, reply))
  }
}
