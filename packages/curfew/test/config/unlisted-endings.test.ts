import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Config } from '../../src/config/schema.ts'
import { clientsWithoutEndings } from '../../src/config/unlisted-endings.ts'

function configured(revokeOnLogout: boolean, feed = true): Config {
  return {
    sessions: { revokeOnLogout },
    gateway: { sessionCheck: { feed }, provider: { clientId: 'here' } },
    connections: [
      { id: 'here', protocol: 'oidc' },
      { id: 'deaf', protocol: 'oidc', revocationFeed: true, logout: { modes: [] } },
      { id: 'told', protocol: 'oidc', revocationFeed: true, logout: { modes: [], pingAccessLogoutCapable: true } },
      { id: 'revokes', protocol: 'oidc', sessionRevocation: true },
      { id: 'reads nothing', protocol: 'oidc', sessionRevocation: true, revocationFeed: false },
      { id: 'plain', protocol: 'oidc' },
      { id: 'payroll', protocol: 'saml' }
    ]
  } as unknown as Config
}

suite('Clients that follow a list without their endings', () => {
  test('AC-075 are named where tracking is off and they are not PingAccess Logout Capable', () => {
    assert.deepEqual(clientsWithoutEndings(configured(false)), ['here', 'deaf', 'revokes'])
    assert.deepEqual(clientsWithoutEndings(configured(false, false)), ['deaf', 'revokes'])
    assert.deepEqual(clientsWithoutEndings(configured(true)), [])
  })
})
