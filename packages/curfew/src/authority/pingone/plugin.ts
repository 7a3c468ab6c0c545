import type { FastifyPluginAsync } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { receivePingOneSlo } from './slo.ts'
import { startPingOneLogout } from './start-logout.ts'

const methods: ['GET', 'POST'] = ['GET', 'POST']

/** The sign-out addresses of PingOne for Enterprise, each with and without a slash at the end. */
export function pingOnePlugin(deps: AuthorityContext): FastifyPluginAsync {
  const { prefix } = deps.pingOne
  return async (app) => {
    for (const slash of ['', '/']) {
      app.route({ method: methods, url: `${prefix}SLO.saml2${slash}`, handler: (request, reply) => receivePingOneSlo(deps, request, reply) })
      for (const ending of ['initslo', 'terminatesession'] as const) {
        app.route({ method: methods, url: `${prefix}${ending}${slash}`, handler: (request, reply) => startPingOneLogout(deps, ending, request, reply) })
      }
    }
  }
}
