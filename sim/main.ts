import { kindOf, kinds } from './kinds.ts'
import { playAll } from './pool.ts'

/**
 * `npm run sim -- --seed=N` replays one seed with its trace; `--seeds=K` runs K seeds from `--seed` on, on every core.
 * `--race=K` runs K sign-ins that race a logout, from `--seed` on.
 * `--failovers=K` runs K schedules of the store for many nodes on servers that fail, from `--seed` on.
 * `--schedules=K` runs K schedules of cuts between two regions, and judges what every call was answered.
 * `--regions=K` runs K schedules of three regions whose facts are late, lost and repeated, from `--seed` on.
 */
function numberOption(name: string): number | undefined {
  const text = process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split('=')[1]
  return text === undefined ? undefined : Number(text)
}

const first = numberOption('seed') ?? 1
const { option, what } = kinds.find((kind) => numberOption(kind.option) !== undefined) ?? kindOf('seeds')
const count = numberOption(option) ?? 1
const startedMs = performance.now()
const seconds = (): number => Math.round((performance.now() - startedMs) / 1000)
let failed = 0

function report(seed: number, broken: string, trace: readonly string[]): void {
  failed += 1
  for (const line of trace) console.log(line)
  console.log(`\nseed ${seed} broke a rule: ${broken}\nReplay: npm run sim -- --${option}=1 --seed=${seed}\n`)
}

if (count === 1) {
  const { broken, trace } = await kindOf(option).play(first)
  if (broken === undefined) for (const line of trace) console.log(line)
  else report(first, broken, trace)
} else {
  let told = 0
  await playAll({ option, from: first, to: first + count }, (done, broke) => {
    for (const { seed, broken, trace } of broke) report(seed, broken, trace)
    if (count < 100 || done - told < count / 10) return
    told = done
    console.log(`${done} of ${count} ${what}, ${failed} failed, ${seconds()} s`)
  })
}
console.log(`${count - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
