import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { suite, test } from 'node:test'
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { makeClient } from '../../../src/authority/oidc/client.ts'
import { makeTokenKey } from '../../../src/authority/oidc/keys.ts'
import type { TokenAlgorithm } from '../../../src/authority/oidc/settings.ts'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import type { Kit, KitOptions } from '../kit.ts'
import { clientOf, createOidcKit, refresh, tokensFor } from './relying-party.ts'

const ec = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const ed = generateKeyPairSync('ed25519').privateKey

async function published(kit: Kit): Promise<JSONWebKeySet> {
  return (await kit.app.inject('/pf/JWKS')).json<JSONWebKeySet>()
}

async function kidOf(key: KeyObject): Promise<string> {
  return (await makeTokenKey(key, 'test')).kid
}

suite('Keys of tokens', () => {
  const algorithms: readonly (readonly [TokenAlgorithm, KeyObject])[] = [
    ['RS256', rsa],
    ['PS256', rsa],
    ['ES256', ec()],
    ['EdDSA', ed]
  ]
  for (const [algorithm, key] of algorithms) {
    test(`a client pinned to ${algorithm} gets ID tokens and logout tokens in it and in nothing else`, async () => {
      const told: string[] = []
      const network: KitOptions['network'] = async ({ body = '' }) => {
        told.push(new URLSearchParams(String(body)).get('logout_token') ?? '')
        return { status: 200 }
      }
      // A key of another kind stands first: the algorithm decides, not the place.
      const tokenKeys = [key === rsa ? ec() : rsa, key]
      await using kit = await createOidcKit({ network, tokenKeys, clients: [clientOf('wiki', { idTokenAlgorithm: algorithm })] })
      const browser = kit.browser()
      const { id_token: idToken } = await tokensFor(kit, browser, 'wiki')
      await browser.get(`/idp/init_logout.openid?id_token_hint=${idToken}`)
      for (let i = 0; i < 5_000 && told.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 2))
      const keys = createLocalJWKSet(await published(kit))
      const currentDate = new Date(kit.clock.nowMs())
      for (const [token, typ] of [
        [idToken, undefined],
        [told[0] ?? assert.fail('nobody was told'), 'logout+jwt']
      ] as const) {
        const expected = { issuer: 'http://curfew.test', audience: 'wiki', algorithms: [algorithm], currentDate }
        const { protectedHeader } = await jwtVerify(token, keys, typ === undefined ? expected : { ...expected, typ })
        assert.equal(protectedHeader.kid, await kidOf(key))
      }
      const { id_token_signing_alg_values_supported: offered } = (await kit.app.inject('/.well-known/openid-configuration')).json<Record<string, string[]>>()
      assert.ok(offered?.includes(algorithm))
    })
  }

  test('a client can not be pinned to what no key signs', async () => {
    const keys = [await makeTokenKey(ed, 'test')]
    for (const idTokenAlgorithm of ['RS256', 'PS256', 'ES256'] as const) {
      assert.throws(() => makeClient(clientOf('wiki', { idTokenAlgorithm }), keys), { code: 'CURFEW_CONFIG_CONNECTION' })
    }
    assert.equal(makeClient(clientOf('wiki'), keys).algorithm, 'EdDSA')
  })

  test('a key is rolled over in three steps: published, in use, gone; what the old one signed is good until it is gone', async () => {
    const [old, next] = [ec(), ec()]
    const [oldKid, nextKid] = [await kidOf(old), await kidOf(next)]
    const store = createMemoryStore({ capacity: 1000 })
    const stage = (tokenKeys: readonly KeyObject[]): Promise<Kit> =>
      createOidcKit({ store, tokenKeys, clients: [clientOf('wiki', { logout: { modes: ['none'] } })] })
    const kids = async (kit: Kit): Promise<readonly unknown[]> => (await published(kit)).keys.map(({ kid }) => kid)
    const signer = (token: string): unknown => decodeProtectedHeader(token).kid
    const cookies = new Map<string, string>()
    let hint = ''
    let refreshToken = ''
    {
      await using kit = await stage([old])
      const browser = kit.browser()
      const tokens = await tokensFor(kit, browser, 'wiki')
      hint = tokens.id_token
      refreshToken = tokens.refresh_token ?? ''
      for (const [name, value] of browser.cookies) cookies.set(name, value)
      assert.deepEqual([await kids(kit), signer(hint)], [[oldKid], oldKid])
    }
    const renewed = async (kit: Kit): Promise<string> => {
      const answer = (await refresh(kit, 'wiki', refreshToken)).json<{ id_token: string; refresh_token: string }>()
      refreshToken = answer.refresh_token
      return answer.id_token
    }
    {
      await using kit = await stage([old, next])
      assert.deepEqual([await kids(kit), signer(await renewed(kit))], [[oldKid, nextKid], oldKid])
    }
    const withCookies = (kit: Kit) => {
      const browser = kit.browser()
      for (const [name, value] of cookies) browser.cookies.set(name, value)
      return browser
    }
    const logout = `/idp/init_logout.openid?id_token_hint=${hint}`
    {
      // Too soon without the old key: its hints say nothing any more, and the person is asked.
      await using kit = await stage([next])
      const answer = await withCookies(kit).get(logout)
      assert.deepEqual([answer.statusCode, answer.body.includes('Sign out?')], [200, true])
    }
    {
      await using kit = await stage([next, old])
      assert.deepEqual([await kids(kit), signer(await renewed(kit))], [[nextKid, oldKid], nextKid])
      assert.equal((await withCookies(kit).get(logout)).statusCode, 303)
      assert.equal((await store.listSessions({ state: 'live', limit: 1, nowMs: kit.clock.nowMs() })).items.length, 0)
    }
  })
})
