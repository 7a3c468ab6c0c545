import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

export interface ProgramStart {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  /** Everything that it writes goes here. */
  readonly logFile: string
}

/** An ordinary process, the leader of its own process group, so that signals reach its children too. */
export interface Program {
  signal(signal: NodeJS.Signals): void
  /** Asks it to stop; after three seconds it is made to. */
  stop(): Promise<void>
  isRunning(): boolean
  /** The end of its log, for a message about a failure. */
  log(): string
}

/** Everything this run has started; nothing of it outlives the run. */
export interface Programs {
  start(what: ProgramStart): Program
  stopAll(): Promise<void>
  /** At once and without waiting, for the last moment of this process. */
  killAll(): void
}

const stopMsMax = 3_000
const logLinesShown = 12

export function createPrograms(): Programs {
  const running = new Set<ChildProcess>()
  const send = (child: ChildProcess, signal: NodeJS.Signals): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal)
    } catch {
      // The whole group is gone already.
    }
  }
  const stop = async (child: ChildProcess): Promise<void> => {
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    if (!isRunning(child)) return
    // A group that stands still takes no SIGTERM.
    send(child, 'SIGCONT')
    send(child, 'SIGTERM')
    await Promise.race([ended, sleep(stopMsMax, undefined, { ref: false })])
    send(child, 'SIGKILL')
    if (isRunning(child)) await Promise.race([ended, sleep(stopMsMax, undefined, { ref: false })])
    running.delete(child)
  }
  return {
    start(what) {
      const log = openSync(what.logFile, 'a')
      const child = spawn(what.command, what.args, {
        cwd: what.folder,
        detached: true,
        env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, ...what.environment },
        stdio: ['ignore', log, log]
      })
      closeSync(log)
      child.on('error', () => running.delete(child))
      running.add(child)
      return {
        signal: (signal) => send(child, signal),
        stop: () => stop(child),
        isRunning: () => isRunning(child),
        log: () => `${what.name}:\n${readFileSync(what.logFile, 'utf8').trimEnd().split('\n').slice(-logLinesShown).join('\n')}`
      }
    },
    async stopAll() {
      await Promise.all([...running].map(stop))
    },
    killAll() {
      for (const child of running) send(child, 'SIGKILL')
    }
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

export interface Answer {
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}

/** One GET to a `*.localhost` server on this machine; redirects are not followed. */
export function get(url: string, headers: Readonly<Record<string, string>> = {}, timeoutMs = 5_000): Promise<Answer> {
  const { hostname, port, host, pathname, search } = new URL(url)
  const address = hostname.endsWith('localhost') ? '127.0.0.1' : hostname
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: address, port, path: pathname + search, headers: { ...headers, host }, agent: false, signal: AbortSignal.timeout(timeoutMs) },
      (answer) => {
        let body = ''
        answer.setEncoding('utf8')
        answer.on('data', (text: string) => (body += text))
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, location: answer.headers.location, body }))
        answer.on('error', reject)
      }
    )
    sent.on('error', reject)
    sent.end()
  })
}

/** Asks until it answers with 200. @throws Error with the program's last log lines when it does not in time */
export async function untilAnswers(program: Program, url: string, timeoutMs = 15_000, headers: Readonly<Record<string, string>> = {}): Promise<string> {
  const untilMs = performance.now() + timeoutMs
  let last = 'no answer'
  while (performance.now() < untilMs && program.isRunning()) {
    try {
      const answer = await get(url, headers)
      if (answer.status === 200) return answer.body
      last = `status ${answer.status}`
    } catch (error) {
      last = error instanceof Error ? error.message : String(error)
    }
    await sleep(100)
  }
  throw new Error(`${url} did not come up (${last})\n${program.log()}`)
}
