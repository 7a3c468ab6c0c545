import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { CrowdOptions } from '../packages/curfew/test/gateway/crowd.ts'
import { startGatewayChild } from './gateway-start.ts'

/** Each is two open files of the gateway. */
const counts = [1_000, 4_000] as const

/**
 * What one open WebSocket costs the gateway in memory: its two connections, its session, its place among the live ones. What
 * the first thousand bring with them is no part of one more; and no list is read before, whose garbage they would take the place of.
 */
export async function webSocketLine(): Promise<string> {
  const application = start('holding-application.ts')
  const [port] = (await once(application, 'message')) as [number]
  await using gateway = await startGatewayChild('unlisted', `http://127.0.0.1:${port}`)
  const lines = Object.entries(gateway.ready.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `GET /live HTTP/1.1\r\n${lines.join('')}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`
  const crowdOf = (size: number): Promise<ChildProcess> => openCrowd({ port: gateway.ready.port, count: size, head })
  const crowds: ChildProcess[] = []
  const resident: number[] = []
  for (const more of [counts[0], counts[1] - counts[0]]) {
    crowds.push(await crowdOf(more))
    resident.push(await gateway.memory())
  }
  for (const child of [...crowds, application]) child.kill()
  const [some = 0, all = 0] = resident
  return `  an open WebSocket: ${((all - some) / (counts[1] - counts[0]) / 1024).toFixed(1)} KB resident, both its connections, from the ${counts[0]}th to the ${counts[1]}th`
}

function start(name: string, ...parts: readonly string[]): ChildProcess {
  return fork(fileURLToPath(new URL(`../packages/curfew/test/gateway/${name}`, import.meta.url)), parts)
}

async function openCrowd(options: CrowdOptions): Promise<ChildProcess> {
  const crowd = start('crowd.ts', JSON.stringify(options))
  await once(crowd, 'message')
  return crowd
}
