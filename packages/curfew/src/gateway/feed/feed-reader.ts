import { CurfewError, isCurfewError, revocationPageCharactersMax, type RevocationPage, verifyRevocationPage } from '@curfew/codecs'
import type { JSONWebKeySet } from 'jose'
import type { Clock } from '../../platform/clock.ts'
import type { Outbound, OutboundRequest, OutboundStream } from '../../platform/outbound.ts'
import type { Random } from '../../platform/random.ts'
import type { Credentials } from '../sign-in/provider.ts'
import type { RevocationList } from './revocation-list.ts'
import { serverSentEvents } from './server-sent-events.ts'

export interface FeedReaderDeps {
  readonly outbound: Pick<Outbound, 'open' | 'request'>
  readonly clock: Clock
  readonly random: Random
  readonly list: RevocationList
  readonly issuer: string
  /** Address of the feed at the authority. */
  url(): Promise<string>
  /** Client authentication for one request. */
  credentials(): Promise<Credentials>
  /** The key set of the issuer; `again` when a page is signed with a key that it does not hold. */
  keys(again: boolean): Promise<JSONWebKeySet>
  /** Every page that was refused and every connection that failed, by code. */
  onProblem(error: CurfewError): void
}

export interface FeedReader {
  stop(): Promise<void>
}

/** A page is refused when it was signed longer ago, in milliseconds, clocks included: a recorded stream is no stream. */
const pageAgeMsMax = 60_000
/** Nothing for so long on a stream: it is dead, or somebody in between holds it back. */
const silenceMsMax = 4_000
/** Silent streams in a row before pages are asked for one by one. */
const silentStreamsMax = 2
/** Requests for single pages before a stream is tried again. */
const pollsMax = 60
/** How long the authority may wait with one page. */
const pollWaitSeconds = 1
const requestTimeoutMs = 10_000
const backOffMsMin = 100
const backOffMsMax = 5_000

/**
 * Follows the revocation feed for as long as it runs: by a stream, else page by page. A page that is not signed by the
 * issuer, is old, or does not continue what is known ends the connection, and the next one begins at what is known.
 */
export function startFeedReader(deps: FeedReaderDeps): FeedReader {
  const control = new AbortController()
  const done = follow(deps, control.signal)
  return {
    async stop() {
      control.abort()
      await done
    }
  }
}

async function follow(deps: FeedReaderDeps, signal: AbortSignal): Promise<void> {
  let failures = 0
  let silent = 0
  while (!signal.aborted) {
    try {
      if (silent >= silentStreamsMax) {
        silent = 0
        await readByPages(deps, signal)
      } else await readStream(deps, signal)
      failures = 0
      await pause(deps, failures, signal)
    } catch (error) {
      if (signal.aborted) return
      const problem = isCurfewError(error) ? error : new CurfewError('CURFEW_GATEWAY_FEED_UNREACHABLE', { issuer: deps.issuer }, { cause: error })
      silent = problem.code === 'CURFEW_GATEWAY_FEED_SILENT' ? silent + 1 : 0
      deps.onProblem(problem)
      await pause(deps, failures, signal)
      failures += 1
    }
  }
}

async function readStream(deps: FeedReaderDeps, signal: AbortSignal): Promise<void> {
  const stream = await deps.outbound.open({ ...(await requestOf(deps, 'text/event-stream')), signal })
  try {
    requireOk(stream, 'text/event-stream')
    for await (const { type, data } of serverSentEvents(watched(deps, stream), revocationPageCharactersMax + 100)) {
      if (type === 'revocations') await takePage(deps, data)
    }
  } finally {
    stream.close()
  }
}

async function readByPages(deps: FeedReaderDeps, signal: AbortSignal): Promise<void> {
  for (let i = 0; i < pollsMax && !signal.aborted; i++) {
    const request = await requestOf(deps, 'application/jwt', { wait: String(pollWaitSeconds) })
    const answer = await deps.outbound.request({ ...request, responseBytesMax: revocationPageCharactersMax, signal })
    requireOk(answer, 'application/jwt')
    await takePage(deps, answer.body.toString('latin1'))
  }
}

/** The next request goes on at what is known. */
async function requestOf(
  deps: FeedReaderDeps,
  accept: string,
  more: Readonly<Record<string, string>> = {}
): Promise<Omit<OutboundRequest, 'responseBytesMax'>> {
  const { headers, query } = await deps.credentials()
  const url = new URL(await deps.url())
  for (const [name, value] of Object.entries({ after: String(deps.list.position), ...more, ...query })) url.searchParams.set(name, value)
  return { peerId: 'revocation-feed', url: url.href, method: 'GET', timeoutMs: requestTimeoutMs, headers: { ...headers, accept, 'x-xsrf-header': 'curfew' } }
}

function requireOk({ status, headers }: { readonly status: number; readonly headers: Readonly<Record<string, string>> }, type: string): void {
  if (status !== 200) throw new CurfewError('CURFEW_GATEWAY_FEED_UNREACHABLE', { status })
  if (!(headers['content-type'] ?? '').startsWith(type)) throw new CurfewError('CURFEW_GATEWAY_FEED_REFUSED', { why: 'the answer is of another type' })
}

/** Passes octets on, and ends a stream that stays silent. */
async function* watched(deps: FeedReaderDeps, stream: OutboundStream): AsyncGenerator<Uint8Array> {
  let isSilent = false
  const watch = (): { cancel(): void } =>
    deps.clock.after(silenceMsMax, () => {
      isSilent = true
      stream.close()
    })
  let timer = watch()
  try {
    for await (const chunk of stream.body) {
      timer.cancel()
      yield chunk
      timer = watch()
    }
  } catch (cause) {
    if (!isSilent) throw cause
  } finally {
    timer.cancel()
  }
  if (isSilent) throw new CurfewError('CURFEW_GATEWAY_FEED_SILENT', { milliseconds: silenceMsMax })
}

async function takePage(deps: FeedReaderDeps, token: string): Promise<void> {
  const page = await verified(deps, token)
  const nowMs = deps.clock.nowMs()
  if (nowMs - page.issuedAtMs > pageAgeMsMax) throw new CurfewError('CURFEW_GATEWAY_FEED_REFUSED', { why: 'the page is old' })
  if (deps.list.take(page, nowMs) === 'gap') throw new CurfewError('CURFEW_GATEWAY_FEED_GAP', { position: deps.list.position, prev: page.prev, seq: page.seq })
}

async function verified(deps: FeedReaderDeps, token: string): Promise<RevocationPage> {
  const expected = { issuer: deps.issuer, now: Temporal.Instant.fromEpochMilliseconds(deps.clock.nowMs()) }
  try {
    return await verifyRevocationPage(token, { ...expected, keys: await deps.keys(false) })
  } catch (error) {
    if (!isCurfewError(error) || error.code !== 'CURFEW_OIDC_TOKEN_KEY_UNKNOWN') throw error
    return verifyRevocationPage(token, { ...expected, keys: await deps.keys(true) })
  }
}

/** Full jitter, longer after every failure. */
function pause({ clock, random }: FeedReaderDeps, failures: number, signal: AbortSignal): Promise<void> {
  const capMs = Math.min(backOffMsMax, backOffMsMin * 2 ** Math.min(failures, 10))
  return new Promise((resolve) => {
    const timer = clock.after(backOffMsMin / 2 + random.fraction() * capMs, resolve)
    signal.addEventListener('abort', () => {
      timer.cancel()
      resolve()
    })
  })
}
