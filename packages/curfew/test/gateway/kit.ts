import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Registry } from '@prometheus-io/client'
import { composeGateway, type GatewayComposition } from '../../src/cli/compose-gateway.ts'
import type { Composition } from '../../src/cli/compose.ts'
import { gatewaySettings } from '../../src/cli/gateway-settings.ts'
import { gatewayFileSchema } from '../../src/config/schema.ts'
import type { ConfigInput } from '../../src/config/schema.ts'
import type { Clock } from '../../src/platform/clock.ts'
import { type Logger, silentLogger } from '../../src/platform/logger.ts'
import { writeCertificate } from '../support/certificate-files.ts'
import { freeRange } from '../support/ports.ts'
import { startRealAuthority } from '../support/real-authority.ts'
import type { Answer, Ask, Visitor } from './visitor.ts'

type GatewayInput = NonNullable<ConfigInput['gateway']>

export interface GatewayKitOptions {
  /** More settings of the gateway, by the port it listens on. */
  readonly gateway?: Partial<GatewayInput>
  /** One for each application; default: `wiki` and `shop`. */
  readonly applications?: readonly Partial<GatewayInput['applications'][number]>[]
  readonly provider?: Partial<GatewayInput['provider']>
  readonly webSession?: Partial<GatewayInput['webSessions'][number]>
  /** Answers in the place of the mirror. */
  readonly upstream?: (request: IncomingMessage, response: ServerResponse) => void
  readonly configuration?: (config: ConfigInput) => ConfigInput
  /** Authority and applications lie below one domain, so that they are one site for a browser; otherwise each is its own. */
  readonly isSameSite?: boolean
  /** Authority and gateway speak HTTPS by themselves; browsers have to be told to take the certificate. */
  readonly isHttps?: boolean
  /** Of the gateways. Absent: it says nothing. */
  readonly logger?: Logger
  /** Of the gateways. Absent: that of this machine. */
  readonly clock?: Clock
  /** What has to be there before the gateway, by the address of the authority. */
  readonly beforeGateway?: (issuer: string) => Promise<void>
  /** The gateway as a client of the authority; one with a certificate has no secret. */
  readonly client?: Partial<Extract<NonNullable<ConfigInput['connections']>[number], { protocol: 'oidc' }>>
}

/** A whole installation on this machine: authority, gateway and an application behind it, over real HTTP. */
export interface GatewayKit extends AsyncDisposable {
  readonly authority: Composition
  readonly gateway: GatewayComposition
  readonly issuer: string
  readonly wiki: string
  readonly shop: string
  readonly upstream: Server
  /** Requests that the application got. */
  readonly seen: IncomingMessage[]
  /** Gives ana another mail address in the users file. */
  changeMail(mail: string): Promise<void>
  /** Ends every session of ana, as an administrator does. */
  endAll(): Promise<void>
  stopAuthority(): Promise<void>
  /** What `/metrics` of the gateway says. */
  metrics(): Promise<string>
  /** Another process with the same configuration takes its place. */
  restartGateway(): Promise<void>
  /** Another gateway beside it, as a balancer would have it: the same configuration and secret, a port of its own. */
  startAnother(): Promise<AnotherGateway>
}

export interface AnotherGateway {
  readonly gateway: GatewayComposition
  /** {@link GatewayKit.wiki} with the port of this one: it answers there for the host of that one. */
  readonly url: string
  /** Asks this one for an address of {@link GatewayKit.wiki} or `shop`. */
  ask(visitor: Visitor, url: string, more?: Ask): Promise<Answer>
}

export const gatewaySecret = Buffer.alloc(32, 9)
export const clientSecret = 'a secret that is long enough'

/** What the application shows: the request as it got it. */
export interface Mirrored {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly raw: readonly string[]
  readonly body: string
}

function mirror(request: IncomingMessage, response: ServerResponse): void {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { method, url, headers, rawHeaders: raw } = request
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ method, url, headers, raw, body: Buffer.concat(chunks).toString() }))
  })
}

/** `WIKI` and `SHOP` stand for the addresses of the hosts, `AUTHORITY` for where the authority listens, `TRUSTED` for the file of who signed its certificate: they are known late. */
function withAddresses<T>(value: T, addresses: { readonly wiki: string; readonly shop: string; readonly authority: string; readonly trusted: string }): T {
  const { wiki, shop, authority, trusted } = addresses
  return JSON.parse(
    JSON.stringify(value).replaceAll('WIKI', wiki).replaceAll('SHOP', shop).replaceAll('AUTHORITY', authority).replaceAll('TRUSTED', trusted)
  ) as T
}

function atPort(url: string, port: number): string {
  const { protocol, hostname, pathname, search } = new URL(url)
  return `${protocol}//${hostname}:${port}${pathname === '/' && !url.endsWith('/') ? '' : pathname}${search}`
}

function secretOf({ client }: GatewayKitOptions): { readonly clientSecret?: string } {
  return client?.authentication === 'tlsClientAuth' || client?.authentication === 'selfSignedTlsClientAuth' ? {} : { clientSecret }
}

export async function createGatewayKit(options: GatewayKitOptions = {}): Promise<GatewayKit> {
  const [authorityPort, gatewayPort] = [await freeRange(1), await freeRange(1)]
  const domain = options.isSameSite === true ? 'example.localhost' : 'localhost'
  const certificate = options.isHttps === true ? await writeCertificate(['login', 'wiki', 'shop'].map((name) => `${name}.${domain}`)) : undefined
  const scheme = certificate === undefined ? 'http' : 'https'
  const issuer = `${scheme}://login.${domain}:${authorityPort}`
  const [wiki, shop] = [`${scheme}://wiki.${domain}:${gatewayPort}`, `${scheme}://shop.${domain}:${gatewayPort}`]
  const addresses = { wiki, shop, authority: `${scheme}://127.0.0.1:${authorityPort}`, trusted: certificate?.authority ?? '' }
  const started = await startRealAuthority({
    issuer,
    port: authorityPort,
    usernames: ['ana', 'ben', 'mallory'],
    configuration(config) {
      const served = certificate === undefined ? config : { ...config, server: { ...config.server, tls: certificate.tls } }
      return withAddresses(options.configuration?.(served) ?? served, addresses)
    },
    connections: [
      {
        id: 'gate',
        protocol: 'oidc',
        ...secretOf(options),
        redirectUris: [`${wiki}/pa/oidc/cb`, `${shop}/pa/oidc/cb`, `${shop}/shop/pa/oidc/cb`, `${wiki}/gate/oidc/cb`],
        revocationFeed: true,
        logout: { modes: [], pingAccessLogoutCapable: true },
        ...withAddresses(options.client ?? {}, addresses)
      }
    ]
  })
  await options.beforeGateway?.(issuer)
  const seen: IncomingMessage[] = []
  const upstream = createServer((request, response) => {
    seen.push(request)
    ;(options.upstream ?? mirror)(request, response)
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const wanted = options.applications ?? [
    { id: 'wiki', urls: [wiki] },
    { id: 'shop', urls: [shop] }
  ]
  const file = gatewayFileSchema.parse({
    outbound: { allowPrivate: ['127.0.0.0/8'] },
    gateway: {
      listen: [`127.0.0.1:${gatewayPort}`],
      ...(certificate === undefined ? {} : { tls: certificate.tls }),
      provider: {
        issuer,
        clientId: 'gate',
        ...secretOf(options),
        ...(certificate === undefined ? {} : { backChannel: { trustedCertificates: certificate.authority } }),
        ...withAddresses(options.provider ?? {}, addresses)
      },
      webSessions: [{ name: 'main', audience: 'ACE_ws', ...options.webSession }],
      applications: wanted.map((application) => ({
        id: 'wiki',
        target,
        headers: { 'X-User': 'preferred_username', 'X-Mail': 'email' },
        ...application,
        urls: (application.urls ?? [wiki]).map((url) => url.replace('WIKI', wiki).replace('SHOP', shop))
      })),
      ...options.gateway
    }
  })
  let registry = new Registry()
  const compose = (config: typeof file.gateway, ofIt: Registry) =>
    composeGateway({
      config,
      settings: gatewaySettings(config, undefined),
      secret: gatewaySecret,
      outbound: file.outbound,
      brand: file.brand,
      logger: options.logger ?? silentLogger,
      ...(options.clock === undefined ? {} : { clock: options.clock }),
      registry: ofIt
    })
  let gateway = compose(file.gateway, registry)
  await gateway.start()
  const others: GatewayComposition[] = []
  return {
    authority: started.composition,
    get gateway() {
      return gateway
    },
    issuer,
    wiki,
    shop,
    upstream,
    seen,
    stopAuthority: () => started.stop(),
    metrics: async () => registry.metrics(),
    async restartGateway() {
      await gateway.stop()
      registry = new Registry()
      gateway = compose(file.gateway, registry)
      await gateway.start()
    },
    async startAnother() {
      const port = await freeRange(1)
      const another = compose({ ...file.gateway, listen: [`127.0.0.1:${port}`] }, new Registry())
      others.push(another)
      await another.start()
      return {
        gateway: another,
        url: atPort(wiki, port),
        ask(visitor, url, more = {}) {
          return visitor.ask(atPort(url, port), { ...more, headers: { ...more.headers, host: new URL(url).host } })
        }
      }
    },
    changeMail: (mail) => started.changeMail(mail),
    endAll: () => started.endAll(),
    async [Symbol.asyncDispose]() {
      await Promise.all([gateway, ...others].map((one) => one.stop()))
      upstream.closeAllConnections()
      upstream.close()
      await started[Symbol.asyncDispose]()
      await certificate?.[Symbol.asyncDispose]()
    }
  }
}
