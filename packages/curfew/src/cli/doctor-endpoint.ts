import { isCurfewError } from '@curfew/codecs'
import type { Clock } from '../platform/clock.ts'
import { judgeProbeStatus, type Outbound } from '../platform/outbound.ts'
import { frameRefusal } from './doctor-browser.ts'
import type { Check } from './doctor-check.ts'
import { seconds } from './run-text.ts'

/** Clocks further apart than this break partners that allow a minute, in milliseconds. */
export const skewWarnMs = 30_000
const timeoutMs = 5_000
const responseBytesMax = 512 * 1024

/** What one GET without a message found out about an address. */
export interface Reached {
  readonly url: string
  readonly durationMs?: number
  /** Absent when it answered. */
  readonly code?: string
  /** 404 or 410: something answers, and says that there is nothing at this address. */
  readonly missing?: number
  /** 500, 501, 505...: a fault of its own, over a request without a message or over any. */
  readonly fault?: number
  /** Its clock minus ours, where it sends a Date header (RFC 9110 section 6.6.1, whole seconds). */
  readonly skewMs?: number
  /** The header by which it forbids a page of the authority to frame it. */
  readonly framesRefused?: string
}

export interface EndpointDeps {
  readonly outbound: Outbound
  readonly clock: Clock
  readonly baseUrl: string
}

/** Asks an address as a probe does: without its query, so that nothing looks like a message. Any answer counts but one that says that nobody is there. */
export async function reach({ outbound, clock, baseUrl }: EndpointDeps, peerId: string, url: string): Promise<Reached> {
  const bare = new URL(url)
  bare.search = ''
  try {
    const { status, headers, durationMs } = await outbound.request({ peerId, url: bare.href, method: 'GET', timeoutMs, responseBytesMax })
    const theirsMs = Date.parse(headers['date'] ?? '')
    const framesRefused = frameRefusal(headers, baseUrl, url)
    const said = judgeProbeStatus(status)
    return {
      url,
      durationMs,
      ...(said === 'nobody' ? { code: 'CURFEW_OUTBOUND_STATUS' } : {}),
      ...(said === 'doubtful' ? { fault: status } : {}),
      ...(status === 404 || status === 410 ? { missing: status } : {}),
      ...(Number.isNaN(theirsMs) ? {} : { skewMs: theirsMs - clock.nowMs() }),
      ...(framesRefused === undefined ? {} : { framesRefused })
    }
  } catch (error) {
    if (!isCurfewError(error)) throw error
    // An answer too long to read is an answer.
    return error.code === 'CURFEW_OUTBOUND_TOO_LARGE' ? { url } : { url, code: error.code }
  }
}

/** @param what - `payroll: logout by redirect` */
export function judgeReached(what: string, { url, code, durationMs, missing, fault }: Reached): Check {
  if (missing !== undefined) {
    const why = `${url} answers ${missing} to a GET: there is nothing at this address, or it takes POST alone`
    return { what, verdict: 'warn', why, fix: 'Compare it with what the partner gives now, and look at one logout: curfew runs show <run> --why' }
  }
  if (fault !== undefined) {
    const why = `${url} answers ${fault} to a GET: it dislikes a request without a message, or it is broken; browsers are sent there after all others`
    return { what, verdict: 'warn', why, fix: 'Look at one logout: curfew runs show <run> --why' }
  }
  if (code === undefined) return { what, verdict: 'ok', why: `${url} answers${durationMs === undefined ? '' : ` in ${seconds(durationMs)}`}` }
  return { what, verdict: 'fail', why: `${url} does not answer: ${code}`, fix: `Look at docs/reference/errors/${code}.md` }
}

/** The greatest difference of clocks among the addresses of one connection; nothing when none told its time. */
export function judgeClock(id: string, reached: readonly Reached[]): readonly Check[] {
  const skews = reached.flatMap(({ skewMs }) => skewMs ?? [])
  if (skews.length === 0) return []
  const what = `${id}: clock`
  const worst = skews.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a))
  if (Math.abs(worst) <= skewWarnMs) return [{ what, verdict: 'ok', why: `within ${Math.max(1, Math.round(Math.abs(worst) / 1000))} s` }]
  const why = `${seconds(Math.abs(worst))} ${worst > 0 ? 'ahead of' : 'behind'} this machine`
  return [{ what, verdict: 'warn', why, fix: 'Messages are refused beyond 60 s: set both clocks by NTP.' }]
}
