import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { suite, test } from 'node:test'
import { makeClient } from '../../src/authority/oidc/client.ts'
import { makeTokenKey } from '../../src/authority/oidc/keys.ts'
import { createAddressPolicy } from '../../src/platform/addresses.ts'
import type { Lookup, Outbound } from '../../src/platform/outbound.ts'
import { clientOf } from '../authority/oidc/relying-party.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { door, inside } from '../support/inside.ts'

function tell(outbound: Outbound, url: string, timeoutMs = 2_000, peerId = 'wiki') {
  return outbound.request({ peerId, url, method: 'POST', body: 'logout_token=x', timeoutMs, responseBytesMax: 1_000 })
}

const forbidden = { code: 'CURFEW_OUTBOUND_ADDRESS_FORBIDDEN' }

suite('attacks by the address of a back channel: what it says', () => {
  const hosts: Readonly<Record<string, string>> = {
    loopback: '127.0.0.1',
    'another address of loopback': '127.9.9.9',
    'the name of this machine': 'localhost',
    'a name below localhost': 'wiki.localhost',
    'the address of no host': '0.0.0.0',
    'a short notation': '127.1',
    'one decimal number': '2130706433',
    'one hexadecimal number': '0x7f000001',
    'octal numbers': '0177.0.0.1',
    'mixed numbers': '0x7f.0.0x0.01',
    'a dot at the end': '127.0.0.1.',
    'full-width digits': '１２７.０.０.１',
    'encoded dots': '127%2e0%2e0%2e1',
    'IPv6 loopback': '[::1]',
    'IPv6 loopback in full': '[0:0:0:0:0:0:0:1]',
    'no address of IPv6': '[::]',
    'IPv4 mapped into IPv6': '[::ffff:127.0.0.1]',
    'the same in hexadecimal': '[::ffff:7f00:1]',
    'IPv4 compatible IPv6': '[::127.0.0.1]',
    'IPv4 translated': '[::ffff:0:127.0.0.1]',
    NAT64: '[64:ff9b::7f00:1]',
    'NAT64 of a site': '[64:ff9b:1::7f00:1]',
    '6to4': '[2002:7f00:1::]',
    Teredo: '[2001:0:4136:e378:8000:63bf:3fff:fdd2]',
    'link-local: metadata of a cloud': '169.254.169.254',
    'the same as one number': '2852039166',
    'the same mapped': '[::ffff:a9fe:a9fe]',
    'link-local of IPv6': '[fe80::1]',
    'site-local of IPv6': '[fec0::1]',
    'unique local of IPv6, metadata of a cloud': '[fd00:ec2::254]',
    'private, class A': '10.0.0.1',
    'private, class B': '172.31.255.255',
    'private, class C': '192.168.1.1',
    'shared by a carrier': '100.100.100.200',
    broadcast: '255.255.255.255',
    multicast: '224.0.0.1',
    'multicast of IPv6': '[ff02::1]'
  }
  for (const [name, host] of Object.entries(hosts)) {
    test(`${name} (${host}) is not connected to`, async () => {
      await using server = await inside()
      await using outbound = door()
      await assert.rejects(tell(outbound, `http://${host}:${server.port}/latest`), forbidden)
      assert.deepEqual(server.asked, [])
    })
  }

  const refused: Readonly<Record<string, string>> = {
    'a name before the host': 'http://wiki.example@127.0.0.1/',
    'only a password before the host': 'http://:secret@127.0.0.1/',
    'another protocol': 'gopher://127.0.0.1:70/_x',
    'a file': 'file:///etc/passwd',
    'no address': 'http://'
  }
  for (const [name, url] of Object.entries(refused)) {
    test(`${name} is no address to send to`, async () => {
      await using outbound = door()
      await assert.rejects(tell(outbound, url), { code: 'CURFEW_OUTBOUND_URL' })
    })
  }

  test('an address with a zone is judged without it', () => {
    const policy = createAddressPolicy([])
    for (const address of ['fe80::1%eth0', '::1%lo', '::ffff:127.0.0.1%lo']) assert.equal(policy.isAllowed(address), false, address)
  })

  test('public addresses are allowed: what is refused above is refused for what it is', () => {
    const policy = createAddressPolicy([])
    for (const address of ['93.184.215.14', '2606:2800:21f:cb07:6820:80da:af6b:8b2c', '172.32.0.1', '100.128.0.1', '192.0.1.1'])
      assert.equal(policy.isAllowed(address), true, address)
  })
})

suite('attacks by the address of a back channel: what its name means', () => {
  const looking = (...answers: readonly (readonly string[])[]) => {
    const asked: string[] = []
    const lookup: Lookup = async (host) => {
      const now = answers[Math.min(asked.length, answers.length - 1)] ?? []
      asked.push(host)
      return now.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    }
    return { asked, lookup }
  }

  test('a public name that means loopback is not connected to', async () => {
    await using server = await inside()
    await using outbound = door(looking(['127.0.0.1']).lookup)
    await assert.rejects(tell(outbound, `http://wiki.example:${server.port}/`), forbidden)
    assert.deepEqual(server.asked, [])
  })

  test('of several addresses the private ones are left out', async () => {
    await using server = await inside()
    await using outbound = door(looking(['::1', '127.0.0.1', '10.0.0.1', '::ffff:7f00:1']).lookup)
    await assert.rejects(tell(outbound, `http://wiki.example:${server.port}/`), forbidden)
    assert.deepEqual(server.asked, [])
  })

  test('a name is resolved once per connection: what was checked is what is connected to, whatever it means a moment later', async () => {
    await using server = await inside()
    // Only 127.0.0.2 may be reached, where nobody listens; the next answer is where somebody does.
    const { asked, lookup } = looking(['127.0.0.2'], ['127.0.0.1'])
    await using outbound = door(lookup, ['127.0.0.2/32'])
    await assert.rejects(tell(outbound, `http://wiki.example:${server.port}/`), { code: 'CURFEW_OUTBOUND_UNREACHABLE' })
    assert.equal(asked.length, 1)
    await assert.rejects(tell(outbound, `http://wiki.example:${server.port}/`), forbidden)
    assert.deepEqual(server.asked, [])
  })

  test('a name that was good and means loopback now is refused the next time', async () => {
    await using server = await inside((_, response) => response.setHeader('connection', 'close').end('ok'))
    const { lookup } = looking(['127.0.0.1'], ['127.0.0.3'])
    await using outbound = door(lookup, ['127.0.0.1/32'])
    assert.equal((await tell(outbound, `http://wiki.example:${server.port}/`)).status, 200)
    await assert.rejects(tell(outbound, `http://wiki.example:${server.port}/`), forbidden)
    assert.equal(server.asked.length, 1)
  })

  for (const status of [301, 302, 303, 307, 308]) {
    test(`a redirect (${status}) to the inside is not followed and proves nothing`, async () => {
      await using target = await inside()
      await using outside = await inside((_, response) => response.writeHead(status, { location: `http://127.0.0.1:${target.port}/` }).end())
      await using outbound = door(undefined, ['127.0.0.1/32'])
      assert.equal((await tell(outbound, `http://127.0.0.1:${outside.port}/`)).status, status)
      assert.deepEqual(target.asked, [])
    })
  }

  test('an answer without end is cut off', async () => {
    await using server = await inside((_, response) => void response.write('x'.repeat(5_000)))
    await using outbound = door(undefined, ['127.0.0.1/32'])
    await assert.rejects(tell(outbound, `http://127.0.0.1:${server.port}/`), { code: 'CURFEW_OUTBOUND_TOO_LARGE' })
  })

  test('an answer that drips is given up at the time limit', async () => {
    await using server = await inside((_, response) => void response.write('x'))
    await using outbound = door(undefined, ['127.0.0.1/32'])
    await assert.rejects(tell(outbound, `http://127.0.0.1:${server.port}/`, 200), { code: 'CURFEW_OUTBOUND_TIMEOUT' })
  })

  test('one hung client of 50 delays nobody', async () => {
    const held: ServerResponse[] = []
    let isReleased = false
    await using server = await inside((request, response) => {
      if (request.url !== '/client/7' || isReleased) response.end('ok')
      else held.push(response)
    })
    await using outbound = door(undefined, ['127.0.0.1/32'])
    const told = (i: number): Promise<unknown> => tell(outbound, `http://127.0.0.1:${server.port}/client/${i}`, 60_000, `client ${i}`)
    let heard = 0
    // The hung client has more to be told than it has places.
    const hung = Promise.all(Array.from({ length: 20 }, () => told(7).then(() => (heard += 1))))
    await Promise.all(Array.from({ length: 50 }, async (_, i) => (i === 7 ? undefined : told(i))))
    assert.equal(heard, 0, 'all others were told while it still hung')
    isReleased = true
    held.forEach((response) => response.end('ok'))
    await hung
    assert.equal(heard, 20)
  })
})

const keys = [await makeTokenKey(makeKeyPair('addresses').key, 'test')]

suite('attacks by the address of a back channel: what may be configured', () => {
  const make = (backChannelUri: string, more: object = {}) =>
    makeClient(clientOf('wiki', { logout: { modes: ['backChannel'], backChannelUri }, ...more }), keys)

  for (const [name, uri] of [
    ['a fragment', 'https://wiki.example/back#x'],
    ['a name before the host', 'https://wiki@wiki.example/back'],
    ['a password before the host', 'https://:x@wiki.example/back'],
    ['another protocol', 'ftp://wiki.example/back']
  ] as const) {
    test(`an address with ${name} is refused at the start`, () => {
      assert.throws(() => make(uri), { code: 'CURFEW_CONFIG_CONNECTION' })
    })
  }

  test('a public client is told by https only, except on this machine (Back-Channel Logout 1.0 section 2.2)', () => {
    const open = { clientSecret: undefined }
    assert.throws(() => make('http://wiki.example/back', open), { code: 'CURFEW_CONFIG_CONNECTION' })
    for (const uri of ['https://wiki.example/back', 'http://localhost:4000/back', 'http://wiki.localhost/back', 'http://127.0.0.1/back', 'http://[::1]/back'])
      assert.doesNotThrow(() => make(uri, open))
    assert.doesNotThrow(() => make('http://wiki.example/back'))
  })
})
