import assert from 'node:assert/strict'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { artifactUrl, messageLimits } from '@curfew/codecs'
import { resolveTimeoutMs } from '../../../src/authority/saml/resolve-artifact.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { createOutbound } from '../../../src/platform/outbound.ts'
import { signInTo } from '../kit.ts'
import { sloUrl } from '../partner.ts'
import { createArtifactKit } from './artifact-kit.ts'

let answer: (request: IncomingMessage, response: ServerResponse) => void = () => undefined
let server: Server
let elsewhere = 0
let url = ''

before(async () => {
  server = createServer((request, response) => {
    if (request.url === '/elsewhere') elsewhere += 1
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/ars`
})
after(() => {
  server.closeAllConnections()
  server.close()
})

/** What a browser gets that brings an artifact of a partner with this resolution service, and how long it waited. */
async function brought(resolution: string, allowPrivate: readonly string[]): Promise<{ readonly body: string; readonly status: number; readonly ms: number }> {
  const outbound = createOutbound({ clock: systemClock, allowPrivate, hosts: {}, perPeerMax: 16 })
  try {
    const { kit, peer } = await createArtifactKit({ payroll: { artifactResolution: [{ url: resolution }] } }, { outbound })
    await using _kit = kit
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const startedMs = performance.now()
    const page = await browser.get(artifactUrl(sloUrl, peer('payroll').put('<x/>')))
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
    return { body: page.body, status: page.statusCode, ms: performance.now() - startedMs }
  } finally {
    await outbound.close()
  }
}

const loopback = ['127.0.0.0/8']

suite('A resolution service at the other end of a real connection', { timeout: 60_000 }, () => {
  test('that hangs does not hold the browser longer than its time', async () => {
    answer = () => undefined
    const page = await brought(url, loopback)
    assert.match(page.body, /CURFEW_OUTBOUND_TIMEOUT/)
    assert.ok(page.ms < resolveTimeoutMs + 2_000, String(page.ms))
  })

  test('that begins and never ends does not either', async () => {
    answer = (_request, response) => void response.writeHead(200, { 'content-type': 'text/xml' }).write('<soap:Envelope')
    const page = await brought(url, loopback)
    assert.match(page.body, /CURFEW_OUTBOUND_TIMEOUT/)
    assert.ok(page.ms < resolveTimeoutMs + 2_000, String(page.ms))
  })

  test('that redirects is not followed', async () => {
    answer = (_request, response) => void response.writeHead(307, { location: '/elsewhere' }).end()
    assert.match((await brought(url, loopback)).body, /CURFEW_SAML_PEER_HTTP/)
    assert.equal(elsewhere, 0)
  })

  test('that answers without end is cut off', async () => {
    answer = (_request, response) => void response.writeHead(200, { 'content-type': 'text/xml' }).end(Buffer.alloc(messageLimits.documentBytesMax + 1, 0x20))
    assert.match((await brought(url, loopback)).body, /CURFEW_OUTBOUND_TOO_LARGE/)
  })

  test('at an address that is not allowed is not asked, however it is written', async () => {
    let asked = 0
    answer = (_request, response) => {
      asked += 1
      response.end()
    }
    const { port } = new URL(url)
    for (const host of ['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]', '[::1]']) {
      const page = await brought(`http://${host}:${port}/ars`, [])
      assert.match(page.body, /CURFEW_OUTBOUND_ADDRESS_FORBIDDEN/, host)
    }
    assert.equal(asked, 0)
  })

  test('that is not there is an error page at once', async () => {
    const page = await brought('http://127.0.0.1:1/ars', loopback)
    assert.match(page.body, /CURFEW_OUTBOUND_UNREACHABLE/)
    assert.ok(page.ms < 2_000, String(page.ms))
  })
})
