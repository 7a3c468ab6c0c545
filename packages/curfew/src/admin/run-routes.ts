import { PassThrough } from 'node:stream'
import { CurfewError } from '@curfew/codecs'
import { z } from 'zod'
import type { LogoutRun } from '../core/run.ts'
import { actorOf } from './actor.ts'
import type { AdminContext } from './context.ts'
import { deliveryIdSchema, runIdSchema, runView } from './schemas.ts'
import type { AdminServer } from './server.ts'
import { runViewOf } from './views.ts'

const listQuery = z.object({
  user: z.string().optional(),
  session: z.templateLiteral(['ses_', z.string()]).optional(),
  app: z.string().optional(),
  state: z.enum(['open', 'done']).optional(),
  sinceMs: z.coerce.number().int().optional(),
  cursor: z.string().optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50)
})

const one = z.object({ id: runIdSchema })
/** How often a silent event stream shows that it lives. */
const heartbeatMs = 10_000

export function registerRuns(app: AdminServer, ctx: AdminContext): void {
  app.get(
    '/v1/runs',
    { schema: { querystring: listQuery, response: { 200: z.object({ items: z.array(runView), nextCursor: z.string().optional() }) } } },
    async (request) => {
      const { user, session, app: peerId, ...rest } = request.query
      const page = await ctx.store.listRuns({
        limit: rest.limit,
        ...(user === undefined ? {} : { username: user }),
        ...(session === undefined ? {} : { sessionId: session }),
        ...(peerId === undefined ? {} : { peerId }),
        ...(rest.state === undefined ? {} : { state: rest.state }),
        ...(rest.sinceMs === undefined ? {} : { sinceMs: rest.sinceMs }),
        ...(rest.cursor === undefined ? {} : { cursor: rest.cursor })
      })
      return { items: page.items.map(runViewOf), ...(page.nextCursor === undefined ? {} : { nextCursor: page.nextCursor }) }
    }
  )

  app.get('/v1/runs/:id', { schema: { params: one, response: { 200: runView } } }, async (request) => runViewOf(await requireRun(ctx, request.params.id)))

  app.get('/v1/runs/:id/receipt', { schema: { params: one } }, async (request, reply) => {
    const run = await requireRun(ctx, request.params.id)
    if (run.receipt === undefined) throw new CurfewError('CURFEW_API_CONFLICT', { run: run.id, why: 'the run is not done, its receipt comes then' })
    return reply.type('application/jose').send(run.receipt)
  })

  app.get('/v1/runs/:id/events', { schema: { params: one } }, async (request, reply) => {
    const run = await requireRun(ctx, request.params.id)
    return reply.headers({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }).send(eventStream(ctx, run))
  })

  app.post(
    '/v1/runs/:id/deliveries/:delivery/retry',
    { schema: { params: one.extend({ delivery: deliveryIdSchema }), response: { 200: runView } } },
    async (request) => {
      const before = await requireRun(ctx, request.params.id)
      const after = await ctx.engine.retry(before.id, request.params.delivery, actorOf(request.headers['user-agent']))
      if (after === undefined || after.deliveries.length === before.deliveries.length) {
        throw new CurfewError('CURFEW_API_CONFLICT', {
          delivery: request.params.delivery,
          why: 'only a final delivery that was not confirmed can be repeated, once'
        })
      }
      return runViewOf(after)
    }
  )
}

async function requireRun(ctx: AdminContext, id: `run_${string}`): Promise<LogoutRun> {
  const run = await ctx.store.getRun(id)
  if (run === undefined) throw new CurfewError('CURFEW_RUN_UNKNOWN', { run: id.slice(0, 24) })
  return run
}

/** Server-sent events: the run as it is now, then every change; ends when the run is done. */
function eventStream(ctx: AdminContext, first: LogoutRun): PassThrough {
  const stream = new PassThrough()
  let version = 0
  const write = (run: LogoutRun): void => {
    if (run.id !== first.id || run.version <= version || stream.destroyed) return
    version = run.version
    stream.write(`id: ${run.version}\nevent: run\ndata: ${JSON.stringify(runViewOf(run))}\n\n`)
    if (run.state === 'done') stream.end()
  }
  const unsubscribe = ctx.engine.subscribe(write)
  const beat = (): void => {
    if (stream.destroyed || stream.writableEnded) return
    stream.write(': alive\n\n')
    // Another process may have changed the run: the store is the truth.
    ctx.store.getRun(first.id).then(
      (run) => run !== undefined && write(run),
      () => stream.destroy()
    )
    timer = ctx.clock.after(heartbeatMs, beat)
  }
  let timer = ctx.clock.after(heartbeatMs, beat)
  stream.on('close', () => {
    unsubscribe()
    timer.cancel()
  })
  write(first)
  return stream
}
