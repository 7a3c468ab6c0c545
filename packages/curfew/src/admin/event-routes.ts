import { CurfewError } from '@curfew/codecs'
import { z } from 'zod'
import type { AdminContext } from './context.ts'
import type { EventFilter } from './event-filter.ts'
import { disorderMs, newestPosition, type Position, positionAt, readPosition } from './event-log.ts'
import { type EventStreamOptions, openEventStream } from './event-stream.ts'
import { eventPosition } from './schemas.ts'
import type { AdminServer } from './server.ts'

/** Streams of one process. */
export const eventStreamsMax = 16
/** Attempts so long before the line that a reader was told last may have been seen after it; they are told again. */
const overlapMs = 15_000
/** Longest text of a filter. */
const charactersMax = 1_000

const values = (what: string) =>
  z
    .string()
    .max(charactersMax)
    .transform((text) => text.split(',').filter((value) => value !== ''))
    .optional()
    .describe(`${what}; several with commas between them`)

const query = z.object({
  user: values('User name or user key'),
  app: values('Application'),
  event: values('Name of the event, or its beginning: session.*'),
  outcome: values('Outcome, or failed or confirmed for those of a kind'),
  session: values('Session'),
  run: values('Run'),
  code: values('Error code'),
  sinceMs: z.coerce.number().int().min(0).optional().describe('From then on; else from now on'),
  after: eventPosition.optional().describe('Behind this event: the position of the last one that was read'),
  follow: z.enum(['true', 'false']).default('true').describe('false: the stream ends with the newest event')
})

export function registerEvents(app: AdminServer, ctx: AdminContext): void {
  let open = 0
  app.get('/v1/events', { schema: { querystring: query } }, async (request, reply) => {
    const { sinceMs, after, follow, ...filter } = request.query
    if (open >= eventStreamsMax) throw new CurfewError('CURFEW_API_EVENTS_FULL', { most: eventStreamsMax })
    open += 1
    try {
      const known = knownPosition(request.headers['last-event-id'] ?? after)
      const stream = openEventStream(ctx, {
        filter: given(filter),
        ...(await beginning(ctx, known, sinceMs)),
        isFollowing: follow === 'true'
      })
      stream.once('close', () => (open -= 1))
      return reply.headers({ 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' }).send(stream)
    } catch (error) {
      open -= 1
      throw error
    }
  })
}

/** Where a stream begins: behind what is known, at a time, or now. */
async function beginning({ store, clock }: AdminContext, known: Position | undefined, sinceMs: number | undefined): Promise<Beginning> {
  if (known !== undefined) return { from: known, attemptsSinceMs: Math.max(0, known.atMs - overlapMs), isNew: false }
  if (sinceMs !== undefined) return { from: await positionAt(store, sinceMs), linesSinceMs: sinceMs, attemptsSinceMs: sinceMs, isNew: false }
  return { from: await newestPosition(store), attemptsSinceMs: clock.nowMs() - disorderMs, isNew: true }
}

type Beginning = Omit<EventStreamOptions, 'filter' | 'isFollowing'>

/** @throws CURFEW_API_MALFORMED for one that is no position: whoever sends it would miss events without knowing it */
function knownPosition(text: string | readonly string[] | undefined): Position | undefined {
  if (text === undefined) return undefined
  const position = typeof text === 'string' ? readPosition(text) : undefined
  if (position === undefined) throw new CurfewError('CURFEW_API_MALFORMED', { field: 'Last-Event-ID' })
  return position
}

function given(filter: { readonly [K in keyof EventFilter]?: EventFilter[K] | undefined }): EventFilter {
  return Object.fromEntries(Object.entries(filter).filter(([, words]) => words !== undefined))
}
