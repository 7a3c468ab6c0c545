import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createProvider } from '../../../src/gateway/sign-in/provider.ts'
import type { OutboundResponse } from '../../../src/platform/outbound.ts'
import { systemRandom } from '../../../src/platform/random.ts'

const issuer = 'https://login.example.com'
const hourMs = 3_600_000

/** A provider that can be away, and the time. */
function installation() {
  const state = { nowMs: 1_772_438_400_000, isAway: false, asked: 0, endSession: `${issuer}/out` }
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
    clock: { nowMs: () => state.nowMs, after: () => assert.fail('nothing waits') },
    outbound: {
      async request(): Promise<OutboundResponse> {
        state.asked += 1
        if (state.isAway) throw new CurfewError('CURFEW_OUTBOUND_UNREACHABLE')
        const metadata = { issuer, authorization_endpoint: `${issuer}/in`, token_endpoint: `${issuer}/token`, end_session_endpoint: state.endSession }
        return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from(JSON.stringify(metadata)), durationMs: 1 }
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
    state.nowMs += hourMs - 1
    assert.equal(pathOf(await provider.signOutUrl({})), '/out')
    state.nowMs += 2
    state.isAway = true
    assert.deepEqual([pathOf(await provider.signOutUrl({})), state.asked], ['/out', 2])
    state.isAway = false
    assert.deepEqual([pathOf(await provider.signOutUrl({})), state.asked], ['/new', 3])
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
