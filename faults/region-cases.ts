import { setTimeout as pause } from 'node:timers/promises'
import type { FaultCase } from './cases.ts'
import { createRegions, type Regions } from './region-world.ts'

/** Two regions under load, and the same fault in every round. */
function struck(strike: (regions: Regions) => Promise<void>): FaultCase['play'] {
  return async (rounds, place, onRound) => {
    const regions = await createRegions(place)
    try {
      for (let round = 0; round < rounds; round += 1) onRound(await regions.round(strike))
    } finally {
      await regions.close()
    }
  }
}

const partitionMs = 30_000
const lostMs = 5_000

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
    play: struck(async (regions) => {
      await regions.lose(regions.paris)
      await pause(lostMs)
      await regions.restore(regions.paris)
    })
  },
  {
    id: 'revoked-never-accepted',
    what: 'a random schedule of cuts between two regions',
    sees: 'as above, again and again',
    play: struck(async (regions) => {
      const cuts = 1 + Math.floor(Math.random() * 3)
      for (let i = 0; i < cuts; i += 1) {
        await pause(Math.random() * 1_500)
        regions.cut()
        await pause(200 + Math.random() * 3_000)
        regions.heal()
      }
    })
  }
]
