import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createGatewayKit } from '../packages/curfew/test/gateway/kit.ts'
import { Visitor } from '../packages/curfew/test/gateway/visitor.ts'
import { startNginx } from '../packages/curfew/test/support/nginx.ts'
import { freeRange } from '../packages/curfew/test/support/ports.ts'
import { startProgram } from '../packages/curfew/test/support/program.ts'
import { openidcFolder } from './openidc.ts'
import { startGatewayChild } from './gateway-start.ts'
import { type Load, loadName, sendLoad } from './load.ts'
import { cpuSecondsOf } from './process-cpu.ts'

const rounds = 4
const roundSeconds = 2
const answer = Buffer.alloc(1_024, 'x')

/** One way to put a sign-in in front of an application. */
interface Front {
  readonly name: string
  readonly load: Load
  /** Processes that do its work, with all that they started. */
  readonly pids: readonly number[]
}

/**
 * The gateway beside what people have in its place: nginx that asks a Node process about every request, and Apache with
 * mod_auth_openidc. The same application behind all three; requests per CPU-second of all processes of each, in turns.
 */
export async function benchGatewayPeers(): Promise<readonly string[]> {
  const missing = openidcFolder.missing()
  const title = `Gateway beside others (requests per CPU-second of all their processes, in turns, load by ${loadName})`
  if (missing !== undefined) return [title, `  not measured: ${missing}`]
  const upstream = createServer((_request, response) => response.writeHead(200, { 'content-length': answer.length }).end(answer))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const target = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  await using stack = new AsyncDisposableStack()
  stack.defer(() => {
    upstream.closeAllConnections()
    upstream.close()
  })
  const gateway = stack.use(await startGatewayChild('gateway', target))
  const own: Front = { name: 'gateway', load: { port: gateway.ready.port, path: '/notes', headers: gateway.ready.headers }, pids: [gateway.pid] }
  const others = [await nginxFront(stack, target), await apacheFront(stack, target)]
  const rates = await inTurns([own, ...others])
  const rate = rates.get(own) ?? 0
  return [
    title,
    `  gateway: ${Math.round(rate)}/s`,
    ...others.map(
      (other) => `  ${other.name}: ${Math.round(rates.get(other) ?? 0)}/s; the gateway reaches ${(rate / (rates.get(other) ?? 1)).toFixed(2)} of it`
    )
  ]
}

/** `auth_request` to a process that checks a signed cookie and a list of a million revoked sessions, over connections that are kept. */
async function nginxFront(stack: AsyncDisposableStack, target: string): Promise<Front> {
  const judge = stack.use(await startGatewayChild('judge', target))
  const [port] = [await freeRange(1)]
  const nginx = stack.use(
    await startNginx(
      `upstream application { server ${new URL(target).host}; keepalive 64; }
upstream judge { server 127.0.0.1:${judge.ready.port}; keepalive 64; }
proxy_http_version 1.1; proxy_set_header Connection "";
server {
  listen 127.0.0.1:${port};
  location / {
    auth_request /judge;
    auth_request_set $user $upstream_http_x_user;
    proxy_set_header Connection "";
    proxy_set_header X-User $user;
    proxy_pass http://application;
  }
  location = /judge { internal; proxy_pass http://judge; proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_set_header Connection ""; }
}`,
      port,
      {},
      1_024
    )
  )
  return { name: 'nginx with auth_request to a Node process', load: { port, path: '/notes', headers: judge.ready.headers }, pids: [nginx.pid, judge.pid] }
}

/** mod_auth_openidc with a session of its own, signed in by an authority of this product. */
async function apacheFront(stack: AsyncDisposableStack, target: string): Promise<Front> {
  const port = await freeRange(1)
  const site = `http://openidc.localhost:${port}`
  const kit = stack.use(await createGatewayKit({ client: { redirectUris: [`${site}/redirect_uri`], logout: { modes: [] } } }))
  const folder = stack.use(await openidcFolder.create({ port, site, target, issuer: kit.issuer }))
  const apache = stack.use(await startProgram(openidcFolder.program, folder.args, { port, from: 'libapache2-mod-auth-openidc' }))
  const ana = new Visitor()
  const { status, body } = await ana.open(`${site}/notes`)
  if (status !== 200) throw new Error(`mod_auth_openidc answered ${status}: ${body.slice(0, 500)}`)
  const cookie = [...ana.jar(site)].map(([name, value]) => `${name}=${value}`).join('; ')
  return { name: 'Apache with mod_auth_openidc', load: { port, path: '/notes', headers: { host: new URL(site).host, cookie } }, pids: [apache.pid] }
}

/** Best round of each; they take turns, so that what else the machine does meets all. */
async function inTurns(fronts: readonly Front[]): Promise<ReadonlyMap<Front, number>> {
  const best = new Map<Front, number>()
  for (const front of fronts) await round(front)
  for (let i = 0; i < rounds; i++) for (const front of fronts) best.set(front, Math.max(best.get(front) ?? 0, await round(front)))
  return best
}

async function round({ load, pids }: Front): Promise<number> {
  const used = (): number => pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
  const before = used()
  const count = await sendLoad(load, roundSeconds)
  return count / (used() - before)
}
