import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { connectionsDeps } from '../../src/cli/connections-setup.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Outbound } from '../../src/platform/outbound.ts'
import { door, inside } from '../support/inside.ts'

/** How the server itself reads the metadata of partners. */
function reader(outbound: Outbound): (url: string) => Promise<Uint8Array> {
  return connectionsDeps({ keys: [], decryption: undefined, outbound, logger: silentLogger }).fetchMetadata
}

suite('Addresses of metadata that lead inside', () => {
  const hosts: Readonly<Record<string, string>> = {
    loopback: '127.0.0.1',
    'the name of this machine': 'localhost',
    'one decimal number': '2130706433',
    'octal numbers': '0177.0.0.1',
    'a short notation': '127.1',
    'IPv6 loopback': '[::1]',
    'IPv4 mapped into IPv6': '[::ffff:127.0.0.1]',
    NAT64: '[64:ff9b::7f00:1]',
    'link-local: metadata of a cloud': '169.254.169.254',
    'link-local of IPv6': '[fe80::1]',
    'private, class A': '10.0.0.1'
  }
  for (const [name, host] of Object.entries(hosts))
    test(`metadata from ${name} (${host}) is not fetched`, async () => {
      await using server = await inside()
      await using outbound = door()
      await assert.rejects(reader(outbound)(`http://${host}:${server.port}/metadata`), { code: 'CURFEW_OUTBOUND_ADDRESS_FORBIDDEN' })
      assert.deepEqual(server.asked, [])
    })

  test('metadata behind a redirect to the inside is not fetched', async () => {
    await using target = await inside()
    await using outside = await inside((_, response) => response.writeHead(302, { location: `http://127.0.0.1:${target.port}/` }).end())
    await using outbound = door(undefined, ['127.0.0.1/32'])
    await assert.rejects(reader(outbound)(`http://127.0.0.1:${outside.port}/`), { code: 'CURFEW_OUTBOUND_STATUS' })
    assert.deepEqual(target.asked, [])
  })

  test('metadata whose name means something else a moment later is fetched from where it was checked, or not at all', async () => {
    await using server = await inside()
    const answers = ['127.0.0.2', '127.0.0.1']
    const asked: string[] = []
    await using outbound = door(async (host) => [{ address: answers[asked.push(host) - 1] ?? '', family: 4 }], ['127.0.0.2/32'])
    await assert.rejects(reader(outbound)(`http://federation.example:${server.port}/`), { code: 'CURFEW_OUTBOUND_UNREACHABLE' })
    assert.deepEqual([asked.length, server.asked.length], [1, 0])
  })

  test('servers of metadata that hang keep no other metadata waiting', async () => {
    await using server = await inside((request, response) => {
      if (!request.headers.host?.startsWith('hung')) response.end('<x/>')
    })
    await using outbound = door(async () => [{ address: '127.0.0.1', family: 4 }], ['127.0.0.1/32'])
    const read = reader(outbound)
    const hung = Array.from({ length: 20 }, () => read(`http://hung.example:${server.port}/`).catch(() => undefined))
    const startedMs = performance.now()
    await Promise.all(Array.from({ length: 20 }, (_, i) => read(`http://partner${i}.example:${server.port}/`)))
    assert.ok(performance.now() - startedMs < 3_000, `the others took ${Math.round(performance.now() - startedMs)} ms`)
    await outbound.close()
    await Promise.all(hung)
  })
})
