import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { revocationFingerprint, RevokedSet } from '@curfew/codecs'
import { type GatewayChild, startGatewayChild } from './gateway-start.ts'
import { loadName, sendLoad } from './load.ts'
import { webSocketLine } from './web-sockets.ts'

const rounds = 4
const roundSeconds = 2
const answer = Buffer.alloc(1_024, 'x')

/**
 * The gateway against the least that a proxy can do: requests per CPU-second of its own process, the two in turns. The
 * application and the load are in other processes and do not count.
 */
export async function benchGateway(): Promise<readonly string[]> {
  const upstream = createServer((_request, response) => response.writeHead(200, { 'content-length': answer.length }).end(answer))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  await using gateway = await startGatewayChild('gateway', target)
  await using bare = await startGatewayChild('bare', target)
  await using route = await startGatewayChild('route', target)
  const { headers } = gateway.ready
  const proxied = await inTurns([gateway, '/notes', headers], [bare, '/notes', headers])
  const decided = await inTurns([gateway, '/pa/auth/envoy/notes', headers], [route, '/pa/auth/envoy/notes', headers])
  upstream.closeAllConnections()
  upstream.close()
  return [
    `Gateway (requests per CPU-second of the process, in turns, load by ${loadName})`,
    line('proxied, with cookie and a list of a million revoked sessions', proxied, 'a bare undici dispatch proxy'),
    line('forward-auth decisions', decided, 'an empty Fastify route'),
    memoryLine(),
    await webSocketLine()
  ]
}

interface Compared {
  readonly own: number
  readonly reference: number
}

function line(what: string, { own, reference }: Compared, than: string): string {
  return `  ${what}: ${Math.round(own)}/s, ${Math.round((100 * own) / reference)} % of ${than} (${Math.round(reference)}/s)`
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

/** Where requests go, and what they carry: the same for both. */
type Work = readonly [child: GatewayChild, path: string, headers: Readonly<Record<string, string>>]

/** Best round of each; they take turns, so that what else the machine does meets both. */
async function inTurns(own: Work, reference: Work): Promise<Compared> {
  const best = { own: 0, reference: 0 }
  for (const which of [own, reference]) await round(...which)
  for (let i = 0; i < rounds; i++) {
    best.own = Math.max(best.own, await round(...own))
    best.reference = Math.max(best.reference, await round(...reference))
  }
  return best
}

/** Requests per CPU-second of the child. */
async function round(...[child, path, headers]: Work): Promise<number> {
  const before = await child.cpuSeconds()
  const count = await sendLoad({ port: child.ready.port, path, headers }, roundSeconds)
  return count / ((await child.cpuSeconds()) - before)
}
