import type { Server } from 'node:http'
import { networkInterfaces } from 'node:os'

/** The loopback addresses of this machine: browsers try either for `*.localhost`, but many containers have no IPv6. */
export const loopbackHosts: readonly string[] = ['127.0.0.1', ...(hasAddress('::1') ? ['::1'] : [])]

function hasAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((each) => each.address === address))
}

/** Listens on every loopback address with one server each; on none when one is taken. */
export async function listenOnLoopback(port: number, create: () => Server): Promise<readonly Server[]> {
  const servers: Server[] = []
  for (const host of loopbackHosts) {
    const server = create()
    try {
      await listen(server, port, host)
    } catch (error) {
      await Promise.all(servers.map(closeServer))
      throw error
    }
    servers.push(server)
  }
  return servers
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => resolve())
  })
}

/** Closes a server and every connection it holds. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}
