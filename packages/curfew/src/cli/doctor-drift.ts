import type { PeerView } from '../admin/schemas.ts'
import { type Check, dayMs, dayText } from './doctor-check.ts'

/** A change that breaks something is shown as long as this, in days. */
export const driftShownDays = 14

/** What a running server found out while it read the metadata of one partner again and again. */
export function readingChecks(id: string, metadata: PeerView['metadata'], nowMs: number): readonly Check[] {
  if (metadata === undefined) return []
  const { problem, changes, validUntilMs } = metadata
  return [...(problem === undefined ? [] : [problemCheck(id, problem, validUntilMs)]), ...changes.flatMap((one) => changeCheck(id, one, nowMs))]
}

type Metadata = NonNullable<PeerView['metadata']>

function problemCheck(id: string, { atMs, code, why }: NonNullable<Metadata['problem']>, validUntilMs: number | undefined): Check {
  const until = validUntilMs === undefined ? '' : ` What was known before is used until ${dayText(validUntilMs)}.`
  const fix = 'Look at it with: curfew connections show, and ask the partner what changed.'
  return { what: `${id}: reading metadata`, verdict: 'warn', why: `the server failed ${timeText(atMs)}: ${why} (${code}).${until}`, fix }
}

function changeCheck(id: string, { atMs, what, change, value, breaks }: Metadata['changes'][number], nowMs: number): readonly Check[] {
  if (nowMs - atMs > driftShownDays * dayMs) return []
  const said = `${what} ${change} ${timeText(atMs)}: ${value}`
  if (!breaks) return [{ what: `${id}: metadata changed`, verdict: 'ok', why: said }]
  const fix =
    what === 'signing key'
      ? 'Messages that the partner still signs with it are refused: ask whether the new key is in use already.'
      : 'Ask the partner whether that was meant.'
  return [{ what: `${id}: metadata changed`, verdict: 'warn', why: said, fix }]
}

/** `2026-11-24 10:04 UTC` */
export function timeText(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}
