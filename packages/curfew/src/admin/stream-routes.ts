import { CurfewError } from '@curfew/codecs'
import { z } from 'zod'
import { actorOf } from './actor.ts'
import type { AdminContext } from './context.ts'
import { streamView } from './schemas.ts'
import type { AdminServer } from './server.ts'

/** Streams of shared signals, by the connection that they belong to. */
export function registerStreams(app: AdminServer, ctx: AdminContext): void {
  app.get('/v1/streams', { schema: { response: { 200: z.object({ items: z.array(streamView) }) } } }, async () => ({ items: [...(await ctx.streams())] }))

  const params = z.object({ connection: z.string().min(1).max(100) })
  const body = z.strictObject({ status: z.enum(['enabled', 'paused', 'disabled']), reason: z.string().max(200).optional().describe('Shown to the receiver') })
  app.post('/v1/streams/:connection/status', { schema: { params, body, response: { 200: streamView } } }, async (request) => {
    const { connection } = request.params
    const { status, reason } = request.body
    const stream = await ctx.setStreamStatus(connection, status, reason)
    if (stream === undefined) throw new CurfewError('CURFEW_API_NOT_FOUND')
    await note(ctx, `stream.${status}`, connection, request.headers['user-agent'])
    return stream
  })

  app.post('/v1/streams/:connection/verify', { schema: { params, response: { 200: z.object({ connection: z.string() }) } } }, async (request) => {
    const { connection } = request.params
    if (!(await ctx.verifyStream(connection))) throw new CurfewError('CURFEW_API_NOT_FOUND')
    await note(ctx, 'stream.verified', connection, request.headers['user-agent'])
    return { connection }
  })
}

async function note({ store, clock }: AdminContext, event: string, peerId: string, agent: unknown): Promise<void> {
  await store.appendAudit({ atMs: clock.nowMs(), event, actor: actorOf(agent), peerId })
}
