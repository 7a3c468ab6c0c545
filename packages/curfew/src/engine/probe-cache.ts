import type { PeerId } from '../core/ids.ts'
import type { ProbeResult } from '../platform/outbound.ts'
import type { EngineDeps } from './deps.ts'

/** Looks at applications from the server before a browser is sent there, each one at most once in a few seconds. */
export interface ProbeCache {
  look(peerId: PeerId, url: string): Promise<ProbeResult>
}

/** How long the look at an application may take before the browser is not sent there. */
const probeTimeoutMs = 1_500
/** How long what a look found counts for other runs. */
const keepMs = 3_000

export function createProbeCache({ clock, probe, logger }: Pick<EngineDeps, 'clock' | 'probe' | 'logger'>): ProbeCache {
  const looks = new Map<string, { readonly untilMs: number; readonly result: Promise<ProbeResult> }>()
  const forget = (nowMs: number): void => {
    for (const [key, { untilMs }] of looks) if (untilMs <= nowMs) looks.delete(key)
  }
  return {
    look(peerId, url) {
      const nowMs = clock.nowMs()
      forget(nowMs)
      const known = looks.get(url)
      if (known !== undefined) return known.result
      const result = probe({ peerId, url, timeoutMs: probeTimeoutMs }).catch((error: unknown): ProbeResult => {
        logger.error({ event: 'probe.failed', connection: peerId, err: error }, 'A probe threw')
        return { reachable: false, code: 'CURFEW_OUTBOUND_UNREACHABLE' }
      })
      looks.set(url, { untilMs: nowMs + keepMs, result })
      return result
    }
  }
}
