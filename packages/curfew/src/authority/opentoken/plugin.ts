import type { FastifyPluginAsync } from 'fastify'
import { type LoginDeps, resumeLogin } from './login.ts'
import { resumeAdapterLogout } from './resume-logout.ts'
import { resumeRoutes } from './resume-path.ts'
import { adapterToAdapterPath, startAdapterToAdapter } from './start.ts'

/** Applications by OpenToken: opening them, and browsers that come back from them. */
export function openTokenPlugin(deps: LoginDeps): FastifyPluginAsync {
  return async (app) => {
    if (deps.adapters.all().length === 0) return
    const method = ['GET', 'POST']
    app.route({ method, url: adapterToAdapterPath, handler: (request, reply) => startAdapterToAdapter(deps, request, reply) })
    app.route({ method, url: resumeRoutes.login, handler: (request, reply) => resumeLogin(deps, request, reply) })
    for (const role of ['sp', 'idp'] as const)
      app.route({ method, url: resumeRoutes.logout[role], handler: (request, reply) => resumeAdapterLogout(deps, role, request, reply) })
  }
}
