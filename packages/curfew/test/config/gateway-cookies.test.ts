import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { gatewayFileSchema } from '../../src/config/schema.ts'

/** Where something is wrong with a gateway whose web session and address are these. */
function findings(webSession: object, url: string): readonly string[] {
  const result = gatewayFileSchema.safeParse({
    gateway: {
      provider: { issuer: 'https://login.example.com', clientId: 'gate', clientSecret: 'a secret that is long enough' },
      webSessions: [{ name: 'main', audience: 'main', ...webSession }],
      applications: [{ id: 'wiki', urls: [url], target: 'http://10.0.0.5:8080' }]
    }
  })
  return result.success ? [] : result.error.issues.map(({ path }) => path.join('.'))
}

suite('A partitioned cookie', () => {
  test('is one of https with sameSite none, or browsers drop it', () => {
    assert.deepEqual(findings({ partitioned: true, sameSite: 'none' }, 'https://wiki.example.com'), [])
    assert.deepEqual(findings({ partitioned: true }, 'https://wiki.example.com'), ['gateway.webSessions.0.partitioned'])
    assert.ok(findings({ partitioned: true, sameSite: 'none' }, 'http://wiki.example.com').includes('gateway.applications.0.urls.0'))
    assert.ok(findings({ partitioned: true, sameSite: 'disabled' }, 'http://wiki.example.com').length === 2)
  })
})
