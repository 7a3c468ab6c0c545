import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { bindingUri, serialiseMetadata } from '@curfew/codecs'
import type { JudgedCertificate } from '../../src/cli/commands/certs.ts'
import { dayMs } from '../../src/cli/doctor-check.ts'
import { makeCertificate } from '../support/certificates.ts'
import { lineOf, startCurfew, stopped } from './bin.ts'
import { type RunningCurfew, startInstallation } from './running.ts'

const held: { curfew?: RunningCurfew; partner?: Server } = {}

/** An application that publishes its metadata at an address; its certificate ends in 12 days. */
before(async () => {
  const { base64 } = await makeCertificate({ name: [{ CN: ['payroll'] }], to: new Date(Date.now() + 12 * dayMs + 3_600_000) })
  const metadata = (origin: string): string => {
    const { head, tail } = serialiseMetadata({
      entityId: `${origin}/saml`,
      id: '_metadata',
      cacheDuration: 'P1D',
      sp: {
        keys: [{ certificates: [base64] }],
        nameIdFormats: [],
        singleLogoutServices: [{ binding: bindingUri('redirect'), location: `${origin}/slo` }],
        assertionConsumerServices: [{ binding: bindingUri('post'), location: `${origin}/acs`, index: 0, isDefault: true }],
        authnRequestsSigned: true,
        wantAssertionsSigned: true
      }
    })
    return `${head}${tail}`
  }
  held.partner = createServer((request, response) => response.end(metadata(`http://${request.headers.host}`))).listen(0, '127.0.0.1')
  await once(held.partner, 'listening')
  const { port } = held.partner.address() as AddressInfo
  const payroll = { id: 'payroll', protocol: 'saml', metadata: { url: `http://127.0.0.1:${port}/saml` } }
  held.curfew = await startInstallation({ config: () => ({ connections: [payroll] }) })
})

after(async () => {
  await held.curfew?.[Symbol.asyncDispose]()
  held.partner?.close()
})

suite('certificates of a server that runs', { timeout: 120_000 }, () => {
  test('what it read by the network is known; after a renewal its metadata has both keys, and the former one signs', async () => {
    const curfew = held.curfew ?? assert.fail('no server')
    const { code, out } = await curfew.run(['certs', 'list', '--json'])
    assert.equal(code, 2)
    assert.deepEqual(
      (JSON.parse(out) as JudgedCertificate[]).map(({ whose, use, verdict, days }) => [whose, use, verdict, days && days > 3_000 ? 'years' : days]),
      [
        ['payroll', 'signs', 'warn', 12],
        ['here', 'signs SAML', 'ok', 'years']
      ]
    )
    const text = await curfew.run(['certs', 'list'])
    assert.match(text.out, /^warn {2}\d{4}-\d\d-\d\d {2}12 {4}payroll {2}signs {7}metadata \(server\)$/m)
    assert.equal((await curfew.run(['certs', 'renew'])).code, 0)
    await stopped(curfew.child)
    const again = startCurfew(curfew.folder, ['start'])
    await lineOf(again, /server\.ready/)
    const published = await (await fetch(`${curfew.baseUrl}/pf/federation_metadata.ping`)).text()
    const former = readFileSync(`${curfew.folder}/keys/saml.crt.pem`, 'utf8').replaceAll(/-----.*?-----|\s/g, '')
    const keys = [...published.matchAll(/<(?:\w+:)?X509Certificate>([^<]+)</g)].map(([, base64 = '']) => base64.replaceAll(/\s/g, ''))
    assert.equal(new Set(keys).size, 2)
    assert.equal(keys[0], former)
    await stopped(again)
  })

  test('a partner that nobody can say anything of makes the code 1', async () => {
    const { code, out } = await (held.curfew ?? assert.fail('no server')).run(['certs', 'list'])
    assert.equal(code, 1)
    assert.match(out, /^fail {2}unknown +- +payroll {2}signs/m)
  })
})
