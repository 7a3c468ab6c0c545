import assert from 'node:assert/strict'
import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import { calculateJwkThumbprint, createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, SignJWT, UnsecuredJWT } from 'jose'
import { signingKeyFor } from '../../../src/authority/oidc/keys.ts'
import { signLogoutToken } from '../../../src/authority/oidc/logout-token.ts'
import type { ClientSettings, SessionValidationSettings } from '../../../src/authority/oidc/settings.ts'
import { isLive } from '../../../src/core/session.ts'
import { type Browser, formOf } from '../browser.ts'
import type { Kit } from '../kit.ts'
import {
  authorizationHeader,
  authorizationUrl,
  clientOf,
  createOidcKit,
  follow,
  post,
  refresh,
  returned,
  signIn,
  type Tokens,
  tokensFor,
  verifier
} from './relying-party.ts'

const api = 'https://api.test'

function readable(id: string, more: Partial<ClientSettings> = {}): ClientSettings {
  return clientOf(id, { accessTokenFormat: 'jwt', accessTokenAudience: [api], ...more })
}

interface Case extends AsyncDisposable {
  readonly kit: Kit
  readonly tokens: Tokens
  readonly browser: Browser
}

async function signedIn(more: Partial<ClientSettings> = {}): Promise<Case> {
  const kit = await createOidcKit({ clients: [readable('wiki', more), clientOf('chat')] })
  const browser = kit.browser()
  const tokens = await tokensFor(kit, browser, 'wiki')
  return { kit, tokens, browser, [Symbol.asyncDispose]: () => kit[Symbol.asyncDispose]() }
}

async function introspected(kit: Kit, token: string): Promise<Readonly<Record<string, unknown>>> {
  return (await post(kit, '/as/introspect.oauth2', 'wiki', { token })).json<Readonly<Record<string, unknown>>>()
}

async function userinfoStatus(kit: Kit, token: string): Promise<number> {
  return (await kit.app.inject({ url: '/idp/userinfo.openid', headers: { authorization: `Bearer ${token}` } })).statusCode
}

async function logoutStatus(kit: Kit, token: string): Promise<number> {
  return (await post(kit, '/as/logout.oauth2', 'wiki', { token })).statusCode
}

async function liveSessions(kit: Kit) {
  const nowMs = kit.clock.nowMs()
  const { items } = await kit.store.listSessions({ limit: 5, nowMs })
  return items.map(({ session }) => session).filter((session) => isLive(session, nowMs))
}

async function onlySession(kit: Kit) {
  const sessions = await liveSessions(kit)
  assert.equal(sessions.length, 1)
  return sessions[0] ?? assert.fail()
}

/** Neither introspection nor userinfo nor a logout takes it, and the session goes on. */
async function assertWorthless(kit: Kit, token: string, name: string): Promise<void> {
  assert.deepEqual(await introspected(kit, token), { active: false }, name)
  assert.equal(await userinfoStatus(kit, token), 401, name)
  await onlySession(kit)
}

suite('self-contained access tokens (RFC 9068)', () => {
  test('an API can check it with the published keys: type, issuer, audience, client, subject, scope, session', async () => {
    await using one = await signedIn()
    const { kit, tokens } = one
    const keys = createLocalJWKSet((await kit.app.inject({ url: '/pf/JWKS' })).json<Parameters<typeof createLocalJWKSet>[0]>())
    const { payload } = await jwtVerify(tokens.access_token, keys, { typ: 'at+jwt', issuer: 'http://curfew.test', audience: api })
    const { exp = 0, iat = 0, jti, sub, sid, scope, client_id: clientId } = payload
    assert.deepEqual([sub, sid, scope, clientId], [tokens.claims['sub'], tokens.claims['sid'], 'openid profile email', 'wiki'])
    assert.equal(payload['pi.sri'], (await onlySession(kit)).sri)
    assert.equal(exp - iat, 600)
    assert.match(jti ?? '', /^[a-z0-9][\w-]{43}$/)
    assert.doesNotMatch(JSON.stringify(payload), new RegExp((await onlySession(kit)).id))
  })

  test('clients without the setting get opaque ones', async () => {
    await using one = await signedIn()
    const { access_token: token } = await tokensFor(one.kit, one.kit.browser(), 'chat')
    assert.doesNotMatch(token, /\./)
    assert.equal(await userinfoStatus(one.kit, token), 200)
  })

  test('the session is named only where a session validation setting is on', async () => {
    const off: SessionValidationSettings = {
      includeSessionId: false,
      checkValidAuthnSession: false,
      checkSessionRevocationStatus: false,
      updateAuthnSessionActivity: false
    }
    await using one = await signedIn({ sessionValidation: off })
    const { sid, 'pi.sri': sri } = decodeJwt(one.tokens.access_token)
    assert.deepEqual([sid, sri], [undefined, undefined])
    await using other = await signedIn({ sessionValidation: { ...off, checkValidAuthnSession: true } })
    assert.equal(decodeJwt(other.tokens.access_token)['pi.sri'], (await onlySession(other.kit)).sri)
  })

  test('introspection and userinfo take it, and a refreshed one, until the session ends', async () => {
    await using one = await signedIn()
    const { kit, tokens } = one
    const second = (await refresh(kit, 'wiki', tokens.refresh_token ?? '')).json<Tokens>()
    assert.equal(decodeProtectedHeader(second.access_token).typ, 'at+jwt')
    for (const { access_token: token } of [tokens, second]) {
      const { active, aud, jti, token_type: type } = await introspected(kit, token)
      assert.deepEqual([active, aud, jti, type], [true, [api], decodeJwt(token).jti, 'Bearer'])
      assert.equal(await userinfoStatus(kit, token), 200)
    }
    const { id } = await onlySession(kit)
    const { ended } = await kit.ctx.engine.endSessions({
      scope: { kind: 'session', sessionId: id },
      reason: 'admin',
      by: { kind: 'admin', id: 'root' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    assert.equal(ended.length, 1)
    for (const { access_token: token } of [tokens, second]) {
      assert.deepEqual(await introspected(kit, token), { active: false })
      assert.equal(await userinfoStatus(kit, token), 401)
    }
  })

  test('its client can revoke it, another can not', async () => {
    await using one = await signedIn()
    const { kit, tokens } = one
    assert.equal((await post(kit, '/as/revoke_token.oauth2', 'chat', { token: tokens.access_token })).statusCode, 200)
    assert.equal(await userinfoStatus(kit, tokens.access_token), 200)
    assert.equal((await post(kit, '/as/revoke_token.oauth2', 'wiki', { token: tokens.access_token })).statusCode, 200)
    await assertWorthless(kit, tokens.access_token, 'revoked')
  })

  test('a refresh token that is given back takes the readable access tokens of its grant with it', async () => {
    await using one = await signedIn()
    await post(one.kit, '/as/revoke_token.oauth2', 'wiki', { token: one.tokens.refresh_token ?? '' })
    await assertWorthless(one.kit, one.tokens.access_token, 'grant dropped')
  })

  test('it is worth nothing after its time', async () => {
    await using one = await signedIn()
    one.kit.clock.advance(600_000)
    assert.deepEqual(await introspected(one.kit, one.tokens.access_token), { active: false })
  })

  test('its client can end the session with it', async () => {
    await using one = await signedIn()
    assert.equal(await logoutStatus(one.kit, one.tokens.access_token), 200)
    assert.deepEqual(await introspected(one.kit, one.tokens.access_token), { active: false })
    assert.equal((await liveSessions(one.kit)).length, 0)
  })

  test('nothing else passes for one: alg none, foreign key, changed claims, foreign issuer, another type, ID token, logout token, bare jti', async () => {
    await using one = await signedIn()
    const { kit, tokens } = one
    const claims = decodeJwt(tokens.access_token)
    const { kid = '', alg = '' } = decodeProtectedHeader(tokens.access_token)
    const ours = signingKeyFor(kit.ctx.oidc.keys, 'ES256').key
    const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const sign = (typ: string | undefined, payload = claims, key = ours) =>
      new SignJWT(payload).setProtectedHeader({ alg, kid, ...(typ === undefined ? {} : { typ }) }).sign(key)
    assert.equal((await introspected(kit, await sign('at+jwt')))['active'], true)
    const [, body] = (await sign('at+jwt', { ...claims, scope: 'openid admin' })).split('.')
    const [head, , signature] = tokens.access_token.split('.')
    const client = kit.ctx.clients.byClientId('wiki') ?? assert.fail()
    const parts = { issuer: 'http://curfew.test', client, subject: claims.sub ?? '', sid: String(claims['sid']), nowMs: kit.clock.nowMs() }
    const published = Buffer.from(createPublicKey(ours.export({ type: 'pkcs8', format: 'pem' }).toString()).export({ type: 'spki', format: 'pem' }))
    const wrong: Readonly<Record<string, string>> = {
      'alg none': new UnsecuredJWT(claims).encode(),
      'alg none, with the type': `${Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt', kid })).toString('base64url')}.${body}.`,
      'foreign key': await sign('at+jwt', claims, foreign),
      'changed claims': `${head}.${body}.${signature}`,
      'foreign issuer': await sign('at+jwt', { ...claims, iss: 'https://evil.test' }),
      'HMAC with what is public': await new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid, typ: 'at+jwt' }).sign(published),
      'no type': await sign(undefined),
      'another type': await sign('JWT'),
      'logout token with its jti': await signLogoutToken(kit.ctx.oidc.keys, { ...parts, jti: claims.jti ?? '' }),
      'ID token': tokens.id_token,
      'bare jti': claims.jti ?? '',
      'a jti that was never given': await sign('at+jwt', { ...claims, jti: 'x'.repeat(43) })
    }
    for (const [name, token] of Object.entries(wrong)) {
      await assertWorthless(kit, token, name)
      // An ID token names a session by its own right.
      if (name !== 'ID token') assert.equal(await logoutStatus(kit, token), 400, name)
      await onlySession(kit)
    }
    assert.equal(await userinfoStatus(kit, tokens.access_token), 200)
  })

  test('an access token is no hint for a logout', async () => {
    await using one = await signedIn()
    const asked = await one.browser.get(`/idp/init_logout.openid?id_token_hint=${one.tokens.access_token}`)
    assert.equal(asked.statusCode, 200, 'a question')
    await onlySession(one.kit)
    await one.browser.get(`/idp/init_logout.openid?id_token_hint=${one.tokens.id_token}`)
    assert.equal((await liveSessions(one.kit)).length, 0)
  })

  test('a client without an audience for them, or with one and opaque tokens, is refused at the start', async () => {
    for (const more of [{ accessTokenFormat: 'jwt' }, { accessTokenAudience: [api] }, { accessTokenFormat: 'jwt', accessTokenAudience: [] }] as const) {
      await assert.rejects(createOidcKit({ clients: [clientOf('wiki', more)] }), { code: 'CURFEW_CONFIG_CONNECTION' })
    }
  })
})

suite('self-contained access tokens together with DPoP and offline grants', () => {
  const now = (): number => Math.floor(Temporal.Now.instant().epochMilliseconds / 1000)

  async function makeKey() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwk = publicKey.export({ format: 'jwk' })
    const prove = (htm: string, path: string, token?: string): Promise<string> =>
      new SignJWT({
        htm,
        htu: `http://curfew.test${path}`,
        jti: crypto.randomUUID(),
        iat: now(),
        ...(token === undefined ? {} : { ath: createHash('sha256').update(token).digest('base64url') })
      })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: jwk as { kty: string } })
        .sign(privateKey)
    return { prove, thumbprint: await calculateJwkThumbprint(jwk as { kty: string }) }
  }
  type Key = Awaited<ReturnType<typeof makeKey>>

  async function withGrant(key: Key) {
    const kit = await createOidcKit({ clients: [readable('wiki'), clientOf('chat')], network: async () => ({ status: 200 }) })
    const browser = kit.browser()
    await signIn(browser, '/')
    const page = await follow(browser, await browser.get(authorizationUrl('wiki', { scope: 'openid offline_access', prompt: 'consent' })))
    const form = formOf(page.body)
    const code = returned(await follow(browser, await browser.post(form.action, { ...form.fields, choice: 'allow' }))).get('code') ?? ''
    const fields = { grant_type: 'authorization_code', code, redirect_uri: 'http://wiki.test/cb', code_verifier: verifier }
    return { kit, browser, tokens: await tokenAnswer(kit, key, fields) }
  }

  async function tokenAnswer(kit: Kit, key: Key, fields: Readonly<Record<string, string>>) {
    const answer = await kit.app.inject({
      method: 'POST',
      url: '/as/token.oauth2',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: authorizationHeader('wiki'),
        dpop: await key.prove('POST', '/as/token.oauth2')
      },
      payload: new URLSearchParams(fields).toString()
    })
    assert.equal(answer.statusCode, 200, answer.body)
    return answer.json<{ readonly access_token: string; readonly refresh_token: string; readonly token_type: string }>()
  }

  async function userinfo(kit: Kit, key: Key, token: string): Promise<number> {
    const dpop = await key.prove('GET', '/idp/userinfo.openid', token)
    return (await kit.app.inject({ url: '/idp/userinfo.openid', headers: { authorization: `DPoP ${token}`, dpop } })).statusCode
  }

  test('the token names its key, is good with it and with no other, and never as a bearer token', async () => {
    const key = await makeKey()
    const { kit: made, tokens } = await withGrant(key)
    await using kit = made
    assert.equal(tokens.token_type, 'DPoP')
    assert.deepEqual(decodeJwt(tokens.access_token)['cnf'], { jkt: key.thumbprint })
    assert.deepEqual((await introspected(kit, tokens.access_token))['cnf'], { jkt: key.thumbprint })
    assert.equal(await userinfo(kit, key, tokens.access_token), 200)
    assert.equal(await userinfo(kit, await makeKey(), tokens.access_token), 401)
    assert.equal(await userinfoStatus(kit, tokens.access_token), 401)
  })

  test('the offline grant outlives the session: what it gets then is a readable token bound to the key, good until the grant ends', async () => {
    const key = await makeKey()
    const { kit: made, browser, tokens } = await withGrant(key)
    await using kit = made
    const { fields } = formOf((await browser.get('/signoff')).body)
    await browser.post('/signoff', { ...fields, choice: 'everywhere' })
    assert.deepEqual(await liveSessions(kit), [])
    const next = await tokenAnswer(kit, key, { grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
    const claims = decodeJwt(next.access_token)
    assert.deepEqual([claims.aud, claims['cnf'], claims['scope']], [[api], { jkt: key.thumbprint }, 'openid offline_access'])
    assert.equal((await introspected(kit, next.access_token))['active'], true)
    assert.equal(await userinfo(kit, key, next.access_token), 200)
    const run = (await kit.store.listRuns({ limit: 1 })).items[0] ?? assert.fail()
    const grant = run.deliveries.find(({ grant: kind }) => kind === 'offline') ?? assert.fail()
    await kit.ctx.engine.retry(run.id, grant.id, { kind: 'admin', id: 'api' })
    for (let i = 0; i < 2_000 && (await introspected(kit, next.access_token))['active'] === true; i++) await new Promise((resolve) => setTimeout(resolve, 1))
    assert.equal((await introspected(kit, next.access_token))['active'], false)
    assert.equal(await userinfo(kit, key, next.access_token), 401)
  })
})
