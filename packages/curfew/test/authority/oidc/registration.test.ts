import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import { decodeJwt, SignJWT } from 'jose'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import type { Browser } from '../browser.ts'
import { createFakeClock } from '../fake-clock.ts'
import type { Kit, KitOptions } from '../kit.ts'
import { authorizationUrl, clientOf, createOidcKit, follow, signInOn, verifier } from './relying-party.ts'

const initial = 'the initial token of this test'.replaceAll(' ', '-')
const path = '/as/clients.oauth2'

interface Registered {
  readonly client_id: string
  readonly client_secret: string
  readonly registration_access_token: string
  readonly registration_client_uri: string
  readonly [name: string]: unknown
}

const wanted = {
  redirect_uris: ['https://notes.example.org/cb'],
  client_name: 'Notes',
  grant_types: ['authorization_code', 'refresh_token'],
  post_logout_redirect_uris: ['https://notes.example.org/bye'],
  backchannel_logout_uri: 'https://notes.example.org/backchannel',
  backchannel_logout_session_required: true
}

function createKit(options: KitOptions = {}): Promise<Kit> {
  return createOidcKit({
    clients: [clientOf('wiki')],
    ...options,
    registration: { initialAccessTokens: [{ name: 'partners', token: initial }], ...options.registration }
  })
}

function post(kit: Kit, body: unknown, token: string | undefined = initial, from = '192.0.2.1') {
  return kit.app.inject({
    method: 'POST',
    url: path,
    remoteAddress: from,
    headers: { 'content-type': 'application/json', ...(token === '' ? {} : { authorization: `Bearer ${token}` }) },
    payload: JSON.stringify(body)
  })
}

async function register(kit: Kit, body: object = wanted): Promise<Registered> {
  const answer = await post(kit, body)
  assert.equal(answer.statusCode, 201, answer.body)
  return answer.json<Registered>()
}

function manage(kit: Kit, method: 'GET' | 'PUT' | 'DELETE', { registration_client_uri: uri }: Registered, token: string, body?: object) {
  return kit.app.inject({
    method,
    url: new URL(uri).pathname,
    headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { payload: JSON.stringify(body) })
  })
}

const basic = ({ client_id: id, client_secret: secret }: Registered): string => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`

function form(kit: Kit, url: string, client: Registered, fields: Readonly<Record<string, string>>) {
  return kit.app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basic(client) },
    payload: new URLSearchParams(fields).toString()
  })
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 3_000 && !(await condition()); i++) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.ok(await condition(), 'it took too long')
}

/** A whole sign-in, the person agreeing. */
async function signInTo(kit: Kit, browser: Browser, client: Registered) {
  const url = authorizationUrl('wiki', { client_id: client.client_id, redirect_uri: 'https://notes.example.org/cb', scope: 'openid profile' })
  let page = await follow(browser, await browser.get(url))
  if (page.body.includes('type="password"')) page = await follow(browser, await signInOn(browser, page))
  assert.match(page.body, /Notes/)
  const action = /<form method="post" action="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail(page.body)
  const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
  const done = await follow(browser, await browser.post(action, { csrfToken, choice: 'allow' }))
  const code = new URL(String(done.headers.location)).searchParams.get('code') ?? assert.fail(String(done.headers.location))
  const answer = await form(kit, '/as/token.oauth2', client, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: 'https://notes.example.org/cb',
    code_verifier: verifier
  })
  assert.equal(answer.statusCode, 200, answer.body)
  return answer.json<{ readonly access_token: string; readonly refresh_token: string; readonly id_token: string }>()
}

suite('RFC 7591: a client registers itself', () => {
  test('and is told who it is, its secret once, and how to look after its registration', async () => {
    await using kit = await createKit()
    const client = await register(kit)
    assert.match(client.client_id, /^dyn-[0-9a-f]{32}$/)
    assert.equal(client.client_secret.length, 43)
    assert.equal(client['client_secret_expires_at'], 0)
    assert.equal(client.registration_client_uri, `http://curfew.test${path}/${client.client_id}`)
    assert.deepEqual(
      [client['client_name'], client['redirect_uris'], client['token_endpoint_auth_method']],
      ['Notes', wanted.redirect_uris, 'client_secret_basic']
    )
  })

  test('people are asked, its tokens are good, and a logout reaches it by its own address', async () => {
    const sent: string[] = []
    await using kit = await createKit({
      network: async ({ url }) => {
        sent.push(url)
        return { status: 200 }
      }
    })
    const client = await register(kit)
    const browser = kit.browser()
    const tokens = await signInTo(kit, browser, client)
    const facts = await form(kit, '/as/introspect.oauth2', client, { token: tokens.access_token })
    assert.deepEqual([facts.json<{ active: boolean; client_id: string }>().active, facts.json<{ client_id: string }>().client_id], [true, client.client_id])
    const ended = await browser.get(
      `/idp/init_logout.openid?${new URLSearchParams({ id_token_hint: tokens.id_token, post_logout_redirect_uri: 'https://notes.example.org/bye' }).toString()}`
    )
    assert.equal(ended.statusCode, 303)
    await until(() => sent.length > 0)
    assert.deepEqual(sent, ['https://notes.example.org/backchannel'])
    const after = await form(kit, '/as/introspect.oauth2', client, { token: tokens.access_token })
    assert.equal(after.json<{ active: boolean }>().active, false)
  })

  test('only the hashes of its secret and of its token are kept', async () => {
    await using kit = await createKit()
    const client = await register(kit)
    const kept = JSON.stringify(await kit.store.artifactsOfGrant('registered-clients', 'RegisteredClient', kit.clock.nowMs(), 10))
    assert.match(kept, /notes\.example\.org/)
    assert.ok(!kept.includes(client.client_secret) && !kept.includes(client.registration_access_token))
  })

  test('a node that did not register it finds it at once, and plans its logout', async () => {
    const clock = createFakeClock(Date.now())
    const store = createMemoryStore({ capacity: 100 })
    const sent: string[] = []
    const network: KitOptions['network'] = async ({ url }) => {
      sent.push(url)
      return { status: 200 }
    }
    await using one = await createKit({ clock, store })
    await using other = await createKit({ clock, store, network })
    const client = await register(one)
    const tokens = await signInTo(one, one.browser(), client)
    const refused = await form(other, '/as/introspect.oauth2', { ...client, client_secret: 'x'.repeat(43) }, { token: tokens.access_token })
    assert.equal(refused.statusCode, 401)
    // The second node has never heard of the client before this.
    await using third = await createKit({ clock, store, network })
    const { sid } = decodeJwt(tokens.id_token) as { readonly sid: string }
    const sessionId = third.ctx.locator.open(client.client_id, sid) ?? assert.fail()
    const { ended } = await third.ctx.engine.endSessions({
      scope: { kind: 'session', sessionId },
      reason: 'admin',
      by: { kind: 'admin', id: 'api' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    const runId = ended[0]?.runId ?? assert.fail()
    await until(async () => (await store.getRun(runId))?.state === 'done')
    const run = await store.getRun(runId)
    assert.deepEqual(
      run?.deliveries.map(({ peerId, outcome }) => [peerId, outcome?.kind]),
      [[client.client_id, 'ended']]
    )
    assert.deepEqual(sent, ['https://notes.example.org/backchannel'])
  })

  test('is off unless it is configured', async () => {
    await using kit = await createOidcKit()
    assert.equal((await post(kit, wanted)).statusCode, 404)
    const metadata = (await kit.app.inject('/.well-known/openid-configuration')).json<Record<string, unknown>>()
    assert.equal(metadata['registration_endpoint'], undefined)
    await using on = await createKit()
    const known = (await on.app.inject('/.well-known/openid-configuration')).json<Record<string, unknown>>()
    assert.equal(known['registration_endpoint'], `http://curfew.test${path}`)
  })
})

suite('RFC 7591 section 3: who may register', () => {
  test('without the initial access token, or with another, nobody', async () => {
    await using kit = await createKit()
    for (const token of ['', 'another-token-of-the-same-kind', `${initial}x`, initial.slice(0, -1)]) {
      const answer = await post(kit, wanted, token)
      assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [401, 'invalid_token'], token)
      assert.match(String(answer.headers['www-authenticate']), /^Bearer /)
    }
  })

  test('anybody where it is open, and a wrong token is still wrong', async () => {
    await using kit = await createKit({ registration: { isOpen: true } })
    assert.equal((await post(kit, wanted, '')).statusCode, 201)
    assert.equal((await post(kit, wanted, 'another-token-of-the-same-kind')).statusCode, 401)
  })

  test('so many as are allowed, and so often', async () => {
    await using kit = await createKit({ registration: { clientsMax: 2, perMinuteMax: 5 } })
    await register(kit)
    await register(kit)
    assert.equal((await post(kit, wanted)).statusCode, 503)
    assert.equal((await post(kit, wanted, 'guess-guess-guess-guess')).statusCode, 401)
    assert.equal((await post(kit, wanted, 'guess-guess-guess-guess')).statusCode, 401)
    const answer = await post(kit, wanted, 'guess-guess-guess-guess')
    assert.deepEqual([answer.statusCode, answer.headers['retry-after']], [429, '60'])
    assert.equal((await post(kit, wanted, initial, '192.0.2.2')).statusCode, 503)
    kit.clock.advance(60_000)
    assert.equal((await post(kit, wanted)).statusCode, 503)
  })
})

suite('RFC 7591 section 2: what is not accepted of a stranger', () => {
  const wrong: Readonly<Record<string, readonly [object | string, string]>> = {
    'no redirect address': [{ redirect_uris: [] }, 'invalid_redirect_uri'],
    'a redirect address by plain http': [{ redirect_uris: ['http://notes.example.org/cb'] }, 'invalid_redirect_uri'],
    'a redirect address with a fragment': [{ redirect_uris: ['https://notes.example.org/cb#x'] }, 'invalid_redirect_uri'],
    'a redirect address with user information': [{ redirect_uris: ['https://a@notes.example.org/cb'] }, 'invalid_redirect_uri'],
    'a redirect address with a pattern': [{ redirect_uris: ['https://*.example.org/cb'] }, 'invalid_redirect_uri'],
    'a redirect address that runs script': [{ redirect_uris: ['javascript:alert(1)'], application_type: 'native' }, 'invalid_redirect_uri'],
    'a redirect address with a backslash': [{ redirect_uris: ['https://notes.example.org\\@evil.test/'] }, 'invalid_redirect_uri'],
    'a web client on loopback': [{ redirect_uris: ['https://localhost/cb'] }, 'invalid_redirect_uri'],
    'a native client by plain http to another machine': [{ redirect_uris: ['http://10.0.0.1/cb'], application_type: 'native' }, 'invalid_redirect_uri'],
    'a scheme without a domain': [{ redirect_uris: ['notes:/cb'], application_type: 'native' }, 'invalid_redirect_uri'],
    'too many redirect addresses': [{ redirect_uris: Array.from({ length: 21 }, (_, i) => `https://notes.example.org/${i}`) }, 'invalid_redirect_uri'],
    'a post-logout address by plain http': [{ post_logout_redirect_uris: ['http://notes.example.org/bye'] }, 'invalid_client_metadata'],
    'a post-logout pattern': [{ post_logout_redirect_uris: ['https://*.example.org/bye/*'] }, 'invalid_client_metadata'],
    'a back channel by plain http': [{ backchannel_logout_uri: 'http://notes.example.org/out' }, 'invalid_client_metadata'],
    'a back channel with a fragment': [{ backchannel_logout_uri: 'https://notes.example.org/out#x' }, 'invalid_client_metadata'],
    'a back channel on loopback': [{ backchannel_logout_uri: 'https://127.0.0.1/out' }, 'invalid_client_metadata'],
    'a back channel in a private range': [{ backchannel_logout_uri: 'https://10.0.0.1/out' }, 'invalid_client_metadata'],
    'a back channel in a private range, written as a number': [{ backchannel_logout_uri: 'https://0x0a000001/out' }, 'invalid_client_metadata'],
    'a back channel at the metadata service of a cloud': [{ backchannel_logout_uri: 'https://169.254.169.254/latest' }, 'invalid_client_metadata'],
    'keys from a private range': [{ token_endpoint_auth_method: 'private_key_jwt', jwks_uri: 'https://[fd00::1]/keys' }, 'invalid_client_metadata'],
    'a front channel on another origin': [{ frontchannel_logout_uri: 'https://elsewhere.example.org/out' }, 'invalid_client_metadata'],
    'a front channel by plain http': [{ frontchannel_logout_uri: 'http://notes.example.org/out' }, 'invalid_client_metadata'],
    'a scope of others': [{ scope: 'openid payroll' }, 'invalid_client_metadata'],
    'offline access without refresh tokens': [{ grant_types: ['authorization_code'], scope: 'openid offline_access' }, 'invalid_client_metadata'],
    'another flow': [{ grant_types: ['implicit'] }, 'invalid_client_metadata'],
    'another response': [{ response_types: ['id_token'] }, 'invalid_client_metadata'],
    'an algorithm of nobody here': [{ id_token_signed_response_alg: 'RS256' }, 'invalid_client_metadata'],
    'an unsigned ID token': [{ id_token_signed_response_alg: 'none' }, 'invalid_client_metadata'],
    'keys and an address of keys': [{ jwks: { keys: [{ kty: 'EC' }] }, jwks_uri: 'https://notes.example.org/keys' }, 'invalid_client_metadata'],
    'a private key': [{ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [{ kty: 'EC', d: 'x' }] } }, 'invalid_client_metadata'],
    'a method that needs keys, without': [{ token_endpoint_auth_method: 'private_key_jwt' }, 'invalid_client_metadata'],
    'a certificate where none is asked for': [
      { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'notes.example.org' },
      'invalid_client_metadata'
    ],
    'a name with control characters': [{ client_name: 'Payroll\u202e' }, 'invalid_client_metadata'],
    'a name that fills the page': [{ client_name: 'x'.repeat(81) }, 'invalid_client_metadata'],
    'a software statement of a stranger': [
      { software_statement: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"iss":"x"}').toString('base64url')}.` },
      'unapproved_software_statement'
    ],
    'a software statement that is none': [{ software_statement: 'x' }, 'invalid_software_statement']
  }
  const policy = (url: string): boolean => !/^https:\/\/(127\.|10\.|169\.254\.|\[fd)/.test(URL.parse(url)?.href ?? '')
  for (const [name, [change, error]] of Object.entries(wrong)) {
    test(`${name}: ${error}`, async () => {
      await using kit = await createKit({ registration: { isReachable: policy } })
      const answer = await post(kit, { ...wanted, ...(change as object) })
      assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [400, error], answer.body)
    })
  }

  test('a body that is no JSON object, or is too large', async () => {
    await using kit = await createKit()
    for (const body of [[], 'x', null, 7]) assert.equal((await post(kit, body)).statusCode, 400)
    assert.equal((await post(kit, { ...wanted, padding: 'x'.repeat(70_000) })).statusCode, 413)
  })

  test('what is not known is ignored and not promised', async () => {
    await using kit = await createKit()
    const client = await register(kit, {
      ...wanted,
      sessionManagement: true,
      revocationFeed: true,
      client_id: 'wiki',
      client_secret: 'x',
      logo_uri: 'https://evil.test/x.png',
      require_signed_request_object: true
    })
    assert.notEqual(client.client_id, 'wiki')
    for (const name of ['sessionManagement', 'revocationFeed', 'logo_uri', 'require_signed_request_object']) assert.ok(!(name in client), name)
  })

  test('a native client may use loopback, and a scheme named after a domain', async () => {
    await using kit = await createKit()
    const client = await register(kit, {
      redirect_uris: ['http://127.0.0.1:7000/cb', 'org.example.notes:/cb'],
      application_type: 'native',
      token_endpoint_auth_method: 'none'
    })
    assert.equal(client.client_secret, undefined)
  })

  test('it lends no landing page and none of its pages may start a sign-out silently', async () => {
    await using kit = await createKit({ registration: { isOpen: true } })
    const client = await register(kit)
    const browser = kit.browser()
    await signInTo(kit, browser, client)
    assert.deepEqual(kit.ctx.peer(client.client_id)?.landing, { urls: [], domains: [] })
    const started = await browser.get('/idp/startSLO.ping', { referer: 'https://notes.example.org/', origin: 'https://notes.example.org' })
    assert.equal(started.statusCode, 200)
    assert.match(started.body, /consentGiven|choice/)
  })
})

suite('RFC 7591 section 2.3: software statements', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = { issuer: 'https://federation.example.org', jwks: { keys: [publicKey.export({ format: 'jwk' }) as Record<string, unknown>] } }
  const statement = (key = privateKey, exp = Math.floor(Date.now() / 1000) + 60): Promise<string> =>
    new SignJWT({ client_name: 'Vouched for', software_id: 'notes' })
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer(issuer.issuer)
      .setExpirationTime(exp)
      .sign(key)

  test('what a trusted issuer says wins over what the client says', async () => {
    await using kit = await createKit({ registration: { statementIssuers: [issuer] } })
    const client = await register(kit, { ...wanted, software_statement: await statement() })
    assert.deepEqual([client['client_name'], client['software_id']], ['Vouched for', 'notes'])
  })

  test('by another key, or past its time, it is refused', async () => {
    await using kit = await createKit({ registration: { statementIssuers: [issuer] } })
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    for (const one of [await statement(other), await statement(privateKey, 1)]) {
      const answer = await post(kit, { ...wanted, software_statement: one })
      assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [400, 'invalid_software_statement'])
    }
  })
})

suite('RFC 7592: a client looks after its registration', () => {
  test('reads it, without the secret', async () => {
    await using kit = await createKit()
    const client = await register(kit)
    const answer = await manage(kit, 'GET', client, client.registration_access_token)
    assert.equal(answer.statusCode, 200)
    const facts = answer.json<Record<string, unknown>>()
    assert.deepEqual([facts['client_id'], facts['client_name'], facts['client_secret']], [client.client_id, 'Notes', undefined])
  })

  test('changes it: the old redirect address is not taken any more, the secret stays', async () => {
    await using kit = await createKit()
    const client = await register(kit)
    const next = { ...wanted, client_id: client.client_id, client_secret: client.client_secret, redirect_uris: ['https://notes.example.org/new'] }
    const answer = await manage(kit, 'PUT', client, client.registration_access_token, next)
    assert.equal(answer.statusCode, 200, answer.body)
    const browser = kit.browser()
    const more = { client_id: client.client_id, scope: 'openid' }
    const old = await browser.get(authorizationUrl('wiki', { ...more, redirect_uri: 'https://notes.example.org/cb' }))
    assert.equal(old.statusCode, 400)
    const fresh = await follow(browser, await browser.get(authorizationUrl('wiki', { ...more, redirect_uri: 'https://notes.example.org/new' })))
    assert.match(fresh.body, /type="password"/)
    assert.equal((await form(kit, '/as/introspect.oauth2', client, { token: 'x' })).statusCode, 200)
  })

  test('changes its method: a new secret is told once, an old one is worth nothing', async () => {
    await using kit = await createKit()
    const client = await register(kit)
    const change = { ...wanted, client_id: client.client_id }
    const open = await manage(kit, 'PUT', client, client.registration_access_token, { ...change, token_endpoint_auth_method: 'none' })
    assert.deepEqual([open.statusCode, open.json<Registered>().client_secret], [200, undefined])
    assert.equal((await form(kit, '/as/introspect.oauth2', client, { token: 'x' })).statusCode, 401)
    const closed = await manage(kit, 'PUT', client, open.json<Registered>().registration_access_token, change)
    const secret = closed.json<Registered>().client_secret
    assert.notEqual(secret, client.client_secret)
    assert.equal((await form(kit, '/as/introspect.oauth2', client, { token: 'x' })).statusCode, 401)
    assert.equal((await form(kit, '/as/introspect.oauth2', { ...client, client_secret: secret }, { token: 'x' })).statusCode, 200)
  })

  test('gets a new access token with every change; the old one is good until the new one is used, and no longer', async () => {
    await using kit = await createKit()
    const client = await register(kit)
    const change = { ...wanted, client_id: client.client_id }
    const put = async (token: string) => manage(kit, 'PUT', client, token, change)
    const first = (await put(client.registration_access_token)).json<Registered>()
    assert.notEqual(first.registration_access_token, client.registration_access_token)
    assert.equal(first.client_secret, undefined, 'the secret stays')
    // The answer was lost on its way: the client comes again with what it has.
    const second = (await put(client.registration_access_token)).json<Registered>()
    assert.equal((await manage(kit, 'GET', client, first.registration_access_token)).statusCode, 401, 'nobody has the lost one')
    assert.equal((await manage(kit, 'GET', client, client.registration_access_token)).statusCode, 200)
    assert.equal((await manage(kit, 'GET', client, second.registration_access_token)).statusCode, 200)
    assert.equal((await manage(kit, 'GET', client, client.registration_access_token)).statusCode, 401)
    assert.equal((await put(client.registration_access_token)).statusCode, 401)
    assert.equal((await manage(kit, 'DELETE', client, second.registration_access_token)).statusCode, 204)
  })

  test('keeps its access token, and gets a new secret, where the settings say so', async () => {
    await using kit = await createKit({ registration: { rotatesAccessTokens: false, rotatesSecrets: true } })
    const client = await register(kit)
    const change = { ...wanted, client_id: client.client_id, client_secret: client.client_secret }
    const changed = (await manage(kit, 'PUT', client, client.registration_access_token, change)).json<Registered>()
    assert.equal(changed.registration_access_token, undefined)
    assert.match(changed.client_secret, /^[\w-]{43}$/)
    assert.equal((await form(kit, '/as/introspect.oauth2', client, { token: 'x' })).statusCode, 401)
    assert.equal((await form(kit, '/as/introspect.oauth2', { ...client, client_secret: changed.client_secret }, { token: 'x' })).statusCode, 200)
    assert.equal((await manage(kit, 'GET', client, client.registration_access_token)).statusCode, 200)
  })

  test('can not change who it is, nor what only the server sets, nor show another secret', async () => {
    await using kit = await createKit()
    const client = await register(kit)
    const base = { ...wanted, client_id: client.client_id }
    for (const change of [
      { client_id: 'wiki' },
      { registration_access_token: 'x' },
      { client_id_issued_at: 1 },
      { client_secret: 'x'.repeat(43) },
      { redirect_uris: ['http://evil.test/'] }
    ]) {
      const answer = await manage(kit, 'PUT', client, client.registration_access_token, { ...base, ...change })
      assert.equal(answer.statusCode, 400, JSON.stringify(change))
    }
  })

  test('removes it: its tokens are worth nothing at any node, and a logout still reaches it', async () => {
    const clock = createFakeClock(Date.now())
    const store = createMemoryStore({ capacity: 100 })
    const sent: string[] = []
    const network: KitOptions['network'] = async ({ url }) => {
      sent.push(url)
      return { status: 200 }
    }
    await using one = await createKit({ clock, store, network })
    await using other = await createKit({ clock, store })
    const client = await register(one)
    const browser = one.browser()
    const tokens = await signInTo(one, browser, client)
    assert.equal((await form(other, '/as/introspect.oauth2', client, { token: tokens.access_token })).statusCode, 200)
    assert.equal((await manage(one, 'DELETE', client, client.registration_access_token)).statusCode, 204)
    for (const kit of [one, other]) {
      assert.equal((await form(kit, '/as/introspect.oauth2', client, { token: tokens.access_token })).statusCode, 401)
      assert.equal((await form(kit, '/as/token.oauth2', client, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })).statusCode, 401)
      const info = await kit.app.inject({ url: '/idp/userinfo.openid', headers: { authorization: `Bearer ${tokens.access_token}` } })
      assert.equal(info.statusCode, 401)
      assert.equal((await manage(kit, 'GET', client, client.registration_access_token)).statusCode, 401)
    }
    const { sid } = decodeJwt(tokens.id_token) as { readonly sid: string }
    const sessionId = one.ctx.locator.open(client.client_id, sid) ?? assert.fail()
    await one.ctx.engine.endSessions({
      scope: { kind: 'session', sessionId },
      reason: 'admin',
      by: { kind: 'admin', id: 'api' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    await until(() => sent.length > 0)
    assert.deepEqual(sent, ['https://notes.example.org/backchannel'])
  })

  test('a change that races with the removal does not bring it back', async () => {
    await using kit = await createKit()
    const client = await register(kit)
    const record = (await kit.ctx.registration?.clients.record(client.client_id)) ?? assert.fail()
    await kit.ctx.registration?.clients.remove(client.client_id)
    await kit.ctx.registration?.clients.register(client.client_id, { ...record, version: 2 })
    assert.equal((await form(kit, '/as/introspect.oauth2', client, { token: 'x' })).statusCode, 401)
    assert.deepEqual(await kit.ctx.registration?.clients.list(), [])
  })

  test('the token of another client, the initial token and none open nothing', async () => {
    await using kit = await createKit()
    const client = await register(kit)
    const other = await register(kit)
    for (const token of [other.registration_access_token, initial, 'x', client.client_secret]) {
      for (const method of ['GET', 'PUT', 'DELETE'] as const)
        assert.equal((await manage(kit, method, client, token, method === 'PUT' ? wanted : undefined)).statusCode, 401)
    }
    assert.equal(
      (await manage(kit, 'GET', { ...client, registration_client_uri: `http://curfew.test${path}/wiki` }, client.registration_access_token)).statusCode,
      401
    )
  })
})
