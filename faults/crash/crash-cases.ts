import type { FaultCase } from '../cases.ts'
import type { Verdict } from '../judge.ts'
import { createCrashWorld, type CrashWorldOptions } from './crash-world.ts'

/** One server, the whole product as `curfew start` runs it; it dies, and after the last round everything is looked at once more. */
function dying(store: CrashWorldOptions['store']): FaultCase['play'] {
  return async (rounds, { net, setup, seed }, onRound) => {
    const world = await createCrashWorld({ net, setup, store, seed })
    try {
      for (let round = 1; round <= rounds; round += 1) {
        const verdict = await world.round()
        onRound(round < rounds ? verdict : atLast(verdict, await world.everything()))
      }
    } finally {
      await world.close()
    }
  }
}

/** The last round with what turned out to be wrong later: facts and repeats are counted already. */
function atLast(
  verdict: Verdict,
  { lost, letIn, openRuns, told, faults }: Awaited<ReturnType<Awaited<ReturnType<typeof createCrashWorld>>['everything']>>
): Verdict {
  for (const fault of faults) console.log(`  at last: ${fault}`)
  const then = verdict.told ?? told
  return {
    ...verdict,
    lost: Math.max(verdict.lost, lost),
    accepted: Math.max(verdict.accepted, letIn),
    openRuns: Math.max(verdict.openRuns, openRuns),
    told: { ...then, tooGood: Math.max(then.tooGood, told.tooGood), afterOutcome: Math.max(then.afterOutcome, told.afterOutcome) }
  }
}

export const crashCases: readonly FaultCase[] = [
  {
    id: 'crash-sqlite',
    what: 'kill -9 of the only server, at any moment, on SQLite',
    sees: 'requests are refused until it is started again; what it owed is sent then',
    play: dying('sqlite')
  },
  {
    id: 'crash-redis',
    what: 'kill -9 of the only server, at any moment, sometimes with Redis (`appendfsync always`)',
    sees: 'the same',
    play: dying('redis')
  }
]
