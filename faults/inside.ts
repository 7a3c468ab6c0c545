import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'

const mark = 'CURFEW_FAULTS_INSIDE'

/** True in the process that has the namespaces to itself. */
export function isInside(): boolean {
  return process.env[mark] === '1'
}

/** What starts a program in network, mount and process namespaces of its own; undefined: this machine does not permit it. */
export function namespaces(): readonly string[] | undefined {
  const own = ['unshare', '--net', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child']
  const tries = [own, [...own, '--map-root-user']]
  return tries.find(([program = '', ...args]) => spawnSync(program, [...args, 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'ignore' }).status === 0)
}

/** Starts this program again inside; resolves with its exit code. Whatever it started goes with it. */
export async function goInside(prefix: readonly string[]): Promise<number> {
  const [program = '', ...args] = [...prefix, process.execPath, ...process.argv.slice(1)]
  const child = spawn(program, args, { stdio: 'inherit', env: { ...process.env, [mark]: '1' } })
  // unshare itself pays no heed to anything milder; what runs inside dies with it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGKILL'))
  return new Promise((resolve) => {
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

/** A place for named network namespaces that nobody else sees. */
export function hideNamespaces(): void {
  mkdirSync('/run/netns', { recursive: true })
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', '/run/netns'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`mount: ${stderr}`)
}
