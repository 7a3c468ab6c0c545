import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { suite, test } from 'node:test'
import { SignJWT } from 'jose'
import { makeTokenKey } from '../../src/authority/oidc/keys.ts'
import { signLogoutToken } from '../../src/authority/oidc/logout-token.ts'
import { type Browser, formOf } from '../authority/browser.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { authorityPair, type Kit } from '../authority/kit.ts'
import { clientOf, createOidcKit, follow, post, type Tokens, tokensFor, authorizationUrl, signInOn } from '../authority/oidc/relying-party.ts'

interface World {
  readonly kit: Kit
  readonly browser: Browser
  readonly tokens: Tokens
}

async function signedIn(): Promise<World> {
  const kit = await createOidcKit({ network: async () => ({ status: 200 }) })
  const browser = kit.browser()
  return { kit, browser, tokens: await tokensFor(kit, browser, 'wiki') }
}

const url = (hint: string, more: Readonly<Record<string, string>> = {}): string =>
  `/idp/init_logout.openid?${new URLSearchParams({ id_token_hint: hint, ...more }).toString()}`
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const headerOf = (token: string): { readonly kid: string } => JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: string }

async function live(kit: Kit): Promise<number> {
  return (await kit.store.listSessions({ state: 'live', limit: 10, nowMs: kit.clock.nowMs() })).items.length
}

const key = authorityPair.key
const own = async (tokens: Tokens, claims: object, header: object = {}): Promise<string> =>
  new SignJWT({ ...tokens.claims, ...claims }).setProtectedHeader({ alg: 'ES256', kid: headerOf(tokens.id_token).kid, ...header }).sign(key)

/** Each is as good as the real hint but for the attack. */
const attacks: Readonly<Record<string, (world: World) => Promise<string>>> = {
  'alg none': async ({ tokens }) => `${encoded({ alg: 'none', kid: headerOf(tokens.id_token).kid })}.${tokens.id_token.split('.')[1] ?? ''}.`,
  'the public key used as the secret of HS256': async ({ kit, tokens }) => {
    const { keys } = (await kit.app.inject('/pf/JWKS')).json<{ keys: readonly object[] }>()
    const text = `${encoded({ alg: 'HS256', kid: headerOf(tokens.id_token).kid })}.${tokens.id_token.split('.')[1] ?? ''}`
    return `${text}.${createHmac('sha256', JSON.stringify(keys[0])).update(text).digest('base64url')}`
  },
  'another algorithm than the key has': async ({ tokens }) => {
    const [, payload, signature] = tokens.id_token.split('.')
    return `${encoded({ alg: 'RS256', kid: headerOf(tokens.id_token).kid })}.${payload ?? ''}.${signature ?? ''}`
  },
  'a key of somebody else under our key id': async ({ tokens }) =>
    new SignJWT({ ...tokens.claims }).setProtectedHeader({ alg: 'ES256', kid: headerOf(tokens.id_token).kid }).sign(makeKeyPair('stranger').key),
  'a changed claim': async ({ tokens }) => {
    const [header, payload = '', signature] = tokens.id_token.split('.')
    const changed = Buffer.from(Buffer.from(payload, 'base64url').toString().replace('nonce-1', 'nonce-2')).toString('base64url')
    return `${header ?? ''}.${changed}.${signature ?? ''}`
  },
  'another issuer': async ({ tokens }) => own(tokens, { iss: 'http://other.test' }),
  'an audience that is no client here': async ({ tokens }) => own(tokens, { aud: 'nobody' }),
  'the audience of another client, with the sid of this one': async ({ tokens }) => own(tokens, { aud: 'chat' }),
  'several audiences and no authorised party': async ({ tokens }) => own(tokens, { aud: ['wiki', 'chat'] }),
  'a made-up sid': async ({ tokens }) => own(tokens, { sid: `${String(tokens.claims['sid']).slice(0, -2)}AA` }),
  'no sid': async ({ tokens }) => own(tokens, { sid: undefined }),
  'an access token, typed': async ({ tokens }) => own(tokens, { scope: 'openid' }, { typ: 'at+jwt' }),
  'a security event token, typed': async ({ tokens }) => own(tokens, {}, { typ: 'secevent+jwt' }),
  'a security event token, untyped': async ({ tokens }) =>
    own(tokens, { events: { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} } }),
  'a logout token': async ({ kit, tokens }) =>
    signLogoutToken([await makeTokenKey(key, 'test')], {
      issuer: 'http://curfew.test',
      client: kit.ctx.clients.byId('wiki') ?? assert.fail(),
      subject: String(tokens.claims['sub']),
      sid: String(tokens.claims['sid']),
      jti: 'j',
      nowMs: kit.clock.nowMs()
    }),
  'an access token, opaque': async ({ tokens }) => tokens.access_token,
  megabytes: async ({ tokens }) => `${tokens.id_token}${'A'.repeat(20_000)}`
}

suite('attacks with what is shown as id_token_hint', () => {
  for (const [name, attack] of Object.entries(attacks)) {
    test(`${name} ends nothing without a question`, async () => {
      const world = await signedIn()
      await using kit = world.kit
      const answer = await world.browser.get(url(await attack(world)))
      assert.equal(answer.statusCode, 200, String(answer.headers.location))
      assert.match(answer.body, /Sign out\?/)
      assert.equal(await live(kit), 1)
    })
  }

  test('the real hint ends the session: what is refused above is the attack alone', async () => {
    const world = await signedIn()
    await using kit = world.kit
    await world.browser.get(url(world.tokens.id_token))
    assert.equal(await live(kit), 0)
  })

  test('the hint of another user ends neither session without a question, and then only the one in this browser', async () => {
    const { kit: made, browser, tokens } = await signedIn()
    await using kit = made
    const ben = kit.browser()
    await signInOn(ben, await follow(ben, await ben.get(authorizationUrl('wiki'))), 'ben', 'battery staple')
    const page = await ben.get(url(tokens.id_token))
    assert.match(page.body, /Sign out\?/)
    assert.match(page.body, /ben/)
    assert.doesNotMatch(page.body, /ana/)
    assert.equal(await live(kit), 2)
    await ben.post('/idp/init_logout.openid', { ...formOf(page.body).fields, choice: 'everywhere' })
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
    assert.equal((await kit.store.findByUser('local:ben')).length, 0)
    assert.equal((await browser.get('/')).statusCode, 200)
  })

  test('whoever holds a hint of somebody else learns neither who that is nor what else is used, before and after', async () => {
    const { kit: made, browser, tokens } = await signedIn()
    await using kit = made
    await tokensFor(kit, browser, 'chat')
    const stranger = kit.browser()
    const page = await stranger.get(url(tokens.id_token))
    assert.match(page.body, /Sign out\?/)
    assert.doesNotMatch(page.body, /ana|Chat/)
    const ended = await stranger.post('/idp/init_logout.openid', { ...formOf(page.body).fields, choice: 'everywhere' })
    assert.equal(await live(kit), 0)
    const after = await follow(stranger, ended)
    assert.doesNotMatch(String(ended.headers.location), /run_/)
    assert.doesNotMatch(after.body, /ana|Chat/)
  })

  test('a client_id that contradicts the hint takes its worth away', async () => {
    const { kit: made, browser, tokens } = await signedIn()
    await using kit = made
    assert.match((await browser.get(url(tokens.id_token, { client_id: 'chat' }))).body, /Sign out\?/)
    assert.equal(await live(kit), 1)
  })

  test('a hint given twice is no hint', async () => {
    const { kit: made, browser, tokens } = await signedIn()
    await using kit = made
    assert.match((await browser.get(`${url(tokens.id_token)}&id_token_hint=${tokens.id_token}`)).body, /Sign out\?/)
    assert.equal(await live(kit), 1)
  })

  test('a pairwise client learns no name by its own hint in a browser without the session', async () => {
    const kit = await createOidcKit({ clients: [clientOf('wiki', { subject: 'pairwise' })], network: async () => ({ status: 200 }) })
    await using _kit = kit
    const { id_token: hint } = await tokensFor(kit, kit.browser(), 'wiki')
    assert.doesNotMatch((await kit.browser().get(url(hint))).body, /\bana\b/)
    assert.equal((await post(kit, '/as/introspect.oauth2', 'wiki', { token: 'x' })).statusCode, 200)
  })
})
