import type { X509Certificate } from 'node:crypto'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https'
import type { Config } from '../config/schema.ts'
import { createLoop } from '../engine/loop.ts'
import { systemClock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { systemRandom } from '../platform/random.ts'
import type { MakeServer } from './listen.ts'
import { readAuthorities, readTlsPair, type TlsPair } from './tls-files.ts'

/** The certificates of this server and of the authorities of its clients, as the files are now. */
export interface LiveTls {
  /** HTTPS where `server.tls` is set, else plain HTTP. */
  readonly makeServer: MakeServer
  /** HTTPS that asks for a certificate; whether it is a good one is for others to say. */
  readonly makeAskingServer: MakeServer
  authorities(): readonly X509Certificate[]
  /** Reads the files again. What can't be used is logged, and what was there before goes on. */
  reload(): void
  start(): void
  stop(): Promise<void>
}

/** How often the files are looked at. */
const lookMs = 10_000

interface Material {
  readonly pair: TlsPair | undefined
  readonly authorities: readonly X509Certificate[]
}

/** Opens the files. @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_KEY */
export function openLiveTls({ tls, clientCertificates: asked }: Pick<Config['server'], 'tls' | 'clientCertificates'>, logger: Logger): LiveTls {
  const read = (): Material => ({
    pair: tls === undefined ? undefined : readTlsPair(tls),
    authorities: asked?.authorities === undefined ? [] : readAuthorities(asked.authorities)
  })
  let now = read()
  const servers: { readonly server: HttpsServer; readonly asks: boolean }[] = []
  const make = (asks: boolean): MakeServer => {
    const { pair } = now
    if (pair === undefined) return createHttpServer
    return (options) => {
      const server = createHttpsServer({ ...options, ...contextOf(now, asks), ...(asks ? { requestCert: true, rejectUnauthorized: false } : {}) })
      servers.push({ server, asks })
      return server as unknown as Server
    }
  }
  const reload = (): void => {
    try {
      const next = read()
      if (fingerprintOf(next) === fingerprintOf(now)) return
      now = next
      for (const { server, asks } of servers) {
        server.setSecureContext(contextOf(now, asks))
        // Who is connected was judged by the former authorities.
        server.closeIdleConnections()
      }
      logger.info({ event: 'tls.reloaded' }, 'The certificates were read again')
    } catch (error) {
      logger.error({ event: 'tls.reload-failed', err: error }, 'The new certificates can not be used; those from before go on')
    }
  }
  const loop = createLoop({
    clock: systemClock,
    intervalMs: lookMs,
    fraction: () => systemRandom.fraction(),
    work: async () => {
      reload()
      return false
    },
    onError: () => undefined
  })
  const isNeeded = tls !== undefined || asked?.authorities !== undefined
  return {
    makeServer: make(false),
    makeAskingServer: make(true),
    authorities: () => now.authorities,
    reload,
    start: () => (isNeeded ? loop.start() : undefined),
    stop: () => loop.stop()
  }
}

function contextOf({ pair, authorities }: Material, asks: boolean): object {
  const own = { key: pair?.key, cert: pair?.certificate, minVersion: 'TLSv1.2' as const }
  // Without authorities nobody vouches: least of all those that vouch for web servers.
  return asks ? { ...own, ca: authorities.map(String), allowPartialTrustChain: true } : own
}

function fingerprintOf({ pair, authorities }: Material): string {
  return [pair?.key, pair?.certificate, ...authorities.map(({ fingerprint256 }) => fingerprint256)].join('\n')
}
