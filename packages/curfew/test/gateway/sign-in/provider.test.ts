import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createProvider } from '../../../src/gateway/sign-in/provider.ts'
import type { OutboundResponse } from '../../../src/platform/outbound.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { createFakeClock } from '../../authority/fake-clock.ts'

const issuer = 'https://login.example.com'
const hourMs = 3_600_000
/** What can not be read is not asked for sooner. */
const againMs = 5_000
/** What was begun has got as far as it gets without an answer. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

const keys = { keys: [{ kty: 'EC', crv: 'P-256', kid: 'k1', x: 'x', y: 'y' }] }

/** A provider that can be away, or hang, and the time. */
function installation() {
  const clock = createFakeClock()
  const state = { clock, isAway: false, isHanging: false, asked: 0, endSession: `${issuer}/out`, keys: { status: 200, body: keys as unknown } }
  const provider = createProvider({
    settings: {
      issuer,
      clientId: 'gate',
      authentication: { kind: 'secret', secret: 'a secret that is long enough', method: 'clientSecretBasic' },
      scopes: [],
      userInfo: false,
      useSingleLogout: true,
      refreshTokens: false
    },
    secret: Buffer.alloc(32, 1),
    random: systemRandom,
    clock,
    steadyMs: () => clock.nowMs(),
    outbound: {
      async request({ url }): Promise<OutboundResponse> {
        state.asked += 1
        if (state.isHanging) return new Promise(() => undefined)
        if (state.isAway) throw new CurfewError('CURFEW_OUTBOUND_UNREACHABLE')
        const metadata = {
          issuer,
          authorization_endpoint: `${issuer}/in`,
          token_endpoint: `${issuer}/token`,
          end_session_endpoint: state.endSession,
          jwks_uri: `${issuer}/keys`
        }
        const { status, body } = url === `${issuer}/keys` ? state.keys : { status: 200, body: metadata }
        return { status, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(body)), durationMs: 1 }
      }
    }
  })
  return { state, provider }
}

const pathOf = (address: string | undefined) => new URL(address ?? '').pathname

suite('What a provider publishes', () => {
  test('is read again after an hour; while it is away, what was read last counts', async () => {
    const { state, provider } = installation()
    assert.equal(pathOf(await provider.signOutUrl({})), '/out')
    state.endSession = `${issuer}/new`
    state.clock.advance(hourMs)
    assert.equal(pathOf(await provider.signOutUrl({})), '/out')
    state.clock.advance(1)
    state.isAway = true
    assert.deepEqual([pathOf(await provider.signOutUrl({})), state.asked], ['/out', 2])
    assert.deepEqual([pathOf(await provider.signOutUrl({})), state.asked], ['/out', 2], 'nobody waits for it again at once')
    state.isAway = false
    state.clock.advance(againMs)
    assert.deepEqual([pathOf(await provider.signOutUrl({})), state.asked], ['/new', 3])
  })

  test('is not waited for while it hangs: what was read last counts after a second, and at once for those who come later', async () => {
    const { state, provider } = installation()
    assert.equal(pathOf(await provider.signOutUrl({})), '/out')
    state.clock.advance(hourMs + 1)
    state.isHanging = true
    const first = provider.signOutUrl({})
    await turn()
    state.clock.advance(1_000)
    assert.deepEqual([pathOf(await first), state.asked], ['/out', 2])
  })

  test('a standard end_session_endpoint gets the ID token and the landing address, and the ID token is kept for it', async () => {
    const { provider } = installation()
    assert.equal(await provider.wantsIdToken(), true)
    const { searchParams } = new URL((await provider.signOutUrl({ idToken: 'the.id.token', landing: 'https://www.example.com/bye' })) ?? '')
    assert.deepEqual(Object.fromEntries(searchParams), {
      client_id: 'gate',
      id_token_hint: 'the.id.token',
      post_logout_redirect_uri: 'https://www.example.com/bye'
    })
  })

  test('is not known while it was never read', async () => {
    const { state, provider } = installation()
    state.isAway = true
    await assert.rejects(provider.signOutUrl({}), { code: 'CURFEW_GATEWAY_PROVIDER' })
    state.isAway = false
    assert.equal(pathOf(await provider.signOutUrl({})), '/out')
  })
})

suite('The key set of a provider', () => {
  for (const [what, bad] of Object.entries({
    'a problem document': { status: 503, body: { type: 'about:blank', status: 503 } },
    'a problem document with a good status': { status: 200, body: { type: 'about:blank', title: 'slow down' } },
    'a page of a limit that was reached': { status: 429, body: 'slow down' },
    'keys that are none': { status: 200, body: { keys: ['k'] } },
    nothing: { status: 200, body: null }
  })) {
    test(`${what} is none: it is asked for again, and not kept`, async () => {
      const { state, provider } = installation()
      state.keys = bad
      await assert.rejects(provider.keys(false), { code: 'CURFEW_GATEWAY_PROVIDER' })
      state.keys = { status: 200, body: keys }
      assert.deepEqual(await provider.keys(false), keys)
    })

    test(`${what} takes nothing from the keys that are known, at the hourly reading and at one for a key that is not`, async () => {
      for (const again of [false, true]) {
        const { state, provider } = installation()
        assert.deepEqual(await provider.keys(false), keys)
        state.keys = bad
        state.clock.advance(hourMs + 1)
        assert.deepEqual(await provider.keys(again), keys)
        const next = { keys: [{ ...keys.keys[0], kid: 'k2' }] }
        state.keys = { status: 200, body: next }
        state.clock.advance(againMs)
        assert.deepEqual(await provider.keys(again), next)
      }
    })
  }

  test('is read again for a key that is not known, at most every five seconds', async () => {
    const { state, provider } = installation()
    await provider.keys(false)
    const { asked } = state
    await provider.keys(true)
    assert.equal(state.asked, asked)
    state.clock.advance(againMs + 1)
    await provider.keys(true)
    assert.equal(state.asked, asked + 1)
  })
})
