import { simulate } from './simulate.ts'

/** `npm run sim -- --seed=N` replays one seed with its trace; `--seeds=K` runs K seeds from `--seed` on. */
function numberOption(name: string): number | undefined {
  const text = process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split('=')[1]
  return text === undefined ? undefined : Number(text)
}

const count = numberOption('seeds') ?? 1
const first = numberOption('seed') ?? 1
const showsTrace = process.argv.includes('--trace') || count === 1
let failed = 0
const startedMs = performance.now()
for (let seed = first; seed < first + count; seed++) {
  const result = await simulate({ seed })
  if (showsTrace || result.broken !== undefined) for (const line of result.trace) console.log(line)
  if (result.broken !== undefined) {
    failed += 1
    console.log(`\nseed ${seed} broke a rule: ${result.broken}\nReplay: npm run sim -- --seed=${seed}\n`)
  }
  if (count >= 100 && (seed - first + 1) % (count / 10) === 0)
    console.log(`${seed - first + 1} of ${count} seeds, ${failed} failed, ${Math.round((performance.now() - startedMs) / 1000)} s`)
}
console.log(`${count - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
