import assert from 'node:assert/strict'
import { mock, suite, test } from 'node:test'
import type { ConfigInput } from '../../src/config/schema.ts'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions } from './kit.ts'
import { type Answer, Visitor } from './visitor.ts'

/** Limits of the authority are far away: what ends by them is its own affair. */
const longSessions = (config: ConfigInput): ConfigInput => ({ ...config, sessions: { ...config.sessions, idleMinutes: 1_000, maxMinutes: 1_000 } })

/** Signs in at the wiki and the shop; with Use Single-Logout, where the gateway could begin the most. */
async function signedIn(options: GatewayKitOptions = {}): Promise<{ readonly kit: GatewayKit; readonly visitor: Visitor }> {
  const kit = await createGatewayKit({ provider: { useSingleLogout: true }, configuration: longSessions, ...options })
  const visitor = new Visitor()
  await visitor.fillIn(await visitor.follow(`${kit.wiki}/`))
  assert.equal((await visitor.follow(`${kit.shop}/`)).status, 200)
  return { kit, visitor }
}

/** What the authority has to show of sign-outs: runs, sessions that go on, entries of the revocation list. */
async function begun(kit: GatewayKit): Promise<{ readonly runs: number; readonly live: number; readonly revoked: number }> {
  const { store } = kit.authority
  const { items } = await store.listRuns({ limit: 10 })
  return { runs: items.length, live: await store.countLiveSessions(), revoked: (await store.revocationFeed(0, 10)).length }
}

const nothing = { runs: 0, live: 1, revoked: 0 }

function isSentToSignIn({ status, headers }: Answer, kit: GatewayKit): boolean {
  return status === 303 && String(headers.location).startsWith(kit.issuer)
}

/** After a jump of the clock the gateway first has to hear again what is revoked. */
async function untilKnown(ask: () => Promise<Answer>): Promise<Answer> {
  for (let i = 0; i < 60; i++) {
    const answer = await ask()
    if (answer.status !== 503) return answer
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return ask()
}

suite('the gateway begins no sign-out by itself (sign-off flows are user-initiated)', () => {
  test('AC-076 the limits of a web session send people to sign in, and end nothing at the authority', async () => {
    mock.timers.enable({ apis: ['Date'], now: Date.now() })
    try {
      for (const webSession of [
        { idleMinutes: 1, maxMinutes: 100 },
        { idleMinutes: 2, maxMinutes: 2 }
      ]) {
        const { kit, visitor } = await signedIn({ webSession })
        await using _ = kit
        mock.timers.tick(125_000)
        const answer = await untilKnown(() => visitor.ask(`${kit.wiki}/`))
        assert.ok(isSentToSignIn(answer, kit), `${answer.status} ${answer.body.slice(0, 200)}`)
        assert.deepEqual(await begun(kit), nothing)
        assert.equal((await untilKnown(() => visitor.follow(`${kit.wiki}/`))).status, 200, 'the session of the authority opens it again without a question')
      }
    } finally {
      mock.timers.reset()
    }
  })

  test('AC-076 a session that the authority says is revoked is refused, and only that: the one run is that of the administrator', async () => {
    const { kit, visitor } = await signedIn()
    await using _ = kit
    await kit.endAll()
    let answer = await visitor.ask(`${kit.wiki}/`)
    for (let i = 0; i < 40 && answer.status === 200; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      answer = await visitor.ask(`${kit.wiki}/`)
    }
    assert.ok(isSentToSignIn(answer, kit), String(answer.status))
    for (const host of [kit.wiki, kit.shop]) for (const path of ['/', '/a', '/b']) await visitor.ask(`${host}${path}`)
    assert.deepEqual(await begun(kit), { runs: 1, live: 0, revoked: 1 })
  })

  test('AC-076 a damaged cookie, a foreign one, a lost one, pictures, frames and what browsers load ahead begin nothing', async () => {
    const { kit, visitor } = await signedIn()
    await using _ = kit
    const damaged = visitor.copy()
    for (const [name, value] of damaged.jar(kit.wiki)) damaged.jar(kit.wiki).set(name, `${value.slice(0, -4)}AAAA`)
    await damaged.ask(`${kit.wiki}/`)
    const foreign = visitor.copy()
    foreign.jar(kit.wiki).set('PA.ACE_ws', 'nothing of this gateway')
    await foreign.ask(`${kit.wiki}/`)
    await new Visitor().ask(`${kit.wiki}/`)
    for (const headers of [{ 'sec-fetch-dest': 'image' }, { 'sec-fetch-dest': 'iframe' }, { 'sec-purpose': 'prefetch' }, { purpose: 'prefetch' }])
      for (const path of ['/pa/oidc/logout', '/pa/oidc/logout.png', '/'])
        await visitor.copy().ask(`${kit.wiki}${path}`, { headers: { 'sec-fetch-site': 'cross-site', ...headers } })
    assert.deepEqual(await begun(kit), nothing)
  })

  test('AC-076 neither its start nor its stop begins one, and nothing is begun while nobody does anything', async () => {
    const { kit } = await signedIn()
    await using _ = kit
    await new Promise((resolve) => setTimeout(resolve, 2_500))
    await kit.gateway.stop()
    assert.deepEqual(await begun(kit), nothing)
  })

  test('AC-076 a person does, and an explicit call does', async () => {
    const { kit, visitor } = await signedIn()
    await using _ = kit
    const asked = await visitor.follow(`${kit.wiki}/pa/oidc/logout`)
    const csrfToken = /name="csrfToken" value="([^"]+)"/.exec(asked.body)?.[1]
    if (csrfToken !== undefined) {
      const action = /action="([^"]+)"/.exec(asked.body)?.[1] ?? ''
      const fields = [...asked.body.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value])
      const body = new URLSearchParams([...fields, ['choice', 'everywhere']]).toString()
      await visitor.ask(new URL(action, asked.url).href, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        isStreamed: true
      })
    }
    assert.equal((await begun(kit)).runs, 1)
    const called = await signedIn()
    await using __ = called.kit
    await called.kit.endAll()
    assert.equal((await begun(called.kit)).runs, 1)
  })
})
