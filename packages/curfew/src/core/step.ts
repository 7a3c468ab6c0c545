import { frameGraceMs, frameWait, visitMs } from './frame-wait.ts'
import type { DeliveryId } from './ids.ts'
import { attemptsKeptMax, deliveriesPerRunMax } from './limits.ts'
import { countsAsSignedOut, joinOutcomes, type Outcome } from './outcome.ts'
import { isSilent, type LogoutChannel } from './peer.ts'
import { hasServerAhead, inOrder } from './planner.ts'
import { retryDelayMs } from './retry.ts'
import type { Attempt, Delivery, Effect, LogoutRun, RunEvent } from './run.ts'
import { isOpenedAgain } from './verdict.ts'

type Stepped = readonly [LogoutRun, readonly Effect[]]
type DeliveryEvent = Extract<RunEvent, { readonly messageId: string }>

/**
 * Advances a run by one event. Pure and total: every event in every state is defined, a repeat changes nothing, and
 * the order of answers does not matter for the end. The caller stores the run and the effects in one transaction,
 * then acts. An unchanged run comes back as the same object, without effects.
 */
export function step(run: LogoutRun, event: RunEvent): Stepped {
  const [known, due] = settleHeld(run, event.atMs)
  const [next, effects] = stepped(known, event)
  return known === run ? [next, effects] : [{ ...next, version: run.version + 1 }, [...due, ...effects]]
}

function stepped(run: LogoutRun, event: RunEvent): Stepped {
  switch (event.kind) {
    case 'attempt-started':
    case 'browser-sent':
      return start(run, event)
    case 'confirmed':
    case 'refused':
    case 'unusable-answer':
    case 'failed':
      return answered(run, event)
    case 'probe-failed':
      return probeFailed(run, event)
    case 'opened-again':
      return openedAgain(run, event)
    case 'browser-seen':
      return browserSeen(run, event.atMs)
    case 'frames-offered':
      return framesOffered(run, event)
    case 'frames-watched':
      return event.atMs > (run.framesWatchedAtMs ?? -1) && run.state === 'open' ? changed(run, { framesWatchedAtMs: event.atMs }) : [run, []]
    case 'frame-over':
      return frameOver(run, event)
    case 'tick':
      return tick(run, event.atMs, event.jitter)
    case 'retry-requested':
      return retryRequested(run, event)
    case 'starter-answered':
      return starterAnswered(run, event)
    case 'receipt-made':
      return run.state === 'done' && run.receipt !== event.receipt ? changed(run, { receipt: event.receipt }) : [run, []]
  }
}

/** The first answer is the one that the starter gets. */
function starterAnswered(run: LogoutRun, { atMs, answerId }: Extract<RunEvent, { readonly kind: 'starter-answered' }>): Stepped {
  if (run.starterAnsweredAtMs !== undefined) return [run, []]
  return changed(run, { starterAnsweredAtMs: atMs, ...(answerId === undefined ? {} : { starterAnswerId: answerId }) })
}

/** The channel a delivery is on now. */
export function channelOf(delivery: Delivery): LogoutChannel | undefined {
  return delivery.channels[delivery.channelIndex]
}

function start(run: LogoutRun, event: Extract<RunEvent, { readonly kind: 'attempt-started' | 'browser-sent' }>): Stepped {
  const delivery = find(run, event.deliveryId)
  const channel = delivery === undefined ? undefined : channelOf(delivery)
  const isServer = event.kind === 'attempt-started'
  if (delivery === undefined || delivery.state === 'final' || channel === undefined || (channel.kind === 'server') !== isServer) return [run, []]
  // As long as a message may be leaving; after that it is the outcome.
  if (delivery.held !== undefined) return [run, []]
  if (delivery.attempts.some((attempt) => attempt.messageId === event.messageId)) return [run, []]
  const by = event.kind === 'attempt-started' ? event.by : undefined
  const attempt: Attempt = {
    number: delivery.attempts.length + 1,
    channel,
    messageId: event.messageId,
    ...(by === undefined ? {} : { by }),
    startedAtMs: event.atMs
  }
  const attempts = [...delivery.attempts, attempt].slice(-attemptsKeptMax)
  const { nextAttemptAtMs: _next, offeredAtMs: _offered, ...rest } = delivery
  // A server channel is timed by its sender; the wake catches the node that died in between.
  const wakeAtMs = channel.kind === 'server' ? overAtMs(run, attempt) : event.atMs + browserTimeoutMs(run, delivery, channel)
  return replace(run, { ...rest, state: 'sent', attempts }, event.atMs, [{ kind: 'wake', dueAtMs: wakeAtMs }])
}

function browserTimeoutMs(run: LogoutRun, delivery: Delivery, channel: LogoutChannel): number {
  return channel.kind === 'frame' ? frameWait(run).maxMs + frameGraceMs : visitMs(run, delivery)
}

function answered(run: LogoutRun, event: Extract<DeliveryEvent, { readonly kind: 'confirmed' | 'refused' | 'unusable-answer' | 'failed' }>): Stepped {
  const delivery = find(run, event.deliveryId)
  const attempt = delivery?.attempts.find((a) => a.messageId === event.messageId)
  if (delivery === undefined || attempt === undefined) return [run, []]
  if (delivery.state === 'final') return late(run, delivery, event)
  const isOvertaken = isLeaving(run, delivery, attempt, event.atMs)
  if (event.kind === 'confirmed') {
    const closed = closeAttempt(delivery, event.messageId, event.atMs)
    const outcome = confirmedAs(run, delivery, event)
    return isOvertaken ? hold(run, closed, outcome, event.atMs) : finish(run, closed, outcome, event.atMs)
  }
  // An answer to an attempt that was given up already says nothing about the one under way.
  if (attempt.endedAtMs !== undefined) return [run, []]
  const closed = closeAttempt(delivery, event.messageId, event.atMs, event.code, event.kind === 'failed' && event.retryable)
  if (event.kind === 'refused') {
    const outcome: Outcome = { kind: 'refused', code: event.code, statusCode: event.statusCode }
    if (isPartly(outcome)) return isOvertaken ? hold(run, closed, outcome, event.atMs) : finish(run, closed, outcome, event.atMs)
    return isOvertaken ? replace(run, closed, event.atMs, []) : nextChannelOr(run, closed, outcome, event.atMs)
  }
  if (isOvertaken) return replace(run, closed, event.atMs, [])
  if (event.kind === 'unusable-answer') return nextChannelOr(run, closed, { kind: 'unconfirmed', code: event.code }, event.atMs)
  return failedAttempt(run, closed, event)
}

/** From when on the message of an attempt from server to server has left, or never will: nobody sends one that was recorded that long ago. */
function overAtMs({ policy }: LogoutRun, { startedAtMs }: Attempt): number {
  return startedAtMs + 2 * policy.sendTimeoutMs
}

/**
 * Another node has recorded an attempt, too, and its message may be about to leave: an outcome that was final now would be followed
 * by it. It is the last one as a rule, because who makes one has the lease of all before; one that stood still may have made an
 * attempt since. A node makes one at a time: what it recorded before its last one is over, as after a restart.
 */
function isLeaving(run: LogoutRun, { attempts }: Delivery, answeredOne: Attempt | undefined, atMs: number): boolean {
  const isOvertaken = ({ by }: Attempt, i: number): boolean => by !== undefined && attempts.slice(i + 1).some((later) => later.by === by)
  return attempts.some((one, i) => one !== answeredOne && isOpenAtServer(one) && !isOvertaken(one, i) && atMs < overAtMs(run, one))
}

function isOpenAtServer({ channel, endedAtMs }: Attempt): boolean {
  return channel.kind === 'server' && endedAtMs === undefined
}

/**
 * A node of a former version knows nothing of what is held: it goes on to a further attempt or to the browser, or finishes beside it.
 * What is held is the outcome then, as soon as no message may be leaving.
 */
function settleHeld(run: LogoutRun, atMs: number): Stepped {
  let current = run
  const effects: Effect[] = []
  for (const delivery of run.deliveries) {
    if (delivery.held === undefined || delivery.state === 'sent') continue
    if (delivery.state !== 'final' && isLeaving(run, delivery, undefined, atMs)) continue
    const [next, more] = delivery.state === 'final' ? lift(current, delivery, delivery.held, atMs) : finish(current, delivery, delivery.held, atMs)
    current = next
    effects.push(...more)
  }
  return [current, effects]
}

/** An outcome that was final beside what is held. */
function lift(run: LogoutRun, { held: _, ...delivery }: Delivery, held: Outcome, atMs: number): Stepped {
  const isLess = held.kind === 'already-ended' && isPartly(delivery.outcome)
  const outcome = (isLess ? delivery.outcome : joinOutcomes(delivery.outcome, held)) ?? held
  const [next, effects] = replace(run, { ...delivery, outcome }, atMs, [])
  const isNews = next.state === 'done' && outcome.kind !== delivery.outcome?.kind
  return [next, isNews ? [...effects, { kind: 'receipt', dueAtMs: atMs }] : effects]
}

/** Keeps what is known until the attempt that may be leaving is over; nobody is asked any more meanwhile. */
function hold(run: LogoutRun, delivery: Delivery, outcome: Outcome, atMs: number): Stepped {
  const before = find(run, delivery.id)
  const held = joinHeld(delivery.held, outcome)
  if (before?.held?.kind === held.kind && before.attempts.every((attempt, i) => attempt.endedAtMs === delivery.attempts[i]?.endedAtMs)) return [run, []]
  return replace(run, { ...delivery, held }, atMs, [])
}

/**
 * What was held is lifted by a proof only, as an outcome is. Of two answers whose order nobody knows, one that not all has ended counts,
 * and not one that there is nothing any more.
 */
function joinHeld(held: Outcome | undefined, outcome: Outcome): Outcome {
  if (held === undefined) return outcome
  if (held.kind === 'already-ended' && isPartly(outcome)) return outcome
  if (!countsAsSignedOut(outcome) || (outcome.kind === 'already-ended' && isPartly(held))) return held
  return joinOutcomes(held, outcome) ?? held
}

/**
 * The participant has ended its own session and not all that hangs on it. Asked again, on another way or later, it knows
 * nobody of that name any more: that says nothing about the rest, and must not count as if all had ended.
 */
function isPartly(outcome: Outcome | undefined): boolean {
  return outcome?.kind === 'refused' && outcome.code === 'CURFEW_SAML_LOGOUT_PARTIAL'
}

/** What a confirmation comes to, in the light of what the same participant has said before. */
function confirmedAs(run: LogoutRun, delivery: Delivery, event: Extract<RunEvent, { readonly kind: 'confirmed' }>): Outcome {
  const before = delivery.retryOf === undefined ? undefined : find(run, delivery.retryOf)?.outcome
  if (event.result === 'already-ended' && before !== undefined && isPartly(before)) return before
  return { kind: event.result, proof: event.proof }
}

/** After the end only a proved answer counts, and only upwards: what a partner proves is never thrown away. */
function late(run: LogoutRun, delivery: Delivery, event: RunEvent): Stepped {
  if (event.kind !== 'confirmed' || delivery.outcome === undefined) return [run, []]
  if (event.result === 'already-ended' && isPartly(delivery.outcome)) return [run, []]
  const better = joinOutcomes(delivery.outcome, { kind: event.result, proof: event.proof })
  if (better === undefined || better.kind === delivery.outcome.kind) return [run, []]
  const [next, effects] = replace(run, { ...delivery, outcome: better }, event.atMs, [])
  return [next, next.state === 'done' ? [...effects, { kind: 'receipt', dueAtMs: event.atMs }] : effects]
}

function failedAttempt(run: LogoutRun, delivery: Delivery, failure: Failure): Stepped {
  if (delivery.held !== undefined) return finish(run, delivery, delivery.held, failure.atMs)
  const onChannel = serverAttempts(delivery).length
  const isServer = channelOf(delivery)?.kind === 'server'
  const delayMs = retryDelayMs(run.policy, onChannel, failure.jitter)
  const nextAtMs = failure.atMs + delayMs
  const mayRetry = isServer && failure.retryable && onChannel < run.policy.attemptsMax && nextAtMs < deadlineOf(run)
  // A person at the browser is not made to wait for retries where the browser itself can carry the message.
  const isForBrowser = hasBrowserWay(delivery) && failure.atMs < (browserGoneAtMs(run) ?? 0)
  if (mayRetry && !isForBrowser) {
    return replace(run, { ...delivery, state: 'retrying', nextAttemptAtMs: nextAtMs }, failure.atMs, [
      { kind: 'send', deliveryId: delivery.id, attempt: delivery.attempts.length + 1, dueAtMs: nextAtMs }
    ])
  }
  return nextChannelOr(run, delivery, { kind: failure.why, code: failure.code, attempts: Math.max(1, delivery.attempts.length) }, failure.atMs, failure.jitter)
}

/** The browser could carry the message after the channel that a delivery is on now. */
export function hasBrowserWay({ channels, channelIndex }: Pick<Delivery, 'channels' | 'channelIndex'>): boolean {
  return channels.slice(channelIndex + 1).some(({ kind }) => kind !== 'server')
}

/**
 * From when on a browser that was not seen again counts as gone: it may stay away for a visit, and a page of ours lets it
 * come by sooner than that. Undefined: it was never here.
 */
function browserGoneAtMs({ browserSeenAtMs, policy }: LogoutRun): number | undefined {
  return browserSeenAtMs === undefined ? undefined : browserSeenAtMs + policy.hopTimeoutMs + policy.patienceMs
}

interface Failure {
  readonly atMs: number
  readonly why: 'unreachable' | 'timed-out'
  readonly code: string
  readonly retryable: boolean
  readonly jitter: number
}

/** Goes on to the next channel of the delivery; without one to retries from server to server, or the outcome stands. */
function nextChannelOr(run: LogoutRun, delivery: Delivery, outcome: Outcome, atMs: number, jitter = 0.5): Stepped {
  if (delivery.held !== undefined) return finish(run, delivery, delivery.held, atMs)
  const next = delivery.channels[delivery.channelIndex + 1]
  if (next === undefined)
    return (
      (outcome.kind === 'unreachable' || outcome.kind === 'timed-out' || isSilentOutcome(outcome) ? backToServer(run, delivery, atMs, jitter) : undefined) ??
      finish(run, delivery, outcome, atMs)
    )
  const { offeredAtMs: _, nextAttemptAtMs: _next, ...rest } = delivery
  const moved = { ...rest, channelIndex: delivery.channelIndex + 1 }
  if (next.kind !== 'server') return waitForBrowser(run, moved, atMs)
  return replace(run, { ...moved, state: 'pending' }, atMs, [{ kind: 'send', deliveryId: delivery.id, attempt: delivery.attempts.length + 1, dueAtMs: atMs }])
}

/** Asked on a way without an answer: a server that could not be reached before may still give one. */
function isSilentOutcome(outcome: Outcome): boolean {
  return outcome.kind === 'unconfirmed' && (outcome.code === 'CURFEW_RUN_NO_ANSWER_POSSIBLE' || outcome.code === 'CURFEW_RUN_PICTURE_FAILED')
}

/** Where a server may still be asked, it is watched whether the browser comes at all. */
function waitForBrowser(run: LogoutRun, delivery: Delivery, atMs: number): Stepped {
  const waiting: Delivery = { ...delivery, state: 'waiting-for-browser' }
  const goneAtMs = browserGoneAtMs(run)
  if (goneAtMs === undefined || !(hasServerAhead(waiting) || mayAskServerAgain(run, waiting, goneAtMs))) return replace(run, waiting, atMs, [])
  return replace(run, { ...waiting, nextAttemptAtMs: goneAtMs }, atMs, [{ kind: 'wake', dueAtMs: goneAtMs }])
}

/** The browser that was waited for has gone, and may come back: the server is asked meanwhile. The ways of the browser stay behind it. */
function askWithoutBrowser(run: LogoutRun, delivery: Delivery, atMs: number, jitter: number): Stepped {
  const goneAtMs = browserGoneAtMs(run) ?? 0
  if (atMs < goneAtMs) return replace(run, { ...delivery, nextAttemptAtMs: goneAtMs }, atMs, [{ kind: 'wake', dueAtMs: goneAtMs }])
  const { nextAttemptAtMs: _, offeredAtMs: _offered, ...rest } = delivery
  if (hasServerAhead(delivery)) return askServerAhead(run, rest, atMs)
  const nextAtMs = atMs + retryDelayMs(run.policy, serverAttempts(delivery).length, jitter)
  if (!mayAskServerAgain(run, delivery, nextAtMs)) return replace(run, rest, atMs, [])
  const channelIndex = delivery.channels.findLastIndex(({ kind }, i) => kind === 'server' && i < delivery.channelIndex)
  return replace(run, { ...rest, channelIndex, state: 'retrying', nextAttemptAtMs: nextAtMs }, atMs, [
    { kind: 'send', deliveryId: delivery.id, attempt: delivery.attempts.length + 1, dueAtMs: nextAtMs }
  ])
}

/** The server that was to come after the browser comes before it. */
function askServerAhead(run: LogoutRun, delivery: Delivery, atMs: number): Stepped {
  const { channels, channelIndex } = delivery
  const ahead = channels.findIndex(({ kind }, i) => kind === 'server' && i > channelIndex)
  const server = channels.slice(ahead, ahead + 1)
  const asked = {
    ...delivery,
    channels: [...channels.slice(0, channelIndex), ...server, ...channels.slice(channelIndex).filter((_, i) => i + channelIndex !== ahead)]
  }
  return replace(run, { ...asked, state: 'pending' }, atMs, [{ kind: 'send', deliveryId: delivery.id, attempt: delivery.attempts.length + 1, dueAtMs: atMs }])
}

function serverAttempts({ attempts }: Delivery): readonly Attempt[] {
  return attempts.filter(({ channel }) => channel.kind === 'server')
}

/** The server channel that was left for another one has attempts left, and time for the next. */
function mayAskServerAgain(run: LogoutRun, delivery: Delivery, nextAtMs: number): boolean {
  const asked = serverAttempts(delivery)
  const hasServer = delivery.channels.some(({ kind }, i) => kind === 'server' && i < delivery.channelIndex)
  return hasServer && asked.at(-1)?.isRetryable === true && asked.length < run.policy.attemptsMax && nextAtMs < deadlineOf(run)
}

/**
 * The browser could not carry the message either: the server channel that was left for its sake gets the rest of its
 * attempts, in the background. It moves to the end, so that nobody is sent away again.
 */
function backToServer(run: LogoutRun, delivery: Delivery, atMs: number, jitter: number): Stepped | undefined {
  const server = delivery.channels.find((channel, i) => channel.kind === 'server' && i < delivery.channelIndex)
  const nextAtMs = atMs + retryDelayMs(run.policy, serverAttempts(delivery).length, jitter)
  if (server === undefined || !mayAskServerAgain(run, delivery, nextAtMs)) return undefined
  const channels = [...delivery.channels.filter((channel) => channel !== server), server]
  const { offeredAtMs: _, ...rest } = delivery
  const moved: Delivery = { ...rest, channels, channelIndex: channels.length - 1, state: 'retrying', nextAttemptAtMs: nextAtMs }
  return replace(run, moved, atMs, [{ kind: 'send', deliveryId: delivery.id, attempt: delivery.attempts.length + 1, dueAtMs: nextAtMs }])
}

function probeFailed(run: LogoutRun, event: Extract<RunEvent, { readonly kind: 'probe-failed' }>): Stepped {
  const delivery = find(run, event.deliveryId)
  if (delivery === undefined || delivery.state !== 'waiting-for-browser') return [run, []]
  return nextChannelOr(run, delivery, { kind: 'unreachable', code: event.code, attempts: delivery.attempts.length }, event.atMs, event.jitter)
}

/** Asked now, the application would end the newer sign-in, which this run is not about: what came of it until then stands. */
function openedAgain(run: LogoutRun, { deliveryId, atMs }: Extract<RunEvent, { readonly kind: 'opened-again' }>): Stepped {
  const delivery = find(run, deliveryId)
  if (delivery === undefined || delivery.state === 'final') return [run, []]
  const kind = delivery.attempts.length === 0 ? 'not-asked' : 'unconfirmed'
  return finish(run, delivery, { kind, code: 'CURFEW_RUN_OPENED_AGAIN' }, atMs)
}

/**
 * The browser is on our page: a hop that it was sent to has not brought an answer, and whoever would wait for a retry
 * while it was gone is asked by it.
 */
function browserSeen(run: LogoutRun, atMs: number): Stepped {
  if (run.state === 'done') return [run, []]
  const away = run.deliveries.find((d) => d.state === 'sent' && channelOf(d)?.kind === 'hop')
  const carried = run.deliveries.filter((d) => d.state === 'retrying' && hasBrowserWay(d))
  if (away === undefined && carried.length === 0 && run.browserSeenAtMs !== undefined && atMs - run.browserSeenAtMs < 1000) return [run, []]
  let [next] = changed(run, { browserSeenAtMs: Math.max(atMs, run.browserSeenAtMs ?? 0) })
  const effects: Effect[] = []
  const take = ([stepped, more]: Stepped): void => {
    next = stepped
    effects.push(...more)
  }
  for (const one of carried) take(toBrowserWay(next, one, atMs))
  if (away !== undefined) take(giveUpBrowser(next, away, 'CURFEW_RUN_BROWSER_NO_ANSWER', atMs))
  return [{ ...next, version: run.version + 1 }, effects]
}

/** The retry that was due becomes void: nobody is asked by two ways at once. */
function toBrowserWay(run: LogoutRun, delivery: Delivery, atMs: number): Stepped {
  const channelIndex = delivery.channels.findIndex(({ kind }, i) => kind !== 'server' && i > delivery.channelIndex)
  const { nextAttemptAtMs: _, ...rest } = delivery
  return waitForBrowser(run, { ...rest, channelIndex }, atMs)
}

function giveUpBrowser(run: LogoutRun, delivery: Delivery, code: string, atMs: number): Stepped {
  const last = delivery.attempts.at(-1)
  if (last !== undefined && isSilent(last.channel)) {
    const asked = closeAttempt(delivery, last.messageId, atMs)
    return nextChannelOr(run, asked, { kind: 'unconfirmed', code: 'CURFEW_RUN_NO_ANSWER_POSSIBLE' }, atMs)
  }
  const closed = last === undefined ? delivery : closeAttempt(delivery, last.messageId, atMs, code)
  return nextChannelOr(run, closed, { kind: 'timed-out', code, attempts: Math.max(1, delivery.attempts.length) }, atMs)
}

function framesOffered(run: LogoutRun, { deliveryIds, atMs }: Extract<RunEvent, { readonly kind: 'frames-offered' }>): Stepped {
  const isOffered = (d: Delivery): boolean => deliveryIds.includes(d.id) && isWaitingFrame(d) && atMs > (d.offeredAtMs ?? -1)
  if (!run.deliveries.some(isOffered)) return [run, []]
  const [next] = changed(run, { deliveries: run.deliveries.map((d) => (isOffered(d) ? { ...d, offeredAtMs: atMs } : d)) })
  return [next, [{ kind: 'wake', dueAtMs: offerEndMs(run, atMs) }]]
}

function offerEndMs(run: LogoutRun, offeredAtMs: number): number {
  return offeredAtMs + frameWait(run).maxMs + frameGraceMs
}

function isWaitingFrame(delivery: Delivery): boolean {
  return delivery.state === 'waiting-for-browser' && channelOf(delivery)?.kind === 'frame'
}

/** The page is done with a frame. What it saw of one that can not answer proves nothing; that it saw a fault is kept. */
function frameOver(run: LogoutRun, { deliveryId, how, atMs }: Extract<RunEvent, { readonly kind: 'frame-over' }>): Stepped {
  const delivery = find(run, deliveryId)
  const channel = delivery === undefined ? undefined : channelOf(delivery)
  if (delivery === undefined || channel?.kind !== 'frame') return [run, []]
  if (delivery.state === 'waiting-for-browser') return how === 'loaded' ? [run, []] : neverAsked(run, delivery, atMs)
  const last = delivery.attempts.at(-1)
  if (delivery.state !== 'sent' || last === undefined) return [run, []]
  if (!isSilent(channel)) return how === 'loaded' || how === 'failed' ? [run, []] : giveUpBrowser(run, delivery, 'CURFEW_RUN_BROWSER_NO_ANSWER', atMs)
  if (how === 'loaded' || how === 'unknown') return giveUpBrowser(run, delivery, 'CURFEW_RUN_BROWSER_NO_ANSWER', atMs)
  const code = how === 'failed' ? 'CURFEW_RUN_PICTURE_FAILED' : 'CURFEW_RUN_FRAME_NOT_LOADED'
  const closed = closeAttempt(delivery, last.messageId, atMs, code)
  return nextChannelOr(run, closed, how === 'failed' ? { kind: 'unconfirmed', code } : { kind: 'timed-out', code, attempts: delivery.attempts.length }, atMs)
}

/** The browser came by, had the page that loads the frame, and did not ask for it. */
function neverAsked(run: LogoutRun, delivery: Delivery, atMs: number): Stepped {
  return nextChannelOr(run, delivery, { kind: 'timed-out', code: 'CURFEW_RUN_FRAME_NOT_ASKED', attempts: delivery.attempts.length }, atMs)
}

/** Looks at the clock: attempts that took too long, and the deadline of the run. */
function tick(run: LogoutRun, atMs: number, jitter: number): Stepped {
  if (run.state === 'done') return [run, []]
  let current = run
  const effects: Effect[] = []
  for (const { id } of run.deliveries) {
    const delivery = find(current, id)
    if (delivery === undefined || delivery.state === 'final') continue
    const [next, more] = tickDelivery(current, delivery, atMs, jitter)
    current = next
    effects.push(...more)
  }
  return current === run ? [run, []] : [{ ...current, version: run.version + 1 }, effects]
}

function tickDelivery(run: LogoutRun, delivery: Delivery, atMs: number, jitter: number): Stepped {
  if (atMs >= deadlineOf(run)) return finish(run, delivery, atDeadline(delivery), atMs)
  const { offeredAtMs, nextAttemptAtMs } = delivery
  if (offeredAtMs !== undefined && isWaitingFrame(delivery)) return atMs < offerEndMs(run, offeredAtMs) ? [run, []] : neverAsked(run, delivery, atMs)
  const isWatched = delivery.state === 'waiting-for-browser' && nextAttemptAtMs !== undefined
  if (isWatched) return atMs < nextAttemptAtMs ? [run, []] : askWithoutBrowser(run, delivery, atMs, jitter)
  const last = delivery.attempts.at(-1)
  const channel = channelOf(delivery)
  if (delivery.state !== 'sent' || last === undefined || channel === undefined) return [run, []]
  if (channel.kind === 'server') {
    if (isLeaving(run, delivery, undefined, atMs)) return [run, []]
    const code = 'CURFEW_RUN_PARTICIPANT_TIMEOUT'
    const closed = delivery.attempts.filter(isOpenAtServer).reduce((d, { messageId }) => closeAttempt(d, messageId, atMs, code, true), delivery)
    return failedAttempt(run, closed, { atMs, why: 'timed-out', code, retryable: true, jitter })
  }
  return atMs < last.startedAtMs + browserTimeoutMs(run, delivery, channel) ? [run, []] : giveUpBrowser(run, delivery, 'CURFEW_RUN_BROWSER_NO_ANSWER', atMs)
}

function atDeadline(delivery: Delivery): Outcome {
  const attempts = delivery.attempts.length
  if (attempts === 0 && delivery.state === 'waiting-for-browser') return { kind: 'timed-out', code: 'CURFEW_RUN_BROWSER_ABSENT', attempts }
  const last = delivery.attempts.at(-1)
  return { kind: 'timed-out', code: last?.code ?? 'CURFEW_RUN_DEADLINE', attempts }
}

/** A further delivery for the same participant, from its first channel; the old one keeps its outcome. */
function retryRequested(run: LogoutRun, event: Extract<RunEvent, { readonly kind: 'retry-requested' }>): Stepped {
  const old = find(run, event.deliveryId)
  const isRepeatable = old?.state === 'final' && !countsAsSignedOut(old.outcome) && !isOpenedAgain(old) && old.channels.length > 0
  const isTaken = run.deliveries.some((d) => d.id === event.newDeliveryId || d.retryOf === event.deliveryId)
  if (old === undefined || !isRepeatable || isTaken || run.deliveries.length >= deliveriesPerRunMax) return [run, []]
  const { outcome: _outcome, finalAtMs: _finalAtMs, nextAttemptAtMs: _next, offeredAtMs: _offered, ...kept } = old
  const channels = inOrder(old.channels)
  const isServer = channels[0]?.kind === 'server'
  const repeat: Delivery = {
    ...kept,
    id: event.newDeliveryId,
    retryOf: old.id,
    channels,
    channelIndex: 0,
    attempts: [],
    state: isServer ? 'pending' : 'waiting-for-browser'
  }
  const { finishedAtMs: _finished, receipt: _receipt, ...open } = run
  const next: LogoutRun = {
    ...open,
    version: run.version + 1,
    state: 'open',
    deliveries: [...run.deliveries, repeat],
    policy: { ...run.policy, deadlineMs: event.atMs - run.startedAtMs + run.policy.deadlineMs }
  }
  const wake: Effect = { kind: 'wake', dueAtMs: deadlineOf(next) }
  return [next, isServer ? [{ kind: 'send', deliveryId: repeat.id, attempt: 1, dueAtMs: event.atMs }, wake] : [wake]]
}

/** When everything still open becomes final. */
export function deadlineOf(run: LogoutRun): number {
  return run.startedAtMs + run.policy.deadlineMs
}

function finish(run: LogoutRun, delivery: Delivery, outcome: Outcome, atMs: number): Stepped {
  const { nextAttemptAtMs: _next, offeredAtMs: _offered, held, ...rest } = delivery
  return replace(run, { ...rest, state: 'final', outcome: joinHeld(held, outcome), finalAtMs: atMs }, atMs, [])
}

function closeAttempt(delivery: Delivery, messageId: string, atMs: number, code?: string, isRetryable = false): Delivery {
  const attempts = delivery.attempts.map((a) =>
    a.messageId !== messageId || a.endedAtMs !== undefined
      ? a
      : { ...a, endedAtMs: atMs, ...(code === undefined ? {} : { code }), ...(isRetryable ? { isRetryable } : {}) }
  )
  return { ...delivery, attempts }
}

function find(run: LogoutRun, id: DeliveryId): Delivery | undefined {
  return run.deliveries.find((delivery) => delivery.id === id)
}

/** Puts a delivery back into its run and closes the run when it was the last open one. */
function replace(run: LogoutRun, delivery: Delivery, atMs: number, effects: readonly Effect[]): Stepped {
  const deliveries = run.deliveries.map((d) => (d.id === delivery.id ? delivery : d))
  const isDone = run.state === 'open' && deliveries.every((d) => d.state === 'final')
  if (!isDone) return [{ ...run, version: run.version + 1, deliveries }, effects]
  return [{ ...run, version: run.version + 1, deliveries, state: 'done', finishedAtMs: atMs }, [...effects, { kind: 'receipt', dueAtMs: atMs }]]
}

function changed(run: LogoutRun, fields: Partial<LogoutRun>): Stepped {
  return [{ ...run, ...fields, version: run.version + 1 }, []]
}
