import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** Types, lint and the pure tests: what to run after every change. */
const root = fileURLToPath(new URL('..', import.meta.url))
const steps: readonly (readonly string[])[] = [
  ['tsc', '-p', 'tsconfig.json'],
  ['oxlint', '--type-aware', '--quiet'],
  ['node', 'tools/test.ts', '--tier=unit']
]
const failed = steps.filter(([command = '', ...rest]) => spawnSync(command, rest, { cwd: root, stdio: 'inherit' }).status !== 0)
process.exitCode = failed.length === 0 ? 0 : 1
