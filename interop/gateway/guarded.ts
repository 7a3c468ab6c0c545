import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { snippetOf, withAddresses } from '../../packages/curfew/test/gateway/forward-auth-snippets.ts'
import { findProgram } from '../../tools/system-deps.ts'
import { startNode } from '../harness/node-program.ts'
import { type Program, type Programs, untilAnswers } from '../harness/programs.ts'
import type { RealPeer } from '../peer.ts'

/** An application behind the gateway, as a browser finds it. */
export type GuardedPlace = Pick<RealPeer, 'id' | 'name' | 'origin' | 'protectedUrl' | 'insideMark' | 'signOutUrl'>

/** The gateway is a part of the authority and below its domain, or a process of its own on other sites. */
export type GatewayKind = 'built-in' | 'own-process'

/** What an administrator writes down of a gateway, and what stands behind it. */
export interface Guarded {
  readonly kind: GatewayKind
  /** Its entry of `connections`. */
  readonly connection: object
  /** `gateway` of `curfew.yaml`, where it is a part of the authority. */
  readonly gateway: object | undefined
  /** The first by the gateway's own proxy, the second by nginx, which asks the gateway. */
  readonly places: readonly [GuardedPlace, GuardedPlace]
  /** Starts what is not a part of the authority, and waits for all of it. */
  start(): Promise<void>
  stop(): Promise<void>
}

export interface GuardedSetup {
  readonly folder: string
  readonly kind: GatewayKind
  readonly authorityUrl: string
  /** Of the gateway, of nginx, of the application. */
  readonly ports: readonly [number, number, number]
  readonly programs: Programs
}

export const gatewayClientId = 'gate'
const audience = 'interop'
export const sessionCookieName = `PA.${audience}`
const bin = fileURLToPath(new URL('../../packages/curfew/bin/curfew.js', import.meta.url))
const nginxProgram = findProgram(['nginx'])

export function missingForGateway(): string | undefined {
  return nginxProgram === undefined ? 'nginx is not installed' : undefined
}

export function createGuarded({ folder, kind, authorityUrl, ports, programs }: GuardedSetup): Guarded {
  const [gatewayPort, nginxPort, applicationPort] = ports
  const domain = kind === 'built-in' ? new URL(authorityUrl).hostname : 'localhost'
  const places = [place('wiki', 'the proxy of the gateway', domain, gatewayPort), place('shop', 'nginx asking the gateway', domain, nginxPort)] as const
  const [wiki, shop] = places
  const clientSecret = randomBytes(24).toString('base64url')
  const gateway = {
    listen: [`127.0.0.1:${gatewayPort}`],
    provider: { clientId: gatewayClientId, useSingleLogout: true },
    forwardAuth: ['nginx'],
    webSessions: [{ name: 'main', audience }],
    applications: places.map(({ id, origin }) => ({
      id,
      urls: [origin],
      target: `http://127.0.0.1:${applicationPort}`,
      headers: { 'X-User': 'preferred_username', 'X-Mail': 'email' }
    }))
  }
  const running: Program[] = []
  return {
    kind,
    places,
    connection: {
      id: gatewayClientId,
      name: 'Gateway',
      protocol: 'oidc',
      clientSecret,
      redirectUris: places.map(({ origin }) => `${origin}/pa/oidc/cb`),
      sessionRevocation: true,
      logout: { modes: [], pingAccessLogoutCapable: true }
    },
    gateway: kind === 'built-in' ? gateway : undefined,
    async start() {
      mkdirSync(folder, { recursive: true })
      const application = startNode(programs, {
        name: 'application',
        folder,
        file: join(import.meta.dirname, 'application.ts'),
        environment: { PORT: String(applicationPort) }
      })
      const nginx = startNginx(programs, folder, { place: shop, nginxPort, gatewayPort, applicationPort })
      running.push(application, nginx)
      if (kind === 'own-process') {
        const file = writeGatewayFile(folder, { ...gateway, provider: { ...gateway.provider, issuer: authorityUrl, clientSecret } }, new URL(authorityUrl))
        const args = [bin, 'gateway', '--config', file]
        running.push(programs.start({ name: 'gateway', command: process.execPath, args, folder, environment: {}, logFile: join(folder, 'gateway.log') }))
      }
      for (const { origin } of [wiki, shop]) await untilAnswers(running.at(-1) ?? nginx, `${origin}/pa/heartbeat.ping`)
    },
    async stop() {
      await Promise.all(running.splice(0).map((program) => program.stop()))
    }
  }
}

function place(id: string, name: string, domain: string, port: number): GuardedPlace {
  const origin = `http://${id}.${domain}:${port}`
  return { id, name: `${id}, behind ${name}`, origin, protectedUrl: `${origin}/`, insideMark: `Inside ${id}`, signOutUrl: `${origin}/pa/oidc/logout` }
}

/** `gateway.yaml`, with a secret of its own beside it. */
function writeGatewayFile(folder: string, gateway: object, { hostname }: URL): string {
  const file = join(folder, 'gateway.yaml')
  writeFileSync(join(folder, 'gateway.secret'), randomBytes(32).toString('base64'), { mode: 0o600 })
  const outbound = { allowPrivate: ['127.0.0.0/8'], hosts: { [hostname]: '127.0.0.1' } }
  // What is JSON is YAML.
  writeFileSync(file, JSON.stringify({ gateway: { ...gateway, secretFile: 'gateway.secret' }, outbound }), { mode: 0o600 })
  return file
}

interface NginxSetup {
  readonly place: GuardedPlace
  readonly nginxPort: number
  readonly gatewayPort: number
  readonly applicationPort: number
}

/** nginx as the guide for forward-auth says, with the addresses of this run. */
function startNginx(programs: Programs, folder: string, { place: { origin }, nginxPort, gatewayPort, applicationPort }: NginxSetup): Program {
  const addresses = { listen: nginxPort, gateway: `127.0.0.1:${gatewayPort}`, application: `127.0.0.1:${applicationPort}` }
  const server = withAddresses(snippetOf('nginx'), addresses)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${nginxPort};`)
    .replace('wiki.example.com', new URL(origin).hostname)
  const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join('\n')
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const text = `daemon off; ${user} pid ${folder}/nginx.pid; error_log ${folder}/nginx-error.log; worker_processes 1;
events { worker_connections 64; }
http { access_log off;\n${own}\n${server} }`
  writeFileSync(join(folder, 'nginx.conf'), text)
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf')]
  return programs.start({ name: 'nginx', command: nginxProgram ?? 'nginx', args, folder, environment: {}, logFile: join(folder, 'nginx.log') })
}
