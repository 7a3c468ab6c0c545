import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../packages/curfew/src/platform/clock.ts'
import { openLink, type Reply } from '../packages/curfew/src/stores/redis/link.ts'
import { findProgram } from '../tools/system-deps.ts'

/** A real server on a unix socket, as the documentation says for an installation: everything appended to a file, synced every second. */
export interface RedisServer extends AsyncDisposable {
  readonly socket: string
  command(...args: readonly string[]): Promise<Reply>
  /** Bytes of what is stored, as the server counts them, and what its process takes. */
  memory(): Promise<{ readonly used: number; readonly resident: number }>
  /** CPU that it used so far. */
  cpuSeconds(): Promise<number>
  /** Bytes of its append-only files. */
  disk(): Promise<number>
  /** Writes a snapshot (`BGSAVE`). */
  snapshot(): Promise<Snapshot>
  /** Writes the append-only file anew, with what is there now. */
  rewrite(): Promise<void>
}

/** What a snapshot took, and for how long the server answered nobody at its beginning. */
export interface Snapshot {
  readonly ms: number
  readonly bytes: number
  readonly forkMs: number
}

const pauseMs = 50

export async function startRedisServer(): Promise<RedisServer> {
  const program = findProgram(['redis-server', 'valkey-server'])
  if (program === undefined) throw new Error('redis-server is not on this machine')
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-redis-'))
  const socket = join(folder, 'socket')
  const settings = ['--port', '0', '--unixsocket', socket, '--dir', folder, '--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec']
  const child = spawn(program, settings, { stdio: 'ignore' })
  const command = async (...args: readonly string[]): Promise<Reply> => {
    const link = await openLink({ address: { host: 'localhost', port: 0, path: socket }, access: {}, clock: systemClock, label: 'bench' })
    try {
      return await link.send(args)
    } finally {
      link.close()
    }
  }
  const until = async (holds: () => Promise<boolean>): Promise<void> => {
    while (!(await holds().catch(() => false))) {
      if (child.exitCode !== null) throw new Error(`redis-server ended with ${child.exitCode}`)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
  }
  const field = async (section: string, name: string): Promise<string> =>
    new RegExp(`^${name}:(\\S+)`, 'm').exec(String(await command('INFO', section)))?.[1] ?? ''
  await until(async () => (await command('PING')) === 'PONG')
  return {
    socket,
    command,
    memory: async () => ({ used: Number(await field('memory', 'used_memory')), resident: Number(await field('memory', 'used_memory_rss')) }),
    cpuSeconds: async () => Number(await field('cpu', 'used_cpu_user')) + Number(await field('cpu', 'used_cpu_sys')),
    async disk() {
      const files = join(folder, 'appendonlydir')
      const sizes = await Promise.all((await readdir(files)).map(async (name) => (await stat(join(files, name))).size))
      return sizes.reduce((sum, size) => sum + size, 0)
    },
    async snapshot() {
      const startMs = performance.now()
      await command('BGSAVE')
      await until(async () => (await field('persistence', 'rdb_bgsave_in_progress')) === '0')
      const ms = performance.now() - startMs
      const { size } = await stat(join(folder, 'dump.rdb'))
      return { ms, bytes: size, forkMs: Number(await field('stats', 'latest_fork_usec')) / 1_000 }
    },
    async rewrite() {
      await command('BGREWRITEAOF')
      await until(async () => (await field('persistence', 'aof_rewrite_in_progress')) === '0' && (await field('persistence', 'aof_rewrite_scheduled')) === '0')
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      await rm(folder, { recursive: true, force: true })
    }
  }
}
