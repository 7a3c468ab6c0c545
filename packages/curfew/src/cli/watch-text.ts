import type { DeliveryView, RunView } from '../admin/schemas.ts'
import { channelText, clockText, deliveryWords, isConfirmed, seconds } from './run-text.ts'
import type { Terminal } from './terminal.ts'

/**
 * What happened between two states of a run, one line per event: `-->` a message left, `<--` an answer came, `!!`
 * something failed.
 */
export function changeLines(before: RunView | undefined, after: RunView, terminal: Terminal): readonly string[] {
  const known = new Map(before?.deliveries.map((delivery) => [delivery.id, delivery]))
  const width = Math.max(8, ...after.deliveries.map((delivery) => delivery.peer.length))
  const lines: { readonly atMs: number; readonly text: string }[] = []
  for (const delivery of after.deliveries) lines.push(...linesOf(known.get(delivery.id), delivery, { terminal, width, startedAtMs: after.startedAtMs }))
  return lines.sort((a, b) => a.atMs - b.atMs).map((line) => `  ${clockText(line.atMs)}  ${line.text}`)
}

interface LineStyle {
  readonly terminal: Terminal
  readonly width: number
  readonly startedAtMs: number
}

interface EventLine {
  readonly atMs: number
  readonly text: string
}

function linesOf(before: DeliveryView | undefined, after: DeliveryView, style: LineStyle): readonly EventLine[] {
  const { terminal } = style
  const name = after.peer.padEnd(style.width)
  const lines: EventLine[] = []
  const put = (atMs: number, arrow: string, what: string, then = ''): void =>
    void lines.push({ atMs, text: `${arrow} ${name}  ${what.padEnd(44)} ${then}`.trimEnd() })
  if (after.state === 'waiting-for-browser' && before?.state !== 'waiting-for-browser') {
    const channel = after.channels.find((c) => !c.startsWith('server')) ?? ''
    put(after.attempts.at(-1)?.endedAtMs ?? style.startedAtMs, terminal.style('cyan', '-->'), channelText(channel), 'waiting for browser')
  }
  for (const attempt of after.attempts) {
    const seen = before?.attempts.find((a) => a.messageId === attempt.messageId)
    if (seen === undefined)
      put(attempt.startedAtMs, terminal.style('cyan', '-->'), channelText(attempt.channel), attempt.channel.startsWith('server') ? '' : 'browser sent')
    const isNew = attempt.endedAtMs !== undefined && seen?.endedAtMs === undefined
    if (isNew && attempt.code !== undefined) {
      const next = after.nextAttemptAtMs === undefined ? '' : `, next in ${seconds(Math.max(0, after.nextAttemptAtMs - (attempt.endedAtMs ?? 0)))}`
      put(
        attempt.endedAtMs ?? 0,
        terminal.style('red', '!! '),
        `${attempt.code}, after ${seconds((attempt.endedAtMs ?? 0) - attempt.startedAtMs)}`,
        `attempt ${attempt.number} of ${after.attemptsMax}${next}`
      )
    }
  }
  if (after.outcome !== undefined && before?.outcome !== after.outcome) lines.push(outcomeLine(after, name, style))
  return lines
}

function outcomeLine(delivery: DeliveryView, name: string, { terminal, startedAtMs }: LineStyle): EventLine {
  const last = delivery.attempts.at(-1)
  const atMs = delivery.finalAtMs ?? startedAtMs
  const took = last === undefined ? '' : seconds(atMs - last.startedAtMs)
  if (isConfirmed(delivery)) {
    const answer = `SAML LogoutResponse (${last?.channel.split('/')[1] ?? ''}) ${took}`
    return { atMs, text: `${terminal.style('green', '<--')} ${name}  ${answer.padEnd(44)} ${deliveryWords(delivery)}` }
  }
  return { atMs, text: `${terminal.style('red', '!! ')} ${name}  ${(delivery.code ?? '').padEnd(44)} ${deliveryWords(delivery)}` }
}
