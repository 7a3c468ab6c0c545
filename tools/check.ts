import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Everything that can be wrong without running the product; all of it runs, whatever fails first. */
const checks: readonly (readonly [string, readonly string[]])[] = [
  ['types', ['tsc', '-p', 'tsconfig.json']],
  ['lint', ['oxlint', '--type-aware', '--deny-warnings']],
  ['format', ['biome', 'format', '.']],
  ['lock file', ['node', 'tools/lock-complete.ts']],
  ['house rules', ['node', 'tools/tidy.ts']],
  ['generated files', ['node', 'tools/generate.ts', '--check']]
]

let failed = 0
for (const [name, [command = '', ...rest]] of checks) {
  const startedMs = performance.now()
  const result = spawnSync(command, rest, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
  const isGood = result.status === 0
  console.log(`${isGood ? 'ok  ' : 'FAIL'}  ${name}  ${Math.round(performance.now() - startedMs)} ms`)
  if (!isGood) {
    failed += 1
    console.log(`${result.stdout}${result.stderr}`.trimEnd())
  }
}
console.log(`${checks.length - failed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
