import type { FastifyPluginAsync } from 'fastify'
import { type ArriveDeps, resumeArrival } from '../upstream/arrive.ts'
import { resumePaths } from '../upstream/waiting.ts'
import { resumeAccountLink } from './account-link-service.ts'
import { resumeLogin } from './login.ts'
import { resumeAdapterLogout } from './resume-logout.ts'
import { resumeRoutes } from './resume-path.ts'
import { adapterToAdapterPath, startAdapterToAdapter } from './start.ts'

/** Applications by OpenToken: opening them, and browsers that come back from them. */
export function openTokenPlugin(deps: ArriveDeps): FastifyPluginAsync {
  return async (app) => {
    if (deps.adapters.all().length === 0) return
    const method = ['GET', 'POST']
    app.route({ method, url: adapterToAdapterPath, handler: (request, reply) => startAdapterToAdapter(deps, request, reply) })
    app.route({ method, url: resumeRoutes.login, handler: (request, reply) => resumeLogin(deps, request, reply) })
    app.get(resumePaths.opentoken, (request, reply) => resumeArrival(deps, request, reply))
    app.route({ method, url: resumeRoutes.accountLink, handler: (request, reply) => resumeAccountLink(deps, request, reply) })
    for (const role of ['sp', 'idp'] as const)
      app.route({ method, url: resumeRoutes.logout[role], handler: (request, reply) => resumeAdapterLogout(deps, role, request, reply) })
  }
}
