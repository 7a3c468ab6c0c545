import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { before, suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import { readCertificates } from '../../../src/platform/certificate-trust.ts'
import { type Certified, makeCertificate } from '../../support/certificates.ts'
import type { Kit } from '../kit.ts'
import { authorizationUrl, clientOf, codeFor, createOidcKit, follow, returned, signInOn, verifier } from './relying-party.ts'

const proxy = '192.0.2.9'
const dn = 'CN=wiki,O=Example\\, Inc,C=DE'
const wikiName = [{ C: ['DE'] }, { O: ['Example, Inc'] }, { CN: ['wiki'] }]
const made: Record<string, Certified> = {}
const of = (name: string): Certified => made[name] ?? assert.fail(name)

before(async () => {
  const authority = (made['authority'] = await makeCertificate({ name: [{ CN: ['Example CA'] }], isAuthority: true }))
  // The same name, another key: what a stranger can make.
  const foreign = await makeCertificate({ name: [{ CN: ['Example CA'] }], isAuthority: true })
  made['wiki'] = await makeCertificate({ name: wikiName, by: authority })
  made['renewed'] = await makeCertificate({ name: wikiName, by: authority })
  made['foreign'] = await makeCertificate({ name: wikiName, by: foreign })
  made['self-made'] = await makeCertificate({ name: wikiName })
  made['other subject'] = await makeCertificate({ name: [{ C: ['DE'] }, { O: ['Example, Inc'] }, { CN: ['chat'] }], by: authority })
  made['longer subject'] = await makeCertificate({ name: [...wikiName, { OU: ['x'] }], by: authority })
  made['turned round'] = await makeCertificate({ name: wikiName.toReversed(), by: authority })
  made['by a leaf'] = await makeCertificate({ name: wikiName, by: of('wiki') })
  made['for servers'] = await makeCertificate({ name: wikiName, by: authority, usages: ['1.3.6.1.5.5.7.3.1'] })
  made['past its time'] = await makeCertificate({ name: wikiName, by: authority, to: new Date(Date.now() - 1_000) })
  made['before its time'] = await makeCertificate({ name: wikiName, by: authority, from: new Date(Date.now() + 3_600_000) })
  made['named'] = await makeCertificate({
    name: [{ CN: ['anything'] }],
    by: authority,
    alternative: [
      { type: 'dns', value: 'wiki.example.org' },
      { type: 'url', value: 'spiffe://example.org/wiki' },
      { type: 'ip', value: '10.1.2.3' },
      { type: 'email', value: 'wiki@example.org' }
    ]
  })
  made['own'] = await makeCertificate({ name: [{ CN: ['mail'] }] })
})

const thumbprint = ({ base64 }: Certified): string => createHash('sha256').update(Buffer.from(base64, 'base64')).digest('base64url')

function createTlsKit(more: Parameters<typeof clientOf>[1] = {}): Promise<Kit> {
  const { clientSecret: _secret, ...bare } = clientOf('wiki', { authentication: 'tlsClientAuth', certificateSubject: { kind: 'dn', value: dn }, ...more })
  const { clientSecret: _other, ...own } = clientOf('mail', {
    authentication: 'selfSignedTlsClientAuth',
    certificateBoundAccessTokens: true,
    jwks: { keys: [{ ...new X509Certificate(of('own').pem).publicKey.export({ format: 'jwk' }), x5c: [of('own').base64] }] }
  })
  return createOidcKit({
    clients: [bare, own, clientOf('chat')],
    clientCertificates: {
      header: { name: 'x-client-cert', format: 'pem' },
      trustedProxies: [proxy],
      aliasBaseUrl: 'https://mtls.curfew.test',
      authorities: () => readCertificates(of('authority').pem)
    }
  })
}

interface Call {
  readonly certificate?: Certified
  readonly from?: string
  readonly headers?: Readonly<Record<string, string>>
}

function post(kit: Kit, url: string, fields: Readonly<Record<string, string>>, { certificate, from = proxy, headers = {} }: Call = {}) {
  return kit.app.inject({
    method: 'POST',
    url,
    remoteAddress: from,
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      ...(certificate === undefined ? {} : { 'x-client-cert': encodeURIComponent(certificate.pem) }),
      ...headers
    },
    payload: new URLSearchParams(fields).toString()
  })
}

const introspect = (kit: Kit, call: Call, token = 'x', id = 'wiki') => post(kit, '/as/introspect.oauth2', { client_id: id, token }, call)

async function exchange(kit: Kit, id: string, call: Call, scope?: string) {
  const code = await codeFor(kit, kit.browser(), id, scope === undefined ? {} : { scope, prompt: 'consent' })
  return post(
    kit,
    '/as/token.oauth2',
    { client_id: id, grant_type: 'authorization_code', code, redirect_uri: `http://${id}.test/cb`, code_verifier: verifier },
    call
  )
}

async function tokensOf(kit: Kit, id: string, call: Call): Promise<{ readonly access_token: string; readonly refresh_token: string }> {
  const answer = await exchange(kit, id, call)
  assert.equal(answer.statusCode, 200, answer.body)
  return answer.json<{ access_token: string; refresh_token: string }>()
}

const refused = [
  'foreign',
  'self-made',
  'other subject',
  'longer subject',
  'turned round',
  'by a leaf',
  'for servers',
  'past its time',
  'before its time'
] as const

suite('RFC 8705 section 2.1: a client proves itself by a certificate that an authority signed', () => {
  test('at the token endpoint and at ours, by its whole subject', async () => {
    await using kit = await createTlsKit()
    await tokensOf(kit, 'wiki', { certificate: of('wiki') })
    assert.equal((await introspect(kit, { certificate: of('wiki') })).statusCode, 200)
    assert.equal((await introspect(kit, { certificate: of('renewed') })).statusCode, 200)
  })

  for (const name of refused) {
    test(`a certificate ${name} is refused at the token endpoint and at ours`, async () => {
      await using kit = await createTlsKit()
      assert.equal((await introspect(kit, { certificate: of(name) })).statusCode, 401)
      const answer = await exchange(kit, 'wiki', { certificate: of(name) })
      assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [401, 'invalid_client'])
    })
  }

  for (const [kind, value, other] of [
    ['dns', 'WIKI.example.org', 'chat.example.org'],
    ['uri', 'spiffe://example.org/wiki', 'spiffe://example.org/Wiki'],
    ['ip', '10.1.2.3', '10.1.2.4'],
    ['email', 'wiki@example.org', 'chat@example.org']
  ] as const) {
    test(`by its alternative name of kind ${kind}`, async () => {
      await using kit = await createTlsKit({ certificateSubject: { kind, value } })
      assert.equal((await introspect(kit, { certificate: of('named') })).statusCode, 200)
      await tokensOf(kit, 'wiki', { certificate: of('named') })
      await using wrong = await createTlsKit({ certificateSubject: { kind, value: other } })
      assert.equal((await introspect(wrong, { certificate: of('named') })).statusCode, 401)
    })
  }

  test('no certificate, the identifier of another client, a secret beside it: refused', async () => {
    await using kit = await createTlsKit()
    assert.equal((await introspect(kit, {})).statusCode, 401)
    assert.equal((await introspect(kit, { certificate: of('wiki') }, 'x', 'chat')).statusCode, 401)
    assert.equal((await introspect(kit, { certificate: of('wiki') }, 'x', 'nobody')).statusCode, 401)
    assert.equal(
      (await post(kit, '/as/introspect.oauth2', { client_id: 'wiki', client_secret: 'a secret that is long enough', token: 'x' }, { certificate: of('wiki') }))
        .statusCode,
      401
    )
  })
})

suite('A certificate that a proxy hands on', () => {
  test('counts from a trusted proxy only; from anybody else the header is dropped', async () => {
    await using kit = await createTlsKit()
    assert.equal((await introspect(kit, { certificate: of('wiki'), from: '198.51.100.7' })).statusCode, 401)
    const answer = await exchange(kit, 'wiki', { certificate: of('wiki'), from: '198.51.100.7' })
    assert.equal(answer.statusCode, 401)
    // Saying that one comes from the proxy changes nothing.
    const forged = { certificate: of('wiki'), from: '198.51.100.7', headers: { 'x-forwarded-for': proxy, forwarded: `for=${proxy}` } }
    assert.equal((await introspect(kit, forged)).statusCode, 401)
  })

  test('is taken only when it is one certificate, whole', async () => {
    await using kit = await createTlsKit()
    const pem = of('wiki').pem
    for (const value of [
      '',
      'x',
      pem.slice(0, 80),
      encodeURIComponent(`${pem}\n${of('other subject').pem}`),
      `:${of('wiki').base64}:`,
      encodeURIComponent(pem).slice(0, -60)
    ]) {
      assert.equal((await introspect(kit, { headers: { 'x-client-cert': value } })).statusCode, 401, value.slice(0, 40))
    }
  })

  test('comes as a byte sequence where RFC 9440 is configured', async () => {
    const { clientSecret: _secret, ...bare } = clientOf('wiki', { authentication: 'tlsClientAuth', certificateSubject: { kind: 'dn', value: dn } })
    await using kit = await createOidcKit({
      clients: [bare],
      clientCertificates: {
        header: { name: 'client-cert', format: 'rfc9440' },
        trustedProxies: [proxy],
        authorities: () => readCertificates(of('authority').pem)
      }
    })
    assert.equal((await introspect(kit, { headers: { 'client-cert': `:${of('wiki').base64}:` } })).statusCode, 200)
    assert.equal((await introspect(kit, { headers: { 'client-cert': `:${of('wiki').base64}:, :${of('wiki').base64}:` } })).statusCode, 401)
    assert.equal((await introspect(kit, { headers: { 'client-cert': encodeURIComponent(of('wiki').pem) } })).statusCode, 401)
  })
})

suite('RFC 8705 section 2.2: a client proves itself by a certificate of its own', () => {
  test('that is in its keys, at the token endpoint and at ours', async () => {
    await using kit = await createTlsKit()
    await tokensOf(kit, 'mail', { certificate: of('own') })
    assert.equal((await introspect(kit, { certificate: of('own') }, 'x', 'mail')).statusCode, 200)
    assert.equal((await introspect(kit, { certificate: of('wiki') }, 'x', 'mail')).statusCode, 401)
    const answer = await exchange(kit, 'mail', { certificate: of('wiki') })
    assert.equal(answer.statusCode, 401)
  })
})

suite('RFC 8705 section 3: access tokens that are bound to a certificate', () => {
  const userinfo = (kit: Kit, token: string, certificate?: Certified) =>
    kit.app.inject({
      url: '/idp/userinfo.openid',
      remoteAddress: proxy,
      headers: { authorization: `Bearer ${token}`, ...(certificate === undefined ? {} : { 'x-client-cert': encodeURIComponent(certificate.pem) }) }
    })

  test('are good with that certificate, and worth nothing with another or none', async () => {
    await using kit = await createTlsKit({ certificateBoundAccessTokens: true })
    const tokens = await tokensOf(kit, 'wiki', { certificate: of('wiki') })
    assert.equal((await userinfo(kit, tokens.access_token, of('wiki'))).statusCode, 200)
    assert.equal((await userinfo(kit, tokens.access_token, of('renewed'))).statusCode, 401)
    assert.equal((await userinfo(kit, tokens.access_token)).statusCode, 401)
  })

  test('say so at introspection', async () => {
    await using kit = await createTlsKit({ certificateBoundAccessTokens: true })
    const tokens = await tokensOf(kit, 'wiki', { certificate: of('wiki') })
    const facts = (await introspect(kit, { certificate: of('wiki') }, tokens.access_token)).json<Record<string, unknown>>()
    assert.deepEqual([facts['active'], facts['token_type'], facts['cnf']], [true, 'Bearer', { 'x5t#S256': thumbprint(of('wiki')) }])
  })

  test('carry the thumbprint when they can be read', async () => {
    await using kit = await createTlsKit({ certificateBoundAccessTokens: true, accessTokenFormat: 'jwt', accessTokenAudience: ['https://api.test'] })
    const tokens = await tokensOf(kit, 'wiki', { certificate: of('wiki') })
    assert.deepEqual(decodeJwt(tokens.access_token)['cnf'], { 'x5t#S256': thumbprint(of('wiki')) })
    assert.equal((await userinfo(kit, tokens.access_token, of('wiki'))).statusCode, 200)
    assert.equal((await userinfo(kit, tokens.access_token, of('renewed'))).statusCode, 401)
  })

  test('are bound anew when they are refreshed with a renewed certificate of the client', async () => {
    await using kit = await createTlsKit({ certificateBoundAccessTokens: true })
    const tokens = await tokensOf(kit, 'wiki', { certificate: of('wiki') })
    const again = await post(
      kit,
      '/as/token.oauth2',
      { client_id: 'wiki', grant_type: 'refresh_token', refresh_token: tokens.refresh_token },
      { certificate: of('renewed') }
    )
    assert.equal(again.statusCode, 200, again.body)
    const { access_token: token } = again.json<{ access_token: string }>()
    assert.equal((await userinfo(kit, token, of('renewed'))).statusCode, 200)
    assert.equal((await userinfo(kit, token, of('wiki'))).statusCode, 401)
  })

  test('a public client refreshes, and ends the session, with the certificate of the first exchange only', async () => {
    const { clientSecret: _secret, ...phone } = clientOf('phone', { authentication: 'none', certificateBoundAccessTokens: true, logout: undefined })
    await using kit = await createOidcKit({
      clients: [phone],
      clientCertificates: { header: { name: 'x-client-cert', format: 'pem' }, trustedProxies: [proxy] }
    })
    const tokens = await tokensOf(kit, 'phone', { certificate: of('own') })
    const fields = { client_id: 'phone', grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
    assert.equal((await post(kit, '/as/token.oauth2', fields, { certificate: of('wiki') })).statusCode, 400)
    const logout = { client_id: 'phone', token: tokens.refresh_token }
    assert.equal((await post(kit, '/as/logout.oauth2', logout, { certificate: of('wiki') })).statusCode, 401)
    assert.equal((await post(kit, '/as/logout.oauth2', logout, {})).statusCode, 401)
    assert.equal((await post(kit, '/as/logout.oauth2', logout, { certificate: of('own') })).statusCode, 200)
  })
})

suite('Mutual TLS, around it', () => {
  test('the session API takes the certificate as proof', async () => {
    await using kit = await createTlsKit({ sessionRevocation: true })
    const browser = kit.browser()
    const page = await follow(browser, await browser.get(authorizationUrl('wiki')))
    const code = returned(await follow(browser, await signInOn(browser, page))).get('code') ?? ''
    const tokens = await post(
      kit,
      '/as/token.oauth2',
      { client_id: 'wiki', grant_type: 'authorization_code', code, redirect_uri: 'http://wiki.test/cb', code_verifier: verifier },
      { certificate: of('wiki') }
    )
    const sri = String(decodeJwt(tokens.json<{ id_token: string }>().id_token)['pi.sri'])
    const ask = (certificate: Certified, from = proxy) =>
      kit.app.inject({
        method: 'POST',
        url: '/pf-ws/rest/sessionMgmt/revokedSris?client_id=wiki',
        remoteAddress: from,
        headers: { 'content-type': 'application/json', 'x-xsrf-header': 'x', 'x-client-cert': encodeURIComponent(certificate.pem) },
        payload: JSON.stringify({ id: sri })
      })
    assert.equal((await ask(of('foreign'))).statusCode, 401)
    assert.equal((await ask(of('wiki'), '198.51.100.7')).statusCode, 401)
    const done = await ask(of('wiki'))
    assert.ok(done.statusCode < 300, done.body)
    assert.equal(
      (await introspect(kit, { certificate: of('wiki') }, tokens.json<{ access_token: string }>().access_token)).json<{ active: boolean }>().active,
      false
    )
  })

  test('discovery names the methods, the binding and the other addresses, and none of it where certificates are not taken', async () => {
    await using kit = await createTlsKit()
    const metadata = (await kit.app.inject('/.well-known/openid-configuration')).json<Record<string, unknown>>()
    assert.equal(metadata['tls_client_certificate_bound_access_tokens'], true)
    assert.ok((metadata['token_endpoint_auth_methods_supported'] as string[]).includes('self_signed_tls_client_auth'))
    const aliases = metadata['mtls_endpoint_aliases'] as Record<string, string>
    assert.equal(aliases['token_endpoint'], 'https://mtls.curfew.test/as/token.oauth2')
    await using plain = await createOidcKit()
    const without = (await plain.app.inject('/.well-known/openid-configuration')).json<Record<string, unknown>>()
    assert.equal(without['mtls_endpoint_aliases'], undefined)
    assert.equal(without['tls_client_certificate_bound_access_tokens'], undefined)
    assert.ok(!(without['token_endpoint_auth_methods_supported'] as string[]).includes('tls_client_auth'))
  })
})
