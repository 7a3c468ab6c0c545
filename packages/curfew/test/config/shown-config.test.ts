import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { stringify } from 'yaml'
import { type LoadedConfig, parseConfig } from '../../src/config/load.ts'
import { changesText } from '../../src/cli/commands/config-diff.ts'
import { configChanges, type ShownConfigSetting, shownConfig } from '../../src/config/shown-config.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-shown-'))
after(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'secret'), 'a-secret-in-a-file-that-is-long-enough')

function client(id: string, more: object = {}): object {
  return { id, protocol: 'oidc', clientSecret: 'a-written-secret-that-is-long-enough', redirectUris: [`https://${id}.example.com/cb`], ...more }
}

function loaded(more: object): LoadedConfig {
  const config = {
    server: { baseUrl: 'https://login.example.com' },
    saml: { keys: [{ key: 'key.pem', certificate: 'crt.pem' }] },
    sessions: { secretFile: 'secret' },
    signOn: { users: 'users.yaml' },
    ...more
  }
  const result = parseConfig(stringify(config), join(folder, 'curfew.yaml'), { environment: { NAME: 'a-secret-of-the-environment' }, brandProblems: () => [] })
  return result.ok ? result.loaded : assert.fail(JSON.stringify(result.findings))
}

suite('a configuration that is shown', () => {
  test('goes by the ids of its entries, and tells no secret, wherever it came from', () => {
    const shown = shownConfig(
      loaded({
        connections: [client('wiki'), client('notes', { clientSecret: '${file:secret}', name: '${env:NAME}' })],
        admin: { token: 'the-token-of-the-admin-api-is-long' }
      })
    )
    const valueOf = (path: string): unknown => shown.find((one) => one.path === path)?.value
    assert.equal(valueOf('connections[wiki].redirectUris.0'), 'https://wiki.example.com/cb')
    assert.equal(valueOf('connections[wiki].clientSecret'), '[secret]')
    assert.equal(valueOf('connections[notes].clientSecret'), '${file:secret}')
    assert.equal(valueOf('connections[notes].name'), '${env:NAME}')
    assert.equal(valueOf('admin.token'), '[secret]')
    assert.equal(valueOf('saml.keys.0.key'), join(folder, 'key.pem'))
    for (const word of ['a-written-secret', 'a-secret-in-a-file', 'a-secret-of-the-environment', 'the-token-of'])
      assert.ok(!JSON.stringify(shown).includes(word), word)
  })

  test('differs by settings, and by whole entries where they are new or gone', () => {
    const before = shownConfig(loaded({ connections: [client('wiki'), client('old')] }))
    const after = shownConfig(loaded({ connections: [client('fresh'), client('wiki', { name: 'Wiki' })], logging: { level: 'debug' } }))
    assert.deepEqual(configChanges(before, before), [])
    assert.deepEqual(
      [...configChanges(before, after)].sort((a, b) => (a.path < b.path ? -1 : 1)),
      [
        { change: 'added', path: 'connections[fresh]' },
        { change: 'removed', path: 'connections[old]' },
        { change: 'added', path: 'connections[wiki].name', to: 'Wiki' },
        { change: 'changed', path: 'logging.level', from: 'info', to: 'debug' }
      ]
    )
  })

  test('in a table of the width of the terminal', () => {
    const lines = changesText(
      [
        {
          change: 'changed',
          path: 'sessions.secretFile',
          from: '/a/long/path/of/a/file/that/goes/on/and/on',
          to: '/a/long/path/of/a/file/that/is/another/one'
        },
        { change: 'removed', path: 'connections[old]' }
      ],
      80
    )
    for (const line of lines) assert.ok(line.length <= 80, line)
    assert.deepEqual(lines.slice(1), ['changed  sessions.secretFile  "/a/long/path/of/a/fi...  -> "/a/long/path/of/a...', 'removed  connections[old]'])
  })

  test('a value that became a list, and an entry whose id no longer is one of its own, are differences, too', () => {
    const setting = (path: string, value: ShownConfigSetting['value'] = 1): ShownConfigSetting => ({ path, value })
    assert.deepEqual(configChanges([setting('a', [])], [setting('a.0', 'x')]), [
      { change: 'removed', path: 'a', from: [] },
      { change: 'added', path: 'a.0', to: 'x' }
    ])
    assert.deepEqual(configChanges([setting('a', [])], [setting('a', {})]), [{ change: 'changed', path: 'a', from: [], to: {} }])
  })
})
