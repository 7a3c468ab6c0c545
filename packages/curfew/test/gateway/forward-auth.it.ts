import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createGatewayKit, type GatewayKit, type Mirrored } from './kit.ts'
import { type Answer, Visitor } from './visitor.ts'
import { startNginx } from '../support/nginx.ts'
import { freeRange } from '../support/ports.ts'

const mirrored = ({ body }: Answer) => JSON.parse(body) as Mirrored
const guide = fileURLToPath(new URL('../../../../docs/how-to/forward-auth.md', import.meta.url))

/** The configuration that the guide shows, with the addresses of this test. */
async function guideConfiguration(addresses: { readonly listen: number; readonly gateway: string; readonly application: string }): Promise<string> {
  const server = /```nginx\n([\s\S]*?)```/.exec(await readFile(guide, 'utf8'))?.[1] ?? assert.fail('the guide has no nginx configuration')
  return server
    .replace('listen 443 ssl;', `listen 127.0.0.1:${addresses.listen};`)
    .replace('wiki.example.com', 'wiki.localhost')
    .replaceAll('http://127.0.0.1:3000', addresses.gateway)
    .replaceAll('http://10.0.0.5:8080', addresses.application)
}

/** nginx as the guide says, asking a gateway. */
async function withNginx(run: (site: string, kit: GatewayKit) => Promise<void>): Promise<void> {
  const listen = await freeRange(1)
  const site = `http://wiki.localhost:${listen}`
  await using kit = await createGatewayKit({
    applications: [{ id: 'wiki', urls: [site], anonymous: ['/public'] }],
    client: { redirectUris: [`${site}/pa/oidc/cb`] }
  })
  const application = `http://127.0.0.1:${(kit.upstream.address() as { port: number }).port}`
  const gateway = `http://127.0.0.1:${new URL(kit.wiki).port}`
  await using _nginx = await startNginx(await guideConfiguration({ listen, gateway, application }), listen)
  await run(site, kit)
}

suite('nginx that asks the gateway, configured as the guide says', () => {
  test('sends people to sign in and back, and tells the application who they are', () =>
    withNginx(async (site) => {
      const ana = new Visitor()
      const page = await ana.open(`${site}/notes?a=b`)
      const { url, headers } = mirrored(page)
      assert.deepEqual([url, headers['x-user'], headers['x-mail']], ['/notes?a=b', 'ana', 'ana@example.org'])
      const part = await new Visitor().ask(`${site}/data`, { headers: { 'sec-fetch-mode': 'cors' } })
      assert.deepEqual([part.status, part.headers.location], [401, undefined])
    }))

  test('refuses a session that was ended, and clears its cookie at the sign-out of this host', () =>
    withNginx(async (site, kit) => {
      const ana = new Visitor()
      await ana.open(`${site}/`)
      assert.equal((await ana.ask(`${site}/pa/oidc/logout`)).status, 200)
      assert.equal((await ana.ask(`${site}/`)).status, 302)
      await ana.open(`${site}/`)
      await kit.endAll()
      await new Promise((resolve) => setTimeout(resolve, 500))
      assert.equal((await ana.ask(`${site}/`)).status, 302)
    }))

  test('lets no forged identity header and no forged question through', () =>
    withNginx(async (site) => {
      const forged = {
        'x-user': 'mallory',
        x_user: 'mallory',
        'X-Mail': 'mallory',
        'x-original-url': `${site}/public/x`,
        'x-forwarded-uri': '/public/x',
        'x-original-method': 'OPTIONS'
      }
      const open = await new Visitor().ask(`${site}/public/x`, { headers: forged })
      const { raw } = mirrored(open)
      assert.ok(!raw.includes('mallory'), raw.join())
      assert.equal((await new Visitor().ask(`${site}/secret`, { headers: forged })).status, 302)
      // The question itself can not be asked from outside.
      assert.equal((await new Visitor().ask(`${site}/pa/auth/nginx`, { headers: forged })).status, 404)
    }))

  for (const path of [
    '/public/..%2fsecret',
    '/public%2f..%2fsecret',
    '/public/%2e%2e%2fsecret',
    '/public/..;/secret',
    '/public/%252e%252e/secret',
    '/public//../secret',
    '/public/%2e%2e/secret'
  ]) {
    test(`the path ${path} does not lead around the question`, () =>
      withNginx(async (site, kit) => {
        const { port, host } = new URL(site)
        const from = kit.seen.length
        const status = await rawStatus(Number(port), `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
        assert.ok(status === 403 || status === 400 || status === 302, String(status))
        assert.equal(kit.seen.length, from)
      }))
  }
})

function rawStatus(port: number, text: string): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', (chunk: Buffer) => {
      resolve(Number(/HTTP\/1\.1 (\d{3})/.exec(chunk.toString('latin1'))?.[1]))
      socket.destroy()
    })
    socket.write(text)
  })
}

suite('What other proxies ask', () => {
  const dialects = {
    'Traefik and Caddy': (kit: GatewayKit, path: string) =>
      ({
        path: '/pa/auth/forwarded',
        headers: { 'x-forwarded-host': new URL(kit.wiki).host, 'x-forwarded-uri': path, 'x-forwarded-method': 'GET', 'x-forwarded-proto': 'http' }
      }) as const,
    Envoy: (_kit: GatewayKit, path: string) => ({ path: `/pa/auth/envoy${path}`, headers: {} }) as const
  }
  for (const [name, question] of Object.entries(dialects)) {
    test(`${name}: 303 to the sign-in, then 200 with the identity headers`, async () => {
      await using kit = await createGatewayKit({ applications: [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }] })
      const ask = (visitor: Visitor, path: string) => {
        const { path: at, headers } = question(kit, path)
        return visitor.ask(kit.wiki + at, { headers })
      }
      const ana = new Visitor()
      const refused = await ask(ana, '/notes?a=b')
      assert.deepEqual([refused.status, refused.headers.location], [303, `${kit.wiki}/pa/oidc/start?target=%2Fnotes%3Fa%3Db`])
      await ana.open(refused.headers.location ?? '')
      const passed = await ask(ana, '/notes?a=b')
      assert.deepEqual([passed.status, passed.headers['x-user'], passed.headers['x-mail']], [200, 'ana', 'ana@example.org'])
      const open = await ask(new Visitor(), '/public/x')
      assert.deepEqual([open.status, open.headers['x-user']], [200, ''])
      const twoMeanings = await ask(new Visitor(), '/public/..%2fx')
      assert.equal(twoMeanings.status, 400)
      await kit.endAll()
      await new Promise((resolve) => setTimeout(resolve, 500))
      assert.equal((await ask(ana, '/notes')).status, 303)
    })
  }

  test('no way reads the headers of another, and nobody but a trusted proxy may ask', async () => {
    await using kit = await createGatewayKit({ applications: [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }] })
    const { host } = new URL(kit.wiki)
    const ask = (path: string, headers: Record<string, string>) => new Visitor().ask(kit.wiki + path, { headers })
    assert.equal((await ask('/pa/auth/envoy/secret', { 'x-original-url': `${kit.wiki}/public/x`, 'x-forwarded-uri': '/public/x' })).status, 303)
    const forwarded = { 'x-forwarded-host': host, 'x-forwarded-uri': '/secret', 'x-original-url': `${kit.wiki}/public/x` }
    assert.equal((await ask('/pa/auth/forwarded', forwarded)).status, 303)
    assert.equal((await ask('/pa/auth/nginx', { 'x-forwarded-host': host, 'x-forwarded-uri': '/public/x' })).status, 403)
    assert.equal((await ask('/pa/auth', {})).status, 404)
    await using strict = await createGatewayKit({ gateway: { trustedProxies: ['192.0.2.0/24'] } })
    assert.equal((await new Visitor().ask(`${strict.wiki}/pa/auth/envoy/public`)).status, 403)
  })
})
