import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { createSelfSigned } from '../../src/platform/certificate.ts'
import { systemRandom } from '../../src/platform/random.ts'
import { type Sentinel, type Server, skipReason, startSentinel, startServer } from '../stores/redis/servers.ts'
import { freeRange } from '../support/ports.ts'
import { curfew, type Finished } from './bin.ts'

const wrongPassword = 'not-the-one-of-the-server'

suite('curfew start where the servers of the store keep it out', { skip: skipReason }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-refused-'))
  let server: Server
  let sentinel: Sentinel
  let tlsPort: number
  let config: object

  before(async () => {
    const made = await curfew(folder, ['init', '--base-url', 'http://127.0.0.1:9031'])
    assert.equal(made.code, 0, made.err)
    config = parse(readFileSync(join(folder, 'curfew.yaml'), 'utf8')) as object
    for (const name of ['server', 'other']) {
      const { certificatePem, keyPem } = await createSelfSigned('localhost', { fromMs: Date.now(), days: 2 }, systemRandom)
      writeFileSync(join(folder, `${name}.crt`), certificatePem)
      writeFileSync(join(folder, `${name}.key`), keyPem)
    }
    tlsPort = await freeRange(1)
    const tls = ['--tls-port', String(tlsPort), '--tls-cert-file', join(folder, 'server.crt'), '--tls-key-file', join(folder, 'server.key')]
    server = await startServer([...tls, '--tls-auth-clients', 'no', '--user', 'curfew', 'on', '>right', '~curfew:*', '&*', '+@all'])
    sentinel = await startSentinel(server, [])
    await server.command('CONFIG', 'SET', 'requirepass', 'right')
  })
  after(async () => {
    await sentinel.stop()
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const start = (redis: object): Promise<Finished> => {
    writeFileSync(join(folder, 'curfew.yaml'), stringify({ ...config, store: { kind: 'redis', redis: { copies: 0, ...redis } } }))
    return curfew(folder, ['start'])
  }
  const assertRefused = ({ code, err, out }: Finished, why: RegExp): void => {
    assert.equal(code, 78, err)
    assert.match(err, /^The servers of the store do not let this node in\. {3}CURFEW_STORE_REFUSED$/m)
    assert.match(err, why)
    assert.match(err, /^ {2}Fix: Correct store\.redis\.username and password, or store\.redis\.ca/m)
    assert.doesNotMatch(err, /No server of the store answers/)
    assert.ok(![err, out].some((text) => text.includes(wrongPassword)), 'the password is nowhere')
  }

  test('AC-197 a wrong password ends it with a clear error, and so does a missing one', async () => {
    const nodes = [`redis://localhost:${server.port}`]
    assertRefused(
      await start({ nodes, username: 'curfew', password: wrongPassword }),
      new RegExp(`^ {2}nodes {2}localhost:${server.port}\n {2}why {4}WRONGPASS `, 'm')
    )
    assertRefused(await start({ nodes }), /^ {2}why {4}NOAUTH /m)
  })

  test('AC-197 a certificate that nobody vouches for ends it with a clear error, and so does one for another name', async () => {
    const account = { username: 'curfew', password: 'right' }
    const self = await start({ nodes: [`rediss://localhost:${tlsPort}`], ca: 'other.crt', ...account })
    assertRefused(self, /^ {2}why {4}DEPTH_ZERO_SELF_SIGNED_CERT self-signed certificate$/m)
    const named = await start({ nodes: [`rediss://127.0.0.1:${tlsPort}`], ca: 'server.crt', ...account })
    assertRefused(named, /^ {2}why {4}ERR_TLS_CERT_ALTNAME_INVALID /m)
  })

  test('AC-197 a password that Sentinel, or a node of a cluster, does not take ends it with a clear error', async () => {
    const account = { username: 'curfew', password: wrongPassword }
    const watched = await start({ topology: 'sentinel', master: 'curfew', nodes: [`redis://localhost:${sentinel.port}`], ...account })
    assertRefused(watched, /^ {2}why {4}WRONGPASS /m)
    assert.match(watched.err, /keeps this node out: WRONGPASS [^"]*; correct store\.redis\.username and store\.redis\.password/)
    const node = `redis://localhost:${server.port}`
    assertRefused(await start({ topology: 'cluster', nodes: [node], ...account }), /^ {2}why {4}WRONGPASS /m)
  })

  test('where others that are listed are away it is not known that all keep it out: it may be started again, and says both', async () => {
    const account = { username: 'curfew', password: wrongPassword }
    const away = `redis://127.0.0.1:${await freeRange(1)}`
    for (const [listed, more] of [
      [server.port, { topology: 'cluster' }],
      [sentinel.port, { topology: 'sentinel', master: 'curfew' }]
    ] as const) {
      const { code, err } = await start({ ...more, nodes: [`redis://localhost:${listed}`, away], ...account })
      assert.equal(code, 1, err)
      assert.match(err, /^No server of the store answers\. {3}CURFEW_STORE_UNREACHABLE$/m)
      assert.match(err, /^ {2}why {4}one keeps this node out: WRONGPASS [^]*; another one: connect ECONNREFUSED 127\.0\.0\.1:\d+/m)
    }
  })

  test('a server that is away is said to be, and why', async () => {
    const { code, err } = await start({ nodes: [`redis://127.0.0.1:${await freeRange(1)}`] })
    assert.equal(code, 1)
    assert.match(err, /^No server of the store answers\. {3}CURFEW_STORE_UNREACHABLE$/m)
    assert.match(err, /^ {2}why {4}connect ECONNREFUSED 127\.0\.0\.1:\d+$/m)
  })
})
