import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { Store } from '../../src/stores/store.ts'
import type { Kit } from '../authority/kit.ts'
import { clientOf, codeFor, createOidcKit, exchange, post, refresh, tokensFor } from '../authority/oidc/relying-party.ts'

const network = async () => ({ status: 200 })

async function endAll(kit: Kit): Promise<void> {
  const sessions = await kit.store.findByUser('local:ana')
  await kit.ctx.engine.endSessions({
    scope: { kind: 'sessions', sessionIds: sessions.map(({ id }) => id) },
    reason: 'admin',
    by: { kind: 'admin', id: 'test' },
    starter: { kind: 'none' },
    browser: 'absent'
  })
}

async function introspected(kit: Kit, token: string): Promise<boolean> {
  return (await post(kit, '/as/introspect.oauth2', 'wiki', { token })).json<{ active: boolean }>().active
}

suite('attacks with what a session left behind', () => {
  test('a code that was issued before the logout gives nothing after it', async () => {
    await using kit = await createOidcKit({ network })
    const code = await codeFor(kit, kit.browser(), 'wiki')
    await endAll(kit)
    const answer = await exchange(kit, 'wiki', code)
    assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [400, 'invalid_grant'])
  })

  test('a refresh token gives nothing after it', async () => {
    await using kit = await createOidcKit({ network })
    const { refresh_token: token = '' } = await tokensFor(kit, kit.browser(), 'wiki')
    await endAll(kit)
    const answer = await refresh(kit, 'wiki', token)
    assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [400, 'invalid_grant'])
    assert.equal(await introspected(kit, token), false)
  })

  test('an access token gives nothing after it: not at userinfo, not by introspection', async () => {
    await using kit = await createOidcKit({ network })
    const { access_token: token } = await tokensFor(kit, kit.browser(), 'wiki')
    const headers = { authorization: `Bearer ${token}` }
    assert.equal((await kit.app.inject({ url: '/idp/userinfo.openid', headers })).statusCode, 200)
    await endAll(kit)
    assert.equal((await kit.app.inject({ url: '/idp/userinfo.openid', headers })).statusCode, 401)
    assert.equal(await introspected(kit, token), false)
  })

  test('the cookie of the ended session opens nothing, with or without a page', async () => {
    await using kit = await createOidcKit({ network })
    const browser = kit.browser()
    await tokensFor(kit, browser, 'wiki')
    const cookies = new Map(browser.cookies)
    await endAll(kit)
    for (const [name, value] of cookies) browser.cookies.set(name, value)
    const silent = await browser.get(
      `/as/authorization.oauth2?${new URLSearchParams({ client_id: 'wiki', response_type: 'code', redirect_uri: 'http://wiki.test/cb', scope: 'openid', prompt: 'none', code_challenge: 'a'.repeat(43), code_challenge_method: 'S256' }).toString()}`
    )
    assert.match(String(silent.headers.location), /error=login_required/)
  })

  test('what one session left is not brought back by the next one of the same user and browser', async () => {
    await using kit = await createOidcKit({ network })
    const browser = kit.browser()
    const before = await tokensFor(kit, browser, 'wiki')
    const code = await codeFor(kit, browser, 'wiki')
    await endAll(kit)
    await tokensFor(kit, browser, 'wiki')
    assert.equal(await introspected(kit, before.access_token), false)
    assert.equal((await refresh(kit, 'wiki', before.refresh_token ?? '')).statusCode, 400)
    assert.equal((await exchange(kit, 'wiki', code)).statusCode, 400)
  })
})

/** A store in which something happens right after a chosen call; counts the calls while it is armed. */
function interrupted(store: Store) {
  const state: { isArmed: boolean; calls: number; at: number; act: () => Promise<void> } = { isArmed: false, calls: 0, at: 0, act: async () => undefined }
  const watched = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return async (...parts: unknown[]) => {
        const result: unknown = await (value as (...parts: unknown[]) => unknown).apply(target, parts)
        if (!state.isArmed) return result
        state.calls += 1
        if (state.calls === state.at) {
          state.isArmed = false
          await state.act()
          state.isArmed = true
        }
        return result
      }
    }
  })
  return { store: watched, state }
}

interface Interrupted {
  readonly status: number
  readonly body: string
  readonly calls: number
  readonly told: readonly string[]
}

/** One token request in which the session ends right after the store's n-th call. */
async function interruptedExchange(at: number, client: Parameters<typeof clientOf>[1], isRefresh: boolean, then = async () => {}): Promise<Interrupted> {
  const { store, state } = interrupted(createMemoryStore({ capacity: 100 }))
  await using kit = await createOidcKit({ network, store, clients: [clientOf('wiki', client)] })
  const browser = kit.browser()
  const token = isRefresh ? ((await tokensFor(kit, browser, 'wiki')).refresh_token ?? '') : await codeFor(kit, browser, 'wiki')
  Object.assign(state, { isArmed: true, at, act: () => endAll(kit).then(then) })
  const answer = isRefresh ? await refresh(kit, 'wiki', token) : await exchange(kit, 'wiki', token)
  state.isArmed = false
  const told = (await kit.store.listRuns({ limit: 1 })).items.flatMap((run) => run.deliveries.map(({ peerId }) => peerId))
  return { status: answer.statusCode, body: answer.body, calls: state.calls, told }
}

suite('attacks by a logout in the middle of a token request', () => {
  for (const [name, client, isRefresh] of [
    ['a code', {}, false],
    ['a code without refresh tokens', { refreshTokens: false }, false],
    ['a refresh token', {}, true]
  ] as const) {
    test(`${name}: at whatever moment the session ends, no token leaves after it, and its client is told`, async () => {
      const { calls } = await interruptedExchange(0, client, isRefresh)
      assert.ok(calls > 5, `${calls} calls`)
      for (let at = 1; at <= calls; at++) {
        const { status, body, told } = await interruptedExchange(at, client, isRefresh)
        // After the last look they have left.
        assert.equal(status, at === calls ? 200 : 400, `ended after call ${at} of ${calls}: ${body.slice(0, 200)}`)
        if (status === 400) assert.match(body, /invalid_grant/)
        assert.deepEqual(told, ['wiki'])
      }
    })
  }

  test('an ID token that has left is not younger than the end of its session: whoever compares the two opens nothing from it', async () => {
    const { calls } = await interruptedExchange(0, {}, false)
    let endedAtMs = 0
    const { status, body } = await interruptedExchange(calls, {}, false, async () => {
      endedAtMs = Temporal.Now.instant().epochMilliseconds
      await new Promise((resolve) => setTimeout(resolve, 1_100))
    })
    assert.equal(status, 200)
    const { iat = 0 } = decodeJwt((JSON.parse(body) as { id_token: string }).id_token)
    assert.ok(iat * 1000 <= endedAtMs, `issued ${iat * 1000 - endedAtMs} ms after the end`)
  })
})
