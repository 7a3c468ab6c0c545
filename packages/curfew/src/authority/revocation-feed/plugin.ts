import type { ServerResponse } from 'node:http'
import { CurfewError } from '@curfew/codecs'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import { authenticateClient } from '../oidc/client-authentication.ts'
import { noStore } from '../request.ts'
import { revocationFeedPath } from '../session-management/paths.ts'
import { createRevocationHub, type RevocationHub } from './hub.ts'
import { createPages, type SignedPage } from './page.ts'
import { createReaders, type Readers } from './readers.ts'

/** Without news a page comes so often all the same: silence means that something is wrong. */
export const heartbeatMs = 1_000
/** Then the reader has to come again, and prove again who it is. */
const streamMsMax = 10 * 60_000
/** Longest wait that a request without a stream may ask for. */
const waitSecondsMax = 25
/** Streams and requests that wait, of one process. Clients share them: one that has many gives way to one that has few. */
export const readersMax = 1_000

interface Feed {
  readonly hub: RevocationHub
  readonly page: (position: number) => Promise<SignedPage>
  readonly readers: Readers
}

/** Where a reader stands, and what says that it went. */
interface Reading {
  readonly position: number
  readonly gone: AbortSignal
}

/**
 * The revocation feed: everything on the list from a position on, as signed pages that name the position they follow.
 * A stream of server-sent events, or one page for a request that waits. The reader is never told less than the list
 * holds: what it missed, it finds by `prev`.
 */
export function revocationFeedPlugin(ctx: AuthorityContext, limits = { readersMax }): FastifyPluginAsync {
  return async (app) => {
    if (ctx.clients.configured().length === 0) return
    const feed: Feed = { hub: createRevocationHub(ctx), page: createPages(ctx), readers: createReaders(limits.readersMax) }
    app.addHook('preClose', async () => feed.hub.close())
    app.get(revocationFeedPath, async (request, reply) => {
      const client = await requireReader(ctx, request)
      const reading: Reading = { position: positionOf(request), gone: goneOf(reply) }
      // Its connection and nothing else: what a reader is in the middle of can not be ended in order.
      const leave = feed.readers.enter(client.id, () => reply.raw.destroy())
      if (leave === undefined) throw new CurfewError('CURFEW_REVOCATION_FEED_FULL', { client: client.id, maximum: limits.readersMax })
      try {
        const isStream = (request.headers.accept ?? '').includes('text/event-stream')
        return await (isStream ? sendStream(ctx, feed, reading, reply) : sendPage(feed, reading, request, reply))
      } finally {
        leave()
      }
    })
  }
}

/** Aborted once the answer is over, sent or not. */
function goneOf({ raw }: FastifyReply): AbortSignal {
  const control = new AbortController()
  if (raw.destroyed) control.abort()
  else raw.once('close', () => control.abort())
  return control.signal
}

async function requireReader(ctx: AuthorityContext, request: FastifyRequest): Promise<OidcClient> {
  const client = await authenticateClient(ctx, request)
  if (!client.revocationFeed) throw new CurfewError('CURFEW_REVOCATION_FEED_REFUSED', { client: client.id, why: 'revocationFeed is not set' })
  if (request.headers['x-xsrf-header'] === undefined)
    throw new CurfewError('CURFEW_REVOCATION_FEED_REFUSED', { client: client.id, why: 'the header X-XSRF-Header is missing' })
  return client
}

/** Where the reader stands: after the last page it has, or `Last-Event-ID` when its stream broke. */
function positionOf(request: FastifyRequest): number {
  const text = request.headers['last-event-id'] ?? (request.query as Readonly<Record<string, unknown>>)['after'] ?? '0'
  const position = typeof text === 'string' && /^\d{1,15}$/.test(text) ? Number(text) : undefined
  if (position === undefined) throw new CurfewError('CURFEW_API_VALIDATION', { parameter: 'after' })
  return position
}

async function sendPage({ hub, page }: Feed, { position, gone }: Reading, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const wait = Number((request.query as Readonly<Record<string, unknown>>)['wait'] ?? 0)
  await hub.waitForNews(position, Math.min(Number.isFinite(wait) ? wait : 0, waitSecondsMax) * 1000, gone)
  // Nobody is there to be told.
  if (gone.aborted) return reply.hijack()
  const { token } = await page(position)
  return reply.headers(noStore).type('application/jwt').send(token)
}

async function sendStream(ctx: AuthorityContext, feed: Feed, reading: Reading, reply: FastifyReply): Promise<FastifyReply> {
  reply.hijack()
  const { raw } = reply
  raw.writeHead(200, { ...noStore, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no', 'x-content-type-options': 'nosniff' })
  try {
    await writePages(ctx, feed, reading, raw)
    raw.end()
  } catch (error) {
    ctx.logger.error({ event: 'revocation-feed.failed', err: error }, 'The revocation feed of one reader ended')
    raw.destroy()
  }
  return reply
}

async function writePages(ctx: Pick<AuthorityContext, 'clock' | 'health'>, { hub, page }: Feed, reading: Reading, raw: ServerResponse): Promise<void> {
  const untilMs = ctx.clock.nowMs() + streamMsMax
  let { position } = reading
  while (!reading.gone.aborted && ctx.clock.nowMs() < untilMs) {
    const { token, seq, hasMore } = await page(position)
    position = seq
    // A reader that does not take what it is sent is waited for, and sent what is new then.
    if (!raw.write(`id: ${seq}\nevent: revocations\ndata: ${token}\n\n`)) await drained(raw)
    if (!ctx.health.isReady()) return
    if (!hasMore) await hub.waitForNews(position, heartbeatMs, reading.gone)
  }
}

function drained(raw: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      raw.off('drain', done)
      raw.off('close', done)
      resolve()
    }
    raw.once('drain', done)
    raw.once('close', done)
  })
}
