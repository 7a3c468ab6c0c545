import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { freeRange } from './ports.ts'

const program = `
import { freeRange } from ${JSON.stringify(new URL('ports.ts', import.meta.url).href)}
const first = await freeRange(200)
console.log(first)
process.stdin.resume()
process.stdin.on('end', () => process.exit(0))
`

suite('Ports of tests', () => {
  test('ranges that are given at once never overlap, also before anybody listens', async () => {
    const counts = Array.from({ length: 40 }, (_, i) => 1 + (i % 20))
    const firsts = await Promise.all(counts.map(freeRange))
    const ports = firsts.flatMap((first, i) => Array.from({ length: counts[i] ?? 0 }, (_, n) => first + n))
    assert.equal(new Set(ports).size, ports.length)
    assert.ok(ports.every((port) => port >= 12_000 && port < 32_768))
  })

  test('other processes get others, and a process that was given some can end', async () => {
    const found = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const child = promisify(execFile)(process.execPath, ['--input-type=module-typescript', '-e', program])
        const first = Number(await new Promise<string>((resolve) => child.child.stdout?.once('data', (text: Buffer) => resolve(text.toString()))))
        return { first, child }
      })
    )
    for (const { child } of found) child.child.stdin?.end()
    await Promise.all(found.map(({ child }) => child))
    const firsts = found.map(({ first }) => first).toSorted((a, b) => a - b)
    assert.ok(
      firsts.every((first, i) => i === 0 || first - (firsts[i - 1] ?? 0) >= 200),
      firsts.join(' ')
    )
  })
})
