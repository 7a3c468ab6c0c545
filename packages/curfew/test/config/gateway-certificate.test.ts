import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { gatewayPaths } from '../../src/config/full-paths.ts'
import { gatewayFileSchema } from '../../src/config/schema.ts'

function parse(provider: object) {
  return gatewayFileSchema.safeParse({
    gateway: {
      provider: { issuer: 'https://login.example.com', clientId: 'gate', ...provider },
      webSessions: [{ name: 'main', audience: 'main' }],
      applications: [{ id: 'wiki', urls: ['https://wiki.example.com'], target: 'http://10.0.0.5:8080' }]
    }
  })
}

const clientCertificate = { key: 'keys/a.pem', certificate: '/keys/b.pem' }

suite('A gateway that proves itself by a certificate', () => {
  test('names a certificate with the ways to authenticate that use one, and with no other', () => {
    const findings = (provider: object): readonly string[] => {
      const result = parse(provider)
      return result.success ? [] : result.error.issues.map(({ path }) => path.join('.'))
    }
    for (const authentication of ['tlsClientAuth', 'selfSignedTlsClientAuth']) {
      assert.deepEqual(findings({ authentication, clientCertificate }), [])
      assert.deepEqual(findings({ authentication }), ['gateway.provider.clientCertificate'])
    }
    for (const authentication of ['clientSecretBasic', 'privateKeyJwt'])
      assert.deepEqual(findings({ authentication, clientCertificate }), ['gateway.provider.authentication'])
  })

  test('finds its files beside its configuration', () => {
    const { data } = parse({ authentication: 'tlsClientAuth', clientCertificate })
    const { provider } = gatewayPaths(data?.gateway ?? assert.fail(), (path) =>
      path === undefined || path.startsWith('/') ? path : (`/etc/${path}` as typeof path)
    )
    assert.deepEqual(provider.clientCertificate, { key: '/etc/keys/a.pem', certificate: '/keys/b.pem' })
  })
})
