/** Two applications in a process of their own, which count what reaches them. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What one application saw. */
export interface Seen {
  readonly told: number
  /** Requests that were open at the same time. */
  readonly atOnceMax: number
}

/** How long it takes an application to end a session of its own. */
const workMs = 3

const seen = new Map<string, { told: number; atOnce: number; atOnceMax: number }>()

const server = createServer((request, response) => {
  const path = request.url ?? ''
  const one = seen.get(path) ?? { told: 0, atOnce: 0, atOnceMax: 0 }
  seen.set(path, one)
  one.atOnce += 1
  one.atOnceMax = Math.max(one.atOnceMax, one.atOnce)
  request.resume().once('end', () =>
    setTimeout(() => {
      one.told += 1
      one.atOnce -= 1
      response.writeHead(200, { 'cache-control': 'no-store' }).end()
    }, workMs)
  )
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.on('message', () => process.send?.({ seen: Object.fromEntries([...seen].map(([path, { told, atOnceMax }]) => [path, { told, atOnceMax }])) }))
process.on('disconnect', () => process.exit(0))
process.send?.({ port: (server.address() as AddressInfo).port })
