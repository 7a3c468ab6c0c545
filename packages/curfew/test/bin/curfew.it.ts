import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const bin = fileURLToPath(new URL('../../bin/curfew.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'curfew-bin-'))
/** Makes a process take itself for Node 20; it is not inherited by the processes that it starts. */
const older = join(folder, 'older.cjs')
writeFileSync(older, `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`)
/** As above, with a terminal as its input. */
const inTerminal = join(folder, 'terminal.cjs')
writeFileSync(inTerminal, `require('./older.cjs')\nObject.defineProperty(process, 'stdin', { value: { isTTY: true } })`)

after(() => rmSync(folder, { recursive: true, force: true }))

/** The published layout: `node_modules/curfew`, and Node 26 beside it when asked for. */
function install(name: string, cli: string, node: 'new' | 'old' | 'none'): string {
  const at = join(folder, name)
  mkdirSync(join(at, 'node_modules/curfew/bin'), { recursive: true })
  mkdirSync(join(at, 'node_modules/.bin'), { recursive: true })
  copyFileSync(bin, join(at, 'node_modules/curfew/bin/curfew.js'))
  writeFileSync(join(at, 'node_modules/curfew/package.json'), '{"type":"module"}')
  writeFileSync(join(at, 'node_modules/curfew/cli.js'), cli)
  if (node === 'new') symlinkSync(process.execPath, join(at, 'node_modules/.bin/node'))
  if (node === 'old') {
    writeFileSync(join(at, 'node_modules/.bin/node'), '#!/bin/sh\necho v18.0.0\n')
    chmodSync(join(at, 'node_modules/.bin/node'), 0o755)
  }
  return join(at, 'node_modules/curfew/bin/curfew.js')
}

function start(program: string, args: readonly string[] = [], preloaded = older): ChildProcess {
  return spawn(process.execPath, ['--require', preloaded, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}

function run(program: string, args: readonly string[] = []): { readonly status: number | null; readonly stdout: string; readonly stderr: string } {
  return spawnSync(process.execPath, ['--require', older, program, ...args], { encoding: 'utf8', timeout: 30_000 })
}

suite('The program under an older Node', () => {
  test('goes on with the Node 26 of the repository', () => {
    const { status, stdout, stderr } = run(bin, ['version'])
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/)
  })

  test('goes on with a Node 26 that is installed beside the package, with its arguments and its exit code', () => {
    const program = install('beside', `export const main = async (argv) => { console.log(argv.slice(2).join('|')); return 3 }`, 'new')
    const { status, stdout } = run(program, ['runs', 'show', 'run_1 2'])
    assert.deepEqual([status, stdout], [3, 'runs|show|run_1 2\n'])
  })

  const printing = `export const main = async () => { console.log('good'); return 3 }`
  /** As a person runs it: tests keep what they compile elsewhere. */
  const plainly = (program: string) =>
    spawnSync(process.execPath, [program], { encoding: 'utf8', timeout: 120_000, env: { ...process.env, NODE_COMPILE_CACHE: undefined } })

  test('keeps what was compiled beside its code, and nowhere else', () => {
    const program = install('keeping', printing, 'none')
    const { status, stdout, stderr } = plainly(program)
    assert.deepEqual([status, stdout, stderr], [3, 'good\n', ''])
    const kept = readdirSync(join(folder, 'keeping/node_modules/curfew/node_modules/.cache/compiled'), { recursive: true, withFileTypes: true })
    assert.ok(kept.some((entry) => entry.isFile()))
    assert.equal(plainly(program).stdout, 'good\n')
  })

  test('starts all the same where nothing can be kept', () => {
    const program = install('full', printing, 'none')
    writeFileSync(join(folder, 'full/node_modules/curfew/node_modules'), 'a file in the way')
    const { status, stdout, stderr } = plainly(program)
    assert.deepEqual([status, stdout, stderr], [3, 'good\n', ''])
  })

  for (const node of ['none', 'old'] as const)
    test(`says what is missing and how to get it, and exits with 78, when the only other Node is: ${node}`, () => {
      const { status, stdout, stderr } = run(install(`missing-${node}`, `export const main = async () => 0`, node))
      assert.deepEqual([status, stdout], [78, ''])
      const lines = stderr.trimEnd().split('\n')
      assert.equal(lines.length, 2)
      assert.match(lines[0] ?? '', /needs Node 26 or later; this is Node 20\.20\.2/)
      assert.match(lines[1] ?? '', /npm ci/)
    })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    test(`hands ${signal} on and waits for the end`, async () => {
      const cli = `export const main = () => new Promise((resolve) => {
  const alive = setInterval(() => {}, 1000)
  process.once('${signal}', () => { clearInterval(alive); console.log('stopped by ${signal}'); resolve(7) })
  console.log('ready')
})`
      const child = start(install(`signal-${signal}`, cli, 'new'))
      let text = ''
      child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
        if (text === '') child.kill(signal)
        text += chunk
      })
      const [code] = (await once(child, 'close')) as [number | null]
      assert.deepEqual([code, text], [7, `ready\nstopped by ${signal}\n`])
    })

  test('leaves Ctrl+C to the terminal, which sends it to both processes', async () => {
    const cli = `export const main = () => new Promise((resolve) => {
  let count = 0
  process.on('SIGINT', () => { count += 1; if (count === 1) setTimeout(() => { console.log(count); resolve(0); process.exit(0) }, 300) })
  console.log(process.pid)
})
setInterval(() => {}, 1000)`
    const child = start(install('terminal', cli, 'new'), [], inTerminal)
    const lines: string[] = []
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      lines.push(chunk.trim())
      if (lines.length > 1) return
      child.kill('SIGINT')
      process.kill(Number(chunk), 'SIGINT')
    })
    const [code] = (await once(child, 'close')) as [number | null]
    assert.deepEqual([code, lines.at(-1)], [0, '1'])
  })

  test('a process that was killed is told to the shell as shells do', async () => {
    const child = start(install('killed', `export const main = async () => { process.kill(process.pid, 'SIGKILL'); return 0 }`, 'new'))
    const [code] = (await once(child, 'close')) as [number | null]
    assert.equal(code, 137)
  })
})
