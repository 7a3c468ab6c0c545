import type { FastifyPluginAsync } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { metadataPath, sendMetadata } from './federation-metadata.ts'
import { heartbeatPath, sendHeartbeat } from './heartbeat.ts'
import { startSingleLogout, startSloPaths } from './start-slo.ts'

export type PingDeps = AuthorityContext

/** Application and system endpoints under the paths of the replaced product. */
export function pingPlugin(deps: PingDeps): FastifyPluginAsync {
  return async (app) => {
    for (const url of Object.values(startSloPaths)) {
      app.route({ method: ['GET', 'POST'], url, handler: (request, reply) => startSingleLogout(deps, request, reply) })
    }
    app.route({ method: ['GET', 'HEAD'], url: heartbeatPath, handler: (request, reply) => sendHeartbeat(deps, request, reply) })
    app.get(metadataPath, (request, reply) => sendMetadata(deps, request, reply))
  }
}
