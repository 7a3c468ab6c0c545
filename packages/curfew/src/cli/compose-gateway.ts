import { readFileSync } from 'node:fs'
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createRevocationList, CurfewError, type FeedReader, type FeedReaderDeps, startFeedReader } from '@curfew/codecs'
import type { Registry } from '@prometheus-io/client'
import type { GatewayConfig } from '../config/gateway-schema.ts'
import type { Config } from '../config/schema.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { firstReading } from '../gateway/feed/first-reading.ts'
import { outboundFeed } from '../gateway/feed/outbound-feed.ts'
import { startLocalFeed } from '../gateway/feed/local-feed.ts'
import { lastAnswer } from '../gateway/last-answer.ts'
import { createLiveConnections } from '../gateway/live-connections.ts'
import { createHeaderNames } from '../gateway/proxy/request-headers.ts'
import { createApplications } from '../gateway/route/applications.ts'
import { createGatewayServer } from '../gateway/server.ts'
import { createEncryptedSealer } from '../gateway/session/sealer.ts'
import { createEndedByProvider } from '../gateway/session/ended-by-provider.ts'
import { createEndings } from '../gateway/session/endings.ts'
import { createSessionCookies } from '../gateway/session/session-cookies.ts'
import { createSessionStatus } from '../gateway/session/session-status.ts'
import { createUserRefresh } from '../gateway/session/user-refresh.ts'
import { sessionName } from '../gateway/session/web-session.ts'
import type { GatewaySettings } from '../gateway/settings.ts'
import { createSweep } from '../gateway/sweep.ts'
import { createPreserved } from '../gateway/sign-in/preserved.ts'
import { createProvider } from '../gateway/sign-in/provider.ts'
import { transactionMsMax } from '../gateway/sign-in/transaction.ts'
import { createAddressList } from '../platform/addresses.ts'
import { createBoundedLog } from '../platform/bounded-log.ts'
import { type Clock, steadyMs, systemClock } from '../platform/clock.ts'
import { createGatewayMetrics } from '../platform/gateway-metrics.ts'
import { createIds } from '../platform/ids.ts'
import type { Logger } from '../platform/logger.ts'
import { systemRandom } from '../platform/random.ts'
import { youngCollector } from '../platform/young-generation.ts'
import { createUpstreams } from '../platform/upstreams.ts'
import type { EndingsLog } from '../stores/endings-log.ts'
import type { Store } from '../stores/store.ts'
import { type OpenedBackChannel, openBackChannel } from './back-channel-setup.ts'
import { openClientCertificate } from './client-certificate.ts'
import { createGatewayPages } from './gateway-pages.ts'
import { listenOptions } from './listen.ts'
import { openSharedEndings, type SharedEndingsServers } from './shared-endings.ts'

export interface GatewayParts {
  readonly config: GatewayConfig
  readonly settings: GatewaySettings
  /** At least 32 octets; every gateway of an installation has the same. */
  readonly secret: Uint8Array
  readonly outbound: Config['outbound']
  readonly brand: Config['brand']
  readonly logger: Logger
  readonly registry: Registry
  /** The store of the authority, where the gateway runs in its process: the list is read there and not by the feed. */
  readonly store?: Pick<Store, 'revocationFeed' | 'revocationList'>
  /** The time that the store goes by, where it is one that several machines share. Absent: that of this machine. */
  readonly clock?: Clock
  /** The servers of that store: gateways tell each other by them what ended, unless `gateway.shared` names others. */
  readonly storeServers?: SharedEndingsServers | undefined
}

/** A gateway, ready to listen. */
export interface GatewayComposition {
  readonly context: GatewayContext
  start(): Promise<void>
  /** The heartbeat says so; requests are served all the same. */
  drain(isDraining: boolean): void
  stop(): Promise<void>
}

interface GatewayState {
  isReady: boolean
  /** Until it takes requests. */
  opening: Promise<void> | undefined
}

/** How often connections are looked at that may have outlived their session. */
const expiryMs = 1_000
/** Endings that had no room, for one line in the log. */
const droppedPerLine = 1_000
/** Full pages of the revocation list from one collection of garbage to the next: of each a quarter of a megabyte is left. */
const pagesPerCollection = 16
/** Connections to one application at once. */
const upstreamConnectionsMax = 16_384

/** Builds a gateway. Nothing listens yet. */
export function composeGateway(parts: GatewayParts): GatewayComposition {
  const backChannel = backChannelOf(parts)
  const opening = Promise.withResolvers<void>()
  const status: GatewayState = { isReady: false, opening: opening.promise }
  const context = contextOf(parts, backChannel, status)
  const gateway = createGatewayServer(context)
  const sweep = createSweep(context)
  const servers: Listener[] = []
  let feed: FeedReader | undefined
  let endings: EndingsLog | undefined
  let timer: { cancel(): void } | undefined
  const watch = (): void => {
    timer = systemClock.after(expiryMs, () => {
      context.live.expire(context.clock.nowMs(), context.revocations.lifetimeMs)
      sweep.look()
      note(context)
      watch()
    })
  }
  const stop = async (): Promise<void> => {
    status.isReady = false
    timer?.cancel()
    context.live.closeWhere(() => true)
    await Promise.all(servers.map(close))
    await feed?.stop()
    await endings?.close()
    await context.upstreams.close()
    await backChannel.close()
  }
  return {
    context,
    async start() {
      try {
        const shared = serversOf(parts)
        if (shared !== undefined) endings = await openSharedEndings(context, shared, parts.config.shared === undefined)
        // The provider may want the keys of this gateway before it tells it anything.
        for (const address of parts.config.listen) servers.push(await listen(parts.config, address, gateway))
        if (parts.settings.sessionCheck.feed) feed = startFeed(parts, context, backChannel)
        await firstReading(context)
        status.isReady = true
        status.opening = undefined
        opening.resolve()
        watch()
      } catch (error) {
        await stop()
        throw error
      }
    },
    drain(isDraining) {
      status.isReady = !isDraining
    },
    stop
  }
}

function backChannelOf({ config: { provider }, settings, outbound, logger }: GatewayParts): OpenedBackChannel {
  const { clientCertificate: files } = provider
  const certificate = files === undefined ? undefined : openClientCertificate(files, { logger, steadyMs })
  return openBackChannel(provider.backChannel, settings.provider.issuer, outbound, certificate)
}

function contextOf(parts: GatewayParts, backChannel: OpenedBackChannel, status: Readonly<GatewayState>): GatewayContext {
  const { settings, secret } = parts
  // Whoever reaches it makes it write.
  const logger = createBoundedLog(parts.logger, systemClock)
  const random = systemRandom
  const clock = parts.clock ?? systemClock
  const metrics = createGatewayMetrics(parts.registry, { sharesEndings: serversOf(parts) !== undefined })
  const live = createLiveConnections((error) => logger.error({ event: 'gateway.close-failed', err: error }, 'a connection could not be closed'))
  const provider = createProvider({ settings: settings.provider, secret, outbound: backChannel, clock, steadyMs, random })
  const revocations = createRevocationList(
    (fingerprint) => live.close(fingerprint),
    steadyMs,
    (signedLow) => live.mayHold(signedLow)
  )
  const endedByProvider = createEndedByProvider(longestMs(settings), steadyMs)
  const endings = createEndings({
    revocations,
    endedByProvider,
    live,
    issuer: settings.provider.issuer,
    maxMs: longestMs(settings),
    clock,
    steadyMs,
    ...(serversOf(parts) === undefined
      ? {}
      : {
          shared: {
            sealer: createEncryptedSealer({ secret, use: 'ending', maxMs: longestMs(settings), random }),
            staleMs: settings.sessionCheck.staleMs,
            onProblem: (err) => logger.warn({ event: 'gateway.endings-failed', err }, 'what other gateways ended can not be read now'),
            onDropped(kind, count) {
              metrics.endingsDropped?.inc({ kind })
              if (count % droppedPerLine === 1)
                logger.error(
                  { event: 'gateway.endings-dropped', kind, count },
                  'more ended here than can wait for the servers, or than one sender may end by messages that nobody signed: other gateways are not told of all of it'
                )
            }
          }
        })
  })
  const webSessions = [...new Map(settings.applications.map(({ webSession }) => [webSession.id, webSession])).values()]
  const cookies = createSessionCookies({ secret, random, webSessions })
  return {
    settings,
    secret,
    clock,
    steadyMs,
    random,
    live,
    provider,
    logger,
    metrics,
    ids: createIds(random),
    applications: createApplications(settings),
    headerNames: createHeaderNames(settings.applications),
    cookies,
    transactions: createEncryptedSealer({ secret, use: 'sign-in', maxMs: transactionMsMax, random }),
    revocations,
    endedByProvider,
    endings,
    status: createSessionStatus({
      outbound: backChannel,
      clock,
      steadyMs,
      cacheMs: answerMsMax(settings),
      url: () => provider.address('ping_revoked_sris_endpoint', '/pf-ws/rest/sessionMgmt/revokedSris'),
      credentials: () => provider.credentials(),
      onAnswer(result, code) {
        metrics.statusQuestions.inc({ result })
        metrics.statusFailing.set(code === undefined ? 0 : 1)
        if (code !== undefined) logger.warn({ event: 'gateway.status-failed', code }, 'the authority did not say whether a session is good')
      }
    }),
    userRefresh: createUserRefresh({
      settings,
      clock,
      sealer: createEncryptedSealer({ secret, use: 'access token', maxMs: longestMs(settings), random }),
      provider,
      fits: (webSession, session) => cookies.fits(webSession, session, clock.nowMs()),
      onTooLarge({ audience }) {
        const fields = { event: 'gateway.refresh-too-large', code: 'CURFEW_GATEWAY_COOKIE_TOO_LARGE', audience }
        logger.warn(fields, 'what the provider says of a user now does not fit into the cookie: the claims of that session stay as they were')
      },
      onAnswer(result, code) {
        metrics.userRefreshes.inc({ result })
        if (code !== undefined) logger.warn({ event: 'gateway.refresh-failed', code }, 'the provider did not say who a user is now')
      },
      onEnded(session) {
        endings
          .endSession(sessionName(session.id), session.expiresAtMs)
          .catch((err: unknown) => logger.error({ event: 'gateway.endings-unshared', err }, 'other gateways could not be told of a session that is over'))
        logger.info({ event: 'gateway.refresh-over' }, 'The provider takes the refresh token of a session no more: it is over here')
      }
    }),
    preserved: createPreserved({ clock, random }),
    upstreams: createUpstreams({ ...parts.outbound, connectionsMax: upstreamConnectionsMax }),
    pages: createGatewayPages(parts.brand, random),
    isReady: () => status.isReady,
    opening: () => status.opening,
    isTrustedProxy: createAddressList(settings.trustedProxies)
  }
}

function serversOf({ config, storeServers }: GatewayParts): SharedEndingsServers | undefined {
  return config.shared ?? storeServers
}

/** Longest life of a web session. */
function longestMs({ applications }: GatewaySettings): number {
  return Math.max(...applications.map(({ webSession }) => webSession.maxMs))
}

function startFeed({ store, settings, logger }: GatewayParts, context: GatewayContext, backChannel: OpenedBackChannel): FeedReader {
  const { provider, revocations: list, metrics, clock } = context
  const problem = (code: string, error: unknown): void => {
    metrics.feedProblems.inc({ code })
    logger.warn(
      { event: 'gateway.feed-failed', code, err: error },
      code === 'CURFEW_FEED_STALE' ? 'pages of the revocation feed are too old to count' : 'the revocation feed was interrupted'
    )
  }
  if (store !== undefined) return startLocalFeed({ store, list, clock, onProblem: (error) => problem('CURFEW_FEED_UNREACHABLE', error) })
  return startFeedReader({
    open: outboundFeed({
      outbound: backChannel,
      url: () => provider.address('curfew_revocation_feed_endpoint', '/pf-ws/rest/sessionMgmt/revocationFeed'),
      credentials: () => provider.credentials()
    }),
    clock,
    random: systemRandom,
    list,
    issuer: settings.provider.issuer,
    staleMs: settings.sessionCheck.staleMs,
    keys: (again) => provider.keys(again),
    onPage: collectBetweenPages(),
    onProblem: (error) => problem(error.code, error)
  })
}

/** While a long list comes in, all that is read is garbage at once: without this it takes a fifth as much as the list itself. */
function collectBetweenPages(): NonNullable<FeedReaderDeps['onPage']> {
  const state = { pages: 0, collect: undefined as (() => void) | undefined }
  return ({ hasMore }) => {
    if (!hasMore) return
    state.pages += 1
    if (state.pages % pagesPerCollection !== 0) return
    state.collect ??= youngCollector()
    state.collect()
  }
}

/** A gateway that only follows the feed asks while it reads: its answers count no longer than the feed does. */
function answerMsMax({ sessionCheck: { feed, status, statusCacheMs, staleMs } }: GatewaySettings): number {
  return feed && !status ? Math.min(statusCacheMs, staleMs) : statusCacheMs
}

function note({ metrics, live, revocations, endings, clock }: GatewayContext): void {
  metrics.live.set(live.count)
  metrics.revoked.set(revocations.size)
  const endingsMs = endings.ageMs()
  if (endingsMs !== undefined) metrics.endingsAgeSeconds?.set(endingsMs / 1000)
  const ageMs = revocations.ageMs(clock.nowMs())
  if (ageMs !== undefined) metrics.feedAgeSeconds.set(ageMs / 1000)
}

interface Listener {
  readonly server: Server
  /** Connections, those that became WebSockets included: the server forgets them. */
  readonly sockets: ReadonlySet<Duplex>
}

/** Largest head of a request: cookies of applications, ours and a long address. */
const headerBytesMax = 32 * 1024

async function listen(config: GatewayConfig, address: string, gateway: ReturnType<typeof createGatewayServer>): Promise<Listener> {
  const options = {
    maxHeaderSize: headerBytesMax,
    // A head that comes drop by drop is cut off; a body may take as long as the application lets it.
    headersTimeout: 15_000,
    requestTimeout: 0,
    connectionsCheckingInterval: 2_000,
    keepAliveTimeout: 65_000,
    requireHostHeader: true,
    shouldUpgradeCallback: (request: IncomingMessage) => gateway.isUpgrade(request),
    insecureHTTPParser: false
  }
  const { tls } = config
  const server: Server =
    tls === undefined
      ? createHttpServer(options)
      : createHttpsServer({ ...options, key: readFile(tls.key), cert: readFile(tls.certificate), minVersion: 'TLSv1.2' })
  const sockets = new Set<Duplex>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('request', (request, response) => gateway.request(request, response))
  server.on('upgrade', (request, socket, head) => gateway.upgrade(request, socket, head))
  server.on('connect', (_request, socket: Socket) => lastAnswer(socket, emptyAnswer('405 Method Not Allowed'), systemClock))
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuse(error, socket))
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new CurfewError('CURFEW_CLI_ADDRESS_IN_USE', { address, why: cause.message }, { cause })))
    server.listen(listenOptions(address), resolve)
  })
  return { server, sockets }
}

/** What the parser refuses gets an answer without a word about why; the connection is not used again. */
function refuse(error: NodeJS.ErrnoException, socket: Socket): void {
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? '431 Request Header Fields Too Large'
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? '408 Request Timeout'
        : '400 Bad Request'
  lastAnswer(socket, emptyAnswer(status), systemClock)
}

function emptyAnswer(status: string): string {
  return `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new CurfewError('CURFEW_CONFIG_FILE', { path, why: 'it can not be read' }, { cause })
  }
}

/** Most time that open connections get to finish when the gateway stops. */
const drainMs = 2_000

function close({ server, sockets }: Listener): Promise<void> {
  return new Promise((resolve) => {
    const timer = systemClock.after(drainMs, () => {
      for (const socket of sockets) socket.destroy()
    })
    server.close(() => {
      timer.cancel()
      resolve()
    })
    server.closeIdleConnections()
  })
}
