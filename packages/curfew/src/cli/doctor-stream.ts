import type { StreamView } from '../admin/schemas.ts'
import type { Check } from './doctor-check.ts'

/** One stream of shared signals, as the running server has it. */
export function streamCheck(stream: StreamView): Check {
  const { connection, status, reason, owed, isFull, lastError, failingSinceMs } = stream
  const what = `shared signals of ${connection}`
  const show = `curfew streams show ${connection}`
  if (status !== 'enabled') {
    const why = `${status}${reason === undefined ? '' : `: ${reason}`}, ${owed} owed`
    return { what, verdict: 'warn', why, fix: `When the receiver takes tokens again: curfew streams resume ${connection}` }
  }
  if (isFull) return { what, verdict: 'fail', why: `${owed} owed, the next are lost`, fix: `Let the receiver take them, or remove its stream. ${show}` }
  if (failingSinceMs !== undefined) {
    const why = `pushes fail since ${new Date(failingSinceMs).toISOString()}: ${lastError?.code ?? 'unknown'}, ${owed} owed`
    return { what, verdict: 'warn', why, fix: `It is paused when it goes on for an hour. ${show}` }
  }
  return { what, verdict: 'ok', why: `${stream.delivery}, ${owed} owed, ${stream.accepted} taken` }
}
