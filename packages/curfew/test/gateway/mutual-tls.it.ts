import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { silentLogger } from '../../src/platform/logger.ts'
import { type Certified, makeCertificate } from '../support/certificates.ts'
import { freeRange } from '../support/ports.ts'
import { startTinyproxy } from '../support/tinyproxy.ts'
import { until } from '../support/until.ts'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions } from './kit.ts'
import { Visitor } from './visitor.ts'

let folder: string
const file = (name: string): string => join(folder, name)
let [first, second]: readonly Certified[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'curfew-mutual-tls-'))
  first = await makeCertificate({ name: [{ CN: ['Clients'] }], isAuthority: true })
  second = await makeCertificate({ name: [{ CN: ['Clients of next year'] }], isAuthority: true })
})
after(() => rm(folder, { recursive: true }))

function own(): Promise<Certified> {
  return makeCertificate({ name: [{ CN: ['gate'] }], by: first ?? assert.fail() })
}

function writePair({ keyPem, pem }: Certified): void {
  writeFileSync(file('key.pem'), keyPem, { mode: 0o600 })
  writeFileSync(file('certificate.pem'), pem)
}

type BackChannel = NonNullable<NonNullable<GatewayKitOptions['provider']>['backChannel']>

interface World {
  readonly kit: GatewayKit
  readonly logged: readonly { readonly event?: string }[]
}

/** A gateway that has a certificate and no secret, in front of an authority that asks for one at an address of its own. */
async function createWorld(
  client: NonNullable<GatewayKitOptions['client']>,
  {
    shown,
    more = {},
    useSingleLogout = false,
    back
  }: {
    readonly shown: Certified
    readonly more?: Partial<GatewayKitOptions['gateway']>
    readonly useSingleLogout?: boolean
    readonly back?: (asking: string) => BackChannel
  }
): Promise<World & AsyncDisposable> {
  const port = await freeRange(1)
  writePair(shown)
  writeFileSync(file('clients.pem'), first?.pem ?? '')
  const logged: { readonly event?: string }[] = []
  const note = (fields: { readonly event?: string }): void => void logged.push(fields)
  const kit = await createGatewayKit({
    isHttps: true,
    logger: { ...silentLogger, info: note, warn: note, error: note } as typeof silentLogger,
    client,
    gateway: more,
    provider: {
      useSingleLogout,
      ...(back === undefined ? {} : { backChannel: back(`https://127.0.0.1:${port}`) }),
      authentication: client.authentication === 'selfSignedTlsClientAuth' ? 'selfSignedTlsClientAuth' : 'tlsClientAuth',
      clientCertificate: { key: file('key.pem'), certificate: file('certificate.pem') }
    },
    configuration(config) {
      const asking = { listen: [`127.0.0.1:${port}`], authorities: file('clients.pem') }
      const alias = back === undefined ? { baseUrl: `https://login.localhost:${port}` } : {}
      return { ...config, server: { ...config.server, clientCertificates: { ...asking, ...alias } } }
    }
  })
  return { kit, logged, [Symbol.asyncDispose]: () => kit[Symbol.asyncDispose]() }
}

const bySubject = { authentication: 'tlsClientAuth', certificateSubject: { kind: 'dn', value: 'CN=gate' } } as const
const asking = { sessionCheck: { feed: false, status: true, statusCacheSeconds: 0 } }

async function who(visitor: Visitor, kit: GatewayKit): Promise<string> {
  const answer = await visitor.ask(`${kit.wiki}/notes`)
  return answer.status === 200 ? ((JSON.parse(answer.body) as { headers: Record<string, string> }).headers['x-user'] ?? '') : String(answer.status)
}

suite('RFC 8705: a gateway that proves itself by a certificate', () => {
  for (const [name, more] of [
    ['the revocation feed', {}],
    ['questions about single sessions', asking]
  ] as const) {
    test(`signs people in, and learns of the end of a session by ${name}`, async () => {
      await using world = await createWorld(bySubject, { shown: await own(), more })
      const { kit } = world
      const ana = new Visitor()
      assert.equal((await ana.open(`${kit.wiki}/notes`)).status, 200)
      assert.equal(await who(ana, kit), 'ana')
      await kit.endAll()
      await until('the session is over', async () => (await who(ana, kit)) === '303')
      assert.deepEqual(
        world.logged.filter(({ event }) => event === 'gateway.feed-failed' || event === 'gateway.status-failed'),
        []
      )
    })
  }

  test('AC-061 with Use Single-Logout a picture on a page of its host has the provider end everything', async () => {
    await using world = await createWorld(bySubject, { shown: await own(), useSingleLogout: true })
    const { kit } = world
    const ana = new Visitor()
    for (const host of [kit.wiki, kit.shop]) await ana.open(`${host}/notes`)
    const picture = await ana.ask(`${kit.wiki}/pa/oidc/logout.png`, { headers: { 'sec-fetch-dest': 'image', 'sec-fetch-site': 'same-origin' } })
    assert.deepEqual([picture.status, picture.headers['content-type']], [200, 'image/png'], picture.body)
    const { items } = await kit.authority.store.listSessions({ state: 'live', limit: 5, nowMs: Temporal.Now.instant().epochMilliseconds })
    assert.deepEqual(items, [])
  })

  test('does so by a certificate that nobody signed, where the authority has its copy', async () => {
    const shown = await makeCertificate({ name: [{ CN: ['gate'] }] })
    const { kty, crv, x, y } = (await crypto.subtle.exportKey('jwk', shown.keys.publicKey)) as Readonly<Record<string, string>>
    const jwks = { keys: [{ kty, crv, x, y, x5c: [shown.base64] }] }
    await using world = await createWorld({ authentication: 'selfSignedTlsClientAuth', jwks: jwks as never }, { shown })
    const ana = new Visitor()
    assert.equal((await ana.open(`${world.kit.wiki}/notes`)).status, 200)
    assert.equal(await who(ana, world.kit), 'ana')
  })

  test('shows it to the servers of its back channel as well, through a proxy', async () => {
    const port = await freeRange(1)
    await using proxy = await startTinyproxy(port, 'let-me-out')
    const way = {
      expectedHostname: 'login.localhost',
      trustedCertificates: 'TRUSTED',
      proxy: { url: `http://127.0.0.1:${port}`, username: 'curfew', password: 'let-me-out' }
    }
    await using world = await createWorld(bySubject, { shown: await own(), back: (asked) => ({ servers: [asked], ...way }) })
    const { kit } = world
    const ana = new Visitor()
    assert.equal((await ana.open(`${kit.wiki}/notes`)).status, 200)
    await kit.endAll()
    await until('the session is over', async () => (await who(ana, kit)) === '303')
    assert.match(await proxy.log(), /CONNECT 127\.0\.0\.1/)
  })

  test('is nobody with a certificate of the right name by another authority', async () => {
    const shown = await makeCertificate({ name: [{ CN: ['gate'] }], by: await makeCertificate({ name: [{ CN: ['Clients'] }], isAuthority: true }) })
    await using world = await createWorld(bySubject, { shown })
    assert.equal((await new Visitor().open(`${world.kit.wiki}/notes`)).status, 403)
    assert.ok(world.logged.some(({ event }) => event === 'gateway.feed-failed'))
  })

  test('takes a new pair over without a restart; a pair that does not fit changes nothing but the log', async () => {
    await using world = await createWorld(bySubject, { shown: await own() })
    const { kit } = world
    const ana = new Visitor()
    assert.equal((await ana.open(`${kit.wiki}/notes`)).status, 200)
    // From now on the authority takes certificates of next year only. What is open goes on.
    writeFileSync(file('clients.pem'), second?.pem ?? '')
    kit.authority.reloadCertificates()
    assert.equal(await who(ana, kit), 'ana')
    const signIn = async (): Promise<number> => (await new Visitor().open(`${kit.wiki}/notes`)).status
    const told = () => world.logged.filter(({ event }) => event?.startsWith('gateway.certificate-')).map(({ event }) => event)
    await until('nobody new is let in', async () => (await signIn()) !== 200)
    const next = await makeCertificate({ name: [{ CN: ['gate'] }], by: second ?? assert.fail() })
    writeFileSync(file('certificate.pem'), next.pem)
    await until('the pair is looked at', async () => {
      assert.notEqual(await signIn(), 200)
      return told().length > 0
    })
    assert.deepEqual(told(), ['gateway.certificate-failed'])
    writePair(next)
    await until('the pair is taken', async () => (await signIn()) === 200)
    assert.deepEqual(told(), ['gateway.certificate-failed', 'gateway.certificate-reloaded'])
  })
})
