import type { DeliveryId } from '../../packages/curfew/src/core/ids.ts'
import type { LogoutRun } from '../../packages/curfew/src/core/run.ts'
import type { Clock } from '../../packages/curfew/src/platform/clock.ts'
import type { Network } from '../redis/network.ts'

/**
 * A node that has just asked somebody finds no store, until its lease is over and another node records a further attempt: then the
 * answer is stored while that one hears nothing. By chance it happens once in some ten thousand seeds.
 */
export interface Overtaking {
  asks(host: string, deliveryId: DeliveryId): void
  commits(host: string, run: LogoutRun): void
  /** Cuts nobody off any more. */
  stop(): void
}

export interface OvertakingOptions {
  readonly clock: Clock
  readonly network: Network
  readonly fraction: () => number
  readonly tell: (what: string) => void
}

/** Nobody is cut off for longer. */
const awayMsMax = 8_000
/** What an answer takes that is not looked at once more. */
const recordMsMax = 100
const lateMsMax = 1_500

export function createOvertaking({ clock, network, fraction, tell }: OvertakingOptions): Overtaking {
  const cut = 'answer'
  let away: { readonly host: string; readonly deliveryId: DeliveryId } | undefined
  let isOver = false
  const join = (): void => {
    if (away !== undefined) tell(`${away.host} can reach the store again`)
    away = undefined
    network.isolate(cut, [])
  }
  return {
    asks(host, deliveryId) {
      if (isOver || away !== undefined || fraction() < 0.5) return
      const mine = { host, deliveryId }
      away = mine
      tell(`${host} has asked, and can not reach the store`)
      network.isolate(cut, [host])
      clock.after(awayMsMax, () => away === mine && join())
    },
    commits(host, run) {
      if (away === undefined || away.host === host) return
      const attempts = run.deliveries.find(({ id }) => id === away?.deliveryId)?.attempts ?? []
      if (attempts.length < 2 || attempts.at(-1)?.endedAtMs !== undefined) return
      join()
      network.stop(host)
      const lateMs = fraction() < 0.7 ? fraction() * recordMsMax : recordMsMax + fraction() * lateMsMax
      tell(`${host} hears nothing for ${Math.round(lateMs)} ms`)
      clock.after(lateMs, () => network.resume(host))
    },
    stop() {
      isOver = true
      join()
    }
  }
}
