import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const runner = fileURLToPath(new URL('../runner.ts', import.meta.url))
/** As the matrix: it ends in order when it is stopped. Its program starts another one, says so, and both stay. */
const grandchild = 'setInterval(() => {}, 1000)'
const child = `const { spawn } = require('node:child_process'); const one = spawn(process.execPath, ['-e', ${JSON.stringify(grandchild)}]); process.on('SIGTERM', () => {}); console.log(process.pid + ' ' + one.pid); setInterval(() => {}, 1000)`
const parent = `
  import { startRunner } from ${JSON.stringify(runner)}
  process.once('SIGTERM', () => process.exit(1))
  startRunner(process.execPath, ['-e', ${JSON.stringify(child)}], { stdio: ['ignore', 'inherit', 'inherit'] })`

suite('cluster-matrix: the runners of tests', () => {
  test('end with everything they started when the matrix is stopped', async () => {
    const matrix = spawn(process.execPath, ['--input-type=module', '-e', parent], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = (await once(matrix.stdout, 'data')) as [Buffer]
    const pids = String(said).trim().split(' ').map(Number)
    assert.deepEqual(pids.map(isThere), [true, true])
    matrix.kill('SIGTERM')
    await once(matrix, 'exit')
    const untilMs = performance.now() + 5_000
    while (pids.some(isThere) && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 20))
    const left = pids.filter(isThere)
    for (const pid of left) process.kill(pid, 'SIGKILL')
    assert.deepEqual(left, [])
  })
})

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
