import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { parse } from 'yaml'
import { importKeycloakFrom } from '../../src/cli/commands/import-keycloak.ts'
import { contextOf } from './context.ts'

const samples = new URL('../config/imports/samples/', import.meta.url)

function folder(): { readonly at: (name: string) => string; readonly files: readonly string[]; [Symbol.dispose](): void } {
  const root = mkdtempSync(join(tmpdir(), 'curfew-keycloak-'))
  const names = ['keycloak-realm.json', 'keycloak-users.json']
  for (const name of names) copyFileSync(new URL(name, samples), join(root, name))
  return { at: (name) => join(root, name), files: names.map((name) => join(root, name)), [Symbol.dispose]: () => rmSync(root, { recursive: true }) }
}

suite('curfew import keycloak', () => {
  test('--out writes settings and certificates, --users a file that only its owner reads', () => {
    using it = folder()
    const { context, lines, notes } = contextOf({ config: it.at('curfew.yaml') })
    const options = { out: it.at('realm.yaml'), report: it.at('realm.md'), users: it.at('users.yaml') }
    assert.equal(importKeycloakFrom(context, it.files, options), 2)
    assert.deepEqual(lines, [])
    assert.equal((parse(readFileSync(options.out, 'utf8')) as { sessions: { idleMinutes: number } }).sessions.idleMinutes, 30)
    assert.match(readFileSync(it.at('peers/payroll.crt.pem'), 'utf8'), /^-----BEGIN CERTIFICATE-----/)
    assert.equal(statSync(options.users).mode & 0o777, 0o600)
    assert.equal((parse(readFileSync(options.users, 'utf8')) as { users: object[] }).users.length, 2)
    assert.match(readFileSync(options.report, 'utf8'), /^# Import from Keycloak\n\n## Unsupported\n/)
    assert.match(notes.join('\n'), /2 users are in .*users\.yaml: name it in signOn\.users/)
  })

  test('nothing is written over, and nothing is written when one of the files is there', () => {
    using it = folder()
    const refused = (there: string): void => {
      writeFileSync(it.at('there'), 'of somebody')
      const options = { out: it.at(there === 'out' ? 'there' : 'realm.yaml'), users: it.at(there === 'users' ? 'there' : 'users.yaml') }
      assert.throws(
        () => importKeycloakFrom(contextOf({ config: it.at('curfew.yaml') }).context, it.files, options),
        (error) => isCurfewError(error) && error.code === 'CURFEW_CONFIG_FILE'
      )
      assert.equal(readFileSync(it.at('there'), 'utf8'), 'of somebody')
      for (const name of ['realm.yaml', 'users.yaml', 'peers']) assert.equal(existsSync(it.at(name)), false, `${name} with ${there}`)
    }
    refused('out')
    refused('users')
  })

  test('--plan writes nothing, and neither it nor JSON shows a hash or a secret', () => {
    using it = folder()
    for (const [options, globals] of [
      [{ plan: true }, {}],
      [{}, { json: true }],
      [{}, {}]
    ] as const) {
      const { context, lines, notes } = contextOf({ config: it.at('curfew.yaml'), ...globals })
      importKeycloakFrom(context, it.files, { ...options, ...('plan' in options ? { users: it.at('users.yaml'), out: it.at('realm.yaml') } : {}) })
      assert.doesNotMatch([...lines, ...notes].join('\n'), /hunter2|argon2id\$/)
      assert.match([...lines, ...notes].join('\n'), /ssoSessionIdleTimeout/)
    }
    for (const name of ['realm.yaml', 'users.yaml', 'peers']) assert.equal(existsSync(it.at(name)), false, name)
  })

  test('ids of the configuration that is there are not given again', () => {
    using it = folder()
    const own = `server: { baseUrl: 'https://login.example.com' }
saml: { keys: [{ key: k.pem, certificate: c.pem }] }
sessions: { secretFile: s }
signOn: { users: users.yaml }
connections: [{ id: wiki, protocol: saml, entityId: 'https://other.example.com', acs: [{ url: 'https://other.example.com/acs' }] }]
`
    writeFileSync(it.at('curfew.yaml'), own)
    const { context, lines } = contextOf({ config: it.at('curfew.yaml') })
    importKeycloakFrom(context, it.files, {})
    const { connections } = parse(lines.join('\n')) as { connections: readonly { id: string; clientId?: string }[] }
    assert.deepEqual(connections[0]?.id, 'wiki-2')
    assert.equal(connections[0]?.clientId, 'wiki')
  })
})
