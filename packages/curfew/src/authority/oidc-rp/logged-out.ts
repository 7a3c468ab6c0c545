import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import { byGet, parametersOf, seeOther } from '../request.ts'
import { browserToken } from '../sign-on/browser-session.ts'
import { upstreamOf } from './callback.ts'

/**
 * `/sp/<provider>/logged-out.openid`: the browser is back from the provider's logout. That proves nothing, so the
 * provider stays unconfirmed unless its logout token came as well; the run goes on. A form of the provider brings no
 * cookie along, so the browser comes once more by GET, with `state` and nothing else of the form.
 * @see OpenID Connect RP-Initiated Logout 1.0 section 3
 */
export async function returnFromLogout(ctx: AuthorityContext, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const upstream = upstreamOf(ctx, request)
  if (request.method === 'POST') return seeOther(reply, byGet(request, ['state']))
  const { state } = parametersOf(request)
  const found = state === undefined ? undefined : await ctx.store.findByMessage(upstream.id, state)
  const run = found === undefined ? undefined : await ctx.store.getRun(found.runId)
  if (run === undefined || state === undefined || run.tokenHash !== browserToken(ctx, request)) return seeOther(reply, '/signoff/done')
  await ctx.engine.browserAnswered(upstream.id, state, { kind: 'unusable-answer', code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' })
  return seeOther(reply, `/signoff/${run.id}`)
}
