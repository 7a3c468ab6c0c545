import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { SessionValidationSettings } from '../../../src/authority/oidc/settings.ts'
import { validationOf } from '../../../src/authority/oidc/session-validation.ts'
import { countsAsSignedOut } from '../../../src/core/outcome.ts'
import type { Session } from '../../../src/core/session.ts'
import type { Kit, KitOptions } from '../kit.ts'
import { clientOf, createOidcKit, post, refresh, type Tokens, tokensFor } from './relying-party.ts'

const minuteMs = 60_000

interface Case extends AsyncDisposable {
  readonly kit: Kit
  readonly tokens: Tokens
  readonly session: Session
}

/** One client with these settings, signed in. */
async function signedIn(sessionValidation: SessionValidationSettings, options: KitOptions = {}): Promise<Case> {
  const kit = await createOidcKit({ clients: [clientOf('wiki', { accessTokenMinutes: 120, sessionValidation })], ...options })
  const tokens = await tokensFor(kit, kit.browser(), 'wiki')
  const { items } = await kit.store.listSessions({ limit: 5, nowMs: kit.clock.nowMs() })
  assert.equal(items.length, 1)
  return { kit, tokens, session: items[0]?.session ?? assert.fail(), [Symbol.asyncDispose]: () => kit[Symbol.asyncDispose]() }
}

async function introspected(kit: Kit, token: string): Promise<Readonly<Record<string, unknown>>> {
  return (await post(kit, '/as/introspect.oauth2', 'wiki', { token })).json<Readonly<Record<string, unknown>>>()
}

function userinfo(kit: Kit, token: string) {
  return kit.app.inject({ url: '/idp/userinfo.openid', headers: { authorization: `Bearer ${token}` } })
}

/** What introspection and userinfo say of an access token: both or neither. */
async function isGood(kit: Kit, token: string): Promise<boolean> {
  const { active } = await introspected(kit, token)
  const { statusCode } = await userinfo(kit, token)
  assert.equal(statusCode, active === true ? 200 : 401)
  return active === true
}

async function end({ kit, session }: Case): Promise<void> {
  const { ended } = await kit.ctx.engine.endSessions({
    scope: { kind: 'session', sessionId: session.id },
    reason: 'admin',
    by: { kind: 'admin', id: 'root' },
    starter: { kind: 'none' },
    browser: 'absent'
  })
  assert.equal(ended.length, 1)
}

/** Puts the SRI on the list while the session goes on. */
async function revoke({ kit, session }: Case): Promise<void> {
  const nowMs = kit.clock.nowMs()
  await kit.store.revoke(session.sri, nowMs + 60 * minuteMs, nowMs)
}

async function touched({ kit, session }: Case): Promise<number> {
  return ((await kit.store.getSession(session.id))?.lastActivityAtMs ?? 0) - session.lastActivityAtMs
}

suite('OpenID tokens and the session behind them', () => {
  test('AC-104 pi.sri is in the ID token and at userinfo when Include Session Identifier is on, and in neither when it is off', async () => {
    for (const includeSessionId of [true, false]) {
      await using one = await signedIn({ includeSessionId })
      const expected = includeSessionId ? one.session.sri : undefined
      assert.equal(one.tokens.claims['pi.sri'], expected)
      assert.equal((await userinfo(one.kit, one.tokens.access_token)).json<Readonly<Record<string, unknown>>>()['pi.sri'], expected)
      assert.equal(typeof one.tokens.claims['sid'], 'string')
    }
  })

  test('introspection names the session when any of the options is on', async () => {
    const off = { includeSessionId: false, checkValidAuthnSession: false, checkSessionRevocationStatus: false, updateAuthnSessionActivity: false }
    for (const name of [undefined, ...(Object.keys(off) as (keyof typeof off)[])]) {
      await using one = await signedIn(name === undefined ? off : { ...off, [name]: true })
      const answer = await introspected(one.kit, one.tokens.access_token)
      assert.deepEqual([answer['active'], answer['pi.sri']], [true, name === undefined ? undefined : one.session.sri], name ?? 'none')
    }
  })

  test('AC-105 an access token with a revoked SRI is invalid when the revocation status is checked, its refresh token answers invalid_grant', async () => {
    for (const checkSessionRevocationStatus of [true, false]) {
      await using one = await signedIn({ checkSessionRevocationStatus })
      assert.equal(await isGood(one.kit, one.tokens.access_token), true)
      await revoke(one)
      assert.equal(await isGood(one.kit, one.tokens.access_token), !checkSessionRevocationStatus)
      const refused = await refresh(one.kit, 'wiki', one.tokens.refresh_token ?? '')
      assert.deepEqual([refused.statusCode, refused.json<{ error: string }>().error], [400, 'invalid_grant'])
    }
  })

  test('AC-106 an access token of an ended session is invalid when the session is checked; without any check it lives out its time, and nothing new is issued', async () => {
    const cases: readonly [SessionValidationSettings, boolean][] = [
      [{}, false],
      [{ checkSessionRevocationStatus: false }, false],
      [{ checkValidAuthnSession: false }, false],
      [{ checkValidAuthnSession: false, checkSessionRevocationStatus: false }, true]
    ]
    for (const [settings, isStillGood] of cases) {
      await using one = await signedIn(settings)
      await end(one)
      assert.equal(await isGood(one.kit, one.tokens.access_token), isStillGood, JSON.stringify(settings))
      const refused = await refresh(one.kit, 'wiki', one.tokens.refresh_token ?? '')
      assert.deepEqual([refused.statusCode, refused.json<{ error: string }>().error], [400, 'invalid_grant'])
    }
  })

  test('AC-106 a session that ran out counts as ended', async () => {
    await using one = await signedIn({}, { sessions: { idleMinutes: 5 } })
    one.kit.clock.advance(5 * minuteMs)
    assert.equal(await isGood(one.kit, one.tokens.access_token), false)
  })

  test('AC-107 validation counts as activity only where the option is on, at introspection and at userinfo', async () => {
    for (const updateAuthnSessionActivity of [undefined, false, true]) {
      for (const validate of [introspected, userinfo]) {
        await using one = await signedIn({ updateAuthnSessionActivity })
        one.kit.clock.advance(40 * minuteMs)
        await validate(one.kit, one.tokens.access_token)
        assert.equal(await touched(one), updateAuthnSessionActivity === true ? 40 * minuteMs : 0)
        one.kit.clock.advance(40 * minuteMs)
        assert.equal(await isGood(one.kit, one.tokens.access_token), updateAuthnSessionActivity === true)
      }
    }
  })

  test('AC-107 a token that is refused moves nothing', async () => {
    await using one = await signedIn({ updateAuthnSessionActivity: true })
    await revoke(one)
    one.kit.clock.advance(40 * minuteMs)
    assert.equal(await isGood(one.kit, one.tokens.access_token), false)
    assert.equal(await touched(one), 0)
  })

  test('AC-108 the SRI is on the list as soon as the logout starts, although the application refuses it', async () => {
    await using one = await signedIn({}, { network: async () => ({ status: 500 }) })
    await end(one)
    const isListed = async () => one.kit.store.isRevoked(one.session.sri, one.kit.clock.nowMs())
    assert.equal(await isListed(), true)
    const delivery = async () => (await one.kit.store.listRuns({ limit: 1 })).items[0]?.deliveries[0]
    for (let i = 0; i < 5_000 && (await delivery())?.state !== 'retrying'; i++) await new Promise((resolve) => setTimeout(resolve, 1))
    const failed = await delivery()
    assert.equal(failed?.state, 'retrying')
    assert.equal(countsAsSignedOut(failed.outcome), false)
    assert.equal(await isListed(), true)
  })

  test('AC-109 endings are on the revocation list, unless that is switched off; the session ends all the same', async () => {
    for (const revokesOnLogout of [undefined, true, false]) {
      await using one = await signedIn({}, revokesOnLogout === undefined ? {} : { revokesOnLogout })
      await end(one)
      assert.equal(await one.kit.store.isRevoked(one.session.sri, one.kit.clock.nowMs()), revokesOnLogout !== false)
      assert.equal((await one.kit.store.revocationFeed(0, 10)).length, revokesOnLogout === false ? 0 : 1)
      assert.equal(await isGood(one.kit, one.tokens.access_token), false)
    }
  })

  test('a client has the settings of all clients where it has none of its own', () => {
    const all = { checkValidAuthnSession: false, updateAuthnSessionActivity: true }
    assert.deepEqual(validationOf({ updateAuthnSessionActivity: false }, all), {
      includeSessionId: true,
      checkValidAuthnSession: false,
      checkSessionRevocationStatus: true,
      updateAuthnSessionActivity: false
    })
  })
})
