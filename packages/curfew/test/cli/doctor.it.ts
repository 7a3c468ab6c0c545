import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { bindingUri, serialiseMetadata } from '@curfew/codecs'
import { parse, stringify } from 'yaml'
import type { Check } from '../../src/cli/doctor-check.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { curfew } from './bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-doctor-'))
const pair = makeKeyPair('payroll')
const partner: { server?: Server; origin: string; slo: string } = { origin: '', slo: '/slo' }

/** An application that publishes its metadata at its entity ID, forbids frames, and whose clock is ten minutes ahead. */
before(async () => {
  const server = createServer((request, response) => {
    response.setHeader('date', new Date(Date.now() + 600_000).toUTCString())
    response.setHeader('x-frame-options', 'DENY')
    if (request.url === '/gone') response.statusCode = 404
    response.end(request.url === '/saml' ? metadata() : 'hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  partner.server = server
  partner.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { code, err } = await curfew(folder, ['init', '--base-url', 'http://sso.localhost:8080', '--organisation', 'Example'])
  assert.equal(code, 0, err)
})

after(() => {
  partner.server?.close()
  rmSync(folder, { recursive: true, force: true })
})

function metadata(): string {
  const { head, tail } = serialiseMetadata({
    entityId: `${partner.origin}/saml`,
    id: '_metadata',
    cacheDuration: 'P1D',
    sp: {
      keys: [{ certificates: [pair.certificate] }],
      nameIdFormats: [],
      singleLogoutServices: [{ binding: bindingUri('redirect'), location: `${partner.origin}${partner.slo}` }],
      assertionConsumerServices: [{ binding: bindingUri('post'), location: `${partner.origin}/acs`, index: 0, isDefault: true }],
      authnRequestsSigned: true,
      wantAssertionsSigned: true
    }
  })
  return `${head}${tail}`
}

function configure(connections: readonly object[]): void {
  const path = join(folder, 'curfew.yaml')
  const config = parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, stringify({ ...config, admin: { listen: ['127.0.0.1:1'] }, connections, outbound: { allowPrivate: ['127.0.0.0/8'] } }))
}

async function doctor(...args: readonly string[]): Promise<{ readonly code: number | null; readonly checks: Readonly<Record<string, Check>> }> {
  const { code, out, err } = await curfew(folder, ['doctor', ...args, '--json'])
  assert.equal(err, '')
  return { code, checks: Object.fromEntries((JSON.parse(out) as readonly Check[]).map((check) => [check.what, check])) }
}

suite('curfew doctor while no server runs', { timeout: 180_000 }, () => {
  test('looks at an application: its copy, what it publishes now, its address, its clock, what browsers make of it', async () => {
    const copy = join(folder, 'payroll.xml')
    writeFileSync(copy, metadata())
    utimesSync(copy, new Date(), new Date(Date.now() - 3 * 86_400_000))
    partner.slo = '/logout'
    configure([{ id: 'payroll', protocol: 'saml', metadata: { file: 'payroll.xml' }, frames: true }])
    const { code, checks } = await doctor()
    const verdicts = Object.fromEntries(Object.entries(checks).map(([what, { verdict }]) => [what, verdict]))
    assert.equal(code, 1)
    assert.deepEqual(
      { ...verdicts, [Object.keys(verdicts).find((what) => what.startsWith('payroll: certificate')) ?? '']: undefined },
      {
        runtime: 'ok',
        'signing key 1 (signs)': 'ok',
        'users file': 'ok',
        'session secret': 'ok',
        'admin token': 'ok',
        cookies: 'ok',
        server: 'warn',
        store: 'ok',
        'payroll: metadata signature': 'ok',
        'payroll: metadata': 'warn',
        'payroll: drift': 'warn',
        [Object.keys(verdicts).find((what) => what.startsWith('payroll: certificate')) ?? '']: undefined,
        'payroll: logout by redirect': 'ok',
        'payroll: clock': 'warn',
        'payroll: browser': 'fail'
      }
    )
    assert.match(checks['payroll: metadata']?.why ?? '', /a copy of 3 days ago/)
    assert.match(checks['payroll: drift']?.why ?? '', /the partner now publishes logout redirect .*\/logout instead of redirect .*\/slo/)
    assert.match(checks['payroll: clock']?.why ?? '', /ahead of this machine/)
    assert.match(checks['payroll: browser']?.why ?? '', /X-Frame-Options: DENY/)
    assert.match(checks['store']?.why ?? '', /the first start makes it/)
    assert.equal(existsSync(join(folder, 'data/curfew.db')), false)
  })

  test('warns of a logout endpoint that is not there, and asks where answers go when that is another address', async () => {
    const slo = { binding: 'redirect', url: `${partner.origin}/gone`, responseUrl: 'http://127.0.0.1:1/answers' }
    configure([{ id: 'payroll', protocol: 'saml', metadata: { url: `${partner.origin}/saml` }, slo: [slo] }])
    const { checks } = await doctor()
    assert.equal(checks['payroll: logout by redirect']?.verdict, 'warn')
    assert.match(checks['payroll: logout by redirect']?.why ?? '', /\/gone answers 404 to a GET/)
    assert.deepEqual(
      [checks['payroll: logout answers by redirect']?.verdict, checks['payroll: logout answers by redirect']?.why],
      ['fail', 'http://127.0.0.1:1/answers does not answer: CURFEW_OUTBOUND_UNREACHABLE']
    )
  })

  test('asks where artifacts of an application are exchanged', async () => {
    const saml = { id: 'payroll', protocol: 'saml', metadata: { url: `${partner.origin}/saml` } }
    configure([{ ...saml, artifactResolution: [{ url: `${partner.origin}/ars` }, { url: 'http://127.0.0.1:1/ars', index: 5 }] }])
    const { checks } = await doctor()
    assert.equal(checks['payroll: artifacts of index 0']?.verdict, 'ok')
    assert.match(checks['payroll: artifacts of index 5']?.why ?? '', /does not answer/)
    configure([{ ...saml, slo: [{ binding: 'artifact', url: `${partner.origin}${partner.slo}` }] }])
    assert.match((await doctor()).checks['payroll: artifacts']?.why ?? '', /no address to exchange/)
  })

  test('looks at one connection only, and says what was probably meant by another name', async () => {
    configure([
      { id: 'payroll', protocol: 'saml', metadata: { url: `${partner.origin}/saml` } },
      { id: 'intranet', protocol: 'saml', metadata: { url: 'http://127.0.0.1:1/saml' } },
      { id: 'wiki', protocol: 'oidc', clientSecret: 'a secret of the wiki, long enough', redirectUris: [`${partner.origin}/cb`] }
    ])
    const one = await doctor('--connection', 'payroll')
    assert.deepEqual([one.code, Object.keys(one.checks).some((what) => what.startsWith('intranet'))], [2, false])
    assert.equal(one.checks['payroll: metadata']?.why, 'read now')
    const { code, checks } = await doctor()
    assert.equal(code, 1)
    assert.match(checks['intranet: metadata']?.why ?? '', /CURFEW_OUTBOUND_UNREACHABLE/)
    assert.equal(checks['wiki: logout']?.verdict, 'warn')
    const wrong = await curfew(folder, ['doctor', '--connection', 'payrol'])
    assert.deepEqual([wrong.code, wrong.out, wrong.err], [3, '', 'There is no connection payrol. Did you mean payroll?\n'])
  })

  test('looks at an application by OpenToken: its addresses, its clock, and whether it can be told', async () => {
    const adapter = { protocol: 'opentoken', password: 'a shared secret', targetUrl: `${partner.origin}/open` }
    configure([
      { id: 'forms', ...adapter, logoutService: `${partner.origin}/logout`, accountLinkService: `${partner.origin}/link` },
      { id: 'mute', ...adapter }
    ])
    const { code, checks } = await doctor()
    assert.equal(code, 2)
    assert.deepEqual(
      ['forms: target', 'forms: logout service', 'forms: account link service', 'forms: clock', 'mute: logout'].map((what) => checks[what]?.verdict),
      ['ok', 'ok', 'ok', 'warn', 'warn']
    )
    assert.equal(checks['forms: logout'], undefined)
  })

  test('says that a damaged store is damaged, and changes nothing in it', async () => {
    configure([])
    const path = join(folder, 'data/curfew.db')
    const bytes = Buffer.from('no database at all '.repeat(500))
    writeFileSync(path, bytes)
    const { code, checks } = await doctor()
    assert.deepEqual([code, checks['store']?.verdict], [1, 'fail'])
    assert.deepEqual(readFileSync(path), bytes)
    const text = await curfew(folder, ['doctor'])
    assert.match(text.out, /^fail {2}store: .*\n {6}\S/m)
    assert.match(text.err, /looked at, \d+ to watch, 1 to repair/)
  })
})
