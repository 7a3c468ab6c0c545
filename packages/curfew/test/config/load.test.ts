import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { stringify } from 'yaml'
import { explainConfig } from '../../src/config/explain.ts'
import { type LoadedConfig, parseConfig } from '../../src/config/load.ts'
import { editDistance, nearest } from '../../src/config/nearest.ts'
import { type ConfigInput, configJsonSchema } from '../../src/config/schema.ts'

const smallest: ConfigInput = {
  server: { baseUrl: 'http://curfew.localhost:4600' },
  saml: { keys: [{ key: 'keys/saml.key.pem', certificate: '/etc/curfew/saml.crt.pem' }] },
  sessions: { secretFile: 'keys/session.secret' },
  signOn: { users: 'users.yaml' }
}

function load(config: ConfigInput, environment: Readonly<Record<string, string>> = {}): LoadedConfig {
  const result = parseConfig(stringify(config), '/etc/curfew/curfew.yaml', { environment })
  assert.ok(result.ok, JSON.stringify(result))
  return result.loaded
}

function codesOf(config: ConfigInput): readonly (readonly string[])[] {
  const result = parseConfig(stringify(config), '/etc/curfew/curfew.yaml', { environment: {} })
  return result.ok ? [] : result.findings.map(({ path, code }) => [path, code])
}

suite('loading a configuration', () => {
  test('fills in every default', () => {
    const { config } = load(smallest)
    assert.deepEqual(config.server.listen, ['127.0.0.1:9031'])
    assert.deepEqual(config.admin.listen, ['127.0.0.1:9999'])
    assert.deepEqual(config.store, { kind: 'sqlite', file: '/etc/curfew/data/curfew.db', capacity: 1_000_000 })
    assert.equal(config.logout.attempts, 4)
    assert.deepEqual(config.connections, [])
  })

  test('resolves relative paths against the folder of the file and leaves absolute ones', () => {
    const { config } = load({
      ...smallest,
      connections: [{ id: 'payroll', protocol: 'saml', metadata: { file: 'peers/payroll.xml' }, certificates: ['a.pem'] }]
    })
    assert.deepEqual(config.saml.keys[0], { key: '/etc/curfew/keys/saml.key.pem', certificate: '/etc/curfew/saml.crt.pem', algorithm: 'rsa-sha256' })
    assert.equal(config.admin.tokenFile, '/etc/curfew/data/admin.token')
    const [payroll] = config.connections
    assert.ok(payroll?.protocol === 'saml')
    assert.equal(payroll.metadata?.file, '/etc/curfew/peers/payroll.xml')
    assert.deepEqual(payroll.certificates, ['/etc/curfew/a.pem'])
  })

  test('AC-184 names of nodes and groups have no white space, and servers are named where they are needed', () => {
    const findingsOf = (change: object): readonly string[] => {
      const result = parseConfig(JSON.stringify({ ...smallest, ...change }), '/etc/curfew/curfew.yaml', { environment: {} })
      return result.ok ? [] : result.findings.map(({ path }) => path)
    }
    assert.deepEqual(findingsOf({ cluster: { group: 'eu west' } }), ['cluster.group'])
    assert.deepEqual(findingsOf({ cluster: { node: 'a\tb', tags: ['x y'] } }).toSorted(), ['cluster.node', 'cluster.tags[0]'])
    assert.deepEqual(findingsOf({ store: { kind: 'redis' } }), ['store.redis'])
    assert.deepEqual(findingsOf({ store: { redis: { nodes: ['redis://a'] } } }), ['store.redis'])
    assert.deepEqual(findingsOf({ store: { kind: 'redis', redis: { nodes: ['a:6379'], buckets: 48 } } }).toSorted(), [
      'store.redis.buckets',
      'store.redis.nodes[0]'
    ])
    assert.deepEqual(findingsOf({ store: { kind: 'redis', redis: { nodes: ['redis://a'] } }, cluster: { group: 'euWest' } }), [])
  })

  test('AC-017 ids of groups are letters and digits, and each group has an id and a letter of its own', () => {
    const findingsOf = (cluster: object): readonly string[] => {
      const result = parseConfig(JSON.stringify({ ...smallest, cluster }), '/etc/curfew/curfew.yaml', { environment: {} })
      return result.ok ? [] : result.findings.map(({ path }) => path)
    }
    for (const id of ['', 'eu west', 'eu-west', 'eu_west', 'eu.west', 'eu,west', 'eu:west', 'eu/west', 'e\tu', ' eu', 'grün', 'a'.repeat(37)])
      assert.deepEqual(findingsOf({ group: id }), ['cluster.group'], id)
    for (const id of ['1', 'euWest', 'a'.repeat(36)]) assert.deepEqual(findingsOf({ group: id }), [], id)
    const listen = ['127.0.0.1:9041']
    const two = (one: object, other: object, more: object = {}): readonly string[] =>
      findingsOf({
        group: 'berlin',
        listen,
        groups: [
          { id: 'berlin', ...one },
          { id: 'paris', ...other }
        ],
        ...more
      })
    assert.deepEqual(two({}, { links: ['https://paris.example.com:9041', 'http://localhost:9042'] }), [])
    assert.deepEqual(two({}, { id: 'BERLIN' }), ['cluster.groups[BERLIN].id'])
    assert.deepEqual(two({}, { letter: 'a' }), ['cluster.groups[paris].letter'])
    assert.deepEqual(two({}, { letter: 'B' }), ['cluster.groups[paris].letter'])
    assert.deepEqual(two({}, { links: ['http://paris.example.com:9041'] }), ['cluster.groups[paris].links[0]'])
    assert.deepEqual(two({}, { links: ['https://paris.example.com/x'] }), ['cluster.groups[paris].links[0]'])
    assert.deepEqual(two({}, {}, { group: 'rome' }), ['cluster.group'])
    assert.deepEqual(two({}, {}, { group: undefined }), ['cluster.group'])
    assert.deepEqual(two({}, {}, { listen: [] }), ['cluster.listen'])
    assert.deepEqual(findingsOf({ listen }), ['cluster.listen'])
  })

  test('accepts JSON', () => {
    const result = parseConfig(JSON.stringify(smallest, null, 2), '/etc/curfew/curfew.json', { environment: {} })
    assert.ok(result.ok)
  })

  test('AC-101 a revoked session stays on the list for 490 minutes unless something else is said', () => {
    assert.equal(load(smallest).config.sessions.revocationMinutes, 490)
    assert.equal(load({ ...smallest, sessions: { secretFile: 's', revocationMinutes: 40 } }).config.sessions.revocationMinutes, 40)
  })

  test('AC-109 endings are put on the revocation list by default, and need not be', () => {
    assert.equal(load(smallest).config.sessions.revokeOnLogout, true)
    assert.equal(load({ ...smallest, sessions: { secretFile: 's', revokeOnLogout: false } }).config.sessions.revokeOnLogout, false)
  })

  test('AC-121 has 60 and 480 minutes as defaults, takes -1, refuses a maximum below idle and more than 1576800 minutes', () => {
    const { sessions } = load(smallest).config
    assert.deepEqual([sessions.idleMinutes, sessions.maxMinutes], [60, 480])
    const withLimits = (idleMinutes: number, maxMinutes: number): ConfigInput => ({ ...smallest, sessions: { secretFile: 's', idleMinutes, maxMinutes } })
    assert.deepEqual(codesOf(withLimits(-1, -1)), [])
    assert.deepEqual(codesOf(withLimits(600, -1)), [])
    assert.deepEqual(codesOf(withLimits(1_576_800, 1_576_800)), [])
    assert.deepEqual(codesOf(withLimits(61, 60)), [['sessions.maxMinutes', 'CURFEW_CONFIG_VALUE']])
    assert.deepEqual(codesOf(withLimits(60, 1_576_801)), [['sessions.maxMinutes', 'CURFEW_CONFIG_VALUE']])
    assert.deepEqual(codesOf(withLimits(0, 60)), [['sessions.idleMinutes', 'CURFEW_CONFIG_VALUE']])
  })
})

suite('account linking', () => {
  test('needs local users to link to', () => {
    const config = (users: object): ConfigInput => ({
      ...smallest,
      signOn: users,
      identityProviders: [{ id: 'social', protocol: 'oidc', issuer: 'https://op.example', clientId: 'curfew', accountLinking: 'offered' }]
    })
    assert.deepEqual(codesOf(config({ users: 'users.yaml' })), [])
    assert.deepEqual(codesOf(config({})), [['identityProviders[social].accountLinking', 'CURFEW_CONFIG_VALUE']])
  })
})

suite('paths under /ext', () => {
  test('AC-092 AC-157 one that another adapter holds, or that stands twice, is a finding', () => {
    const portal = (path: string): ConfigInput => ({
      ...smallest,
      signOn: { ...smallest.signOn, adapterLogout: { path: '/logout' } },
      identityProviders: [
        { id: 'portal', protocol: 'opentoken', password: 'long enough', authenticationService: 'https://p.example/', adapterLogout: { path } }
      ]
    })
    assert.deepEqual(codesOf(portal('/portal')), [])
    assert.deepEqual(codesOf(portal('/logout')), [['identityProviders[portal].adapterLogout.path', 'CURFEW_CONFIG_EXT_PATH']])
    assert.deepEqual(codesOf(portal('/ref/pickup')), [['identityProviders[portal].adapterLogout.path', 'CURFEW_CONFIG_EXT_PATH']])
    assert.deepEqual(codesOf(portal('logout')), [['identityProviders[portal].adapterLogout.path', 'CURFEW_CONFIG_VALUE']])
  })
})

suite('where a setting comes from', () => {
  test('names the line, the environment variable or the default', () => {
    const loaded = load({ ...smallest, admin: { token: '${env:ADMIN_TOKEN}' } }, { ADMIN_TOKEN: 'a token of enough length' })
    const origins = new Map(explainConfig(loaded).map(({ path, origin }) => [path, origin]))
    assert.equal(origins.get('server.baseUrl'), '/etc/curfew/curfew.yaml:2')
    assert.equal(origins.get('admin.token'), 'env ADMIN_TOKEN')
    assert.equal(origins.get('logout.attempts'), 'default')
  })

  test('never shows the secret of a client or the password of an adapter', () => {
    const connections = [
      { id: 'wiki', protocol: 'oidc' as const, clientSecret: 'a secret of enough length', redirectUris: ['https://wiki.example/cb'] },
      { id: 'forms', protocol: 'opentoken' as const, password: 'a password of enough length', targetUrl: 'https://forms.example/open' }
    ]
    const text = JSON.stringify(explainConfig(load({ ...smallest, connections })))
    assert.match(text, /connections\.1\.password/)
    assert.doesNotMatch(text, /enough length/)
  })

  test('never shows the token', () => {
    const loaded = load({ ...smallest, admin: { token: 'a token of enough length' } })
    assert.doesNotMatch(JSON.stringify(explainConfig(loaded)), /enough length/)
  })

  test('shows an address without the password in it', () => {
    const nodes = ['redis://curfew:s3cr:et/@one.example:6379', 'rediss://two.example:6379']
    const shown = explainConfig(load({ ...smallest, store: { kind: 'redis', redis: { nodes } } })).filter(({ path }) => path.startsWith('store.redis.nodes'))
    assert.deepEqual(
      shown.map(({ value }) => value),
      ['redis://curfew:[secret]@one.example:6379', 'rediss://two.example:6379']
    )
  })

  test('no finding repeats a secret that can not be used, or what came out of the environment', () => {
    const found = (change: object, environment: Readonly<Record<string, string>> = {}): string => {
      const result = parseConfig(JSON.stringify({ ...smallest, ...change }), '/etc/curfew/curfew.yaml', { environment })
      assert.ok(!result.ok)
      return JSON.stringify(result.findings)
    }
    for (const change of [
      { admin: { token: 'hunter2' } },
      { connections: [{ id: 'wiki', protocol: 'oidc', clientSecret: 'hunter2', redirectUris: ['https://wiki.example/cb'] }] },
      { connections: [{ id: 'forms', protocol: 'opentoken', password: 'hunter2', targetUrl: 'https://forms.example/open' }] },
      { connections: { clientSecret: 'hunter2' } },
      { oidc: { registration: { initialAccessTokens: [{ name: 'us', token: 'hunter2' }] } } },
      { store: { kind: 'redis', redis: { nodes: ['http://curfew:hunter2@one.example'] } } }
    ])
      assert.doesNotMatch(found(change), /hunter2/, JSON.stringify(change))
    const misplaced = found({ server: { baseUrl: '${env:TOKEN}' } }, { TOKEN: 'hunter2' })
    assert.doesNotMatch(misplaced, /hunter2/)
    assert.match(misplaced, /\$\{env:TOKEN\}/)
  })
})

suite('the address of the authority', () => {
  for (const baseUrl of ['https://login.example.com', 'http://localhost:9031', 'http://curfew.localhost:4600', 'http://127.0.0.1:9031', 'http://[::1]:9031'])
    test(`may be ${baseUrl}`, () => assert.deepEqual(codesOf({ ...smallest, server: { baseUrl } }), []))

  for (const baseUrl of ['http://login.example.com', 'http://10.0.0.1:9031', 'http://localhost.example.com'])
    test(`may not be ${baseUrl}: passwords and cookies would be readable on the way`, () =>
      assert.deepEqual(codesOf({ ...smallest, server: { baseUrl } }), [['server.baseUrl', 'CURFEW_CONFIG_VALUE']]))

  test('that is none is one finding', () =>
    assert.deepEqual(codesOf({ ...smallest, server: { baseUrl: 'nothing' } }), [['server.baseUrl', 'CURFEW_CONFIG_VALUE']]))
})

suite('suggestions', () => {
  test('finds the word that was meant and nothing for a word that is far from all', () => {
    assert.equal(nearest('protocl', ['protocol', 'profiles']), 'protocol')
    assert.equal(nearest('BaseURL', ['baseUrl', 'listen']), 'baseUrl')
    assert.equal(nearest('colour', ['listen', 'file']), undefined)
  })

  test('does not compare words of any length', () => {
    assert.equal(editDistance('a'.repeat(65), 'a'), Number.POSITIVE_INFINITY)
    assert.equal(editDistance('kitten', 'sitting'), 3)
  })
})

suite('the schema for editors', () => {
  test('is the one in the repository', () => {
    const file = new URL('../../../../schema/config.schema.json', import.meta.url)
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), JSON.parse(JSON.stringify(configJsonSchema())))
  })
})
