import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'

/** A way to a server on which everything takes longer, there and back, as between two places. */
export interface SlowLink extends AsyncDisposable {
  readonly port: number
}

/** @param delayMs - added to every message, in each direction; what is sent first arrives first */
export async function startSlowLink(target: number, delayMs: number): Promise<SlowLink> {
  const open = new Set<Socket>()
  const server = createServer((near) => {
    const far = createConnection(target, '127.0.0.1')
    for (const [from, to] of [
      [near, far],
      [far, near]
    ] as const) {
      open.add(from)
      from.setNoDelay(true)
      from.on('data', (chunk) => void setTimeout(() => to.write(chunk), delayMs))
      from.on('end', () => void setTimeout(() => to.end(), delayMs))
      from.on('error', () => to.destroy())
      from.on('close', () => open.delete(from))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
      for (const socket of open) socket.destroy()
      await once(server, 'close')
    }
  }
}
