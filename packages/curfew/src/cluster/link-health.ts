import type { GroupLetter } from '../core/group.ts'

/** How it stands between this node and one other group. */
export interface LinkHealth {
  readonly group: string
  readonly letter: GroupLetter
  /** `conflict`: it answers, and says something of itself that can not be. */
  readonly state: 'unknown' | 'up' | 'down' | 'conflict'
  /** When the state began. */
  readonly sinceMs: number
  readonly lastAnswerAtMs?: number
  readonly roundTripMs?: number
  /** Why it is down, or in conflict. */
  readonly code?: string
  readonly why?: string
}
