import type { JSONWebKeySet } from 'jose'
import { CurfewError, isCurfewError } from '../errors.ts'
import { feedClockAllowanceMs, type RevocationList } from './revocation-list.ts'
import {
  createRevocationPageReader,
  type RevocationPage,
  revocationPageCharactersMax,
  type RevocationPageReader,
  type RevokedEntry
} from './revocation-page.ts'
import { serverSentEvents } from './server-sent-events.ts'

/** What is asked of the feed at one time. */
export interface FeedQuestion {
  /** Query parameters to add to the address of the feed: where to go on (`after`), how long the answer may wait (`wait`). */
  readonly query: Readonly<Record<string, string>>
  /** Headers to send besides those that authenticate the reader. */
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** An answer that is read while it comes. */
export interface FeedAnswer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Uint8Array>
  /** Ends the exchange; {@link body} ends or fails. */
  close(): void
}

/** Time, as the reader needs it. */
export interface FeedClock {
  /** Milliseconds since the epoch. */
  nowMs(): number
  after(delayMs: number, act: () => void): { cancel(): void }
}

export interface FeedReaderDeps {
  /** Sends one GET to the feed, with the credentials of this reader; follows no redirect. Fails when no answer begins in time. */
  open(question: FeedQuestion): Promise<FeedAnswer>
  readonly clock: FeedClock
  readonly random: {
    /** At least 0, less than 1. */
    fraction(): number
  }
  readonly list: RevocationList
  readonly issuer: string
  /** For how long, in milliseconds, what is known of the list counts with who asks it. */
  readonly staleMs: number
  /** The key set of the issuer; `again` when a page is signed with a key that it does not hold. */
  keys(again: boolean): Promise<JSONWebKeySet>
  /** Every page that was taken in; its entries are there until this returns. */
  onPage?(page: RevocationPage<Iterable<RevokedEntry>>): void
  /**
   * Every page that was refused and every connection that failed, by code; and once `CURFEW_FEED_STALE` when pages are taken
   * in, but too old already to count, until one counts again.
   */
  onProblem(error: CurfewError): void
}

export interface FeedReader {
  stop(): Promise<void>
}

/** A page is refused when it was signed longer ago, in milliseconds, clocks included: a recorded stream is no stream. */
const pageAgeMsMax = 60_000
/** Nothing for so long: the exchange is dead, or somebody in between holds it back. */
const silenceMsMax = 4_000
/** Silent streams in a row before pages are asked for one by one. */
const silentStreamsMax = 2
/** Requests for single pages before a stream is tried again. */
const pollsMax = 60
/** How long the authority may wait with one page. */
const pollWaitSeconds = 1
const backOffMsMin = 100
const backOffMsMax = 5_000

/**
 * Follows the revocation feed for as long as it runs: by a stream, else page by page. A page that is not signed by the
 * issuer, is old, or does not continue what is known ends the connection, and the next one begins at what is known; at the
 * start of the list where it is another one than before.
 */
export function startFeedReader(deps: FeedReaderDeps): FeedReader {
  const control = new AbortController()
  const done = follow({ ...deps, last: { isTooOld: false }, pages: createRevocationPageReader() }, control.signal)
  return {
    async stop() {
      control.abort()
      await done
    }
  }
}

interface Following extends FeedReaderDeps {
  readonly last: { isTooOld: boolean }
  readonly pages: RevocationPageReader
}

async function follow(deps: Following, signal: AbortSignal): Promise<void> {
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
      const problem = isCurfewError(error) ? error : new CurfewError('CURFEW_FEED_UNREACHABLE', { issuer: deps.issuer }, { cause: error })
      silent = problem.code === 'CURFEW_FEED_SILENT' ? silent + 1 : 0
      deps.onProblem(problem)
      await pause(deps, failures, signal)
      failures += 1
    }
  }
}

async function readStream(deps: Following, signal: AbortSignal): Promise<void> {
  const answer = await ask(deps, 'text/event-stream', {}, signal)
  const forget = onAbort(signal, () => answer.close())
  try {
    for await (const { type, data } of serverSentEvents(watched(deps, answer), revocationPageCharactersMax + 100)) {
      if (type === 'revocations') await takePage(deps, data)
    }
  } finally {
    forget()
    answer.close()
  }
}

async function readByPages(deps: Following, signal: AbortSignal): Promise<void> {
  for (let i = 0; i < pollsMax && !signal.aborted; i++) {
    const answer = await ask(deps, 'application/jwt', { wait: String(pollWaitSeconds) }, signal)
    const forget = onAbort(signal, () => answer.close())
    try {
      await takePage(deps, await octetsOf(watched(deps, answer)))
    } finally {
      forget()
      answer.close()
    }
  }
}

/** Asks for what follows the known; an answer that is no part of the feed is refused. */
async function ask(deps: FeedReaderDeps, accept: string, more: Readonly<Record<string, string>>, signal: AbortSignal): Promise<FeedAnswer> {
  const query = { after: String(deps.list.position), ...more }
  const answer = await deps.open({ query, headers: { accept, 'x-xsrf-header': 'curfew' }, signal })
  if (answer.status === 200 && (answer.headers['content-type'] ?? '').startsWith(accept)) return answer
  answer.close()
  if (answer.status !== 200) throw new CurfewError('CURFEW_FEED_UNREACHABLE', { status: answer.status })
  throw new CurfewError('CURFEW_FEED_REFUSED', { why: 'the answer is of another type' })
}

async function octetsOf(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  let total = 0
  for await (const chunk of chunks) {
    total += chunk.length
    if (total > revocationPageCharactersMax) throw new CurfewError('CURFEW_FEED_REFUSED', { why: 'the page is longer than is accepted' })
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}

/** Passes octets on, and ends an answer that stays silent. */
async function* watched(deps: FeedReaderDeps, answer: FeedAnswer): AsyncGenerator<Uint8Array> {
  let isSilent = false
  const watch = (): { cancel(): void } =>
    deps.clock.after(silenceMsMax, () => {
      isSilent = true
      answer.close()
    })
  let timer = watch()
  try {
    for await (const chunk of answer.body) {
      timer.cancel()
      yield chunk
      timer = watch()
    }
  } catch (cause) {
    if (!isSilent) throw cause
  } finally {
    timer.cancel()
  }
  if (isSilent) throw new CurfewError('CURFEW_FEED_SILENT', { milliseconds: silenceMsMax })
}

async function takePage(deps: Following, token: Buffer): Promise<void> {
  const page = await verified(deps, token)
  const nowMs = deps.clock.nowMs()
  const ageMs = nowMs - page.issuedAtMs
  if (ageMs > pageAgeMsMax) throw new CurfewError('CURFEW_FEED_REFUSED', { why: 'the page is old', clockAheadMs: ageMs })
  const { position } = deps.list
  switch (deps.list.take(page, nowMs)) {
    case 'gap':
      throw new CurfewError('CURFEW_FEED_GAP', { position, prev: page.prev, seq: page.seq })
    case 'other':
      throw new CurfewError('CURFEW_FEED_OTHER_LIST', { position, list: page.list ?? '', end: page.end ?? page.seq })
    case 'taken':
  }
  deps.onPage?.(page)
  if (!page.hasMore) tellAge(deps, ageMs)
}

/** Without a word of it, a clock that is apart looks like a feed that works and a list that nobody has. */
function tellAge(deps: Following, ageMs: number): void {
  const { last, staleMs } = deps
  const isTooOld = ageMs > feedClockAllowanceMs + staleMs
  if (isTooOld && !last.isTooOld) deps.onProblem(new CurfewError('CURFEW_FEED_STALE', { clockAheadMs: ageMs, staleMs }))
  last.isTooOld = isTooOld
}

async function verified(deps: Following, token: Buffer): Promise<RevocationPage<Iterable<RevokedEntry>>> {
  const expected = { issuer: deps.issuer, now: Temporal.Instant.fromEpochMilliseconds(deps.clock.nowMs()) }
  try {
    return await deps.pages.read(token, { ...expected, keys: await deps.keys(false) })
  } catch (error) {
    if (!isCurfewError(error) || error.code !== 'CURFEW_OIDC_TOKEN_KEY_UNKNOWN') throw error
    return deps.pages.read(token, { ...expected, keys: await deps.keys(true) })
  }
}

/** Full jitter, longer after every failure. */
function pause({ clock, random }: FeedReaderDeps, failures: number, signal: AbortSignal): Promise<void> {
  const capMs = Math.min(backOffMsMax, backOffMsMin * 2 ** Math.min(failures, 10))
  return new Promise((resolve) => {
    const timer = clock.after(backOffMsMin / 2 + random.fraction() * capMs, () => {
      forget()
      resolve()
    })
    const forget = onAbort(signal, () => {
      timer.cancel()
      resolve()
    })
  })
}

/** @returns what forgets the listener: a reader runs for months and must not collect them */
function onAbort(signal: AbortSignal, act: () => void): () => void {
  if (signal.aborted) act()
  signal.addEventListener('abort', act)
  return () => signal.removeEventListener('abort', act)
}
