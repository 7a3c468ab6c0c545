import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { targetCharactersMax } from '../../src/gateway/sign-in/start.ts'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions, type Mirrored } from './kit.ts'
import { type Answer, Visitor } from './visitor.ts'
import { type Addresses, snippetOf, withAddresses } from './forward-auth-snippets.ts'
import { startEnvoyStandIn, startTraefikStandIn } from './proxy-stand-ins.ts'
import { startCaddy } from '../support/caddy.ts'
import { startNginx } from '../support/nginx.ts'
import { freeRange } from '../support/ports.ts'

const mirrored = ({ body }: Answer) => JSON.parse(body) as Mirrored

interface Proxy {
  /** How it asks. */
  readonly dialect: 'nginx' | 'forwarded' | 'envoy'
  /** Starts it as the guide says, with the addresses of this test. */
  readonly start: (addresses: Addresses, site: string) => Promise<AsyncDisposable>
  /** How it sends somebody to the sign-in. */
  readonly redirect: 302 | 303
  /** What a question that somebody asks from outside is answered with: nobody is told anything. */
  readonly question: number
  /** What a header name with an underscore is worth: the request itself, or only the header. */
  readonly refusesUnderscores?: true
  /** A header that brings the gateway's cookie to the browser, and that a browser must not bring. */
  readonly carrier?: string
}

const proxies: Readonly<Record<string, Proxy>> = {
  nginx: {
    dialect: 'nginx',
    start: (addresses) =>
      startNginx(
        withAddresses(snippetOf('nginx'), addresses)
          .replace('listen 443 ssl;', `listen 127.0.0.1:${addresses.listen};`)
          .replace('wiki.example.com', 'wiki.localhost'),
        addresses.listen
      ),
    redirect: 302,
    question: 404
  },
  Caddy: {
    dialect: 'forwarded',
    carrier: 'X-Curfew-Cookie',
    start: (addresses, site) => startCaddy(withAddresses(snippetOf('Caddy'), addresses).replace('wiki.example.com', site), addresses.listen),
    redirect: 303,
    question: 404
  },
  'Traefik (a stand-in that does what its documentation says)': {
    dialect: 'forwarded',
    start: (addresses) => startTraefikStandIn(addresses, 'ACE_ws'),
    redirect: 303,
    question: 303
  },
  'Envoy (a stand-in that does what its documentation says)': {
    dialect: 'envoy',
    start: (addresses) => startEnvoyStandIn(addresses),
    redirect: 303,
    question: 404,
    refusesUnderscores: true
  }
}

const asking = { forwardAuth: ['nginx', 'forwarded', 'envoy'] } satisfies GatewayKitOptions['gateway']

for (const [name, proxy] of Object.entries(proxies)) {
  /** The proxy as the guide says, asking a gateway. */
  const run = async (act: (site: string, kit: GatewayKit) => Promise<void>): Promise<void> => {
    const listen = await freeRange(1)
    const site = `http://wiki.localhost:${listen}`
    await using kit = await createGatewayKit({
      // Every way is open here: what closes them is the configuration of the proxy alone.
      gateway: asking,
      webSession: { refreshUserSeconds: 1 },
      applications: [{ id: 'wiki', urls: [site], anonymous: ['/public'] }],
      client: { redirectUris: [`${site}/pa/oidc/cb`] }
    })
    const application = `127.0.0.1:${(kit.upstream.address() as { port: number }).port}`
    const gateway = `127.0.0.1:${new URL(kit.wiki).port}`
    await using _proxy = await proxy.start({ listen, gateway, application }, site)
    await act(site, kit)
  }

  suite(`${name}, asking the gateway as the guide says`, () => {
    test('sends people to sign in and back, and tells the application who they are', () =>
      run(async (site) => {
        const ana = new Visitor()
        const page = await ana.open(`${site}/notes?a=b`)
        assert.equal(page.status, 200, page.body.slice(0, 300))
        const { url, headers } = mirrored(page)
        assert.deepEqual([url, headers['x-user'], headers['x-mail']], ['/notes?a=b', 'ana', 'ana@example.org'])
        const sent = await ana.ask(`${site}/notes`, { method: 'POST', body: 'text=hello', headers: { 'content-type': 'application/x-www-form-urlencoded' } })
        assert.deepEqual([mirrored(sent).method, mirrored(sent).body, mirrored(sent).headers['x-user']], ['POST', 'text=hello', 'ana'])
        const part = await new Visitor().ask(`${site}/data`, { headers: { 'sec-fetch-mode': 'cors' } })
        assert.deepEqual([part.status, part.headers.location], [401, undefined])
      }))

    test('refuses a session that was ended, and clears its cookie at the sign-out of this host', () =>
      run(async (site, kit) => {
        const ana = new Visitor()
        await ana.open(`${site}/`)
        assert.equal((await ana.ask(`${site}/pa/oidc/logout`)).status, 200)
        assert.equal((await ana.ask(`${site}/`)).status, proxy.redirect)
        await ana.open(`${site}/`)
        await kit.endAll()
        await until(async () => (await ana.ask(`${site}/`)).status === proxy.redirect)
      }))

    test('gives the browser the cookie that the gateway writes again', () =>
      run(async (site, kit) => {
        const ana = new Visitor()
        await ana.open(`${site}/`)
        const before = ana.jar(site).get('PA.ACE_ws')
        await kit.changeMail('ana@example.com')
        await until(async () => mirrored(await ana.ask(`${site}/`)).headers['x-mail'] === 'ana@example.com')
        const after = ana.jar(site).get('PA.ACE_ws')
        assert.ok(after !== undefined && after !== before)
        assert.ok(!mirrored(await ana.ask(`${site}/`)).raw.some((text) => /curfew/i.test(text)), 'what carries it stays between the two')
      }))

    test('lets no forged identity header and no forged question through', () =>
      run(async (site) => {
        const question = {
          'x-original-url': `${site}/public/x`,
          'x-forwarded-uri': '/public/x',
          'x-forwarded-host': 'shop.localhost',
          'x-original-method': 'OPTIONS',
          'x-forwarded-method': 'OPTIONS'
        }
        const dashes = { 'x-user': 'mallory', 'X-Mail': 'mallory', ...(proxy.carrier === undefined ? {} : { [proxy.carrier]: 'PA.ACE_ws=mallory' }) }
        const dots = { 'x.user': 'mallory', 'X.MAIL': 'mallory' }
        const forged = { ...question, ...dashes, ...dots, x_user: 'mallory', X_MAIL: 'mallory' }
        const open = await new Visitor().ask(`${site}/public/x`, { headers: forged })
        if (proxy.refusesUnderscores === true) assert.equal(open.status, 400)
        const clean = proxy.refusesUnderscores === true ? await new Visitor().ask(`${site}/public/x`, { headers: { ...question, ...dashes, ...dots } }) : open
        const { raw } = mirrored(clean)
        assert.ok(!raw.some((text) => text.includes('mallory')), raw.join())
        assert.equal(clean.headers['set-cookie'], undefined)
        assert.equal((await new Visitor().ask(`${site}/secret`, { headers: { ...question, ...dashes } })).status, proxy.redirect)
        for (const way of ['nginx', 'forwarded', 'envoy/public/x']) {
          const asked = await new Visitor().ask(`${site}/pa/auth/${way}`, { headers: question })
          assert.equal(asked.status, proxy.question, way)
        }
        const { port, host } = new URL(site)
        const lines = Object.entries(question).map(([header, value]) => `${header}: ${value}\r\n`)
        const end = `?x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${lines.join('')}\r\n`
        const way = proxy.dialect === 'envoy' ? 'envoy/public/x' : proxy.dialect
        for (const path of [`/pa//auth/${way}`, `/pa/%61uth/${way}`, `/pa/./auth/${way}`, `/pa/auth;x/${way}`, `/pa/x/../auth/${way}`, `/PA/auth/${way}`]) {
          const status = await rawStatus(Number(port), `GET ${path}${end}`)
          assert.ok([302, 303, 400, 403, 404].includes(status), `${path}: ${status}`)
        }
      }))

    test('no spelling of a path leads around the question', () =>
      run(async (site, kit) => {
        const { port, host } = new URL(site)
        for (const path of [
          '/public/..%2fsecret',
          '/public%2f..%2fsecret',
          '/public/%2e%2e%2fsecret',
          '/public/..;/secret',
          '/public/%252e%252e/secret',
          '/public//../secret',
          '/public/%2e%2e/secret'
        ]) {
          const status = await rawStatus(Number(port), `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
          assert.ok(status === 403 || status === 400 || status === proxy.redirect, `${path}: ${status}`)
        }
        assert.equal(kit.seen.length, 0)
      }))
  })
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 10_000
  while (!(await isDone())) {
    assert.ok(performance.now() < endMs)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

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
      await using kit = await createGatewayKit({ gateway: asking, applications: [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }] })
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
      const ben = new Visitor()
      const lost = await ben.fillIn(await ben.follow((await ask(ben, `/notes?a=${'b'.repeat(targetCharactersMax)}`)).headers.location ?? ''), 'ben')
      assert.deepEqual([lost.status, new URL(lost.url).pathname, lost.body.includes('CURFEW_GATEWAY_ADDRESS_LOST')], [409, '/pa/oidc/address-lost', true])
      assert.equal((await ask(ben, '/notes')).headers['x-user'], 'ben', 'and the person is signed in')
      const open = await ask(new Visitor(), '/public/x')
      assert.deepEqual([open.status, open.headers['x-user']], [200, ''])
      const twoMeanings = await ask(new Visitor(), '/public/..%2fx')
      assert.equal(twoMeanings.status, 400)
      await kit.endAll()
      await until(async () => (await ask(ana, '/notes')).status === 303)
    })
  }

  test('an address that was too long leads back to its application, also where another one lies at the root of the host', async () => {
    const applications = [
      { id: 'wiki', urls: ['WIKI'], contextRoot: '/wiki' },
      { id: 'data', urls: ['WIKI'], type: 'api' as const }
    ]
    await using kit = await createGatewayKit({ gateway: asking, applications })
    const ana = new Visitor()
    const asked = await ana.ask(`${kit.wiki}/pa/auth/envoy/wiki/notes?a=${'b'.repeat(targetCharactersMax)}`)
    const lost = await ana.fillIn(await ana.follow(asked.headers.location ?? ''), 'ana')
    assert.deepEqual([lost.status, lost.headers['content-type'], new URL(lost.url).search], [409, 'text/html; charset=utf-8', '?app=wiki'])
    assert.ok(lost.body.includes('CURFEW_GATEWAY_ADDRESS_LOST') && lost.body.includes('href="/wiki"'), lost.body)
    for (const unknown of ['', '?app=shop', '?app=']) {
      const { status, headers } = await ana.open(`${kit.wiki}/pa/oidc/address-lost${unknown}`)
      assert.deepEqual([status, headers['content-type']], [409, 'application/problem+json'], unknown)
    }
  })

  test('no way reads the headers of another, and nobody but a trusted proxy may ask', async () => {
    await using kit = await createGatewayKit({ gateway: asking, applications: [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }] })
    const { host } = new URL(kit.wiki)
    const ask = (path: string, headers: Record<string, string>) => new Visitor().ask(kit.wiki + path, { headers })
    assert.equal((await ask('/pa/auth/envoy/secret', { 'x-original-url': `${kit.wiki}/public/x`, 'x-forwarded-uri': '/public/x' })).status, 303)
    const forwarded = { 'x-forwarded-host': host, 'x-forwarded-uri': '/secret', 'x-original-url': `${kit.wiki}/public/x` }
    assert.equal((await ask('/pa/auth/forwarded', forwarded)).status, 303)
    assert.equal((await ask('/pa/auth/nginx', { 'x-forwarded-host': host, 'x-forwarded-uri': '/public/x' })).status, 403)
    assert.equal((await ask('/pa/auth', {})).status, 404)
    await using strict = await createGatewayKit({ gateway: { ...asking, trustedProxies: ['192.0.2.0/24'] } })
    assert.equal((await new Visitor().ask(`${strict.wiki}/pa/auth/envoy/public`)).status, 403)
  })

  test('is answered in the ways that the configuration names, and by default in none: whoever comes through a proxy has its address', async () => {
    const applications = [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }]
    for (const forwardAuth of [undefined, ['envoy'] as const]) {
      await using kit = await createGatewayKit({ gateway: forwardAuth === undefined ? {} : { forwardAuth: [...forwardAuth] }, applications })
      const forged = { 'x-forwarded-host': new URL(kit.wiki).host, 'x-forwarded-uri': '/public/x', 'x-original-url': `${kit.wiki}/public/x` }
      for (const way of ['nginx', 'forwarded', 'envoy/public/x', 'constructor']) {
        const { status } = await new Visitor().ask(`${kit.wiki}/pa/auth/${way}`, { headers: forged })
        assert.equal(status, forwardAuth !== undefined && way.startsWith('envoy') ? 200 : 404, way)
      }
    }
  })
})
