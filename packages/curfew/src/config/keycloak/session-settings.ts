import { limitMinutesMax } from '../../core/expiry.ts'
import type { DraftSettings } from '../imports/draft.ts'
import { flag, type Part, whole } from './realm.ts'
import { createReport, type Report } from '../imports/report.ts'

/** Keys of a realm that are read here. */
export const sessionKeys = [
  'ssoSessionIdleTimeout',
  'ssoSessionMaxLifespan',
  'ssoSessionIdleTimeoutRememberMe',
  'ssoSessionMaxLifespanRememberMe',
  'rememberMe',
  'bruteForceProtected',
  'failureFactor',
  'permanentLockout',
  'maxTemporaryLockouts',
  'bruteForceStrategy',
  'maxFailureWaitSeconds',
  'waitIncrementSeconds',
  'minimumQuickLoginWaitSeconds',
  'quickLoginCheckMilliSeconds',
  'maxDeltaTimeSeconds',
  'accessCodeLifespanLogin'
] as const

/** How long sessions live, whether they survive the browser, and when an account is locked. */
export function sessionSettings(realm: Part): { readonly sessions: DraftSettings; readonly locking: DraftSettings; readonly report: Report } {
  const report = createReport('realm')
  const idleMinutes = minutesOf(realm, report, 'ssoSessionIdleTimeout', 'sessions.idleMinutes')
  const maxMinutes = minutesOf(realm, report, 'ssoSessionMaxLifespan', 'sessions.maxMinutes')
  const isTurned = idleMinutes !== undefined && maxMinutes !== undefined && idleMinutes > maxMinutes
  if (isTurned) report.say('approximated', 'ssoSessionIdleTimeout', 'it is more than ssoSessionMaxLifespan, so it never counted', 'sessions.idleMinutes')
  const transactionMinutes = signInMinutes(realm, report)
  const sessions = {
    ...(idleMinutes === undefined ? {} : { idleMinutes: isTurned ? maxMinutes : idleMinutes }),
    ...(maxMinutes === undefined ? {} : { maxMinutes }),
    ...remembered(realm, report),
    ...(transactionMinutes === undefined ? {} : { transactionMinutes })
  }
  return { sessions, locking: lockingOf(realm, report), report }
}

/** Whole minutes; nobody stays signed in for longer than there. */
function minutesOf(realm: Part, report: Report, name: string, setting: string): number | undefined {
  const seconds = whole(realm, name)
  if (seconds === undefined || seconds === 0) return undefined
  const minutes = Math.min(Math.max(1, Math.floor(seconds / 60)), limitMinutesMax)
  if (minutes * 60 === seconds) report.say('imported', name, `${seconds} seconds`, setting)
  else report.say('approximated', name, `${seconds} seconds become ${minutes} minutes`, setting)
  return minutes
}

function remembered(realm: Part, report: Report): DraftSettings {
  if (flag(realm, 'rememberMe') !== true) return {}
  const own = ['ssoSessionIdleTimeoutRememberMe', 'ssoSessionMaxLifespanRememberMe'].filter((name) => (whole(realm, name) ?? 0) > 0)
  report.say('imported', 'rememberMe', 'the form offers to stay signed in over browser restarts', 'sessions.persistent')
  for (const name of own) report.say('unsupported', name, 'one limit counts for all sessions, kept over restarts or not: sessions.idleMinutes and maxMinutes')
  return { persistent: true }
}

function signInMinutes(realm: Part, report: Report): number | undefined {
  const seconds = whole(realm, 'accessCodeLifespanLogin')
  if (seconds === undefined || seconds === 0) return undefined
  const minutes = Math.min(Math.max(1, Math.floor(seconds / 60)), 1_440)
  report.say('imported', 'accessCodeLifespanLogin', `${seconds} seconds for a sign-in in progress`, 'sessions.transactionMinutes')
  return minutes
}

/** Here an account is always locked after so many wrong passwords within the window, and the window ends the lock. */
function lockingOf(realm: Part, report: Report): DraftSettings {
  if (flag(realm, 'bruteForceProtected') !== true) {
    const note = 'accounts were never locked; here they are, after 5 wrong passwords within 15 minutes. It can not be switched off; attempts goes up to 1000'
    if ('bruteForceProtected' in realm) report.say('approximated', 'bruteForceProtected', note, 'signOn.locking')
    return {}
  }
  const attempts = Math.min(Math.max(1, whole(realm, 'failureFactor') ?? 30), 1_000)
  const windowMinutes = Math.min(Math.max(1, Math.ceil((whole(realm, 'maxFailureWaitSeconds') ?? 900) / 60)), 1_440)
  report.say('imported', 'failureFactor', `${attempts} wrong passwords`, 'signOn.locking.attempts')
  const window = `the window in which they are counted, and which ends the lock: ${windowMinutes} minutes at once, where each failure there made it longer (waitIncrementSeconds)`
  report.say('approximated', 'maxFailureWaitSeconds', window, 'signOn.locking.windowMinutes')
  if (flag(realm, 'permanentLockout') === true)
    report.say('unsupported', 'permanentLockout', 'a lock ends with its window; disabled: true in the users file keeps somebody out')
  report.say(
    'not-needed',
    'minimumQuickLoginWaitSeconds',
    'sign-ins in quick succession are counted as all others; failures older than the window are forgotten'
  )
  return { attempts, windowMinutes }
}
