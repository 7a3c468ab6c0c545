import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CrowdOptions } from '../packages/curfew/test/gateway/crowd.ts'
import { startGatewayChild } from './gateway-start.ts'

/** Each is two open files of the gateway. */
const count = 4_000

/** What one open WebSocket costs the gateway in memory: its two connections, its session, its place among the live ones. */
export async function webSocketLine(): Promise<string> {
  const application = start('holding-application.ts')
  const [port] = (await once(application, 'message')) as [number]
  await using gateway = await startGatewayChild('gateway', `http://127.0.0.1:${port}`)
  const lines = Object.entries(gateway.ready.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `GET /live HTTP/1.1\r\n${lines.join('')}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`
  const crowdOf = (size: number): Promise<ChildProcess> => openCrowd({ port: gateway.ready.port, count: size, head })
  // What the first ones bring with them is no part of one more.
  const first = await crowdOf(100)
  const before = await gateway.memory()
  const crowd = await crowdOf(count)
  const bytes = (await gateway.memory()) - before
  for (const child of [first, crowd, application]) child.kill()
  return `  an open WebSocket: ${(bytes / count / 1024).toFixed(1)} KB resident, both its connections, over ${count}`
}

function start(name: string, ...parts: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL(`../packages/curfew/test/gateway/${name}`, import.meta.url)), parts)
}

async function openCrowd(options: CrowdOptions): Promise<ChildProcess> {
  const crowd = start('crowd.ts', JSON.stringify(options))
  await once(crowd, 'message')
  return crowd
}
