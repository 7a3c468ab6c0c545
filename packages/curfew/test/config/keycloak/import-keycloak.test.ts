import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { makeClient } from '../../../src/authority/oidc/client.ts'
import { openConnections } from '../../../src/authority/saml/connections.ts'
import { settingsOf } from '../../../src/cli/connections-setup.ts'
import { publicHalf } from '../../../src/cli/inspect-surroundings.ts'
import { draftText } from '../../../src/config/imports/draft.ts'
import { type ImportedRealm, importKeycloak } from '../../../src/config/keycloak/import-keycloak.ts'
import { parseConfig } from '../../../src/config/load.ts'
import { verifyPassword } from '../../../src/platform/password.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

const samples = new URL('../imports/samples/', import.meta.url)
const sample = (name: string): { readonly path: string; readonly text: string } => ({ path: name, text: readFileSync(new URL(name, samples), 'utf8') })

function imported(): ImportedRealm {
  return importKeycloak([sample('keycloak-realm.json'), sample('keycloak-users.json')], new Set())
}

/** A realm with one client that has nothing but what is given. */
function withClient(client: object): ImportedRealm {
  const text = JSON.stringify({
    realm: 'r',
    clients: [{ clientId: 'app', enabled: true, redirectUris: ['https://app.example.com/cb'], standardFlowEnabled: true, ...client }]
  })
  return importKeycloak([{ path: 'realm.json', text }], new Set())
}

type Entry = Readonly<Record<string, unknown>>

function entry({ settings }: ImportedRealm, list: string, id: string): Entry {
  const found = (settings[list] as readonly Entry[]).find((one) => one['id'] === id)
  assert.ok(found, `${list} has no ${id}`)
  return found
}

/** `verdict what` of the lines about one thing. */
function linesOf({ lines }: ImportedRealm, about: string): readonly string[] {
  return lines.filter((line) => line.about === about).map(({ verdict, what }) => `${verdict} ${what}`)
}

function includes(all: readonly string[], wanted: readonly string[]): void {
  for (const one of wanted) assert.ok(all.includes(one), `${one} is not in: ${all.join('; ')}`)
}

suite('curfew import keycloak: the realm', () => {
  test('session limits in whole minutes, remember-me, and a lock', () => {
    const draft = imported()
    assert.deepEqual(draft.settings['sessions'], { idleMinutes: 30, maxMinutes: 600, persistent: true, transactionMinutes: 30 })
    assert.deepEqual((draft.settings['signOn'] as Entry)['locking'], { attempts: 30, windowMinutes: 15 })
    includes(linesOf(draft, 'realm'), [
      'imported ssoSessionIdleTimeout',
      'unsupported ssoSessionIdleTimeoutRememberMe',
      'approximated maxFailureWaitSeconds',
      'unsupported permanentLockout',
      'approximated issuer',
      'approximated entity ID',
      'approximated sub',
      'not-needed keys',
      'not-needed client account'
    ])
  })

  test('a time that is no whole minute becomes shorter, never longer, and an idle time beyond the maximum is cut', () => {
    const text = JSON.stringify({ realm: 'r', clients: [], ssoSessionIdleTimeout: 7_230, ssoSessionMaxLifespan: 119, bruteForceProtected: false })
    const draft = importKeycloak([{ path: 'r.json', text }], new Set())
    assert.deepEqual(draft.settings['sessions'], { idleMinutes: 1, maxMinutes: 1 })
    includes(linesOf(draft, 'realm'), ['approximated ssoSessionIdleTimeout', 'approximated ssoSessionMaxLifespan', 'approximated bruteForceProtected'])
  })

  test('an LDAP federation becomes a directory whose passwords nobody can read on the way', () => {
    const draft = imported()
    const [directory] = (draft.settings['signOn'] as { readonly directories: readonly Entry[] }).directories
    assert.deepEqual(directory, {
      id: 'staff-ldap',
      urls: ['ldap://ldap.example.com:389'],
      startTls: true,
      bindDn: 'cn=keycloak,dc=example,dc=com',
      bindPassword: '${file:keys/staff-ldap.bind-password}',
      base: 'ou=people,dc=example,dc=com',
      filter: '(&(objectClass=inetOrgPerson)(objectClass=organizationalPerson)(active=TRUE))',
      loginAttributes: ['uid'],
      attributes: { mail: 'mail' }
    })
    includes(linesOf(draft, 'user federation Staff LDAP'), ['approximated connectionUrl', 'approximated searchScope', 'unsupported mapper groups'])
  })

  test('identity providers by SAML and OpenID are taken over, social ones are said', () => {
    const draft = imported()
    const campus = entry(draft, 'identityProviders', 'campus')
    assert.deepEqual(campus['sso'], [{ binding: 'post', url: 'https://idp.campus.example/sso' }])
    assert.deepEqual(campus['slo'], [{ binding: 'redirect', url: 'https://idp.campus.example/slo' }])
    assert.equal(campus['username'], 'uid')
    assert.equal(entry(draft, 'identityProviders', 'partner')['authentication'], 'clientSecretBasic')
    assert.deepEqual(linesOf(draft, 'identity provider google'), ['unsupported google'])
  })
})

suite('curfew import keycloak: clients', () => {
  test('an OpenID client with its addresses, its logout, its lifetimes and a secret that is not copied', () => {
    const draft = imported()
    const wiki = entry(draft, 'connections', 'wiki')
    assert.equal(wiki['clientSecret'], '${file:keys/wiki.secret}')
    assert.deepEqual(wiki['redirectUris'], ['https://wiki.example.com/oauth/cb', 'https://wiki.example.com/silent.html'])
    assert.deepEqual(wiki['postLogoutRedirectUris'], ['https://wiki.example.com/bye', 'https://*.example.com/bye/*'])
    assert.deepEqual(wiki['logout'], { modes: ['backChannel'], backChannelUri: 'https://wiki.example.com/backchannel-logout', sessionRequired: true })
    assert.equal(wiki['offlineGrants'], 'end')
    assert.equal(wiki['accessTokenMinutes'], 10)
    assert.equal(wiki['requirePkce'], undefined)
    assert.equal(wiki['consent'], 'ask')
    assert.deepEqual(wiki['claims'], { department: 'department' })
    includes(linesOf(draft, 'wiki'), [
      'unsupported post.logout.redirect.uris',
      'unsupported directAccessGrantsEnabled',
      'unsupported oauth2.device.authorization.grant.enabled',
      'unsupported webOrigins',
      'unsupported mapper groups',
      'unsupported other settings'
    ])
  })

  test('a wildcard is no redirect address: without another the list is empty, and the configuration is refused until somebody writes one', () => {
    const draft = imported()
    const chat = entry(draft, 'connections', 'chat-app')
    assert.deepEqual(chat['redirectUris'], [])
    assert.equal(chat['clientId'], 'Chat App')
    assert.equal(chat['name'], undefined)
    assert.deepEqual(chat['postLogoutRedirectUris'], ['https://chat.example.com/*'])
    assert.equal(chat['logout'], undefined)
    assert.equal(chat['requirePkce'], false)
  })

  test('a front channel, a back channel that a public client can not have, no refresh tokens, nowhere after a logout', () => {
    const spa = entry(imported(), 'connections', 'spa')
    assert.equal(spa['authentication'], 'none')
    assert.deepEqual(spa['logout'], { modes: ['frontChannel'], frontChannelUris: ['https://spa.example.com/logout'], sessionRequired: true })
    assert.equal(spa['refreshTokens'], undefined)
    assert.equal(spa['postLogoutRedirectUris'], undefined)
  })

  test('of both ways the back channel comes first, and that is said', () => {
    const attributes = { 'backchannel.logout.url': 'https://app.example.com/back', 'frontchannel.logout.url': 'https://app.example.com/front' }
    const draft = withClient({ frontchannelLogout: true, attributes })
    assert.deepEqual((entry(draft, 'connections', 'app')['logout'] as Entry)['modes'], ['backChannel', 'frontChannel'])
    includes(linesOf(draft, 'app'), ['approximated frontchannelLogout'])
  })

  test('post.logout.redirect.uris: + and nothing mean the redirect addresses, beside others, too', () => {
    const of = (uris: string | undefined): unknown =>
      entry(withClient({ attributes: uris === undefined ? {} : { 'post.logout.redirect.uris': uris } }), 'connections', 'app')['postLogoutRedirectUris']
    assert.deepEqual(of('+'), ['https://app.example.com/cb'])
    assert.deepEqual(of(undefined), ['https://app.example.com/cb'])
    assert.deepEqual(of('+##https://app.example.com/bye'), ['https://app.example.com/cb', 'https://app.example.com/bye'])
    assert.equal(of('-'), undefined)
    assert.equal(of('javascript:alert(1)##*'), undefined)
  })

  test('clients that sign nobody in, or not by the code flow, or are switched off, get no connection', () => {
    const draft = imported()
    assert.deepEqual(linesOf(draft, 'api'), ['not-needed client'])
    assert.deepEqual(linesOf(draft, 'robot'), ['unsupported client'])
    assert.deepEqual(linesOf(draft, 'off'), ['not-needed client'])
    assert.deepEqual(linesOf(draft, 'urn:nowhere').at(-1), 'unsupported client')
  })

  test('a SAML client with its addresses, certificates in files, and what it is told', () => {
    const draft = imported()
    assert.deepEqual(entry(draft, 'connections', 'payroll'), {
      id: 'payroll',
      name: 'Payroll',
      protocol: 'saml',
      entityId: 'https://payroll.example.com/saml',
      acs: [{ url: 'https://payroll.example.com/acs', default: true }],
      slo: [
        { binding: 'post', url: 'https://payroll.example.com/slo' },
        { binding: 'redirect', url: 'https://payroll.example.com/slo-redirect' }
      ],
      homeUrl: 'https://payroll.example.com/',
      nameId: { format: 'emailAddress' },
      attributes: { 'urn:oid:0.9.2342.19200300.100.1.3': 'mail' },
      certificates: ['peers/payroll.crt.pem'],
      requireSignedAuthnRequests: true,
      signResponse: true,
      algorithm: 'rsa-sha512',
      encrypt: 'assertions',
      encryption: { certificate: 'peers/payroll-encryption.crt.pem' }
    })
    assert.deepEqual(Object.keys(draft.files).toSorted(), ['peers/campus.crt.pem', 'peers/payroll-encryption.crt.pem', 'peers/payroll.crt.pem'])
    assert.deepEqual(entry(draft, 'connections', 'intranet')['slo'], [{ binding: 'soap', url: 'https://intranet.example.com/soap' }])
    includes(linesOf(draft, 'urn:intranet'), ['approximated saml.client.signature', 'unsupported saml.signature.algorithm', 'approximated saml_name_id_format'])
  })
})

suite('curfew import keycloak: users', () => {
  test('an Argon2id hash opens with the password that it was made of; whoever is disabled or has to choose anew stays so', async () => {
    const { users } = imported()
    assert.deepEqual(
      users.map(({ username, disabled, mustChangePassword }) => ({ username, disabled, mustChangePassword })),
      [
        { username: 'ana', disabled: undefined, mustChangePassword: true },
        { username: 'ben', disabled: true, mustChangePassword: undefined }
      ]
    )
    assert.deepEqual(users[0]?.attributes, { department: ['payroll', 'audit'], mail: 'ana@example.com', givenName: 'Ana', sn: 'Ferreira' })
    assert.equal(await verifyPassword(users[0]?.password ?? '', 'correct horse'), true)
    assert.equal(await verifyPassword(users[0]?.password ?? '', 'wrong horse'), false)
  })

  test('other hashes, people of the directory, second factors and links are said with their number', () => {
    const notes = imported().lines.flatMap(({ about, verdict, what, note }) => (about === 'users' ? [`${verdict} ${what}: ${note}`] : []))
    const one = (pattern: RegExp): void => assert.equal(notes.filter((note) => pattern.test(note)).length, 1, `${pattern.source} in ${notes.join('\n')}`)
    one(/^imported 2 users/)
    one(/^unsupported 1 user: pbkdf2-sha512 is not checked here.*: old$/)
    one(/^unsupported 1 user: argon2 with parameters.*: weird$/)
    one(/^not-needed 1 user: .*: staff$/)
    one(/^unsupported second factors: 1 user /)
    one(/^unsupported federatedIdentities: 1 user /)
  })
})

suite('curfew import keycloak: what comes out', () => {
  test('no secret and no private key is in it', () => {
    const { users: _hashes, ...draft } = imported()
    assert.doesNotMatch(JSON.stringify(draft), /hunter2/)
    assert.doesNotMatch(draftText(draft), /hunter2/)
    assert.match(sample('keycloak-realm.json').text, /hunter2/)
  })

  test('with secrets written and redirect addresses given the configuration is good, and every partner can be made', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-keycloak-'))
    const draft = imported()
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    try {
      for (const [path, text] of Object.entries(draft.files)) write(path, text)
      for (const path of ['keys/wiki.secret', 'keys/partner.secret', 'keys/staff-ldap.bind-password']) write(path, 'a secret of more than sixteen characters')
      const own = 'server: { baseUrl: https://login.example.com }\nsaml: { keys: [{ key: k.pem, certificate: c.pem }] }\n'
      const merged = draftText(draft).replace('sessions:\n', 'sessions:\n  secretFile: s\n')
      const options = { environment: {} }
      const refused = parseConfig(`${own}${merged}`, join(folder, 'curfew.yaml'), options)
      assert.deepEqual(refused.ok ? [] : refused.findings.map(({ path }) => path), ['connections[chat-app].redirectUris'])
      const result = parseConfig(
        `${own}${merged.replace('redirectUris: []', 'redirectUris: [https://chat.example.com/cb]')}`,
        join(folder, 'curfew.yaml'),
        options
      )
      assert.ok(result.ok, JSON.stringify(result))
      const { connections, identityProviders } = result.loaded.config
      for (const one of connections)
        if (one.protocol === 'oidc') makeClient(settingsOf(one), [{ algorithms: ['RS256'] } as unknown as Parameters<typeof makeClient>[1][number]])
      const certificate = readFileSync(join(folder, 'peers/payroll.crt.pem'), 'utf8')
      await using live = await openConnections(
        {
          clock: createFakeClock(),
          ownKeys: [publicHalf(certificate, 'rsa-sha256')],
          readFile: async (path) => readFileSync(path),
          fetchMetadata: () => Promise.reject(new Error('nothing is fetched')),
          onProblem: (id, error) => assert.fail(`${id} ${String(error)}`)
        },
        { applications: connections.filter((one) => one.protocol === 'saml'), identityProviders: identityProviders.filter((one) => one.protocol === 'saml') }
      )
      assert.deepEqual(
        live.all().map(({ id }) => id),
        ['payroll', 'intranet', 'campus']
      )
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('whoever wrote the export does not choose what is read on this machine', () => {
    const refused = (client: object): void =>
      assert.throws(
        () => withClient(client),
        (error) => isCurfewError(error) && error.code === 'CURFEW_IMPORT_REFUSED'
      )
    refused({ redirectUris: ['https://app.example.com/${file:keys/saml.key.pem}'] })
    refused({ attributes: { 'backchannel.logout.url': 'https://app.example.com/?${env:CURFEW_ADMIN_TOKEN}' } })
  })

  test('what is no export is refused by name, and nothing of it is repeated', () => {
    const refused = (files: readonly string[], code: string): void =>
      assert.throws(
        () =>
          importKeycloak(
            files.map((text, i) => ({ path: `${i}.json`, text })),
            new Set()
          ),
        (error) => {
          if (!isCurfewError(error)) return false
          assert.equal(error.code, code)
          assert.doesNotMatch(JSON.stringify(error.context), /hunter2/)
          return true
        }
      )
    const realm = '{"realm": "r", "clients": []}'
    refused(['{"secret": hunter2}'], 'CURFEW_IMPORT_JSON')
    refused(['{"secret": "hunter2"}'], 'CURFEW_IMPORT_JSON')
    refused(['"hunter2"'], 'CURFEW_IMPORT_JSON')
    refused([`[${realm}, ${realm}]`], 'CURFEW_IMPORT_REFUSED')
    refused([realm, realm], 'CURFEW_IMPORT_REFUSED')
    refused([realm, '{"secret": "hunter2"}'], 'CURFEW_IMPORT_JSON')
    importKeycloak(
      [
        { path: 'r.json', text: '{"realm": 7, "clients": [null, 1, {"clientId": {}, "redirectUris": "x", "attributes": []}], "components": null, "users": {}}' }
      ],
      new Set()
    )
  })
})
