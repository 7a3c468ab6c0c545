import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { StandInOptions } from './feed-stand-in.ts'
import { clientSecret, cookieFor } from './gateway-feed.ts'
import { followerDomain } from './gateway-follower.ts'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import { type Load, loadName, sendLoad } from './load.ts'
import { freePort } from './oidc/ports.ts'

const entriesDefault = 10_000_000
const barMegabytes = 400
const pauseMs = 100
/** After that long a gateway has given back what only reading the list took. */
const settleMs = 10_000
const rounds = 10
const roundSeconds = 2
/** About as many as a gateway remembers by their cookies. */
const sessions = 10_000
const answer = Buffer.alloc(1_024, 'x')

interface Side {
  readonly name: string
  readonly gateway: GatewayProcess
  readonly load: Load
  /** Requests per CPU-second of each round. */
  readonly rates: number[]
}

/**
 * The whole process of an installed gateway with a list at its promised size, fed by a stand-in for the authority: memory
 * while the list comes in, after that, and under load; and what it proxies, beside a gateway with an empty list, in turns.
 *
 * @param other - a command of another build, which then takes the place of the gateway with an empty list
 */
export async function benchFullGateway(entries = entriesDefault, other?: string): Promise<readonly string[]> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-full-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const upstream = createServer((_request, response) => response.writeHead(200, { 'content-length': answer.length }).end(answer))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  stack.defer(() => {
    upstream.closeAllConnections()
    upstream.close()
  })
  const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const lines: string[] = []
  const cookies = Array.from({ length: sessions }, (_, i) => cookieFor(`session ${i} that goes on`))
  const start = async (name: string, count: number, program?: string): Promise<Side> => {
    const [feedPort, port] = [await freePort(), await freePort()]
    const standIn = await startStandIn({ port: feedPort, entries: count })
    stack.defer(() => void standIn.kill())
    const startMs = performance.now()
    const gateway = stack.use(await startGatewayProcess(folder, { issuer: `http://127.0.0.1:${feedPort}`, clientSecret, port, target }, program))
    const load = { port, path: '/notes', headers: { host: `wiki.${followerDomain}:${port}` }, cookies }
    while (!(await isReady(gateway, port, count))) await new Promise((resolve) => setTimeout(resolve, pauseMs))
    const seconds = (performance.now() - startMs) / 1_000
    const cpuSeconds = gateway.cpuSeconds()
    const { most } = gateway.memory()
    await new Promise((resolve) => setTimeout(resolve, settleMs))
    const { resident } = gateway.memory()
    const verdict = name !== own || count < entriesDefault ? '' : ` (bar ${barMegabytes} MB ${megabytes(most) <= barMegabytes ? 'met' : 'MISSED'})`
    lines.push(
      `  ${name}: ${megabytes(resident)} MB resident, ${megabytes(most)} MB at the most while the list came in${verdict}; ready after ${seconds.toFixed(1)} s and ${cpuSeconds.toFixed(1)} CPU-seconds`
    )
    return { name, gateway, load, rates: [] }
  }
  const own = 'this gateway'
  const sides = [await start(own, entries), other === undefined ? await start('one with an empty list', 0) : await start('the other build', entries, other)]
  for (const side of sides) await round(side)
  // Who comes first is not the same each time: what the other has just done is felt.
  for (let i = 0; i < rounds; i++) for (const side of i % 2 === 0 ? sides : sides.toReversed()) side.rates.push(await round(side))
  const [first = 0, second = 1] = sides.map(({ rates }) => median(rates))
  return [
    `A whole curfew gateway, ${entries.toLocaleString('en')} revoked sessions by a feed (installed, Node included, as the kernel counts it; load by ${loadName}, ${sessions.toLocaleString('en')} sessions in turn; the two in turns)`,
    ...lines,
    ...sides.map(
      ({ name, gateway, rates }) =>
        `  ${name}, under load: ${Math.round(median(rates))} proxied requests per CPU-second, ${megabytes(gateway.memory().resident)} MB, ${megabytes(gateway.memory().most)} MB at the most`
    ),
    `  ratio: ${(first / second).toFixed(2)}, medians of ${rounds} rounds`
  ]
}

async function isReady(gateway: GatewayProcess, port: number, count: number): Promise<boolean> {
  if (count > 0) return (await gateway.revoked()) >= count
  return (await fetch(`http://127.0.0.1:${port}/pa/heartbeat.ping`).catch(() => undefined))?.status === 200
}

async function round({ gateway, load }: Side): Promise<number> {
  const before = gateway.cpuSeconds()
  const count = await sendLoad(load, roundSeconds)
  return count / (gateway.cpuSeconds() - before)
}

async function startStandIn(options: StandInOptions): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('feed-stand-in.ts', import.meta.url)), [JSON.stringify(options)])
  await once(child, 'message')
  return child
}

function median(rates: readonly number[]): number {
  return rates.toSorted((a, b) => a - b)[rates.length >> 1] ?? 0
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6)
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  for (const text of await benchFullGateway(Number(process.argv[2] ?? entriesDefault), process.argv[3])) console.log(text)
