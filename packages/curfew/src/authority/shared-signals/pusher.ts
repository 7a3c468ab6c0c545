import { isCurfewError } from '@curfew/codecs'
import { createLoop } from '../../engine/loop.ts'
import type { Outbound, OutboundResponse } from '../../platform/outbound.ts'
import type { Random } from '../../platform/random.ts'
import type { AuthorityContext } from '../context.ts'
import type { OidcClient } from '../oidc/client.ts'
import type { TokenKey } from '../oidc/settings.ts'
import { receiversOf } from './owed.ts'
import { signSet } from './signed-set.ts'
import { accepting, changeStatus, failing, mayLeave, pauseReason } from './stream-status.ts'
import { type OwedSet, setKeepMs, setsPerStreamMax, type Stream, type Streams } from './streams.ts'

/** Sends owed tokens to streams that want them pushed (RFC 8935). */
export interface Pusher {
  start(): void
  /** Breaks off what is under way; it is sent again. */
  stop(): Promise<void>
  /** Something is owed. */
  wake(): void
}

export type PusherDeps = Pick<AuthorityContext, 'store' | 'clock' | 'clients' | 'baseUrl' | 'logger' | 'metrics'> & {
  readonly streams: Streams
  readonly keys: readonly TokenKey[]
  readonly outbound: Pick<Outbound, 'request'>
  readonly random: Pick<Random, 'fraction'>
}

/** How often streams are looked at when nothing says that there is work. */
const intervalMs = 1_000
const timeoutMs = 5_000
/** One attempt belongs to one process for so long. */
const claimMs = 4 * timeoutMs
const retryBaseMs = 2_000
const retryCapMs = 300_000
const answerBytesMax = 16_384
/** Tokens read from the store at once. */
const batchMax = 50

export function createPusher(deps: PusherDeps): Pusher {
  const lanes = new Map<string, Promise<void>>()
  /** Lanes that were woken while they worked. */
  const again = new Set<string>()
  const control = { abort: new AbortController() }
  const look = (): void => {
    for (const client of receiversOf(deps)) {
      if (lanes.has(client.id)) {
        again.add(client.id)
        continue
      }
      const lane = pushAll(deps, client, control.abort.signal)
        .catch((error: unknown) => deps.logger.error({ event: 'signal.push-failed', connection: client.id, err: error }, 'Shared signals could not be pushed'))
        .finally(() => {
          lanes.delete(client.id)
          if (again.delete(client.id) && !control.abort.signal.aborted) look()
        })
      lanes.set(client.id, lane)
    }
  }
  const loop = createLoop({
    clock: deps.clock,
    intervalMs,
    fraction: () => deps.random.fraction(),
    work: async () => {
      look()
      return false
    },
    onError: (error) => deps.logger.error({ event: 'signal.push-failed', err: error }, 'Streams could not be looked at')
  })
  return {
    start() {
      control.abort = new AbortController()
      loop.start()
    },
    async stop() {
      await loop.stop()
      control.abort.abort()
      await Promise.allSettled([...lanes.values()])
    },
    wake() {
      if (!control.abort.signal.aborted) look()
    }
  }
}

/** One lane: in order, until nothing is due or the receiver fails. */
async function pushAll(deps: PusherDeps, client: OidcClient, signal: AbortSignal): Promise<void> {
  for (;;) {
    const stream = await deps.streams.find(client.clientId)
    if (stream === undefined || stream.delivery.method !== 'push' || signal.aborted) return
    const batch = await deps.streams.owed(stream, stream.status === 'enabled' ? batchMax : setsPerStreamMax)
    for (const { id, set } of batch.filter((one) => mayLeave(stream, one.set))) {
      if (set.nextAttemptAtMs > deps.clock.nowMs() || !(await pushOne(deps, client, stream, id, set, signal))) return
    }
    if (stream.status !== 'enabled' || batch.length < batchMax) return
  }
}

/** True when the next one may follow. */
async function pushOne(deps: PusherDeps, client: OidcClient, stream: Stream, id: string, set: OwedSet, signal: AbortSignal): Promise<boolean> {
  const nowMs = deps.clock.nowMs()
  if (nowMs - set.issuedAtMs > setKeepMs) return giveUp(deps, client, stream, id, { kind: 'lost', code: 'CURFEW_RUN_DEADLINE' })
  // Asking for a claim prolongs it, so each stretch of time has one of its own: what died with its process is tried in the next.
  const stretch = Math.floor((nowMs - Math.max(set.issuedAtMs, set.nextAttemptAtMs)) / claimMs)
  const { value } = await deps.store.replaySeen('signal-push', `${id}#${set.attempts}#${stretch}`, nowMs + claimMs, nowMs)
  if (value === 'seen') return false
  const result = await send(deps, client, stream, set, signal)
  if (signal.aborted && result.kind === 'failed') return false
  switch (result.kind) {
    case 'accepted':
      await deps.streams.settle(id)
      await deps.streams.count(stream, (tally) => ({ ...accepting(tally), accepted: tally.accepted + 1 }))
      deps.metrics.signalPushes.inc({ peer: client.id, result: 'accepted' })
      deps.logger.info({ event: 'signal.accepted', connection: client.id, jti: set.jti }, 'A receiver took a shared signal')
      return true
    case 'refused':
      return giveUp(deps, client, stream, id, { kind: 'refused', code: result.code })
    case 'failed': {
      const attempts = set.attempts + 1
      const delayMs = Math.min(retryCapMs, retryBaseMs * 2 ** Math.min(20, set.attempts)) * (0.5 + deps.random.fraction() / 2)
      await deps.streams.postpone(stream, id, { ...set, attempts, nextAttemptAtMs: deps.clock.nowMs() + Math.round(delayMs) })
      await deps.streams.count(stream, (tally) => failing(tally, result.code, deps.clock.nowMs()))
      deps.metrics.signalPushes.inc({ peer: client.id, result: 'failed' })
      deps.logger.warn({ event: 'signal.failed', connection: client.id, code: result.code, attempt: attempts }, 'A receiver did not take a shared signal')
      await pauseFailing(deps, client, stream)
      return false
    }
  }
}

/** A receiver that takes nothing for long is not asked for ever: what it is owed is kept until somebody lets it go on. */
async function pauseFailing({ streams, store, clock, logger }: PusherDeps, client: OidcClient, { id }: Stream): Promise<void> {
  const stream = await streams.find(client.clientId)
  const nowMs = clock.nowMs()
  const reason = stream?.status === 'enabled' && stream.id === id ? pauseReason(await streams.tally(stream), nowMs) : undefined
  if (stream === undefined || reason === undefined) return
  await changeStatus(streams, stream, { status: 'paused', reason, isAsked: false, nowMs })
  await store.appendAudit({ atMs: nowMs, event: 'stream.paused', actor: { kind: 'system', id: 'signals' }, peerId: client.id, detail: { why: reason } })
  logger.error({ event: 'stream.paused', connection: client.id, why: reason }, 'A stream of shared signals is paused: its receiver takes nothing')
}

async function giveUp(
  deps: PusherDeps,
  client: OidcClient,
  stream: Stream,
  id: string,
  { kind, code }: { readonly kind: 'refused' | 'lost'; readonly code: string }
): Promise<boolean> {
  const atMs = deps.clock.nowMs()
  await deps.streams.settle(id)
  await deps.streams.count(stream, (tally) => ({ ...tally, [kind]: tally[kind] + 1, lastError: { code, atMs } }))
  deps.metrics.signalPushes.inc({ peer: client.id, result: kind })
  await deps.store.appendAudit({ atMs, event: `signal.${kind}`, actor: { kind: 'system', id: 'signals' }, peerId: client.id, detail: { code } })
  deps.logger.warn({ event: `signal.${kind}`, connection: client.id, code }, 'A shared signal was given up')
  return true
}

type PushResult = { readonly kind: 'accepted' } | { readonly kind: 'refused' | 'failed'; readonly code: string }

async function send(deps: PusherDeps, client: OidcClient, stream: Stream, set: OwedSet, signal: AbortSignal): Promise<PushResult> {
  if (stream.delivery.method !== 'push') return { kind: 'failed', code: 'CURFEW_RUN_NO_CHANNEL' }
  const { endpointUrl, authorization } = stream.delivery
  try {
    const answer = await deps.outbound.request({
      peerId: `signals:${client.id}`,
      url: endpointUrl,
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt', accept: 'application/json', ...(authorization === undefined ? {} : { authorization }) },
      body: await signSet(deps, stream, set),
      timeoutMs,
      responseBytesMax: answerBytesMax,
      signal
    })
    return judge(answer)
  } catch (error) {
    return { kind: 'failed', code: isCurfewError(error) ? error.code : 'CURFEW_OUTBOUND_UNREACHABLE' }
  }
}

/** Refusals that may be mended at the other side without a new token (RFC 8935 section 2.4). */
const mendable: ReadonlySet<unknown> = new Set(['authentication_failed', 'access_denied', 'invalid_key'])

/** RFC 8935: 202 means taken over, 400 names what is wrong; everything else may get better. */
function judge({ status, body }: OutboundResponse): PushResult {
  if (status === 202 || status === 200) return { kind: 'accepted' }
  if (status !== 400) return { kind: 'failed', code: 'CURFEW_OUTBOUND_STATUS' }
  return mendable.has(errOf(body)) ? { kind: 'failed', code: 'CURFEW_SIGNALS_NOT_TAKEN' } : { kind: 'refused', code: 'CURFEW_SIGNALS_NOT_TAKEN' }
}

function errOf(body: Uint8Array): unknown {
  try {
    return (JSON.parse(Buffer.from(body).toString('utf8')) as { readonly err?: unknown } | null)?.err
  } catch {
    return undefined
  }
}
