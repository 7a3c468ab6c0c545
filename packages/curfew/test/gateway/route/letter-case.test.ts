import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { gatewaySettings } from '../../../src/cli/gateway-settings.ts'
import { gatewayFileSchema } from '../../../src/config/schema.ts'
import { createApplications } from '../../../src/gateway/route/applications.ts'
import { requestPath } from '../../../src/gateway/route/request-path.ts'

const { gateway } = gatewayFileSchema.parse({
  gateway: {
    provider: { issuer: 'https://login.example.com', clientId: 'gate', clientSecret: 'a secret that is long enough' },
    webSessions: [{ name: 'main', audience: 'a' }],
    applications: [
      { id: 'wiki', urls: ['https://www.example.com'], target: 'http://10.0.0.5' },
      { id: 'shop', urls: ['https://www.example.com'], contextRoot: '/shop', target: 'http://10.0.0.6' }
    ]
  }
})
const applications = createApplications(gatewaySettings(gateway, undefined))

function applicationAt(host: string, path: string): string | undefined {
  return applications.find(host, requestPath(path) ?? assert.fail(`${path} has no meaning`))?.application.id
}

suite('Capital and small letters', () => {
  test('are two in paths, as RFC 3986 has it', () => {
    assert.deepEqual([applicationAt('www.example.com', '/shop/x'), applicationAt('www.example.com', '/Shop/x')], ['shop', 'wiki'])
  })

  test('are one in hosts', () => {
    assert.equal(applicationAt('WWW.Example.COM', '/shop/x'), 'shop')
  })
})
