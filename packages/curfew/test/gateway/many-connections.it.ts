import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { CrowdOptions, CrowdSays } from './crowd.ts'
import { createGatewayKit } from './kit.ts'
import { Visitor } from './visitor.ts'

const wanted = 10_000
/** What the process needs besides the connections. */
const ownFiles = 500

/** Every WebSocket is two open files of the gateway: one to the browser, one to the application. */
function countHere(): number {
  const limits = existsSync('/proc/self/limits') ? readFileSync('/proc/self/limits', 'utf8') : ''
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 2 * wanted + ownFiles)
  return Math.min(wanted, Math.floor((files - ownFiles) / 2))
}

function start(name: string, ...parts: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL(name, import.meta.url)), parts)
}

suite('Ten thousand open connections', () => {
  test('are all closed with 4001 when their session ends', async (t) => {
    const application = start('holding-application.ts')
    t.after(() => application.kill())
    const [port] = (await once(application, 'message')) as [number]
    await using kit = await createGatewayKit({ applications: [{ urls: ['WIKI'], target: `http://127.0.0.1:${port}` }] })
    const visitor = new Visitor()
    assert.equal((await visitor.open(`${kit.wiki}/`)).status, 200)
    const cookie = [...visitor.jar(kit.wiki)].map(([name, value]) => `${name}=${value}`).join('; ')
    const { host, port: gatewayPort } = new URL(kit.wiki)
    const head = `GET /live HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: ${cookie}\r\n\r\n`
    const count = countHere()
    const before = process.memoryUsage().rss
    const crowd = start('crowd.ts', JSON.stringify({ port: Number(gatewayPort), count, head } satisfies CrowdOptions))
    t.after(() => crowd.kill())
    assert.deepEqual(await says(crowd), { kind: 'open' })
    assert.equal(kit.gateway.context.live.count, count)
    const perConnection = Math.round((process.memoryUsage().rss - before) / count / 1024)
    const told = says(crowd)
    const startedMs = Date.now()
    await kit.endAll()
    const end = await told
    assert.ok(end.kind === 'closed')
    const times = end.atMs.map((atMs) => atMs - startedMs).toSorted((a, b) => a - b)
    const [p50 = 0, p99 = 0, last = 0] = [times.at(count >> 1), times.at(Math.floor(count * 0.99)), times.at(-1)]
    t.diagnostic(
      `${count} WebSockets, ${2 * count} sockets of the gateway: closed after ${p50} ms (p50), ${p99} ms (p99), ${last} ms (last); ${perConnection} KB each`
    )
    if (count < wanted) t.diagnostic(`not ${wanted}: this machine allows one process no more open files`)
    assert.deepEqual([times.length, end.frames, kit.gateway.context.live.count], [count, count, 0])
    // How fast depends on what else the machine does: `npm run bench -- gateway` says it of a quiet one.
    assert.ok(last <= 30_000, `the last after ${last} ms`)
  })
})

/** The next word of a crowd; fails when it dies. */
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
