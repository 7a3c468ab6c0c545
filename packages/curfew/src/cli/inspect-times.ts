import { messageAgeSecondsMax } from '@curfew/codecs'
import type { Judgement } from './inspect-judgement.ts'

/** Instants of a message or token, in milliseconds. */
export interface Times {
  readonly issuedAtMs?: number
  readonly notBeforeAtMs?: number
  readonly expiresAtMs?: number
  /** A message that names no end is refused {@link messageAgeSecondsMax} after it was issued. */
  readonly limitsAge: boolean
}

/**
 * Judges times against this machine's clock, as the authority would now.
 * @param skewSeconds - difference between clocks that is allowed
 * @see saml-core-2.0-os section 3.7.1
 */
export function judgeTimes(times: Times, nowMs: number, skewSeconds: number): readonly Judgement[] {
  const { issuedAtMs, notBeforeAtMs, expiresAtMs } = times
  return [
    ...(issuedAtMs === undefined ? [] : [judgeIssued(seconds(nowMs - issuedAtMs), skewSeconds, times.limitsAge)]),
    ...(notBeforeAtMs === undefined ? [] : [judgeStart(seconds(notBeforeAtMs - nowMs), skewSeconds)]),
    ...(expiresAtMs === undefined ? [] : [judgeExpiry(seconds(expiresAtMs - nowMs), skewSeconds)])
  ]
}

function judgeIssued(ageSeconds: number, skewSeconds: number, limitsAge: boolean): Judgement {
  const what = 'issued'
  if (ageSeconds < -skewSeconds)
    return { what, verdict: 'fail', why: `${-ageSeconds} s in the future: the sender's clock is at least that far ahead, ${skewSeconds} s are allowed` }
  if (ageSeconds < 0) return { what, verdict: 'ok', why: `${-ageSeconds} s in the future: the clocks differ, ${skewSeconds} s are allowed` }
  const ageMax = messageAgeSecondsMax + skewSeconds
  if (limitsAge && ageSeconds > ageMax) return { what, verdict: 'warn', why: `${ageSeconds} s ago: refused from ${ageMax} s on, because it names no end` }
  return { what, verdict: 'ok', why: `${ageSeconds} s ago; just sent, that is the difference of the clocks` }
}

function judgeStart(waitSeconds: number, skewSeconds: number): Judgement {
  const what = 'start'
  if (waitSeconds > skewSeconds) return { what, verdict: 'fail', why: `valid in ${waitSeconds} s only, ${skewSeconds} s are allowed` }
  return { what, verdict: 'ok', why: waitSeconds > 0 ? `valid in ${waitSeconds} s: the clocks differ, ${skewSeconds} s are allowed` : 'valid already' }
}

function judgeExpiry(leftSeconds: number, skewSeconds: number): Judgement {
  const what = 'expiry'
  if (leftSeconds <= -skewSeconds) return { what, verdict: 'fail', why: `expired ${-leftSeconds} s ago, ${skewSeconds} s are allowed` }
  if (leftSeconds <= 0) return { what, verdict: 'warn', why: `expired ${-leftSeconds} s ago: refused when that is ${skewSeconds} s` }
  return { what, verdict: 'ok', why: `valid for ${leftSeconds} s` }
}

function seconds(ms: number): number {
  return Math.round(ms / 1000)
}
