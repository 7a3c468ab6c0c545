import { setTimeout } from 'node:timers/promises'
import type { GatewayContext } from '../context.ts'

/** How long the first reading of the revocation list may take before the gateway takes requests all the same. */
const firstReadingMs = 5_000
const lookMs = 20

/** A gateway that has just started knows nothing: it waits for the list, but not for ever, whatever happens to the date meanwhile. */
export async function firstReading({
  settings,
  revocations,
  endings,
  steadyMs
}: Pick<GatewayContext, 'settings' | 'revocations' | 'endings' | 'steadyMs'>): Promise<void> {
  const untilMs = steadyMs() + firstReadingMs
  const isMissing = (): boolean => (settings.sessionCheck.feed && revocations.completeAtMs === undefined) || !endings.isYoung()
  while (isMissing() && steadyMs() < untilMs) await setTimeout(lookMs)
}
