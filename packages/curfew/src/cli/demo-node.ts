import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync } from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { CurfewError } from '@curfew/codecs'
import { request } from 'undici'

/** A program of the demo in a process of its own. */
export interface DemoProcess {
  readonly name: string
  readonly port: number
  /** Of the process now; undefined while there is none. */
  readonly pid: number | undefined
  /** Starts it, or starts it again, and waits until it serves. */
  start(): Promise<void>
  /** Ends it without a word, as a machine that dies. */
  kill(): Promise<void>
  stop(): Promise<void>
}

const startMsMax = 60_000

interface Program {
  readonly name: string
  readonly port: number
  readonly file: string
  readonly args: readonly string[]
  /** Where it writes what it has to say. */
  readonly log: string
  readonly isServing: () => Promise<boolean>
  /** When the program is not on this machine. */
  readonly missing: () => Error
}

/** A node of the authority, as `curfew start` makes one. */
export function demoNode(options: { readonly name: string; readonly port: number; readonly config: string; readonly folder: string }): DemoProcess {
  const { name, port, config, folder } = options
  const isServing = async (): Promise<boolean> => {
    const { statusCode, body } = await request(`http://127.0.0.1:${port}/pf/heartbeat.ping`)
    await body.dump()
    return statusCode === 200
  }
  return processOf({
    name,
    port,
    file: process.execPath,
    args: [process.argv[1] ?? '', 'start', '--config', config],
    log: join(folder, `${name}.log`),
    isServing,
    missing: () => new Error(`${process.execPath} can not be started`)
  })
}

const servers = ['redis-server', 'valkey-server'] as const

/** A real server of Redis or Valkey. @throws CURFEW_CLI_PROGRAM_MISSING when neither is on this machine */
export async function startDemoServer(options: { readonly name: string; readonly port: number; readonly folder: string }): Promise<DemoProcess> {
  const { name, port, folder } = options
  const data = join(folder, name)
  mkdirSync(data, { recursive: true })
  const missing = (): Error => new CurfewError('CURFEW_CLI_PROGRAM_MISSING', { program: servers.join(' or '), install: 'sudo apt-get install redis-server' })
  for (const file of servers) {
    const server = processOf({
      name,
      port,
      file,
      args: ['--port', String(port), '--bind', '127.0.0.1', '--dir', data, '--save', '', '--appendonly', 'yes'],
      log: join(folder, `${name}.log`),
      isServing: () => isOpen(port),
      missing
    })
    try {
      await server.start()
      return server
    } catch (error) {
      if (!(error instanceof CurfewError) || error.code !== 'CURFEW_CLI_PROGRAM_MISSING') throw error
    }
  }
  throw missing()
}

function processOf({ name, port, file, args, log, isServing, missing }: Program): DemoProcess {
  let child: ChildProcess | undefined
  const isRunning = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null && child.pid !== undefined
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child === undefined || !isRunning()) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  // Whatever becomes of the demo, nothing of it is left behind.
  process.once('exit', () => void child?.kill('SIGKILL'))
  return {
    name,
    port,
    get pid() {
      return isRunning() ? child?.pid : undefined
    },
    async start() {
      if (isRunning()) return
      const output = openSync(log, 'a')
      const started = spawn(file, args, { stdio: ['ignore', output, output] })
      child = started
      let failure: (Error & { readonly code?: string }) | undefined
      started.on('error', (error) => (failure = error))
      const untilMs = performance.now() + startMsMax
      for (;;) {
        if (await isServing().catch(() => false)) return
        if (failure?.code === 'ENOENT') throw missing()
        if (failure !== undefined) throw failure
        if (started.exitCode !== null || performance.now() > untilMs) throw new Error(`${name} does not start; what it said is in ${log}`)
        await sleep(50)
      }
    },
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM')
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
