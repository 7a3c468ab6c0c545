import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { explainConfig } from '../../src/config/explain.ts'
import { parseConfig } from '../../src/config/load.ts'

const whole = (directories: string, more = '') => `
server: { baseUrl: https://curfew.test }
saml: { keys: [{ key: k.pem, certificate: c.pem }] }
sessions: { secretFile: s }
signOn: { directories: [${directories}] }
${more}`
const good = 'id: staff, urls: [ldaps://ldap.example.org], base: "dc=example,dc=org"'

suite('signOn.directories', () => {
  test('one directory is a way to sign in, and has defaults that are safe', () => {
    const result = parseConfig(whole(`{ ${good}, ca: ca.pem }`), '/etc/curfew/curfew.yaml', { environment: {} })
    assert.ok(result.ok)
    const [directory] = result.loaded.config.signOn.directories
    assert.deepEqual(
      [directory?.ca, directory?.filter, directory?.loginAttributes, directory?.passwordChange, directory?.timeoutSeconds],
      ['/etc/curfew/ca.pem', '(objectClass=person)', ['uid'], 'none', 5]
    )
  })

  for (const [what, text, path] of [
    ['plain ldap to another machine', `id: staff, urls: [ldap://ldap.example.org], base: b`, 'signOn.directories[staff].urls[0]'],
    ['startTls with ldaps', `${good}, startTls: true`, 'signOn.directories[staff].urls[0]'],
    ['an account without its password', `${good}, bindDn: "cn=x"`, 'signOn.directories[staff].bindPassword'],
    ['an empty password', `${good}, bindDn: "cn=x", bindPassword: ""`, 'signOn.directories[staff].bindPassword'],
    ['an address with more than an address in it', `id: staff, urls: ["ldaps://ldap.example.org/dc=x??sub"], base: b`, 'signOn.directories[staff].urls[0]'],
    ['a filter whose parentheses do not fit', `${good}, filter: "(a=b"`, 'signOn.directories[staff].filter'],
    ['an attribute that is none', `${good}, loginAttributes: ["uid=*"]`, 'signOn.directories[staff].loginAttributes[0]'],
    ['the name of the users file', `id: local, urls: [ldaps://l.example], base: b`, 'signOn.directories[local].id']
  ] as const) {
    test(`validate finds ${what}`, () => {
      const result = parseConfig(whole(`{ ${text} }`), 'curfew.yaml', { environment: {} })
      assert.ok(!result.ok)
      assert.deepEqual(
        result.findings.map((finding) => finding.path),
        [path]
      )
    })
  }

  test('plain ldap may stay on this machine, or begin TLS', () => {
    for (const text of ['urls: [ldap://127.0.0.1:389]', 'urls: [ldap://ldap.example.org], startTls: true'])
      assert.equal(parseConfig(whole(`{ id: staff, ${text}, base: b }`), 'curfew.yaml', { environment: {} }).ok, true, text)
  })

  test('validate finds an id that an identity provider has', () => {
    const providers = 'identityProviders: [{ id: staff, protocol: oidc, issuer: https://op.example.org, clientId: x }]'
    const result = parseConfig(whole(`{ ${good} }`, providers), 'curfew.yaml', { environment: {} })
    assert.ok(!result.ok)
    assert.deepEqual(
      result.findings.map(({ code }) => code),
      ['CURFEW_CONFIG_DUPLICATE']
    )
  })

  test('the password of the account is shown nowhere', () => {
    const result = parseConfig(whole(`{ ${good}, bindDn: "cn=x", bindPassword: "\${env:LDAP}" }`), 'curfew.yaml', { environment: { LDAP: 'very secret' } })
    assert.ok(result.ok)
    assert.doesNotMatch(JSON.stringify(explainConfig(result.loaded)), /very secret/)
  })
})
