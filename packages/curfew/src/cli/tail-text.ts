import type { EventGap, EventView } from '../admin/schemas.ts'
import { answerText, clockText, failureWords, outcomeText, requestText, seconds } from './run-text.ts'
import type { Terminal } from './terminal.ts'

/** `-->` went to an application, `<--` came, `!!` did not work, `==` is over, `--` anything else. */
const arrowStyles = { '-->': 'cyan', '<--': 'green', '!! ': 'red', '== ': 'bold', '-- ': 'dim' } as const
type Arrow = keyof typeof arrowStyles

interface Sentence {
  readonly arrow: Arrow
  /** The application, else the user. */
  readonly who: string
  readonly what: string
}

/** Characters of the time and the arrow, with what is between them. */
const headWidth = 12 + 2 + 3 + 1
const whoWidth = 10

/** One event for people. `widthMax`: where a line is broken. */
export function eventLine(event: EventView, terminal: Terminal, widthMax: number): string {
  return line(event.atMs, sentenceOf(event), terminal, widthMax)
}

export function gapLine({ atMs, why }: EventGap, terminal: Terminal, widthMax: number): string {
  const what = why === 'trimmed' ? 'events in between are no longer kept' : 'the store lost its last lines: events in between may be missing, or come twice'
  return line(atMs, { arrow: '!! ', who: 'gap', what }, terminal, widthMax)
}

/** `-- 2026-11-28` where the day is another one than that of the line before. */
export function dayLine(atMs: number, beforeMs: number, terminal: Terminal): string | undefined {
  const [day, before] = [atMs, beforeMs].map(dayOf)
  return day === before || day === undefined ? undefined : terminal.style('dim', `-- ${day}`)
}

function dayOf(atMs: number): string {
  return Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(Temporal.Now.timeZoneId()).toPlainDate().toString()
}

function line(atMs: number, { arrow, who, what }: Sentence, terminal: Terminal, widthMax: number): string {
  const indent = headWidth + Math.max(whoWidth, who.length) + 2
  const [first = '', ...more] = broken(shown(what), Math.max(20, widthMax - indent))
  const head = `${clockText(atMs)}  ${terminal.style(arrowStyles[arrow], arrow)} ${shown(who).padEnd(whoWidth)}  ${first}`
  return [head.trimEnd(), ...more.map((part) => ' '.repeat(indent) + part)].join('\n')
}

/** Names and reasons come from elsewhere: what would steer the terminal is shown as a question mark. */
function shown(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?')
}

/** Breaks at spaces; a word that is longer stays whole. */
function broken(text: string, widthMax: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= widthMax) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

const signInEvents: Readonly<Record<string, string>> = {
  'assertion.issued': 'SAML',
  'client.signed-in': 'OpenID Connect',
  'opentoken.issued': 'OpenToken'
}

function sentenceOf(event: EventView): Sentence {
  const { peer, user = 'somebody', run } = event
  const atPeer = peer ?? user
  const id = run === undefined ? '' : `  ${run}`
  const protocol = signInEvents[event.event]
  if (protocol !== undefined) return { arrow: '-->', who: atPeer, what: `${protocol}: signs ${user} in` }
  if (event.event.startsWith('sign-in.')) return { arrow: '!! ', who: user, what: `sign-in ${event.event.slice('sign-in.'.length)}` }
  switch (event.event) {
    case 'session.opened':
      return { arrow: '<--', who: user, what: 'signed in' }
    case 'assertion.accepted':
    case 'opentoken.accepted':
      return { arrow: '<--', who: atPeer, what: `says that this is ${user}` }
    case 'client.offline-grant':
      return { arrow: '-->', who: atPeer, what: `keeps access for ${user} (offline grant)` }
    case 'session.ended':
      return { arrow: '== ', who: user, what: `session ended: ${reasonText(event)}, ${participantsText(event)} to tell${id}` }
    case 'logout.partial':
      return { arrow: '== ', who: user, what: `signed out of ${participantsText(event)}, ${reasonText(event)}; the session goes on${id}` }
    case 'attempt.sent':
      return { arrow: '-->', who: atPeer, what: `${requestText(event.channel ?? '')} for ${user}` }
    case 'attempt.failed':
      return { arrow: '!! ', who: atPeer, what: `${failureWords(event.code ?? '', event.tookMs ?? 0)}, ${attemptText(event)}` }
    case 'delivery.waiting':
      return { arrow: '-->', who: atPeer, what: `${requestText(event.channel ?? '')} waits for the browser of ${user}` }
    case 'delivery.final':
    case 'delivery.improved':
      return outcomeSentence(event, atPeer)
    case 'delivery.retried':
      return { arrow: '-->', who: atPeer, what: `asked again about ${user}, by ${event.actor ?? 'somebody'}` }
    case 'run.finished':
    case 'run.improved':
      return { arrow: '== ', who: user, what: `${verdictText(event)}${id}` }
  }
  return { arrow: event.code === undefined ? '-- ' : '!! ', who: peer ?? event.user ?? event.actor ?? '', what: plainText(event) }
}

function outcomeSentence(event: EventView, who: string): Sentence {
  const { outcome = 'unconfirmed', code, channel, tookMs = 0, user = 'somebody' } = event
  const words = `${outcomeText(outcome)} (${user})`
  if (outcome === 'ended' || outcome === 'already-ended') {
    const late = event.event === 'delivery.improved' ? 'late ' : ''
    return { arrow: '<--', who, what: channel === undefined ? words : `${late}${answerText(channel)} ${seconds(tookMs)}: ${words}` }
  }
  const why = code === undefined ? '' : `${failureWords(code, tookMs)}: `
  return { arrow: outcome === 'not-asked' || outcome === 'unsupported' ? '-- ' : '!! ', who, what: `${why}${words}` }
}

function reasonText({ detail, actor = '' }: EventView): string {
  const reason = String(detail?.['reason'] ?? 'unknown')
  const by = actor.replace(/^admin /, '')
  return by === '' || by === reason ? reason : `${reason}, by ${by}`
}

function participantsText({ detail }: EventView): string {
  const count = Number(detail?.['participants'] ?? 0)
  return count === 1 ? '1 application' : `${count === 0 ? 'no' : count} applications`
}

function attemptText({ atMs, detail }: EventView): string {
  const { attempt = 1, attemptsMax = 1, nextAttemptAtMs } = detail ?? {}
  const next = typeof nextAttemptAtMs === 'number' ? `, next in ${seconds(Math.max(0, nextAttemptAtMs - atMs))}` : ''
  return `attempt ${attempt} of ${attemptsMax}${next}`
}

const outcomesOfRun = ['ended', 'already-ended', 'unconfirmed', 'refused', 'unreachable', 'timed-out', 'unsupported', 'not-asked'] as const

function verdictText({ detail }: EventView): string {
  const counts = outcomesOfRun.flatMap((outcome) => (typeof detail?.[outcome] === 'number' ? [`${detail[outcome]} ${outcome}`] : []))
  const verdict = detail?.['verdict'] === 'all-ended' ? 'complete' : 'partial'
  return `${verdict}: ${counts.length === 0 ? 'no other application took part' : counts.join(', ')}`
}

/** An event that has no sentence of its own. */
function plainText({ event, user, peer, code, actor, detail }: EventView): string {
  const facts = Object.entries({ ...(peer === undefined ? {} : { user }), code, by: actor, ...detail }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`]
  )
  return [event, ...facts].join(' ')
}
