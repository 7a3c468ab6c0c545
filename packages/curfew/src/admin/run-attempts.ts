import type { Attempt, Delivery, LogoutRun } from '../core/run.ts'
import type { LogoutChannel } from '../core/peer.ts'
import type { EventView } from './schemas.ts'

/** An event without the place where to go on behind it. */
export type Told = Omit<EventView, 'position'>

/**
 * What a run tells besides its lines in the audit log: messages that left, attempts that failed and were not the last,
 * deliveries that wait for the browser. What the last attempt came to is said by the outcome.
 */
export function attemptsOf(run: LogoutRun): readonly Told[] {
  return run.deliveries.flatMap((delivery) => [
    ...delivery.attempts.flatMap((attempt) => [sent(run, delivery, attempt), ...failed(run, delivery, attempt)]),
    ...waiting(run, delivery)
  ])
}

export function channelText({ kind, binding }: LogoutChannel): string {
  return `${kind}/${binding}`
}

function about(run: LogoutRun, delivery: Delivery): Pick<Told, 'user' | 'session' | 'run' | 'peer'> {
  return { user: run.username, session: run.sessionId, run: run.id, peer: delivery.peerId }
}

function sent(run: LogoutRun, delivery: Delivery, { messageId, startedAtMs, number, channel }: Attempt): Told {
  return {
    id: `${delivery.id}/${messageId}/sent`,
    atMs: startedAtMs,
    event: 'attempt.sent',
    ...about(run, delivery),
    channel: channelText(channel),
    detail: { delivery: delivery.id, attempt: number, attemptsMax: run.policy.attemptsMax }
  }
}

function failed(run: LogoutRun, delivery: Delivery, attempt: Attempt): readonly Told[] {
  const { messageId, startedAtMs, endedAtMs, number, channel, code } = attempt
  const isLast = attempt === delivery.attempts.at(-1)
  if (endedAtMs === undefined || code === undefined || (isLast && delivery.outcome !== undefined)) return []
  const next = isLast && delivery.state === 'retrying' ? delivery.nextAttemptAtMs : undefined
  const detail = { delivery: delivery.id, attempt: number, attemptsMax: run.policy.attemptsMax, ...(next === undefined ? {} : { nextAttemptAtMs: next }) }
  return [
    {
      id: `${delivery.id}/${messageId}/failed`,
      atMs: endedAtMs,
      event: 'attempt.failed',
      ...about(run, delivery),
      code,
      channel: channelText(channel),
      tookMs: endedAtMs - startedAtMs,
      detail
    }
  ]
}

function waiting(run: LogoutRun, delivery: Delivery): readonly Told[] {
  const channel = delivery.channels.find(({ kind }) => kind !== 'server')
  if (delivery.state !== 'waiting-for-browser' || channel === undefined) return []
  return [
    {
      id: `${delivery.id}/${delivery.attempts.length}/waiting`,
      atMs: delivery.attempts.at(-1)?.endedAtMs ?? run.startedAtMs,
      event: 'delivery.waiting',
      ...about(run, delivery),
      channel: channelText(channel),
      detail: { delivery: delivery.id }
    }
  ]
}
