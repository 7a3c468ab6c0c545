import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { loadGatewayConfig } from '../../src/config/load.ts'
import { gateway as gatewaySchema } from '../../src/config/gateway-schema.ts'
import { createGatewayKit } from './kit.ts'
import { Visitor } from './visitor.ts'
import { freeRange } from '../support/ports.ts'
import { bin } from '../support/bin.ts'
import { until } from '../support/until.ts'

suite('A gateway in the process of the authority', () => {
  test('takes its secret and its issuer from the same configuration, and refuses what was ended', async () => {
    const port = await freeRange(1)
    const site = `http://notes.localhost:${port}`
    await using kit = await createGatewayKit({
      client: { redirectUris: [`${site}/pa/oidc/cb`] },
      configuration: (config) => ({
        ...config,
        gateway: {
          listen: [`127.0.0.1:${port}`],
          provider: { clientId: 'gate' },
          webSessions: [{ name: 'main', audience: 'NOTES' }],
          // The health of the authority does for an application that people are let in to.
          applications: [{ id: 'notes', urls: [site], target: config.server.baseUrl.replace('login.localhost', '127.0.0.1') }]
        }
      })
    })
    const ana = new Visitor()
    const page = await ana.open(`${site}/pf/heartbeat.ping`)
    assert.deepEqual([page.status, page.body], [200, 'OK'])
    await kit.endAll()
    await until('ana is asked to sign in again', async () => (await ana.ask(`${site}/pf/heartbeat.ping`)).status === 303, { patienceMs: 10_000 })
  })
})

suite('The configuration of a gateway', () => {
  const provider = { issuer: 'https://login.example.com', clientId: 'gate', clientSecret: 'a secret that is long enough' }
  const application = { id: 'wiki', urls: ['https://wiki.example.com'], target: 'http://10.0.0.5:8080' }
  const isGood = (webSession: object, more: object = {}) =>
    gatewaySchema.safeParse({ provider, webSessions: [webSession], applications: [application], ...more }).success

  test('AC-078 an audience has 1 to 32 characters, the name of a web session up to 64', () => {
    assert.deepEqual(
      [0, 1, 32, 33].map((length) => isGood({ name: 'main', audience: 'a'.repeat(length) })),
      [false, true, true, false]
    )
    assert.deepEqual(
      [0, 1, 64, 65].map((length) => isGood({ name: 'n'.repeat(length), audience: 'a' })),
      [false, true, true, false]
    )
  })

  test('what contradicts itself is refused', () => {
    const session = { name: 'main', audience: 'a' }
    assert.ok(isGood(session))
    assert.ok(!isGood({ ...session, cookieDomain: 'example.org' }))
    assert.ok(!isGood({ ...session, idleMinutes: 300 }))
    assert.ok(!isGood(session, { applications: [application, { ...application, id: 'shop' }] }))
    assert.ok(!isGood(session, { applications: [{ ...application, webSession: 'other' }] }))
    assert.ok(!isGood(session, { provider: { ...provider, authentication: 'clientSecretPost' } }))
    assert.ok(!isGood({ ...session, sameSite: 'none' }, { applications: [{ ...application, urls: ['http://wiki.example.com'] }] }))
  })

  test('of a file of its own needs the issuer and the secret, and says so with the other findings', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'curfew-gateway-'))
    const file = join(folder, 'gateway.yaml')
    const { issuer: _issuer, ...withoutIssuer } = provider
    const text = (gateway: object) => JSON.stringify({ gateway: { webSessions: [{ name: 'main', audience: 'a' }], applications: [application], ...gateway } })
    await writeFile(file, text({ provider: withoutIssuer, listens: [] }))
    const bad = loadGatewayConfig(file, { environment: {} })
    assert.deepEqual(bad.ok ? [] : bad.findings.map(({ path }) => path).toSorted(), ['gateway.listens', 'gateway.provider.issuer', 'gateway.secretFile'])
    await writeFile(file, text({ provider, secretFile: 'secret' }))
    const good = loadGatewayConfig(file, { environment: {} })
    assert.equal(good.ok && good.config.gateway.secretFile, join(folder, 'secret'))
    await rm(folder, { recursive: true })
  })
})

suite('curfew gateway', () => {
  test('starts while the authority is away, says that sign-in is not possible, serves figures, and stops when told', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'curfew-gateway-'))
    const [port, metricsPort] = [await freeRange(1), await freeRange(1)]
    const site = `http://wiki.localhost:${port}`
    await writeFile(join(folder, 'secret'), Buffer.alloc(32, 4).toString('base64'))
    const gateway = {
      listen: [`127.0.0.1:${port}`],
      metricsListen: `127.0.0.1:${metricsPort}`,
      secretFile: 'secret',
      provider: { issuer: 'http://login.localhost:1', clientId: 'gate', clientSecret: 'a secret that is long enough' },
      webSessions: [{ name: 'main', audience: 'ACE' }],
      applications: [{ id: 'wiki', urls: [site], target: 'http://127.0.0.1:1' }]
    }
    await writeFile(join(folder, 'gateway.yaml'), JSON.stringify({ gateway, outbound: { allowPrivate: ['127.0.0.0/8'] } }))
    const child = spawn(process.execPath, [bin, 'gateway', '--config', join(folder, 'gateway.yaml')], { stdio: 'ignore' })
    const ended = once(child, 'exit')
    try {
      const visitor = new Visitor()
      const isUp = () =>
        visitor.ask(`${site}/pa/heartbeat.ping`).then(
          ({ body }) => body === 'OK',
          () => false
        )
      for (let i = 0; i < 900 && !(await isUp()); i++) await new Promise((resolve) => setTimeout(resolve, 100))
      assert.ok(await isUp())
      const page = await visitor.ask(`${site}/`)
      assert.deepEqual([page.status, page.body.includes('CURFEW_GATEWAY_PROVIDER')], [503, true])
      const { body } = await visitor.ask(`http://wiki.localhost:${metricsPort}/metrics`)
      assert.match(body, /curfew_gateway_requests_total\{application="wiki",result="sign-in"\} 1/)
      assert.match(body, /curfew_gateway_feed_problems_total\{code="\w+"\} \d+/)
    } finally {
      child.kill('SIGTERM')
    }
    assert.deepEqual(await ended, [0, null])
    await rm(folder, { recursive: true })
  })
})
