import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const state = { isBuilt: false }

/** Path of the command as people install it: bundled, its packages built. What runs from sources takes more memory. */
export function installedCurfew(): string {
  if (!state.isBuilt) build()
  state.isBuilt = true
  return `${root}dist/curfew/bin/curfew.js`
}

function build(): void {
  const { status, stderr } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' })
  if (status !== 0) throw new Error(`npm run build ended with ${status}: ${stderr}`)
  // As beside each other in node_modules.
  mkdirSync(`${root}dist/node_modules/@curfew`, { recursive: true })
  for (const name of ['codecs', 'sdk']) symlinkSync(`../../${name}`, `${root}dist/node_modules/@curfew/${name}`)
}
