import type { DeliveryView, RunView } from '../admin/schemas.ts'
import { answerText, clockText, deliveryWords, failureWords, isConfirmed, peerText, requestText, seconds } from './run-text.ts'
import type { Terminal } from './terminal.ts'

/** Characters of the column between the application and what follows from the event. */
const whatWidth = 36

/**
 * What happened between two states of a run, one line per event: `-->` a message left, `<--` an answer came, `!!`
 * something failed.
 */
export function changeLines(before: RunView | undefined, after: RunView, terminal: Terminal): readonly string[] {
  const known = new Map(before?.deliveries.map((delivery) => [delivery.id, delivery]))
  const nameWidth = Math.max(9, ...after.deliveries.map((delivery) => peerText(delivery).length))
  const events = after.deliveries.flatMap((delivery) => eventsOf(known.get(delivery.id), delivery, after.startedAtMs))
  return events
    .sort((a, b) => a.atMs - b.atMs)
    .map(({ atMs, arrow, peer, what, after: then }) =>
      `  ${clockText(atMs)}  ${terminal.style(arrowStyles[arrow], arrow)} ${peer.padEnd(nameWidth)}  ${what.padEnd(whatWidth)} ${then}`.trimEnd()
    )
}

const arrowStyles = { '-->': 'cyan', '<--': 'green', '!! ': 'red' } as const

interface RunEventLine {
  readonly atMs: number
  readonly arrow: keyof typeof arrowStyles
  readonly peer: string
  readonly what: string
  readonly after: string
}

function eventsOf(before: DeliveryView | undefined, after: DeliveryView, startedAtMs: number): readonly RunEventLine[] {
  const peer = peerText(after)
  const events: RunEventLine[] = []
  if (after.state === 'waiting-for-browser' && before?.state !== 'waiting-for-browser') {
    const channel = after.channels.find((name) => !name.startsWith('server')) ?? ''
    events.push({
      atMs: after.attempts.at(-1)?.endedAtMs ?? startedAtMs,
      arrow: '-->',
      peer,
      what: requestText(channel),
      after: 'waiting for browser'
    })
  }
  for (const attempt of after.attempts) {
    const seen = before?.attempts.find((known) => known.messageId === attempt.messageId)
    const isServer = attempt.channel.startsWith('server')
    if (seen === undefined)
      events.push({
        atMs: attempt.startedAtMs,
        arrow: '-->',
        peer,
        what: requestText(attempt.channel),
        after: isServer ? '' : 'browser sent'
      })
    if (attempt.endedAtMs === undefined || attempt.code === undefined || seen?.endedAtMs !== undefined) continue
    // What the last attempt came to is said by the outcome.
    if (after.outcome !== undefined && attempt === after.attempts.at(-1)) continue
    const next =
      after.nextAttemptAtMs === undefined || after.state !== 'retrying' ? '' : `, next in ${seconds(Math.max(0, after.nextAttemptAtMs - attempt.endedAtMs))}`
    const what = failureWords(attempt.code, attempt.endedAtMs - attempt.startedAtMs)
    events.push({ atMs: attempt.endedAtMs, arrow: '!! ', peer, what, after: `attempt ${attempt.number} of ${after.attemptsMax}${next}` })
  }
  if (after.outcome !== undefined && before?.outcome !== after.outcome) events.push(outcomeOf(after, startedAtMs))
  return events
}

function outcomeOf(delivery: DeliveryView, startedAtMs: number): RunEventLine {
  const { code } = delivery
  const peer = peerText(delivery)
  const last = delivery.attempts.at(-1)
  const atMs = delivery.finalAtMs ?? startedAtMs
  const tookMs = last === undefined ? 0 : atMs - last.startedAtMs
  const then = deliveryWords(delivery)
  if (isConfirmed(delivery)) return { atMs, arrow: '<--', peer, what: `${answerText(last?.channel ?? '')} ${seconds(tookMs)}`, after: then }
  return { atMs, arrow: '!! ', peer, what: code === undefined ? '' : failureWords(code, tookMs), after: then }
}
