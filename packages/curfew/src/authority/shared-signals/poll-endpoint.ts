import { CurfewError } from '@curfew/codecs'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import { noStore } from '../request.ts'
import { signalPaths } from './endpoints.ts'
import { signSet } from './signed-set.ts'
import { checked } from './stream-body.ts'
import { requireReceiver } from './receiver-access.ts'
import { mayLeave } from './stream-status.ts'
import { type OwedSet, setKeepMs, setsPerStreamMax, type Stream, type Streams } from './streams.ts'

/** Tokens in one answer. */
export const pollEventsMax = 100
/** Longest wait of a question that wants no answer without news. */
export const pollWaitMsMax = 25_000
/** What other processes owe is looked for so often while a question waits. */
const lookMs = 1_000

const body = z.object({
  maxEvents: z.int().min(0).optional(),
  returnImmediately: z.boolean().optional(),
  ack: z.array(z.string().max(200)).max(setsPerStreamMax).optional(),
  setErrs: z.record(z.string().max(200), z.object({ err: z.string().max(100), description: z.string().max(1_000).optional() })).optional()
})

export interface PollRoutesDeps {
  readonly ctx: AuthorityContext
  readonly streams: Streams
  /** Calls back with every new owed token of this process. Returns how to stop. */
  readonly onOwed: (listener: () => void) => () => void
}

/** Hands out owed tokens (RFC 8936). They stay owed until the receiver acknowledges them or says what is wrong with them. */
export function pollRoutes(app: FastifyInstance, deps: PollRoutesDeps): void {
  const { ctx, streams } = deps
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())
  app.post(signalPaths.poll, async (request, reply) => {
    const client = await requireReceiver(ctx, request, 'ssf.read')
    const stream = await streams.find(client.clientId)
    if (stream === undefined || stream.delivery.method !== 'poll') throw new CurfewError('CURFEW_API_NOT_FOUND', {})
    const { maxEvents = pollEventsMax, returnImmediately = false, ack = [], setErrs = {} } = checked(body, request.body ?? {})
    await settle(deps, client, stream, ack, setErrs)
    const max = Math.min(maxEvents, pollEventsMax)
    if (max > 0 && !returnImmediately) await waitForNews(deps, stream, AbortSignal.any([closing.signal, goneSignal(reply.raw)]))
    const owed = max === 0 ? [] : await ready(deps, client, stream, max + 1)
    const given = owed.slice(0, max)
    const sets = await Promise.all(given.map(async (set) => [set.jti, await signSet({ baseUrl: ctx.baseUrl, keys: ctx.oidc.keys }, stream, set)] as const))
    const isMore = max === 0 ? (await ready(deps, client, stream, 1)).length > 0 : owed.length > max
    return reply.headers(noStore).send({ sets: Object.fromEntries(sets), ...(isMore ? { moreAvailable: true } : {}) })
  })
}

/** Owed tokens that may leave. What was owed too long is given up. */
async function ready({ ctx, streams }: PollRoutesDeps, client: OidcClient, stream: Stream, max: number): Promise<readonly OwedSet[]> {
  const all = await streams.owed(stream, stream.status === 'enabled' ? max : setsPerStreamMax)
  const owed = all.filter(({ set }) => mayLeave(stream, set)).slice(0, max)
  const dead = owed.filter(({ set }) => ctx.clock.nowMs() - set.issuedAtMs > setKeepMs)
  for (const { id } of dead) await streams.settle(id)
  if (dead.length > 0) {
    await streams.count(stream, (tally) => ({ ...tally, lost: tally.lost + dead.length }))
    await audit(ctx, client, 'signal.lost', dead.length)
  }
  return owed.filter((one) => !dead.includes(one)).map(({ set }) => set)
}

async function settle(
  deps: PollRoutesDeps,
  client: OidcClient,
  stream: Stream,
  ack: readonly string[],
  setErrs: Readonly<Record<string, unknown>>
): Promise<void> {
  if (ack.length === 0 && Object.keys(setErrs).length === 0) return
  const acknowledged = new Set(ack)
  let accepted = 0
  let refused = 0
  for (const { id, set } of await deps.streams.owed(stream, setsPerStreamMax)) {
    const isRefused = Object.hasOwn(setErrs, set.jti)
    if (!isRefused && !acknowledged.has(set.jti)) continue
    if (!(await deps.streams.settle(id))) continue
    if (isRefused) refused += 1
    else accepted += 1
  }
  await deps.streams.count(stream, (tally) => ({
    ...tally,
    accepted: tally.accepted + accepted,
    refused: tally.refused + refused,
    ...(refused === 0 ? {} : { lastError: { code: 'CURFEW_SIGNALS_NOT_TAKEN', atMs: deps.ctx.clock.nowMs() } })
  }))
  if (refused > 0) await audit(deps.ctx, client, 'signal.refused', refused)
}

async function audit({ store, clock }: AuthorityContext, client: OidcClient, event: string, signals: number): Promise<void> {
  await store.appendAudit({ atMs: clock.nowMs(), event, actor: { kind: 'peer', id: client.id }, peerId: client.id, detail: { signals } })
}

/** Returns as soon as something is owed, when the time is over, or when nobody waits any more. */
async function waitForNews({ ctx, streams, onOwed }: PollRoutesDeps, stream: Stream, signal: AbortSignal): Promise<void> {
  const untilMs = ctx.clock.nowMs() + pollWaitMsMax
  while (!signal.aborted && ctx.clock.nowMs() < untilMs) {
    const pause = pausable(ctx, onOwed, signal, Math.min(lookMs, untilMs - ctx.clock.nowMs()))
    if ((await streams.owed(stream, stream.status === 'enabled' ? 1 : setsPerStreamMax)).some(({ set }) => mayLeave(stream, set))) {
      pause.cancel()
      return
    }
    await pause.over
  }
}

/** A pause that news ends. It begins before the store is asked, so that nothing slips in between. */
function pausable(
  { clock }: AuthorityContext,
  onOwed: PollRoutesDeps['onOwed'],
  signal: AbortSignal,
  ms: number
): { readonly over: Promise<void>; cancel(): void } {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const done = (): void => resolve(undefined)
  const timer = clock.after(ms, done)
  const forget = onOwed(done)
  signal.addEventListener('abort', done, { once: true })
  if (signal.aborted) done()
  const over = promise.finally(() => {
    timer.cancel()
    forget()
    signal.removeEventListener('abort', done)
  })
  return { over, cancel: done }
}

/** Aborted when the connection is gone. */
function goneSignal(response: { once(event: 'close', listener: () => void): unknown }): AbortSignal {
  const control = new AbortController()
  response.once('close', () => control.abort())
  return control.signal
}
