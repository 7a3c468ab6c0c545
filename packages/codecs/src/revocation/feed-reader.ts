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
  /** Sends one GET to the feed, with the credentials of this reader; follows no redirect. An answer that does not begin in time is given up by the signal. */
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
/** Nothing for so long, also before an answer begins: the exchange is dead, or somebody in between holds it back. */
const silenceMsMax = 4_000
/** How long, on the average, single pages are asked for before a stream is tried beside them, and between such trials. */
const streamAgainMs = 60_000
/** A stream that is tried has to come for so long, without a longer pause than this. */
const trialMs = 2_500
const trialPauseMsMax = 1_600
/** Pages without news are a second apart; those that come sooner one after the other were held back together. */
const togetherMsMax = 500
/** A page in time between them begins the count anew: a machine that is busy for a moment is no proxy. */
const inTimeMsMax = 1_500
/** So many that were held back, and pages are asked for one by one. */
const togetherMax = 3
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

/** Reads until the signal, the end of what it reads or a failure; calls `onGood` where what failed before counts no more. */
type Read = (deps: Following, signal: AbortSignal, onGood: () => void) => Promise<void>

async function follow(deps: Following, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await keepReading(deps, readStream, isHeldBack, signal)
    await followByPages(deps, signal)
  }
}

/** Reads again and again, later after every failure, until one is such that it does not help, or the signal says so. */
async function keepReading(deps: Following, read: Read, isOver: (problem: CurfewError) => boolean, signal: AbortSignal): Promise<void> {
  let failures = 0
  const onGood = (): void => {
    failures = 0
  }
  while (!signal.aborted) {
    try {
      await read(deps, signal, onGood)
      onGood()
      await pause(deps, failures, signal)
    } catch (error) {
      if (signal.aborted) return
      const problem = problemOf(deps, error)
      deps.onProblem(problem)
      if (isOver(problem)) return
      await pause(deps, failures, signal)
      failures += 1
    }
  }
}

function problemOf({ issuer }: FeedReaderDeps, error: unknown): CurfewError {
  return isCurfewError(error) ? error : new CurfewError('CURFEW_FEED_UNREACHABLE', { issuer }, { cause: error })
}

/** A proxy waits for more of a stream, or for its end: it says nothing, seldom something, or that it waited for too long. */
function isHeldBack({ code, context }: CurfewError): boolean {
  return code === 'CURFEW_FEED_SILENT' || (code === 'CURFEW_FEED_UNREACHABLE' && context['status'] === 504)
}

/** Page by page, until a stream comes through again. */
async function followByPages(deps: Following, signal: AbortSignal): Promise<void> {
  const until = new AbortController()
  const forget = onAbort(signal, () => until.abort())
  const trials = untilStreamComes(deps, until.signal).then(() => until.abort())
  await keepReading(deps, readByPages, () => false, until.signal)
  await trials
  forget()
}

/**
 * Tries a stream now and then. What is on it counts for nothing here, so that pages go on beside it. A trial takes a second
 * place at the authority, and one that stood still sends all its readers here at once: each waits for another time.
 */
async function untilStreamComes(deps: Following, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await after(deps.clock, streamAgainMs * (0.5 + deps.random.fraction()), signal)
    if (!signal.aborted && (await doesStreamCome(deps, signal))) return
  }
}

async function doesStreamCome(deps: Following, signal: AbortSignal): Promise<boolean> {
  const startMs = deps.clock.nowMs()
  let lastMs = startMs
  try {
    for await (const _page of streamed(deps, signal)) {
      const nowMs = deps.clock.nowMs()
      if (nowMs - lastMs > trialPauseMsMax) throw new CurfewError('CURFEW_FEED_SILENT', { milliseconds: nowMs - lastMs })
      if (nowMs - startMs >= trialMs) return true
      lastMs = nowMs
    }
  } catch (error) {
    if (!signal.aborted) deps.onProblem(problemOf(deps, error))
  }
  return false
}

async function readStream(deps: Following, signal: AbortSignal): Promise<void> {
  let [lastMs, together] = [Number.NEGATIVE_INFINITY, 0]
  for await (const token of streamed(deps, signal)) {
    const { prev, seq } = await takePage(deps, token)
    const nowMs = deps.clock.nowMs()
    const pauseMs = nowMs - lastMs
    lastMs = nowMs
    if (seq === prev && pauseMs < togetherMsMax) together += 1
    else if (pauseMs < inTimeMsMax) together = 0
    if (together >= togetherMax) throw new CurfewError('CURFEW_FEED_SILENT', { together })
  }
}

/** The pages of one stream, as they come. */
async function* streamed(deps: Following, signal: AbortSignal): AsyncGenerator<Buffer, undefined> {
  const answer = await ask(deps, 'text/event-stream', {}, signal)
  const forget = onAbort(signal, () => answer.close())
  try {
    for await (const { type, data } of serverSentEvents(watched(deps, answer), revocationPageCharactersMax + 100)) {
      if (type === 'revocations') yield data
    }
  } finally {
    forget()
    answer.close()
  }
}

async function readByPages(deps: Following, signal: AbortSignal, onGood: () => void): Promise<void> {
  // At first there may be much that is not known yet.
  let waitSeconds = 0
  while (!signal.aborted) {
    const { prev, seq, hasMore } = await readPage(deps, waitSeconds, signal)
    onGood()
    waitSeconds = hasMore ? 0 : pollWaitSeconds
    // One that is about to stop answers at once, whatever it is asked.
    if (seq === prev) await after(deps.clock, backOffMsMin / 2, signal)
  }
}

async function readPage(deps: Following, waitSeconds: number, signal: AbortSignal): Promise<RevocationPage<Iterable<RevokedEntry>>> {
  const answer = await ask(deps, 'application/jwt', { wait: String(waitSeconds) }, signal)
  const forget = onAbort(signal, () => answer.close())
  try {
    return await takePage(deps, await octetsOf(watched(deps, answer)))
  } finally {
    forget()
    answer.close()
  }
}

/** Asks for what follows the known; an answer that is no part of the feed is refused. */
async function ask(deps: FeedReaderDeps, accept: string, more: Readonly<Record<string, string>>, signal: AbortSignal): Promise<FeedAnswer> {
  const query = { after: String(deps.list.position), ...more }
  const answer = await begun(deps, { query, headers: { accept, 'x-xsrf-header': 'curfew' } }, signal)
  if (answer.status === 200 && (answer.headers['content-type'] ?? '').startsWith(accept)) return answer
  answer.close()
  if (answer.status !== 200) throw new CurfewError('CURFEW_FEED_UNREACHABLE', { status: answer.status })
  throw new CurfewError('CURFEW_FEED_REFUSED', { why: 'the answer is of another type' })
}

/** The answer, where it begins in time: who holds back a stream may hold back the head of it, too. */
async function begun(deps: FeedReaderDeps, question: Omit<FeedQuestion, 'signal'>, signal: AbortSignal): Promise<FeedAnswer> {
  const exchange = new AbortController()
  const over = Promise.withResolvers<never>()
  const end = (why: unknown): void => {
    over.reject(why)
    exchange.abort()
  }
  const timer = deps.clock.after(silenceMsMax, () => end(silence()))
  const forget = onAbort(signal, () => end(signal.reason))
  const opening = deps.open({ ...question, signal: exchange.signal })
  try {
    return await Promise.race([opening, over.promise])
  } catch (error) {
    // Who knows no signals may bring it yet.
    opening.then(
      (answer) => answer.close(),
      () => undefined
    )
    throw error
  } finally {
    timer.cancel()
    forget()
  }
}

function silence(): CurfewError {
  return new CurfewError('CURFEW_FEED_SILENT', { milliseconds: silenceMsMax })
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
  if (isSilent) throw silence()
}

async function takePage(deps: Following, token: Buffer): Promise<RevocationPage<Iterable<RevokedEntry>>> {
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
  return page
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
  return after(clock, backOffMsMin / 2 + random.fraction() * capMs, signal)
}

/** Resolves after that time, or when the signal comes. */
function after(clock: FeedClock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.after(delayMs, () => {
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
