import type { DeliveryId, RunId } from '../core/ids.ts'
import type { Delivery, Effect, LogoutRun, RunEvent } from '../core/run.ts'
import { channelOf, deadlineOf } from '../core/step.ts'
import { type Bulkhead, createBulkhead } from '../platform/bulkhead.ts'
import type { ClaimedEffect } from '../stores/store.ts'
import type { EngineDeps, EngineLimits } from './deps.ts'
import { isOpenedSince } from './opened-since.ts'
import { eventOf } from './result-event.ts'
import type { RunWriter } from './run-writer.ts'
import { senderOf } from './sender-of.ts'
import type { Sender, SendRequest, SendResult } from './sender.ts'

export type SendEffect = Extract<Effect, { readonly kind: 'send' }>
export type ClaimedSend = ClaimedEffect & { readonly effect: SendEffect }

/** Carries out claimed sends, each peer in its own bulkhead. */
export interface SendQueue {
  /** Resolves when the sends are carried out, or were left to a later claim. */
  take(runId: RunId, sends: readonly ClaimedSend[], leaseUntilMs: number): Promise<void>
  /** Starts nothing more; what is under way goes on. */
  close(): void
  /** Starts again after a close. */
  open(): void
}

export type SendQueueDeps = Pick<EngineDeps, 'store' | 'clock' | 'random' | 'senders' | 'peer' | 'logger' | 'leaseMs' | 'owner'> & {
  readonly writer: RunWriter
  readonly limits: EngineLimits
}

/** What was recorded longer ago than that is looked at once more before its message leaves. */
const recordMsMax = 100
/** That look counts for so long: a store whose primary was lost goes on without what was recorded there, but not as fast as that. */
const lookMsMax = 1_000

type Queue = SendQueueDeps & {
  readonly peers: Bulkhead
  readonly all: Bulkhead
  /** Effects in this process and the end of their lease; a later claim of the same effect moves it. */
  readonly taken: Map<number, number>
  /** Deliveries of which an attempt is under way here. */
  readonly sending: Set<DeliveryId>
  isOpen: boolean
}

export function createSendQueue(deps: SendQueueDeps): SendQueue {
  const { perPeerMax, perPeerQueuedMax, concurrentMax } = deps.limits
  const queue: Queue = {
    ...deps,
    peers: createBulkhead({ concurrentMax: perPeerMax, queuedMax: perPeerQueuedMax }),
    all: createBulkhead({ concurrentMax, queuedMax: Number.MAX_SAFE_INTEGER }),
    taken: new Map(),
    sending: new Set(),
    isOpen: true
  }
  return {
    take: (runId, sends, leaseUntilMs) => take(queue, runId, sends, leaseUntilMs),
    close() {
      queue.isOpen = false
    },
    open() {
      queue.isOpen = true
    }
  }
}

async function take(queue: Queue, runId: RunId, sends: readonly ClaimedSend[], leaseUntilMs: number): Promise<void> {
  const fresh = sends.filter(({ id }) => !queue.taken.has(id))
  for (const { id } of sends) queue.taken.set(id, leaseUntilMs)
  try {
    const run = await queue.store.getRun(runId)
    const results = await Promise.allSettled(fresh.map((send) => queueOne(queue, runId, run, send)))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  } finally {
    for (const { id } of fresh) queue.taken.delete(id)
  }
}

async function queueOne(queue: Queue, runId: RunId, run: LogoutRun | undefined, send: ClaimedSend): Promise<void> {
  const delivery = run?.deliveries.find(({ id }) => id === send.effect.deliveryId)
  if (run === undefined || delivery === undefined) {
    await queue.writer.write(runId, () => [], [send.id])
    return
  }
  const { peerId } = delivery
  if (queue.peers.isFull(peerId)) {
    queue.logger.warn(
      { event: 'outbox.peer-full', run: runId, connection: peerId },
      'Too many deliveries to one application wait; this one is taken again when its lease ends'
    )
    return
  }
  const sender = senderOf(queue, delivery)
  await queue.peers.run(peerId, () => queue.all.run('', () => sendOne(queue, sender, run, send)))
}

/** Records the attempt, then sends, then records what came of it together with the removal of the effect. */
async function sendOne(queue: Queue, sender: Sender, run: LogoutRun, send: ClaimedSend): Promise<void> {
  const { id: runId } = run
  const { clock, writer, leaseMs, sending } = queue
  const timeLeftMs = (): number => (queue.taken.get(send.id) ?? 0) - clock.nowMs()
  // Too late or too long queued: the effect is claimed again when its lease ends, here or by another node.
  if (!queue.isOpen || timeLeftMs() < leaseMs / 2) return
  const { deliveryId } = send.effect
  // Whether what is under way still counts is known when it is over: a store that lost its primary may have gone back to
  // before that attempt, and then nothing but this effect says that somebody has to be told.
  if (sending.has(deliveryId)) return
  sending.add(deliveryId)
  try {
    const isInTime = (): boolean => timeLeftMs() >= leaseMs / 4
    const request = await startAttempt(queue, sender, run, send, isInTime)
    if (request === undefined) return
    // Recording took so long that the exchange would outlast the lease: another one may have told them by then. Whoever claims
    // the effect next finds an attempt that was interrupted, as after a crash.
    if (!isInTime() || !(await mayLeave(queue, request, send)) || !isInTime()) return
    const result = await exchange(queue, sender, request, send)
    const jitter = queue.random.fraction()
    const event = eventOf(result, deliveryId, request.messageId, clock.nowMs(), jitter)
    // The same holds for the effect of this attempt itself.
    await writer.write(
      runId,
      () => [event],
      (stored) => (remembers(stored, deliveryId, request.messageId) ? [send.id] : [])
    )
  } finally {
    sending.delete(deliveryId)
  }
}

/**
 * From when it was recorded, an attempt keeps the outcome open for twice the time of an exchange (`held` in the run). So its message
 * leaves within the first half of that, or never; and not where the store no longer has the attempt, or an answer to one before.
 */
async function mayLeave(queue: Queue, { run, delivery, messageId, nowMs: recordedAtMs }: SendRequest, send: ClaimedSend): Promise<boolean> {
  const { clock, store, writer } = queue
  const isYoung = (): boolean => {
    const nowMs = clock.nowMs()
    return nowMs - recordedAtMs < run.policy.sendTimeoutMs && nowMs < deadlineOf(run)
  }
  let known = delivery
  if (clock.nowMs() - recordedAtMs > recordMsMax) {
    const lookedAtMs = clock.nowMs()
    const stored = await store.getRun(run.id)
    if (stored === undefined || !remembers(stored, delivery.id, messageId) || clock.nowMs() - lookedAtMs > lookMsMax) return false
    known = stored.deliveries.find(({ id }) => id === delivery.id) ?? delivery
  }
  if (!isAnswered(known)) return isYoung()
  await writer.write(
    run.id,
    () => [],
    (stored) => (stored.deliveries.some((one) => one.id === delivery.id && isAnswered(one)) ? [send.id] : [])
  )
  return false
}

/** The answer to an attempt before may have been stored by whoever had the lease then. */
function isAnswered({ outcome, held }: Delivery): boolean {
  return outcome !== undefined || held !== undefined
}

function remembers(run: LogoutRun, deliveryId: DeliveryId, messageId: string): boolean {
  return run.deliveries.some((delivery) => delivery.id === deliveryId && delivery.attempts.some((attempt) => attempt.messageId === messageId))
}

/**
 * The attempt with its message id is stored before anything leaves; undefined when the effect has become void, or its lease was over
 * before that: an attempt is recorded by whoever has the lease, so that of several the last is the only one that may leave.
 */
async function startAttempt(queue: Queue, sender: Sender, asked: LogoutRun, send: ClaimedSend, isInTime: () => boolean): Promise<SendRequest | undefined> {
  const { id: runId } = asked
  const { deliveryId } = send.effect
  const messageId = sender.newMessageId()
  const startedAtMs = queue.clock.nowMs()
  const isNewer = await isOpenedSince(queue.store, asked, deliveryId, startedAtMs)
  const start: RunEvent = isNewer
    ? { kind: 'opened-again', atMs: startedAtMs, deliveryId }
    : { kind: 'attempt-started', atMs: startedAtMs, deliveryId, attempt: send.effect.attempt, messageId, by: queue.owner }
  const run = await queue.writer.write(runId, (stored) => (isInTime() && isToSend(stored, send.effect) ? [start] : []))
  const delivery = run?.deliveries.find((d) => d.id === deliveryId)
  const attempt = delivery?.attempts.find((a) => a.messageId === messageId)
  if (run === undefined || delivery === undefined || attempt === undefined) {
    if (!isInTime()) return undefined
    await queue.writer.write(runId, () => [], [send.id])
    return undefined
  }
  return { run, delivery, channel: attempt.channel, attempt: attempt.number, messageId, nowMs: startedAtMs }
}

/**
 * A send is due when its delivery waits for exactly this attempt. A delivery whose attempt is open although nobody here
 * sends it belongs to a process that died: whether its message left is unknown, so a further attempt is made.
 */
function isToSend(run: LogoutRun, effect: SendEffect): boolean {
  const delivery = run.deliveries.find((d) => d.id === effect.deliveryId)
  if (delivery === undefined || channelOf(delivery)?.kind !== 'server') return false
  switch (delivery.state) {
    case 'pending':
    case 'retrying':
      return effect.attempt > delivery.attempts.length
    case 'sent':
      return isInterrupted(delivery)
    case 'waiting-for-browser':
    case 'final':
      return false
  }
}

function isInterrupted(delivery: Delivery): boolean {
  return delivery.attempts.at(-1)?.endedAtMs === undefined
}

/** One exchange, bounded in time even when the sender does not listen to its signal. Never rejects. */
async function exchange(queue: Queue, sender: Sender, request: SendRequest, send: ClaimedSend): Promise<SendResult> {
  const { clock, logger } = queue
  const abort = new AbortController()
  const timeoutMs = Math.min(request.run.policy.sendTimeoutMs, queue.leaseMs / 4)
  const { promise: timedOut, resolve: giveUp } = Promise.withResolvers<SendResult>()
  const timer = clock.after(timeoutMs, () => {
    abort.abort()
    giveUp({ kind: 'failed', why: 'timed-out', code: 'CURFEW_RUN_PARTICIPANT_TIMEOUT', retryable: true })
  })
  const asked = ask(sender, request, abort.signal).catch((error: unknown): SendResult => {
    logger.error({ event: 'delivery.sender-failed', run: request.run.id, connection: request.delivery.peerId, err: error }, 'A sender threw')
    return { kind: 'failed', why: 'unreachable', code: 'CURFEW_RUN_SENDER_FAILED', retryable: true }
  })
  void asked.then((late) => (abort.signal.aborted ? recordLate(queue, request, send, late) : undefined))
  const result = await Promise.race([asked, timedOut])
  timer.cancel()
  return result
}

/** A sender that throws at once is a sender that rejects. */
async function ask(sender: Sender, request: SendRequest, signal: AbortSignal): Promise<SendResult> {
  return sender.send(request, signal)
}

/** A proof that comes after the attempt was given up still counts. */
async function recordLate(queue: Queue, request: SendRequest, send: ClaimedSend, late: SendResult): Promise<void> {
  if (late.kind !== 'confirmed') return
  const event = eventOf(late, send.effect.deliveryId, request.messageId, queue.clock.nowMs(), 0)
  try {
    await queue.writer.write(request.run.id, () => [event])
  } catch (error) {
    queue.logger.error({ event: 'delivery.late-answer-lost', run: request.run.id, err: error }, 'A late answer could not be stored')
  }
}
