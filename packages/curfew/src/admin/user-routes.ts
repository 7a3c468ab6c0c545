import { CurfewError } from '@curfew/codecs'
import { z } from 'zod'
import { actorOf } from './actor.ts'
import type { AdminContext } from './context.ts'
import { accountLinkView, resetView } from './schemas.ts'
import type { AdminServer } from './server.ts'

const one = z.object({ name: z.string().min(1).max(128) })

/** People who have a password here. */
export function registerUsers(app: AdminServer, ctx: AdminContext): void {
  app.post('/v1/users/:name/password-reset', { schema: { params: one, response: { 200: resetView } } }, async (request) => {
    const { username, url, untilMs } = await ctx.resetPassword(request.params.name, actorOf(request.headers['user-agent']))
    return { user: username, url, untilMs }
  })

  app.get('/v1/users/:name/links', { schema: { params: one, response: { 200: z.object({ items: z.array(accountLinkView) }) } } }, async (request) => ({
    items: [...(await ctx.accountLinks.list(request.params.name))]
  }))

  app.delete(
    '/v1/users/:name/links/:id',
    { schema: { params: one.extend({ id: z.string().min(1).max(100) }), response: { 200: z.object({ removed: z.string() }) } } },
    async (request) => {
      const { name, id } = request.params
      if (!(await ctx.accountLinks.remove(name, id, actorOf(request.headers['user-agent'])))) throw new CurfewError('CURFEW_API_NOT_FOUND')
      return { removed: id }
    }
  )
}
