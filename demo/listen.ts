import type { Server } from 'node:http'

/** Both loopback addresses: browsers try either for `*.localhost`. */
export const loopbackHosts = ['127.0.0.1', '::1'] as const

/** Listens on both loopback addresses with one server each. */
export async function listenOnLoopback(port: number, create: () => Server): Promise<readonly Server[]> {
  const servers: Server[] = []
  for (const host of loopbackHosts) {
    const server = create()
    await listen(server, port, host)
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
