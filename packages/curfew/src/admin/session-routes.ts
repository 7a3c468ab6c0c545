import { CurfewError } from '@curfew/codecs'
import { z } from 'zod'
import { actorOf } from './actor.ts'
import type { AdminContext } from './context.ts'
import { endedView, sessionDetail, sessionIdSchema, sessionView } from './schemas.ts'
import type { AdminServer } from './server.ts'
import { sessionDetailOf, sessionViewOf } from './views.ts'

const listQuery = z.object({
  user: z.string().optional(),
  app: z.string().optional(),
  idp: z.string().optional().describe('Where the user signed in: an identity provider, or the form; pages may be shorter then'),
  state: z.enum(['live', 'ended']).optional(),
  sinceMs: z.coerce.number().int().optional(),
  cursor: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50)
})

const one = z.object({ id: sessionIdSchema })

export function registerSessions(app: AdminServer, ctx: AdminContext): void {
  app.get(
    '/v1/sessions',
    { schema: { querystring: listQuery, response: { 200: z.object({ items: z.array(sessionView), nextCursor: z.string().optional() }) } } },
    async (request) => {
      const { user, app: peerId, idp, ...rest } = request.query
      const nowMs = ctx.clock.nowMs()
      const page = await ctx.store.listSessions({
        nowMs,
        limit: rest.limit,
        ...(user === undefined ? {} : { username: user }),
        ...(peerId === undefined ? {} : { peerId }),
        ...(rest.state === undefined ? {} : { state: rest.state }),
        ...(rest.sinceMs === undefined ? {} : { sinceMs: rest.sinceMs }),
        ...(rest.cursor === undefined ? {} : { cursor: rest.cursor })
      })
      const wanted = page.items.filter(({ session }) => idp === undefined || session.sourceId === idp)
      const items = wanted.map(({ session, participants }) =>
        sessionViewOf(
          session,
          participants.map((p) => p.peerId),
          nowMs
        )
      )
      return { items, ...(page.nextCursor === undefined ? {} : { nextCursor: page.nextCursor }) }
    }
  )

  app.get('/v1/sessions/:id', { schema: { params: one, response: { 200: sessionDetail } } }, async (request) => {
    const session = await ctx.store.getSession(request.params.id)
    if (session === undefined) throw new CurfewError('CURFEW_SESSION_UNKNOWN', { session: request.params.id.slice(0, 12) })
    return sessionDetailOf(session, await ctx.store.getParticipants(session.id), (id) => ctx.peer(id), ctx.clock.nowMs())
  })

  const ending = z
    .strictObject({ endOfflineGrants: z.boolean().optional().describe('Offline grants end, too; else those survive whose clients say nothing else') })
    .nullish()
  app.post('/v1/sessions/:id/logout', { schema: { params: one, body: ending, response: { 200: endedView } } }, async (request) => {
    const summary = await ctx.engine.endSessions({
      scope: { kind: 'session', sessionId: request.params.id },
      reason: 'admin',
      by: actorOf(request.headers['user-agent']),
      starter: { kind: 'none' },
      browser: 'absent',
      ...(request.body?.endOfflineGrants === true ? { endOfflineGrants: true as const } : {})
    })
    if (summary.unknown.length > 0) throw new CurfewError('CURFEW_SESSION_UNKNOWN', { session: request.params.id.slice(0, 12) })
    return endedViewOf(summary)
  })
}

/** The answer to every ending. */
export function endedViewOf(summary: Awaited<ReturnType<AdminContext['engine']['endSessions']>>): z.output<typeof endedView> {
  const pair = ({ sessionId, runId }: { sessionId: `ses_${string}`; runId: `run_${string}` }) => ({ session: sessionId, run: runId })
  const ended = summary.ended.map((one) => ({ ...pair(one), ...(one.isDegraded === true ? { degraded: true as const } : {}) }))
  return { ended, already: summary.already.map(pair), unknown: [...summary.unknown] }
}
