import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { senderOf } from '../../src/gateway/sender.ts'
import { createAddressList } from '../../src/platform/addresses.ts'

const isTrustedProxy = createAddressList(['10.0.0.0/8'])

function from(remoteAddress: string, forwarded?: string): string {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  return senderOf({ isTrustedProxy }, { socket: { remoteAddress }, headers } as Parameters<typeof senderOf>[1])
}

suite('The sender of a request', () => {
  test('is its address, and what it says of others counts only from a trusted proxy', () => {
    assert.equal(from('192.0.2.1'), '192.0.2.1')
    assert.equal(from('192.0.2.1', '198.51.100.9'), '192.0.2.1')
    assert.equal(from('10.0.0.1', '203.0.113.5, 192.0.2.1'), '192.0.2.1')
    assert.equal(from('10.0.0.1', '203.0.113.5, 192.0.2.1, 10.0.0.2'), '192.0.2.1')
  })

  test('has all of its /64 of IPv6', () => {
    assert.equal(from('2001:db8:1:2:3:4:5:6'), from('2001:db8:1:2::9'))
    assert.notEqual(from('2001:db8:1:2::9'), from('2001:db8:1:3::9'))
    assert.equal(from('::1'), '0:0:0:0::/64')
  })
})
