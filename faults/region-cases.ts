import { setTimeout as pause } from 'node:timers/promises'
import { createSeededRandom } from '../packages/curfew/test/support/seeded-random.ts'
import type { FaultCase } from './cases.ts'
import { createRegions, type Regions } from './region-world.ts'

/** Two regions under load, and the same fault in every round. */
function struck(strike: (regions: Regions, fraction: () => number) => Promise<void>): FaultCase['play'] {
  return async (rounds, place, onRound) => {
    const regions = await createRegions(place)
    const random = createSeededRandom(place.seed)
    try {
      for (let round = 0; round < rounds; round += 1) onRound(await regions.round((all) => strike(all, () => random.fraction())))
    } finally {
      await regions.close()
    }
  }
}

/** One cut of the link: how long after the last one healed, and for how long. */
export interface Cut {
  readonly afterMs: number
  readonly forMs: number
}

/** The cuts of one round, as chance gives them. */
export function cutSchedule(fraction: () => number): readonly Cut[] {
  const cuts = 1 + Math.floor(fraction() * 3)
  return Array.from({ length: cuts }, () => ({ afterMs: fraction() * 1_500, forMs: 200 + fraction() * 3_000 }))
}

const partitionMs = 30_000
const lostMs = 5_000
/** How long people come and go before. */
const loadedMs = 4_000

/** What the other region has read by then is there, whatever becomes of the disks; it ends sessions of the one that is lost meanwhile. */
function lost(disk: 'kept' | 'empty'): FaultCase['play'] {
  return struck(async (regions) => {
    await pause(loadedMs)
    await regions.lose(regions.paris)
    await regions.endAbandoned(regions.paris)
    await pause(lostMs)
    await regions.restore(regions.paris, disk)
  })
}

export const regionCases: readonly FaultCase[] = [
  {
    id: 'regions-apart',
    what: 'the link between two regions is cut for 30 seconds',
    sees: '`curfew_group_up` is 0 and `curfew_replication_lag_seconds` grows; both regions work on',
    play: struck(async (regions) => {
      regions.cut()
      await pause(partitionMs)
      regions.heal()
    })
  },
  {
    id: 'region-lost',
    what: 'all machines of a region are lost at once, and come back after five seconds',
    sees: 'the same at the other region, which knows its sessions and ends them',
    play: lost('kept')
  },
  {
    id: 'region-lost-empty',
    what: 'all machines of a region are lost at once, and come back with empty disks',
    sees: 'the same; after `curfew cluster forget` at the other one the region that comes back reads everything that is known there',
    mayLose: 'the other region had not read it yet',
    play: lost('empty')
  },
  {
    id: 'revoked-never-accepted',
    what: 'a random schedule of cuts between two regions',
    sees: 'as above, again and again',
    play: struck(async (regions, fraction) => {
      for (const { afterMs, forMs } of cutSchedule(fraction)) {
        await pause(afterMs)
        regions.cut()
        await pause(forMs)
        regions.heal()
      }
    })
  }
]
