import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { CrowdOptions, CrowdSays } from './crowd.ts'
import { createGatewayKit } from './kit.ts'
import { Visitor } from './visitor.ts'

export const wanted = 10_000
/** What the process needs besides the connections. */
const ownFiles = 500
/** With fewer connections nothing is shown of thousands. */
export const leastShown = 2_000

/** Allows this process, and those it starts from then on, as many open files as are wanted, where it may: root may. */
export function allowOpenFiles(): void {
  const files = Math.max(32_768, 2 * wanted + ownFiles)
  // By util-linux; where it is not there, or not allowed, the limit stays as it is.
  if (process.getuid?.() === 0) spawnSync('prlimit', ['--pid', String(process.pid), `--nofile=${files}:${files}`])
}

/** WebSockets of one session, opened through a gateway in this process, and how they closed when the session ended. */
export interface ClosedConnections {
  /** Less than wanted where the machine allows one process no more open files. */
  readonly count: number
  /** Milliseconds from the call that ends the session to the close frame at the client, in order. */
  readonly timesMs: readonly number[]
  /** Clients that got a close frame 4001. */
  readonly frames: number
  readonly liveBefore: number
  readonly liveAfter: number
  /** Resident octets of this process for each, both its connections. */
  readonly octetsEach: number
}

/** Opens as many WebSockets as the machine allows, ten thousand at the most, and ends their session. */
export async function closeConnections(): Promise<ClosedConnections> {
  const children: ChildProcess[] = []
  const start = (name: string, ...parts: readonly string[]): ChildProcess => {
    // The switches of a test run are not for it.
    const child = fork(fileURLToPath(new URL(name, import.meta.url)), parts, { execArgv: [] })
    children.push(child)
    return child
  }
  try {
    const [port] = (await once(start('holding-application.ts'), 'message')) as [number]
    await using kit = await createGatewayKit({ applications: [{ urls: ['WIKI'], target: `http://127.0.0.1:${port}` }] })
    const visitor = new Visitor()
    const page = await visitor.open(`${kit.wiki}/`)
    if (page.status !== 200) throw new Error(`no session: ${page.status}`)
    const cookie = [...visitor.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`).join('; ')
    const { host, port: gatewayPort } = new URL(kit.wiki)
    const head = `GET /live HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: ${cookie}\r\n\r\n`
    const count = connectionsHere()
    const before = process.memoryUsage().rss
    const crowd = start('crowd.ts', JSON.stringify({ port: Number(gatewayPort), count, head } satisfies CrowdOptions))
    const opened = await says(crowd)
    if (opened.kind !== 'open') throw new Error('the crowd closed before it was open')
    const liveBefore = kit.gateway.context.live.count
    const octetsEach = Math.round((process.memoryUsage().rss - before) / count)
    const told = says(crowd)
    const startedMs = Date.now()
    await kit.endAll()
    const end = await told
    if (end.kind !== 'closed') throw new Error('the crowd did not close')
    const timesMs = end.atMs.map((atMs) => atMs - startedMs).toSorted((a, b) => a - b)
    return { count, timesMs, frames: end.frames, liveBefore, liveAfter: kit.gateway.context.live.count, octetsEach }
  } finally {
    for (const child of children) child.kill()
  }
}

/** As many as wanted, or as the machine allows: each is two open files of the gateway, one to the browser and one to the application. */
export function connectionsHere(): number {
  const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : ''
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 2 * wanted + ownFiles)
  return Math.min(wanted, Math.floor((files - ownFiles) / 2))
}

async function says(crowd: ChildProcess): Promise<CrowdSays> {
  const over = new AbortController()
  const { signal } = over
  const died = once(crowd, 'exit', { signal }).then(([code]: number[]) => {
    throw new Error(`the crowd ended with ${code}`)
  })
  try {
    const [word] = (await Promise.race([once(crowd, 'message', { signal }), died])) as [CrowdSays]
    return word
  } finally {
    died.catch(() => undefined)
    over.abort()
  }
}
