import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freeRange } from '../packages/curfew/test/support/ports.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** Seconds from the clone to the list of the demo, and from the end of `npm ci` to it. */
const wholeBar = 60
const demoBar = 3
/** Ports that the demo may take, from its first. */
const demoPorts = 40
/** The last line of the list that the demo prints. */
const lastLine = /^ +Stop +Ctrl\+C$/
const msMax = 15 * 60_000

/**
 * What somebody waits for who tries the product: a fresh clone, `npm ci` with an empty cache, `npm run demo` until its list
 * is printed, with the node and npm of the machine. Wall-clock, the download from the registry included.
 */
export async function benchColdStart(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-cold-start-'))
  const clone = join(folder, 'curfew')
  const env = freshEnvironment(join(folder, 'npm-cache'))
  try {
    const cloning = await secondsOf(() => run('git', ['clone', '--quiet', '--no-local', '--depth', '1', `file://${root}`, clone], { cwd: folder, env }))
    const installing = await secondsOf(() => run('npm', ['ci'], { cwd: clone, env }))
    const first = await demoOf(clone, env)
    const again = await demoOf(clone, env)
    const whole = cloning + installing + first
    return [
      'Cold start, wall-clock, the registry included',
      seconds('git clone', cloning),
      seconds('npm ci, empty cache', installing),
      seconds('npm run demo, until its list is printed', first, demoBar),
      seconds('the same in a folder that it ran in before', again, demoBar),
      seconds('from the clone to the list', whole, wholeBar)
    ]
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Nothing of the npm and the Node that run this: neither their programs, nor their settings, nor what they have compiled. */
function freshEnvironment(cache: string): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => name === 'npm_config_registry' || !/^(npm_|NODE_)/i.test(name))
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((entry) => !entry.includes('node_modules'))
  return { ...Object.fromEntries(kept), PATH: path.join(delimiter), npm_config_cache: cache }
}

async function run(command: string, args: readonly string[], options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }): Promise<void> {
  await promisify(execFile)(command, args, { ...options, timeout: msMax, maxBuffer: 64 * 1024 * 1024 })
}

/** Seconds until the demo has printed its list; then it is stopped, and waited for. */
async function demoOf(clone: string, env: NodeJS.ProcessEnv): Promise<number> {
  const port = await freeRange(demoPorts)
  const startedMs = performance.now()
  // A group of its own: npm does not hand a signal on to what it runs.
  const child = spawn('npm', ['run', 'demo', '--', '--port', String(port)], { cwd: clone, env, detached: true, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  try {
    await printed(child)
    return (performance.now() - startedMs) / 1000
  } finally {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
    await ended
  }
}

async function printed({ stdout }: ChildProcess): Promise<void> {
  if (stdout === null) throw new TypeError('the output of the demo is not read')
  for await (const line of createInterface(stdout)) if (lastLine.test(line)) return
  throw new Error('the demo ended before it had printed its list')
}

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const startedMs = performance.now()
  await work()
  return (performance.now() - startedMs) / 1000
}

function seconds(what: string, value: number, bar?: number): string {
  const verdict = bar === undefined ? '' : `, ${(value / bar).toFixed(2)} of the bar of ${bar} s${value <= bar ? ', met' : ': MISSED'}`
  return `  ${what.padEnd(44)} ${value.toFixed(1).padStart(7)} s${verdict}`
}
