import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { revocationFingerprint, RevokedSet } from '@curfew/codecs'
import { type GatewayChild, startGatewayChild } from './gateway-start.ts'
import { loadName, sendLoad } from './load.ts'
import { webSocketLine } from './web-sockets.ts'

const rounds = 4
const roundSeconds = 2
/** So many are known by their cookies, and so many are not: the gateway remembers 10,000. */
const [sessionsRemembered, sessions] = [1_000, 20_000]
const answer = Buffer.alloc(1_024, 'x')

/**
 * The gateway against the least that a proxy can do: requests per CPU-second of its own process, the two in turns. The
 * application and the load are in other processes and do not count.
 */
export async function benchGateway(): Promise<readonly string[]> {
  const upstream = createServer((_request, response) => response.writeHead(200, { 'content-length': answer.length }).end(answer))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  await using gateway = await startGatewayChild('gateway', target, sessions)
  await using signed = await startGatewayChild('signed', target, sessions)
  await using bare = await startGatewayChild('bare', target)
  await using route = await startGatewayChild('route', target)
  const { headers, cookies } = gateway.ready
  const few = cookies.slice(0, sessionsRemembered)
  const proxied = await inTurns([
    [bare, '/notes', headers, few],
    [gateway, '/notes', headers, few],
    [gateway, '/notes', headers, cookies],
    [signed, '/notes', signed.ready.headers, signed.ready.cookies]
  ])
  const decided = await inTurns([
    [route, '/pa/auth/envoy/notes', headers, few],
    [gateway, '/pa/auth/envoy/notes', headers, few],
    [gateway, '/pa/auth/envoy/notes', headers, cookies]
  ])
  upstream.closeAllConnections()
  upstream.close()
  return [
    `Gateway (requests per CPU-second of the process, in turns, load by ${loadName}, a list of a million revoked sessions)`,
    ...lines(proxied, 'a bare undici dispatch proxy', [
      `proxied, ${sessionsRemembered} sessions in turn`,
      `${sessions} sessions in turn, so that every cookie is opened`,
      'the same with signed cookies'
    ]),
    ...lines(decided, 'an empty Fastify route', [
      `forward-auth decisions, ${sessionsRemembered} sessions in turn`,
      `${sessions} sessions in turn, so that every cookie is opened`
    ]),
    memoryLine(),
    await webSocketLine()
  ]
}

/** One line each for what came behind the first rate, which they are compared with. */
function lines([reference = 1, ...rates]: readonly number[], than: string, names: readonly string[]): readonly string[] {
  return names.map((name, i) => {
    const rate = rates[i] ?? 0
    return `  ${name}: ${Math.round(rate)}/s, ${Math.round((100 * rate) / reference)} % of ${than} (${Math.round(reference)}/s)`
  })
}

/** Ten million entries, as the feed brings them. */
function memoryLine(): string {
  const count = 10_000_000
  const set = new RevokedSet()
  const before = process.memoryUsage().rss
  const octets = Buffer.from(revocationFingerprint('bench'), 'base64url')
  let peak = before
  for (let i = 0; i < count; i++) {
    octets.writeUInt32BE(Math.imul(i, 2_654_435_761) >>> 0, 0)
    octets.writeUInt32BE(Math.imul(i ^ 0x9e3779b9, 0x85ebca6b) >>> 0, 4)
    set.add(octets.toString('base64url'), 2_000_000_000, 1_000_000_000)
    if (i % 100_000 === 0) peak = Math.max(peak, process.memoryUsage().rss)
  }
  return `  ten million revoked sessions: ${Math.round(set.bytes / 1e6)} MB, ${Math.round((peak - before) / 1e6)} MB resident at the most while they come in`
}

/** Where requests go, and what they carry. */
type Work = readonly [child: GatewayChild, path: string, headers: Readonly<Record<string, string>>, cookies: readonly string[]]

/** Best round of each; they take turns, so that what else the machine does meets all. */
async function inTurns(works: readonly Work[]): Promise<readonly number[]> {
  const best = works.map(() => 0)
  for (const work of works) await round(...work)
  for (let i = 0; i < rounds; i++) for (const [at, work] of works.entries()) best[at] = Math.max(best[at] ?? 0, await round(...work))
  return best
}

/** Requests per CPU-second of the child. */
async function round(...[child, path, headers, cookies]: Work): Promise<number> {
  const before = await child.cpuSeconds()
  const count = await sendLoad({ port: child.ready.port, path, headers: without(headers, 'cookie'), cookies }, roundSeconds)
  return count / ((await child.cpuSeconds()) - before)
}

function without(headers: Readonly<Record<string, string>>, name: string): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).filter(([one]) => one !== name))
}
