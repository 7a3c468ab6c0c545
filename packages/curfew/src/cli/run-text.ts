import type { DeliveryView, RunView } from '../admin/schemas.ts'
import type { Terminal } from './terminal.ts'

const channelWords: Readonly<Record<string, string>> = {
  'server/soap': 'SAML LogoutRequest (SOAP)',
  'hop/redirect': 'SAML LogoutRequest (redirect)',
  'hop/post': 'SAML LogoutRequest (POST)',
  'frame/redirect': 'SAML LogoutRequest (redirect, hidden frame)',
  'frame/post': 'SAML LogoutRequest (POST, hidden frame)',
  'server/back-channel': 'OIDC logout token (back-channel)',
  'frame/front-channel': 'OIDC front-channel (hidden frame)',
  'server/grant': 'offline grant, dropped here',
  'frame/image': 'OIDC front-channel (picture)',
  'hop/end-session': 'OIDC end-session address'
}

const outcomeWords: Readonly<Record<string, string>> = {
  ended: 'signed out, confirmed',
  'already-ended': 'was signed out already, confirmed',
  unconfirmed: 'asked, cannot confirm',
  refused: 'refused',
  unreachable: 'could not be reached',
  'timed-out': 'did not answer',
  unsupported: 'not possible: it has no sign-out',
  'not-asked': 'not asked'
}

const stateWords: Readonly<Record<string, string>> = {
  pending: 'waiting',
  sent: 'asked, no answer yet',
  'waiting-for-browser': 'waiting for browser',
  retrying: 'trying again'
}

export function isConfirmed(delivery: DeliveryView): boolean {
  return delivery.outcome === 'ended' || delivery.outcome === 'already-ended'
}

/** Deliveries that stand: a repeat replaces the one it repeats. */
export function standing(run: RunView): readonly DeliveryView[] {
  const repeated = new Set(run.deliveries.map((delivery) => delivery.retryOf))
  return run.deliveries.filter((delivery) => !repeated.has(delivery.id))
}

/** Not chosen in a partial logout. */
function isLeftOut(run: RunView, delivery: DeliveryView): boolean {
  return run.isPartialLogout === true && delivery.code === 'CURFEW_RUN_NOT_CHOSEN'
}

/** An offline grant that was left to live on. */
function isSurvivor(delivery: DeliveryView): boolean {
  return delivery.code === 'CURFEW_RUN_OFFLINE_GRANT'
}

/** The application, and whether it is about its offline grant. */
export function peerText(delivery: DeliveryView): string {
  return delivery.grant === undefined ? delivery.peer : `${delivery.peer} (offline grant)`
}

/** What became of a delivery, in words. */
export function deliveryWords(delivery: DeliveryView): string {
  if (isSurvivor(delivery)) return 'keeps access'
  if (delivery.grant !== undefined && isConfirmed(delivery)) return delivery.outcome === 'ended' ? 'access ended' : 'had no access any more'
  return delivery.outcome === undefined ? (stateWords[delivery.state] ?? delivery.state) : outcomeText(delivery.outcome)
}

export function outcomeText(outcome: string): string {
  return outcomeWords[outcome] ?? outcome
}

export function channelText(channel: string): string {
  return channelWords[channel] ?? channel
}

/** The message that asks for a sign-out, in the width of a column: how a SAML message travels, but not in which window. */
export function requestText(channel: string): string {
  return isSaml(channel) ? `SAML LogoutRequest (${bindingText(channel)})` : channelText(channel)
}

/** What came back from an application that confirmed. */
export function answerText(channel: string): string {
  if (channel === 'server/grant') return 'offline grant dropped'
  return isSaml(channel) ? `SAML LogoutResponse (${bindingText(channel)})` : 'logout token accepted'
}

function isSaml(channel: string): boolean {
  return channelText(channel).startsWith('SAML ')
}

/** How a message travels: `SOAP`, `redirect`, `POST`. */
function bindingText(channel: string): string {
  const binding = channel.split('/')[1] ?? channel
  return binding === 'soap' || binding === 'post' ? binding.toUpperCase() : binding
}

const failures: Readonly<Record<string, string>> = {
  CURFEW_OUTBOUND_TIMEOUT: 'no answer',
  CURFEW_OUTBOUND_UNREACHABLE: 'could not be reached',
  CURFEW_RUN_PARTICIPANT_TIMEOUT: 'no answer',
  CURFEW_SAML_PEER_TIMEOUT: 'no answer',
  CURFEW_SAML_PEER_UNREACHABLE: 'could not be reached',
  CURFEW_SAML_PEER_HTTP: 'answered with an HTTP error',
  CURFEW_SAML_ANSWER_NOT_SAML: 'answered with no SAML message',
  CURFEW_SAML_LOGOUT_REFUSED: 'refused',
  CURFEW_SAML_LOGOUT_PARTIAL: 'says it is not complete',
  CURFEW_OIDC_PEER_HTTP: 'answered with an HTTP error',
  CURFEW_OIDC_LOGOUT_REFUSED: 'refused',
  CURFEW_RUN_BROWSER_NO_ANSWER: 'the browser brought no answer',
  CURFEW_RUN_FRAME_NOT_ASKED: 'the browser did not ask',
  CURFEW_RUN_FRAME_NOT_LOADED: 'its frame did not load in time',
  CURFEW_RUN_PICTURE_FAILED: 'its picture did not load'
}

/** What was clear without waiting for anybody. */
const rules: Readonly<Record<string, string>> = {
  CURFEW_RUN_NO_ANSWER_POSSIBLE: 'this way has no answer',
  CURFEW_RUN_NO_CHANNEL: 'no way to tell it',
  CURFEW_RUN_PROFILE_OFF: 'left out by the settings',
  CURFEW_RUN_NOT_CHOSEN: 'not chosen',
  CURFEW_RUN_LOCAL_ENDING: 'only the session here was ended',
  CURFEW_RUN_DEADLINE: 'the time for it is over',
  CURFEW_RUN_BROWSER_ABSENT: 'the browser did not come back',
  CURFEW_RUN_PEER_UNKNOWN: 'no such connection any more',
  CURFEW_RUN_OFFLINE_GRANT: 'its offline grant goes on'
}

/** What an attempt came to, in a few words; the code where there are none. */
export function failureWords(code: string, tookMs: number): string {
  const rule = rules[code]
  if (rule !== undefined) return rule
  return `${failures[code] ?? code} after ${seconds(tookMs)}`
}

/** `10:04:11.201` in the time zone of this machine. */
export function clockText(atMs: number): string {
  const at = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(Temporal.Now.timeZoneId())
  return at.toPlainTime().toString({ fractionalSecondDigits: 3 })
}

/** `2026-11-24 10:04` in the time zone of this machine. */
function dayText(atMs: number): string {
  const at = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(Temporal.Now.timeZoneId())
  return at.toPlainDateTime().toString({ smallestUnit: 'minute' }).replace('T', ' ')
}

/** The last line of a run: verdict and counts. */
export function summaryText(run: RunView, terminal: Terminal): string {
  const deliveries = standing(run).filter((delivery) => !isLeftOut(run, delivery))
  const count = (test: (delivery: DeliveryView) => boolean): number => deliveries.filter(test).length
  const parts = [
    [count(isConfirmed), 'confirmed'],
    [count((d) => d.state === 'waiting-for-browser'), 'need the browser'],
    [count((d) => d.state === 'retrying'), 'retrying'],
    [count((d) => d.state === 'pending' || d.state === 'sent'), 'open'],
    [count((d) => d.state === 'final' && !isConfirmed(d) && !isSurvivor(d)), 'not confirmed'],
    [count(isSurvivor), 'keep access']
  ] as const
  const forms: Readonly<Record<string, string>> = { 'need the browser': 'needs the browser', 'keep access': 'keeps access' }
  const words = parts.filter(([n]) => n > 0).map(([n, word]) => `${n} ${n === 1 ? (forms[word] ?? word) : word}`)
  const isOnlyWaiting = deliveries.every((d) => isConfirmed(d) || d.state === 'pending' || d.state === 'sent')
  const verdict =
    run.verdict === 'all-ended' ? terminal.style('green', 'complete') : terminal.style('yellow', run.state === 'open' && isOnlyWaiting ? 'working' : 'partial')
  return `${verdict}  ${words.length === 0 ? 'no other application took part' : words.join(', ')}`
}

/** The run as text: header, one line per application with a bar over time, and what to do about failures. */
export function runText(run: RunView, terminal: Terminal, nowMs: number): readonly string[] {
  const endMs = run.finishedAtMs ?? nowMs
  const lines = [
    `${terminal.style('bold', run.id)}  ${run.user}  ${run.isPartialLogout === true ? 'partial logout, ' : ''}${run.reason}, started by ${run.startedBy}  ${clockText(run.startedAtMs)}  ${seconds(endMs - run.startedAtMs)}`
  ]
  const deliveries = run.deliveries
  const nameWidth = Math.max(4, ...deliveries.map((d) => peerText(d).length))
  const wordWidth = Math.max(4, ...deliveries.map((d) => deliveryWords(d).length))
  for (const delivery of deliveries) {
    const bar = barOf(delivery, run.startedAtMs, Math.max(1, endMs - run.startedAtMs), 30)
    const mark = isConfirmed(delivery)
      ? terminal.style('green', 'ok')
      : isLeftOut(run, delivery)
        ? '--'
        : delivery.state === 'final'
          ? terminal.style('red', '!!')
          : terminal.style('yellow', '..')
    const words = deliveryWords(delivery).padEnd(wordWidth)
    lines.push(
      `  ${mark}  ${peerText(delivery).padEnd(nameWidth)}  ${words}  |${bar}|  ${attemptText(delivery)}${delivery.retryOf === undefined ? '' : `  repeat of ${delivery.retryOf}`}`.trimEnd()
    )
  }
  for (const ignored of run.ignoredLandings ?? []) lines.push(`  --  landing page not followed  ${ignored}`)
  lines.push(summaryText(run, terminal))
  return lines
}

function attemptText(delivery: DeliveryView): string {
  const last = delivery.attempts.at(-1)
  if (last === undefined) return delivery.code ?? ''
  const n = delivery.attempts.length
  const code = delivery.code === undefined ? '' : `  ${delivery.code}`
  return `${channelText(last.channel)}, ${n} ${n === 1 ? 'attempt' : 'attempts'}${code}`
}

/** One character per slice of time: = while asked, . while waiting. */
function barOf(delivery: DeliveryView, startMs: number, lengthMs: number, characters: number): string {
  let bar = ''
  for (let i = 0; i < characters; i++) {
    const fromMs = startMs + (lengthMs * i) / characters
    const toMs = startMs + (lengthMs * (i + 1)) / characters
    const isAsked = delivery.attempts.some((a) => a.startedAtMs < toMs && (a.endedAtMs ?? Number.POSITIVE_INFINITY) >= fromMs)
    const isOver = delivery.finalAtMs !== undefined && delivery.finalAtMs < fromMs
    bar += isAsked && !isOver ? '=' : isOver ? ' ' : '.'
  }
  return bar
}

/** Why deliveries were not confirmed and what to do: rule, evidence, remedy. */
export function whyText(run: RunView, terminal: Terminal): readonly string[] {
  const failed = standing(run).filter((delivery) => !isConfirmed(delivery))
  if (failed.length === 0) return ['Every application confirmed.']
  return failed.flatMap((delivery) => {
    const code = delivery.code ?? delivery.attempts.at(-1)?.code
    const evidence = delivery.attempts.map((a) => `  attempt ${a.number}  ${clockText(a.startedAtMs)}  ${channelText(a.channel)}  ${a.code ?? 'no answer yet'}`)
    return [
      `${terminal.style('bold', delivery.grant === undefined ? delivery.name : `${delivery.name}, offline grant`)} ${deliveryWords(delivery)}${code === undefined ? '' : `   ${code}`}`,
      ...evidence,
      `  ${remedy(delivery, run)}`,
      ...(code === undefined ? [] : [`  more: docs/reference/errors/${code}.md`])
    ]
  })
}

function remedy(delivery: DeliveryView, run: RunView): string {
  if (delivery.state === 'waiting-for-browser') return 'It can be told by the browser only; it is told when the user comes back.'
  if (delivery.state !== 'final') return `Still being tried, until ${dayText(run.deadlineAtMs)} at the latest.`
  if (delivery.outcome === 'unsupported') return 'Give the connection a logout endpoint (slo) if the application has one.'
  if (delivery.code === 'CURFEW_RUN_LOCAL_ENDING') return 'Only the session here was ended, as /sso/terminatesession does; /sso/initslo/ tells everybody.'
  if (isSurvivor(delivery))
    return `It keeps access. End it: curfew runs retry ${run.id} ${delivery.id}   Always: offlineGrants: end for this client, or curfew logout --end-offline.`
  if (delivery.code === 'CURFEW_RUN_OPENED_AGAIN') return 'It was opened again meanwhile, and goes on. To end that, sign out of it anew.'
  if (delivery.outcome === 'not-asked') return 'This is what the settings say; profiles.idpInitiatedSlo decides.'
  return `Try again: curfew runs retry ${run.id} ${delivery.id}`
}

export function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Number((ms / 1000).toFixed(1))} s`
}
