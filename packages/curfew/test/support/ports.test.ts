import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { freeRange } from './ports.ts'

/** Takes so many ranges that two processes that did not know of each other would meet many times, and holds them until it is told to end. */
const program = `
import { freeRange } from ${JSON.stringify(new URL('ports.ts', import.meta.url).href)}
const firsts = []
for (let i = 0; i < 300; i++) firsts.push(await freeRange(8))
console.log(firsts.join(' '))
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
`

suite('Ports of tests', () => {
  test('ranges that are given at once never overlap, also before anybody listens', async () => {
    const counts = Array.from({ length: 200 }, (_, i) => 1 + (i % 20))
    const firsts = await Promise.all(counts.map(freeRange))
    const ports = firsts.flatMap((first, i) => Array.from({ length: counts[i] ?? 0 }, (_, n) => first + n))
    assert.equal(new Set(ports).size, ports.length)
    assert.ok(ports.every((port) => port >= 12_000 && port < 32_768))
  })

  test('processes never get the same, and one that was given some can end', async () => {
    const found = await Promise.all(
      [1, 2].map(async () => {
        const child = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', program])
        const line = await new Promise<string>((resolve) => child.child.stdout?.once('data', (text: Buffer) => resolve(text.toString())))
        return { firsts: line.trim().split(' '), child }
      })
    )
    for (const { child } of found) child.child.stdin?.end()
    await Promise.all(found.map(({ child }) => child))
    const all = found.flatMap(({ firsts }) => firsts)
    assert.deepEqual([all.length, new Set(all).size], [600, 600])
  })
})
