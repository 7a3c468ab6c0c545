import type { PeerId } from '../core/ids.ts'
import type { ProbeResult } from '../platform/outbound.ts'
import type { EngineDeps } from './deps.ts'

/** Looks at applications from the server before a browser is sent there, each one at most once in a few seconds. */
export interface ProbeCache {
  look(peerId: PeerId, url: string, trust: ProbeTrust): Promise<ProbeResult>
  /** The last look at this address, lately, met a fault of its server. Nothing but the order of visits hangs on it. */
  isDoubtful(url: string): boolean
}

/**
 * Which earlier looks count: `any`; `bad`, when the application just did not answer from server to server; `good`, when
 * it just answered there, though not usefully; `none`, when a person asks to try again.
 */
export type ProbeTrust = 'any' | 'bad' | 'good' | 'none'

/** How long the look at an application may take before the browser is not sent there. */
export const probeTimeoutMs = 1_500
/** How long "not reachable" counts for other runs. */
const keepBadMs = 3_000
/** How long "reachable" counts: a browser that is sent to an application which stopped since then is lost. */
const keepGoodMs = 1_000
/** How long a fault of its server puts an address behind others: longer than one run takes for its visits. */
const keepDoubtMs = 60_000

interface Look {
  untilMs: number
  isGood: boolean
  readonly result: Promise<ProbeResult>
}

export function createProbeCache({ clock, probe, logger }: Pick<EngineDeps, 'clock' | 'probe' | 'logger'>): ProbeCache {
  const looks = new Map<string, Look>()
  /** Until when; no more entries than partners have addresses. */
  const doubts = new Map<string, number>()
  const forget = (nowMs: number): void => {
    for (const [key, { untilMs }] of looks) if (untilMs <= nowMs) looks.delete(key)
    for (const [key, untilMs] of doubts) if (untilMs <= nowMs) doubts.delete(key)
  }
  return {
    isDoubtful: (url) => (doubts.get(url) ?? Number.NEGATIVE_INFINITY) > clock.nowMs(),
    look(peerId, url, trust) {
      const nowMs = clock.nowMs()
      forget(nowMs)
      const known = looks.get(url)
      if (known !== undefined && isTrusted(known, trust)) return known.result
      const result = probe({ peerId, url, timeoutMs: probeTimeoutMs }).catch((error: unknown): ProbeResult => {
        logger.error({ event: 'probe.failed', connection: peerId, err: error }, 'A probe threw')
        return { reachable: false, code: 'CURFEW_OUTBOUND_UNREACHABLE' }
      })
      const look: Look = { untilMs: nowMs + keepBadMs, isGood: false, result }
      looks.set(url, look)
      return result.then((found) => {
        if (!found.reachable) return found
        markGood(look, nowMs + keepGoodMs)
        if (found.isDoubtful === true) doubts.set(url, nowMs + keepDoubtMs)
        else doubts.delete(url)
        return found
      })
    }
  }
}

function isTrusted({ isGood }: Look, trust: ProbeTrust): boolean {
  return trust === 'any' || (trust === 'bad' && !isGood) || (trust === 'good' && isGood)
}

function markGood(look: Look, untilMs: number): void {
  look.untilMs = untilMs
  look.isGood = true
}
