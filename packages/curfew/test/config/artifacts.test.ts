import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { configSchema } from '../../src/config/schema.ts'

const least = {
  server: { baseUrl: 'https://login.example.com' },
  saml: { keys: [{ key: 'own.key.pem', certificate: 'own.crt.pem' }] },
  sessions: { secretFile: 'session.secret' }
}

/** Paths of what is wrong; empty: nothing. */
function wrong(change: object): readonly string[] {
  const result = configSchema.safeParse({ ...least, ...change })
  return result.success ? [] : result.error.issues.map(({ path }) => path.join('.'))
}

suite('Artifacts in the configuration', () => {
  test('the index of a node is 0 and a message waits for a minute, unless something else is said', () => {
    const { cluster, saml } = configSchema.parse(least)
    assert.deepEqual([cluster.index, cluster.indexes, saml.artifactSeconds], [0, undefined, 60])
  })

  test('an index is one of 16 bits, stands once, and the list names that of the node', () => {
    assert.deepEqual(wrong({ cluster: { index: 65_535 } }), [])
    assert.deepEqual(wrong({ cluster: { index: 65_536 } }), ['cluster.index'])
    assert.deepEqual(wrong({ cluster: { index: -1 } }), ['cluster.index'])
    assert.deepEqual(wrong({ cluster: { index: 3, indexes: [3, 7] } }), [])
    assert.deepEqual(wrong({ cluster: { index: 1, indexes: [3, 7] } }), ['cluster.indexes'])
    assert.deepEqual(wrong({ cluster: { index: 3, indexes: [3, 3] } }), ['cluster.indexes'])
  })

  test('a message waits between 5 seconds and 10 minutes', () => {
    const seconds = (artifactSeconds: number) => wrong({ saml: { ...least.saml, artifactSeconds } })
    assert.deepEqual([seconds(5), seconds(600)], [[], []])
    assert.deepEqual([seconds(4), seconds(601)], [['saml.artifactSeconds'], ['saml.artifactSeconds']])
  })

  test('partners may have every binding in its place', () => {
    const application = {
      id: 'payroll',
      protocol: 'saml',
      acs: [{ binding: 'artifact', url: 'https://payroll.example.com/acs', index: 1 }],
      slo: [{ binding: 'artifact', url: 'https://payroll.example.com/slo' }],
      artifactResolution: [{ url: 'https://payroll.example.com/ars' }],
      incomingBindings: ['artifact']
    }
    const provider = { id: 'campus', protocol: 'saml', sso: [{ binding: 'artifact', url: 'https://idp.example.com/sso' }], responseBinding: 'artifact' }
    assert.deepEqual(wrong({ connections: [application], identityProviders: [provider] }), [])
    assert.deepEqual(wrong({ connections: [{ ...application, acs: [{ binding: 'soap', url: 'https://payroll.example.com/acs' }] }] }), [
      'connections.0.acs.0.binding'
    ])
  })
})
