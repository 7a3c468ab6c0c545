import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { gatewaySettings } from '../../src/cli/gateway-settings.ts'
import { gatewayFileSchema } from '../../src/config/schema.ts'
import { sessionCookie } from '../../src/gateway/session/cookies.ts'
import type { WebSessionSettings } from '../../src/gateway/settings.ts'

/** A configuration that says nothing but what has to be said. */
const { gateway } = gatewayFileSchema.parse({
  gateway: {
    provider: { issuer: 'https://login.example.com', clientId: 'gate', clientSecret: 'a secret that is long enough' },
    webSessions: [{ name: 'main', audience: 'ACE_ws' }],
    applications: [{ id: 'wiki', urls: ['https://wiki.example.com'], target: 'http://10.0.0.5' }]
  }
})
const settings = gatewaySettings(gateway, undefined)
const [application] = settings.applications

function webSession(): WebSessionSettings {
  return application?.webSession ?? assert.fail('there is no application')
}

suite('A gateway about which nothing else is said', () => {
  test('AC-079 has encrypted cookies', () => {
    assert.equal(webSession().cookieType, 'encrypted')
  })

  test('AC-081 ends a session after 60 minutes without a request, and after 240 in any case', () => {
    assert.deepEqual([webSession().idleMs, webSession().maxMs], [60 * 60_000, 240 * 60_000])
  })

  test('AC-082 writes cookies that are HttpOnly, SameSite=Lax and, by https, Secure', () => {
    assert.equal(sessionCookie(webSession(), 'x', { isSecure: true }), 'PA.ACE_ws=x; Path=/; Secure; HttpOnly; SameSite=Lax')
  })

  test('AC-084 takes an answer about one session for 60 seconds', () => {
    assert.equal(settings.sessionCheck.statusCacheMs, 60_000)
  })

  test('AC-091 keeps forms over a sign-in, and drops what it can not keep', () => {
    assert.deepEqual([application?.preservation, application?.failOnUnsupportedPreservationContentType], ['post', false])
  })
})
