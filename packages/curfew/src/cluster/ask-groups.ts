import { LRUCache } from 'lru-cache'
import type { Group } from '../core/group.ts'
import type { Clock } from '../platform/clock.ts'

export interface AskDeps {
  readonly clock: Pick<Clock, 'nowMs'>
  readonly logger: { debug(fields: object, message: string): void }
}

/**
 * Asks these groups until one has it. What none of them had is not asked for again at once.
 * @param key - names what is looked for
 * @param question - true: that group has it
 */
export type AskGroups = (key: string, groups: readonly Group[], question: (group: string) => Promise<boolean>) => Promise<boolean>

/** What was not found is not asked for again so soon: ids can be made up by anybody. */
const missesMax = 10_000
const missMs = 5_000
/** Questions to other groups under way at once; beyond it what is not known here is unknown. */
const askingMax = 64

export interface AskOptions {
  /**
   * All groups are asked at the same time, and one that does not answer keeps nobody from asking again at once; otherwise one
   * after the other.
   */
  readonly isAtOnce?: true
}

/** Looks elsewhere for what is not known here, within limits of its own: what is asked for may have been made up. */
export function createAsker({ clock, logger }: AskDeps, { isAtOnce }: AskOptions = {}): AskGroups {
  const missed = new LRUCache<string, number>({ max: missesMax })
  let asking = 0
  return async (key, groups, question) => {
    if (groups.length === 0 || asking >= askingMax || (missed.get(key) ?? 0) > clock.nowMs()) return false
    asking += 1
    const unanswered: string[] = []
    const has = async ({ id }: Group): Promise<boolean> => {
      try {
        return await question(id)
      } catch (error) {
        unanswered.push(id)
        logger.debug({ event: 'replication.fetch-failed', group: id, err: error }, 'Another group could not be asked')
        return false
      }
    }
    try {
      if (isAtOnce === true ? await anyHas(groups, has) : await oneHas(groups, has)) return true
    } finally {
      asking -= 1
    }
    if (isAtOnce !== true || unanswered.length === 0) missed.set(key, clock.nowMs() + missMs)
    return false
  }
}

async function oneHas(groups: readonly Group[], has: (group: Group) => Promise<boolean>): Promise<boolean> {
  for (const group of groups) if (await has(group)) return true
  return false
}

/** Resolves with the first that has it, or when all have answered. */
async function anyHas(groups: readonly Group[], has: (group: Group) => Promise<boolean>): Promise<boolean> {
  const found = groups.map(async (group) => (await has(group)) || Promise.reject(new Error(`${group.id} does not have it`)))
  return Promise.any(found).catch(() => false)
}
