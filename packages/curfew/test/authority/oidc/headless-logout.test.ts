import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { RunFacts } from '../../../src/authority/oidc/run-facts.ts'
import type { Kit } from '../kit.ts'
import { authorizationHeader, clientOf, codeFor, createOidcKit, post, refresh, tokensFor, verifier } from './relying-party.ts'

const path = '/as/logout.oauth2'
const device = clientOf('device', { authentication: 'none', clientSecret: undefined, logout: { modes: ['none'] } })

async function liveSessions(kit: Kit): Promise<number> {
  return (await kit.store.listSessions({ state: 'live', limit: 5, nowMs: kit.clock.nowMs() })).items.length
}

type Claims = Readonly<Record<string, unknown>>

/** A public client with a key of its own. */
async function deviceKey() {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = await exportJWK(publicKey)
  const proof = (url: string, claims: Claims = {}, header: Claims = {}): Promise<string> =>
    new SignJWT({ htm: 'POST', htu: `http://curfew.test${url}`, jti: crypto.randomUUID(), iat: seconds(), ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
      .sign(privateKey)
  return { proof, thumbprint: await calculateJwkThumbprint(jwk) }
}

function seconds(): number {
  return Math.floor(Temporal.Now.instant().epochMilliseconds / 1000)
}

function send(kit: Kit, url: string, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) {
  return kit.app.inject({
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams(fields).toString()
  })
}

/** Signs the device in; its refresh token is bound to its key. */
async function boundToken(kit: Kit, key: Awaited<ReturnType<typeof deviceKey>>): Promise<string> {
  const code = await codeFor(kit, kit.browser(), 'device')
  const fields = { grant_type: 'authorization_code', client_id: 'device', code, redirect_uri: 'http://device.test/cb', code_verifier: verifier }
  const answer = await send(kit, '/as/token.oauth2', fields, { dpop: await key.proof('/as/token.oauth2') })
  assert.equal(answer.statusCode, 200, answer.body)
  return answer.json<{ refresh_token: string }>().refresh_token
}

suite('OpenID logout without a browser', () => {
  test('a client ends the whole session with any token of it and gets the run; the other applications are told', async () => {
    for (const kind of ['refresh_token', 'access_token', 'id_token'] as const) {
      const told: string[] = []
      const network = async ({ url }: { readonly url: string }) => {
        told.push(url)
        return { status: 200 }
      }
      await using kit = await createOidcKit({ network })
      const browser = kit.browser()
      const tokens = await tokensFor(kit, browser, 'wiki')
      const chat = await tokensFor(kit, browser, 'chat')
      const answer = await post(kit, path, 'wiki', { token: tokens[kind] ?? '' })
      assert.equal(answer.statusCode, 200, answer.body)
      assert.equal(answer.headers['cache-control'], 'no-cache, no-store')
      const run = answer.json<RunFacts>()
      assert.deepEqual(run.participants.map(({ name }) => name).sort(), ['Chat', 'Wiki'])
      assert.equal(run.status_uri, `http://curfew.test${path}/${run.run}`)
      assert.equal(await liveSessions(kit), 0)
      assert.equal((await refresh(kit, 'chat', chat.refresh_token ?? '')).statusCode, 400)
      const status = async () => (await kit.app.inject(new URL(run.status_uri).pathname)).json<RunFacts>()
      for (let i = 0; i < 5_000 && (await status()).state === 'open'; i++) await new Promise((resolve) => setTimeout(resolve, 1))
      const { state, verdict, participants } = await status()
      assert.deepEqual([state, verdict, participants.map(({ outcome }) => outcome)], ['done', 'all-ended', ['ended', 'ended']])
      assert.deepEqual(told.sort(), ['http://chat.test/backchannel', 'http://wiki.test/backchannel'])
      const again = await post(kit, path, 'wiki', { token: tokens[kind] ?? '' })
      assert.deepEqual([again.statusCode, again.json<RunFacts>().run], [200, run.run])
    }
  })

  test('a client ends a session by the name that its tokens give it, and by no name of another client', async () => {
    await using kit = await createOidcKit()
    const browser = kit.browser()
    const [wiki, chat] = [await tokensFor(kit, browser, 'wiki'), await tokensFor(kit, browser, 'chat')]
    const sidOf = ({ id_token: token }: { readonly id_token: string }) => String(decodeJwt(token)['sid'])
    for (const sid of [sidOf(chat), 'made-up', '']) {
      const refused = await post(kit, path, 'wiki', { sid })
      assert.deepEqual([refused.statusCode, refused.json<{ error: string }>().error], [400, 'invalid_grant'], sid)
    }
    assert.equal((await post(kit, path, 'wiki', { sid: sidOf(wiki), token: wiki.access_token })).statusCode, 400)
    assert.equal((await send(kit, path, { sid: sidOf(wiki) })).statusCode, 401)
    assert.equal(await liveSessions(kit), 1)
    const answer = await post(kit, path, 'wiki', { sid: sidOf(wiki) })
    assert.equal(answer.statusCode, 200, answer.body)
    const { run, participants } = answer.json<RunFacts>()
    assert.deepEqual(participants.map(({ name }) => name).sort(), ['Chat', 'Wiki'])
    assert.equal(await liveSessions(kit), 0)
    assert.equal((await post(kit, path, 'wiki', { sid: sidOf(wiki) })).json<RunFacts>().run, run)
  })

  test('an application that does not confirm is not called signed out', async () => {
    await using kit = await createOidcKit({ clients: [clientOf('wiki', { logout: { modes: ['none'] } })] })
    const { access_token: token } = await tokensFor(kit, kit.browser(), 'wiki')
    const { state, verdict, participants } = (await post(kit, path, 'wiki', { token })).json<RunFacts>()
    assert.deepEqual([state, verdict, participants.map(({ outcome }) => outcome)], ['done', 'partial', ['unsupported']])
  })

  test('nothing ends without the client, its own token, or with a token that was used up', async () => {
    await using kit = await createOidcKit()
    const wiki = await tokensFor(kit, kit.browser(), 'wiki')
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const wrong = await send(kit, path, { token: wiki.access_token }, { ...form, authorization: authorizationHeader('wiki', 'another secret') })
    assert.deepEqual([wrong.statusCode, wrong.json<{ error: string }>().error], [401, 'invalid_client'])
    assert.equal((await send(kit, path, { token: wiki.access_token })).statusCode, 401)
    assert.equal((await send(kit, path, { token: wiki.access_token, client_id: 'wiki' })).statusCode, 401)
    for (const token of [wiki.access_token, wiki.refresh_token ?? '', wiki.id_token, 'made-up']) {
      const refused = await post(kit, path, 'chat', { token })
      assert.deepEqual([refused.statusCode, refused.json<{ error: string }>().error], [400, 'invalid_grant'])
    }
    assert.equal((await post(kit, path, 'wiki', {})).json<{ error: string }>().error, 'invalid_request')
    assert.equal((await refresh(kit, 'wiki', wiki.refresh_token ?? '')).statusCode, 200)
    assert.equal((await post(kit, path, 'wiki', { token: wiki.refresh_token ?? '' })).statusCode, 400)
    assert.equal(await liveSessions(kit), 1)
    assert.equal((await kit.app.inject(`${path}/run_unknown`)).statusCode, 404)
  })

  test('a public client shows its refresh token and the key that it is bound to', async () => {
    await using kit = await createOidcKit({ clients: [device] })
    const key = await deviceKey()
    const token = await boundToken(kit, key)
    const other = await deviceKey()
    const late = seconds() - 120
    const proofs = [
      undefined,
      'no.token.here',
      await other.proof(path),
      await key.proof('/as/token.oauth2'),
      await key.proof(path, { htm: 'GET' }),
      await key.proof(path, { iat: late }),
      await key.proof(path, {}, { typ: 'JWT' })
    ]
    for (const dpop of proofs) {
      const refused = await send(kit, path, { client_id: 'device', token }, dpop === undefined ? {} : { dpop })
      assert.deepEqual([refused.statusCode, refused.json<{ error: string }>().error], [401, 'invalid_client'])
    }
    assert.equal(await liveSessions(kit), 1)
    const dpop = await key.proof(path)
    assert.equal((await send(kit, path, { client_id: 'device', token }, { dpop })).statusCode, 200)
    assert.equal(await liveSessions(kit), 0)
    assert.equal((await send(kit, path, { client_id: 'device', token }, { dpop })).statusCode, 401, 'the proof was used before')
  })

  test('a public client without a bound refresh token ends nothing', async () => {
    await using kit = await createOidcKit({ clients: [device] })
    const code = await codeFor(kit, kit.browser(), 'device')
    const fields = { grant_type: 'authorization_code', client_id: 'device', code, redirect_uri: 'http://device.test/cb', code_verifier: verifier }
    const tokens = (await send(kit, '/as/token.oauth2', fields)).json<{ refresh_token: string; access_token: string }>()
    const key = await deviceKey()
    for (const token of [tokens.refresh_token, tokens.access_token]) {
      const refused = await send(kit, path, { client_id: 'device', token }, { dpop: await key.proof(path) })
      assert.equal(refused.statusCode, 401)
    }
    assert.equal(await liveSessions(kit), 1)
  })

  test('discovery names the endpoint', async () => {
    await using kit = await createOidcKit()
    const found = (await kit.app.inject('/.well-known/openid-configuration')).json<Readonly<Record<string, unknown>>>()
    assert.equal(found['curfew_logout_endpoint'], `http://curfew.test${path}`)
  })
})
