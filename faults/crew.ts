import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Event, Wish } from './events.ts'

/** One node of the product in a process of its own, with callers in it. */
export interface Node {
  readonly name: string
  readonly process: ChildProcess
  /** Everything it told so far. */
  readonly events: readonly Event[]
  /** What it has logged. */
  said(): string
  /** Tells it to do something; resolves when it has, rejects when it dies first. */
  order(wish: Wish): Promise<void>
  kill(): Promise<void>
}

export interface NodeStart {
  readonly name: string
  readonly config: string
  /** What the process is started with, such as a network namespace to be in. */
  readonly prefix?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Absent: the node of this version. */
  readonly script?: string
}

const ownScript = fileURLToPath(new URL('node.ts', import.meta.url))

/** Starts a node; resolves when it serves. @throws what it said when it does not start */
export async function startNode({ name, config, prefix = [], environment = {}, script = ownScript }: NodeStart): Promise<Node> {
  const [program = process.execPath, ...args] = [...prefix, process.execPath, script, config] as readonly (string | undefined)[] as string[]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment } })
  const events: Event[] = []
  const waiting = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>()
  const ready = Promise.withResolvers<void>()
  let text = ''
  let last = 0
  child.stdin.on('error', () => undefined)
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = eventOf(line)
    if (event === undefined) return
    if (event.kind === 'ready') ready.resolve()
    else if (event.kind === 'done') waiting.get(event.number)?.resolve()
    else events.push(event)
  })
  child.once('close', () => {
    const gone = new Error(`node ${name} is gone: ${text.slice(-2_000)}`)
    ready.reject(gone)
    for (const { reject } of waiting.values()) reject(gone)
  })
  await ready.promise
  return {
    name,
    process: child,
    events,
    said: () => text,
    async order(wish) {
      if (isGone(child)) throw new Error(`node ${name} is gone`)
      last += 1
      const number = last
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      waiting.set(number, { resolve, reject })
      child.stdin.write(`${JSON.stringify({ ...wish, number })}\n`)
      await promise
      waiting.delete(number)
    },
    async kill() {
      if (isGone(child)) return
      child.kill('SIGKILL')
      // `close` comes after everything that it wrote before it died was read.
      await once(child, 'close')
    }
  }
}

function isGone({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}

/** The last line of a process that was killed may be half a line: that was not acknowledged. */
function eventOf(line: string): Event | undefined {
  try {
    return JSON.parse(line) as Event
  } catch {
    return undefined
  }
}
