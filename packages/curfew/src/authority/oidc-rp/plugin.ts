import type { FastifyPluginAsync } from 'fastify'
import { type ArriveDeps, resumeArrival } from '../upstream/arrive.ts'
import { resumePaths } from '../upstream/waiting.ts'
import { receiveLogoutToken } from './back-channel.ts'
import { receiveCode } from './callback.ts'
import { oidcRpPaths } from './endpoints.ts'
import { createFrameMemory, receiveFrame } from './front-channel.ts'
import { initiateLogin } from './init-login.ts'
import { returnFromLogout } from './logged-out.ts'

/** OpenID relying party: sign-in at upstream OpenID providers, and logout in both directions. */
export function oidcRpPlugin(deps: ArriveDeps): FastifyPluginAsync {
  return async (app) => {
    if (deps.upstreams.all().length === 0) return
    app.get(oidcRpPaths.callback, (request, reply) => receiveCode(deps, request, reply))
    app.get(resumePaths.oidc, (request, reply) => resumeArrival(deps, request, reply))
    app.route({ method: ['GET', 'POST'], url: oidcRpPaths.loggedOut, handler: (request, reply) => returnFromLogout(deps, request, reply) })
    app.post(oidcRpPaths.backChannelLogout, (request, reply) => receiveLogoutToken(deps, request, reply))
    const memory = createFrameMemory()
    app.get(oidcRpPaths.frontChannelLogout, (request, reply) => receiveFrame(deps, memory, request, reply))
    app.route({ method: ['GET', 'POST'], url: oidcRpPaths.initiateLogin, handler: (request, reply) => initiateLogin(deps, request, reply) })
  }
}
