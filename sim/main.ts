import { race } from './race.ts'
import { simulateRegions } from './regions.ts'
import { simulate } from './simulate.ts'

/**
 * `npm run sim -- --seed=N` replays one seed with its trace; `--seeds=K` runs K seeds from `--seed` on.
 * `--race=K` runs K sign-ins that race a logout, from `--seed` on.
 * `--regions=K` runs K schedules of three regions whose facts are late, lost and repeated, from `--seed` on.
 */
function numberOption(name: string): number | undefined {
  const text = process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split('=')[1]
  return text === undefined ? undefined : Number(text)
}

const first = numberOption('seed') ?? 1
const startedMs = performance.now()

/** Runs one seed after the other; what one run returns is the rule that it broke. */
async function all(count: number, what: string, one: (seed: number) => Promise<string | undefined>, replay: (seed: number) => string): Promise<void> {
  let failed = 0
  for (let seed = first; seed < first + count; seed++) {
    const broken = await one(seed)
    if (broken !== undefined) {
      failed += 1
      console.log(`\nseed ${seed} broke a rule: ${broken}\nReplay: npm run sim -- ${replay(seed)}\n`)
    }
    if (count >= 100 && (seed - first + 1) % (count / 10) === 0)
      console.log(`${seed - first + 1} of ${count} ${what}, ${failed} failed, ${Math.round((performance.now() - startedMs) / 1000)} s`)
  }
  console.log(`${count - failed} passed, ${failed} failed`)
  process.exitCode = failed === 0 ? 0 : 1
}

async function simulated(seed: number, showsTrace: boolean): Promise<string | undefined> {
  const { broken, trace } = await simulate({ seed })
  if (showsTrace || broken !== undefined) for (const line of trace) console.log(line)
  return broken
}

const races = numberOption('race')
const regions = numberOption('regions')
if (regions !== undefined) {
  await all(
    regions,
    'schedules',
    (seed) =>
      simulateRegions({ seed }).then(
        () => undefined,
        (error: unknown) => String(error)
      ),
    (seed) => `--regions=1 --seed=${seed}`
  )
} else if (races === undefined) {
  const count = numberOption('seeds') ?? 1
  const showsTrace = process.argv.includes('--trace') || count === 1
  await all(
    count,
    'seeds',
    (seed) => simulated(seed, showsTrace),
    (seed) => `--seed=${seed}`
  )
} else {
  // A refusal is an everyday thing here; its stack would cost more than the race.
  if (races > 1) Error.stackTraceLimit = 0
  await all(
    races,
    'races',
    (seed) =>
      race({ seed }).then(
        () => undefined,
        (error: unknown) => String(error)
      ),
    (seed) => `--race=1 --seed=${seed}`
  )
}
