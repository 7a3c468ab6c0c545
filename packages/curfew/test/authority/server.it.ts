import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { createKit } from './kit.ts'

/** One GET over a real socket. */
function get(port: number, path: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: '127.0.0.1', port, path, headers: { accept: 'text/html' } }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

suite('the authority on a socket', () => {
  test('takes messages by Redirect that are longer than the default header limit, and no endless ones', async () => {
    await using kit = await createKit()
    await kit.app.listen({ host: '127.0.0.1', port: 0 })
    const { port } = kit.app.server.address() as AddressInfo
    const long = await get(port, `/idp/SLO.saml2?SAMLRequest=${'A'.repeat(60_000)}`)
    assert.equal(long.status, 400)
    assert.match(long.body, /CURFEW_SAML_/)
    const endless = await get(port, `/idp/SLO.saml2?SAMLRequest=${'A'.repeat(100_000)}`)
    assert.equal(endless.status, 431)
  })
})
