import { z } from 'zod'
import { actorOf } from './actor.ts'
import type { AdminContext } from './context.ts'
import { resetView } from './schemas.ts'
import type { AdminServer } from './server.ts'

const one = z.object({ name: z.string().min(1).max(128) })

/** People who have a password here. */
export function registerUsers(app: AdminServer, ctx: AdminContext): void {
  app.post('/v1/users/:name/password-reset', { schema: { params: one, response: { 200: resetView } } }, async (request) => {
    const { username, url, untilMs } = await ctx.resetPassword(request.params.name, actorOf(request.headers['user-agent']))
    return { user: username, url, untilMs }
  })
}
