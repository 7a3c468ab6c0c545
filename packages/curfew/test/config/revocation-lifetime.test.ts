import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { lifetimeProblems } from '../../src/config/revocation-lifetime.ts'
import type { Config } from '../../src/config/schema.ts'

/** Where web sessions of so many minutes outlive a list that remembers for `revocationMinutes`. */
function places(revocationMinutes: number, maxMinutes: readonly number[], sessionCheck = { feed: true, status: false }, issuer?: string): readonly string[] {
  const provider = issuer === undefined ? {} : { issuer }
  const server = { baseUrl: 'https://login.example.com' }
  const config = { server, sessions: { revocationMinutes }, gateway: { provider, sessionCheck, webSessions: maxMinutes.map((one) => ({ maxMinutes: one })) } }
  return lifetimeProblems(config as unknown as Config).map(({ path }) => path.join('.'))
}

suite('How long the revocation list remembers', () => {
  test('is as long as any web session may last that is looked for there', () => {
    assert.deepEqual(places(490, [240, 490]), [])
    assert.deepEqual(places(490, [240, 491, 600]), ['gateway.webSessions.1.maxMinutes', 'gateway.webSessions.2.maxMinutes'])
    assert.deepEqual(places(10, [240], { feed: false, status: true }), ['gateway.webSessions.0.maxMinutes'])
    assert.deepEqual(places(10, [240], { feed: false, status: false }), [], 'nobody asks the list')
  })

  test('is nothing to a gateway that goes by the list of another authority', () => {
    const check = { feed: true, status: false }
    assert.deepEqual(places(10, [240], check, 'https://other.example.com'), [])
    assert.deepEqual(places(10, [240], check, 'https://login.example.com/'), ['gateway.webSessions.0.maxMinutes'])
  })
})
