import { LRUCache } from 'lru-cache'
import type { Group } from '../core/group.ts'
import type { Clock } from '../platform/clock.ts'

export interface AskDeps {
  readonly clock: Pick<Clock, 'nowMs'>
  readonly logger: { debug(fields: object, message: string): void }
}

/**
 * Asks these groups one after the other, until one has it. What none of them had is not asked for again at once.
 * @param key - names what is looked for
 * @param question - true: that group has it
 */
export type AskGroups = (key: string, groups: readonly Group[], question: (group: string) => Promise<boolean>) => Promise<boolean>

/** What was not found is not asked for again so soon: ids can be made up by anybody. */
const missesMax = 10_000
const missMs = 5_000
/** Questions to other groups under way at once; beyond it what is not known here is unknown. */
const askingMax = 64

/** Looks elsewhere for what is not known here, within limits: what is asked for may have been made up. */
export function createAsker({ clock, logger }: AskDeps): AskGroups {
  const missed = new LRUCache<string, number>({ max: missesMax })
  let asking = 0
  return async (key, groups, question) => {
    if (groups.length === 0 || asking >= askingMax || (missed.get(key) ?? 0) > clock.nowMs()) return false
    asking += 1
    try {
      for (const { id } of groups) {
        const isThere = await question(id).catch((error: unknown) => {
          logger.debug({ event: 'replication.fetch-failed', group: id, err: error }, 'Another group could not be asked')
          return false
        })
        if (isThere) return true
      }
    } finally {
      asking -= 1
    }
    missed.set(key, clock.nowMs() + missMs)
    return false
  }
}
