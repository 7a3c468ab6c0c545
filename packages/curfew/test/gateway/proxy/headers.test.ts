import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { identityHeaders } from '../../../src/gateway/proxy/identity.ts'
import { createHeaderNames, requestHeaders } from '../../../src/gateway/proxy/request-headers.ts'
import { responseHeaders } from '../../../src/gateway/proxy/response-headers.ts'
import type { WebSession } from '../../../src/gateway/session/web-session.ts'

const names = createHeaderNames([{ headers: { 'X-User': 'sub' } }, { headers: { 'X-Mail-Address': 'email' } }])

function sent(raw: readonly string[], more: { readonly connection?: string; readonly isTrusted?: boolean } = {}): Record<string, string> {
  const headers = Object.fromEntries(raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] ?? '']] : [])))
  const list = requestHeaders(
    { rawHeaders: [...raw], headers },
    {
      names,
      identity: [['X-User', 'ana']],
      host: 'wiki.example.com',
      isSecure: true,
      targetHost: 'wiki.example.com',
      address: '192.0.2.7',
      isTrusted: more.isTrusted ?? false
    }
  )
  return Object.fromEntries(list.flatMap((name, i) => (i % 2 === 0 ? [[name, list[i + 1] ?? '']] : [])))
}

suite('Headers on their way to an application', () => {
  for (const spelling of ['X-User', 'x-user', 'X_User', 'x_USER', 'X-USER', 'x.user', 'X~User', 'X-Mail_Address', 'x_mail_address', 'X|Mail-Address']) {
    test(`an identity header of a client spelled ${spelling} does not arrive`, () => {
      const out = sent(['Host', 'wiki.example.com', spelling, 'mallory', 'Accept', '*/*'])
      assert.ok(!Object.values(out).includes('mallory'))
      assert.deepEqual([out['X-User'], out['Accept']], ['ana', '*/*'])
    })
  }

  for (const name of [
    'Forwarded',
    'X-Forwarded-For',
    'X_Forwarded_Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Prefix',
    'X-Real-IP',
    'X-Original-URL',
    'X_Rewrite_URL'
  ]) {
    test(`${name} is said by the gateway alone`, () => assert.ok(!Object.values(sent([name, 'mallory'])).includes('mallory')))
  }

  test('what is for one hop, and what Connection names, goes no further; an identity header can not be taken away so', () => {
    const out = sent(['Connection', 'close, X-Hop, X-User', 'X-Hop', '1', 'TE', 'trailers', 'Keep-Alive', 'x', 'Proxy-Authorization', 'y', 'Upgrade', 'h2c'])
    assert.deepEqual(Object.keys(out), ['host', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'X-User'])
  })

  test('addresses before this hop count from a trusted proxy only', () => {
    assert.equal(sent(['X-Forwarded-For', '198.51.100.1'])['x-forwarded-for'], '192.0.2.7')
    assert.equal(sent(['X-Forwarded-For', '198.51.100.1'], { isTrusted: true })['x-forwarded-for'], '198.51.100.1, 192.0.2.7')
  })
})

suite('What an application is told about the user', () => {
  const session = (claims: Record<string, unknown>): WebSession => ({
    id: 'w',
    audience: 'a',
    issuer: 'https://op',
    subject: 'ana',
    claims,
    startedAtMs: 0,
    expiresAtMs: 1,
    activeAtMs: 0
  })

  test('is a claim as text, a list with commas, UTF-8 beyond ASCII, and nothing for what is no text', () => {
    const headers = { 'X-Sub': 'sub', 'X-Groups': 'groups', 'X-Name': 'name', 'X-None': 'none', 'X-Object': 'object' }
    const out = Object.fromEntries(identityHeaders({ headers }, session({ groups: ['a', 'b', {}], name: 'Zoë', object: { a: 1 } })))
    assert.deepEqual(out, { 'X-Sub': 'ana', 'X-Groups': 'a,b', 'X-Name': Buffer.from('Zoë').toString('latin1') })
  })

  test('never breaks a line: such a claim is left out', () => {
    for (const name of ['ana\r\nX-Admin: 1', 'ana\n', 'a\u0000', '\u007f'])
      assert.deepEqual(identityHeaders({ headers: { 'X-Name': 'name' } }, session({ name })), [])
  })
})

suite('Headers of an answer', () => {
  const options = { setCookies: ['PA.x=1'], target: 'http://10.0.0.1:8080', origin: 'https://wiki.example.com', isPrivate: true }

  test('an application can not set or clear cookies of the gateway', () => {
    const out = responseHeaders({ 'set-cookie': ['a=1', 'PA.ACE_ws=evil', ' PA.nonce.x=evil'] }, options)
    assert.deepEqual(out['set-cookie'], ['a=1', 'PA.x=1'])
  })

  test('a redirect to where the application itself listens becomes one that browsers can follow', () => {
    assert.equal(responseHeaders({ location: 'http://10.0.0.1:8080/a?b' }, options)['location'], 'https://wiki.example.com/a?b')
    assert.equal(responseHeaders({ location: 'http://10.0.0.1:80800/a' }, options)['location'], 'http://10.0.0.1:80800/a')
    assert.equal(responseHeaders({ location: '/a' }, options)['location'], '/a')
  })

  test('what may be about somebody who is signed in is not kept by the browser; the rest is as the application says', () => {
    const control = (type: string, said: string | undefined, isPrivate = true) =>
      responseHeaders({ 'content-type': type, ...(said === undefined ? {} : { 'cache-control': said }) }, { ...options, isPrivate })['cache-control']
    for (const type of ['text/html; charset=utf-8', 'application/pdf', 'application/json', 'image/png', 'text/plain', ''])
      for (const said of ['max-age=60', 'private, max-age=60', 'x-public, max-age=60', undefined])
        assert.equal(control(type, said), 'no-store', `${type} ${said}`)
    for (const type of ['text/css', 'text/javascript; charset=utf-8', 'application/javascript', 'font/woff2'])
      assert.equal(control(type, 'max-age=60'), 'max-age=60')
    for (const said of ['public, max-age=60', 'max-age=60, immutable', 'Public']) assert.equal(control('image/png', said), said)
    assert.equal(control('text/html', 'public, max-age=60'), 'no-store')
    assert.equal(control('text/html', 'max-age=60', false), 'max-age=60')
  })
})
