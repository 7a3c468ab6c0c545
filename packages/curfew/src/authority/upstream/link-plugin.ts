import type { FastifyPluginAsync } from 'fastify'
import { CurfewError } from '@curfew/codecs'
import type { AuthorityContext } from '../context.ts'
import { seeOther } from '../request.ts'
import { answerLink, canLink, linkPath, showLink } from './link-sign-in.ts'

/** The question which account here belongs to somebody from an identity provider. */
export function linkPlugin(ctx: AuthorityContext): FastifyPluginAsync {
  return async (app) => {
    app.get(linkPath, (request, reply) => showLink(ctx, request, reply))
    // Whatever address a stranger sends the browser to: a link goes only by the form on the page.
    app.get('/sp/defederate.ping', async (_request, reply) => {
      if (!canLink(ctx)) throw new CurfewError('CURFEW_API_NOT_FOUND', {})
      return seeOther(reply, '/signoff/sessions')
    })
    app.post(linkPath, (request, reply) => answerLink(ctx, request, reply))
  }
}
