import cluster from 'node:cluster'
import { createServer, type Server } from 'node:http'
import type { ListenOptions } from 'node:net'
import { CurfewError } from '@curfew/codecs'
import type { FastifyInstance } from 'fastify'
import { headerBytesMax } from '../authority/server.ts'
import { systemClock } from '../platform/clock.ts'

/** Most time that open connections get to finish when the server stops. */
const drainMs = 2_000

/** Makes a server that speaks plain HTTP, or HTTPS. */
export type MakeServer = (options: { readonly maxHeaderSize: number }) => Server

/** Listens on every address with the same routes, and adds how to stop to `closers` as soon as one listens. */
export async function listenAll(
  app: FastifyInstance,
  addresses: readonly string[],
  closers: (() => Promise<void>)[],
  make: MakeServer = createServer
): Promise<void> {
  await app.ready()
  for (const address of addresses) {
    const server = make({ maxHeaderSize: headerBytesMax }).on('request', (request, response) => app.routing(request, response))
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(new CurfewError('CURFEW_CLI_ADDRESS_IN_USE', { address, why: cause.message }, { cause })))
      server.listen(listenOptions(address), resolve)
    })
    closers.push(() => closeServer(server))
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = systemClock.after(drainMs, () => server.closeAllConnections())
    server.close(() => {
      timer.cancel()
      resolve()
    })
    server.closeIdleConnections()
  })
}

/**
 * Workers of one node each have a socket of their own at the same address, where the system spreads connections over
 * them: what waits at one that dies is reset, and the client comes again. Elsewhere they share the socket of their supervisor.
 */
export function listenOptions(address: string): ListenOptions {
  return { ...hostPort(address), ...(cluster.isWorker && process.platform === 'linux' ? { reusePort: true } : {}) }
}

/** `127.0.0.1:9031`, `[::1]:9031`, `*:9031`. */
export function hostPort(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[|\]$/g, '')
  return { host: host === '*' ? '::' : host, port: Number(address.slice(at + 1)) }
}
