import type { PeerId } from '../core/ids.ts'
import { countsAsSignedOut } from '../core/outcome.ts'
import type { Delivery, LogoutRun } from '../core/run.ts'

/**
 * Applications that did not give a browser back lately, as far as this process has seen. Others are visited before them, so
 * that a browser which is lost there takes nobody else along. Nothing but the order hangs on it.
 */
export interface BrowserKeepers {
  /** Looks at a change of a run that was stored. */
  saw(before: LogoutRun, after: LogoutRun): void
  has(peerId: PeerId): boolean
}

/** How long a browser that was lost counts against an application, unless another one comes back from it. */
export const keeperMs = 10 * 60_000

export function createBrowserKeepers(nowMs: () => number): BrowserKeepers {
  /** No more entries than there are partners. */
  const lostAtMs = new Map<PeerId, number>()
  return {
    saw(before, after) {
      const known = new Map(before.deliveries.map((delivery) => [delivery.id, delivery]))
      for (const delivery of after.deliveries) {
        const said = visitOver(known.get(delivery.id), delivery)
        if (said === 'lost') lostAtMs.set(delivery.peerId, nowMs())
        else if (said === 'back') lostAtMs.delete(delivery.peerId)
      }
    },
    has(peerId) {
      const atMs = lostAtMs.get(peerId)
      return atMs !== undefined && nowMs() < atMs + keeperMs
    }
  }
}

/** What became of a visit by this change; undefined: none ended. */
function visitOver(before: Delivery | undefined, after: Delivery): 'lost' | 'back' | undefined {
  if (before === after) return undefined
  const wasOpen = (messageId: string): boolean => before?.attempts.find((one) => one.messageId === messageId)?.endedAtMs === undefined
  const ended = after.attempts.findLast(({ channel, endedAtMs, messageId }) => channel.kind === 'hop' && endedAtMs !== undefined && wasOpen(messageId))
  if (ended !== undefined) return ended.code === 'CURFEW_RUN_BROWSER_NO_ANSWER' ? 'lost' : 'back'
  // Its answer came after nobody waited for it any more.
  const isLate = before !== undefined && !countsAsSignedOut(before.outcome) && countsAsSignedOut(after.outcome)
  return isLate && after.attempts.at(-1)?.channel.kind === 'hop' ? 'back' : undefined
}
