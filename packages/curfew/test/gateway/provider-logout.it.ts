import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import { SignJWT } from 'jose'
import { unsignedSidsMax } from '../../src/gateway/session/ended-by-provider.ts'
import { until } from '../support/until.ts'
import { createGatewayKit, type GatewayKit } from './kit.ts'
import { Visitor } from './visitor.ts'

/** A gateway that knows of endings by what the provider sends to it, and by nothing else. */
function withoutFeed(logout: object): Promise<GatewayKit> {
  return createGatewayKit({ gateway: { sessionCheck: { feed: false } }, client: { logout: { pingAccessLogoutCapable: false, ...logout } as never } })
}

async function isRefusedSoon(visitor: Visitor, url: string): Promise<void> {
  await until('the session is over', async () => (await visitor.ask(url)).status === 303)
}

suite('Logout that an OpenID provider sends to the gateway', () => {
  test('a logout token by the back channel ends the session, proved to the provider', async () => {
    await using kit = await withoutFeed({ modes: ['backChannel'], backChannelUri: 'WIKI/pa/oidc/backchannel' })
    const ana = new Visitor()
    const other = new Visitor()
    await ana.open(`${kit.wiki}/`)
    await kit.endAll()
    await isRefusedSoon(ana, `${kit.wiki}/`)
    // The gateway refuses before its answer is stored.
    const outcome = async () => (await kit.authority.store.listRuns({ limit: 1 })).items[0]?.deliveries[0]?.outcome?.kind
    await until('the outcome is stored', async () => (await outcome()) !== undefined)
    assert.equal(await outcome(), 'ended')
    await other.open(`${kit.wiki}/`)
    assert.equal((await other.ask(`${kit.wiki}/`)).status, 200)
  })

  test('a logout token that the provider did not sign, or that is none, ends nothing', async () => {
    await using kit = await withoutFeed({ modes: [] })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const [stored] = (await kit.authority.store.listSessions({ limit: 1, nowMs: Temporal.Now.instant().epochMilliseconds })).items
    const [participant] = await kit.authority.store.getParticipants(stored?.session.id ?? assert.fail())
    const seconds = Math.floor(Temporal.Now.instant().epochMilliseconds / 1000)
    const forged = await new SignJWT({ sid: participant?.sessionIndex ?? '', events: { 'http://schemas.openid.net/event/backchannel-logout': {} } })
      .setProtectedHeader({ alg: 'ES256', typ: 'logout+jwt' })
      .setIssuer(kit.issuer)
      .setAudience('gate')
      .setJti('x')
      .setIssuedAt(seconds)
      .setExpirationTime(seconds + 60)
      .sign(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    for (const token of [forged, 'junk', '']) {
      const answer = await new Visitor().ask(`${kit.wiki}/pa/oidc/backchannel`, {
        method: 'POST',
        body: new URLSearchParams({ logout_token: token }).toString(),
        headers: { 'content-type': 'application/x-www-form-urlencoded', accept: '*/*' }
      })
      assert.equal(answer.status, 400)
    }
    assert.equal((await ana.ask(`${kit.wiki}/`)).status, 200)
  })

  test('a sign-in is not let in when everything of the user was ended while its code was exchanged', async () => {
    await using kit = await withoutFeed({ modes: [] })
    const { context } = kit.gateway
    const real = context.provider.signIn
    Object.assign(context.provider, {
      async signIn(...asked: Parameters<typeof real>) {
        const signedIn = await real(...asked)
        const endedAtMs = context.clock.nowMs()
        context.endedByProvider.endSubject(context.provider.issuer, signedIn.subject, endedAtMs)
        await until('a later moment', () => context.clock.nowMs() > endedAtMs, { everyMs: 1 })
        return signedIn
      }
    })
    const page = await new Visitor().open(`${kit.wiki}/`)
    assert.equal(page.status, 400, page.body)
    assert.equal(kit.seen.length, 0)
  })

  test('a frame that comes with the cookie ends that session for good, whatever others send after it', async () => {
    await using kit = await withoutFeed({ modes: [] })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const kept = ana.copy()
    const [stored] = (await kit.authority.store.listSessions({ limit: 1, nowMs: Temporal.Now.instant().epochMilliseconds })).items
    const [participant] = await kit.authority.store.getParticipants(stored?.session.id ?? assert.fail())
    const sid = participant?.sessionIndex ?? assert.fail()
    const parameters = new URLSearchParams({ iss: kit.issuer, sid })
    await ana.ask(`${kit.wiki}/pa/oidc/frontchannel?${parameters.toString()}`)
    assert.equal(ana.jar(kit.wiki).has('PA.ACE_ws'), false)
    const { endedByProvider, provider: at } = kit.gateway.context
    for (let i = 0; i < unsignedSidsMax; i++) endedByProvider.endSid(at.issuer, `any-${i}`, `198.51.100.${i % 20}`)
    assert.equal(endedByProvider.isSidEnded(at.issuer, sid), false, 'the table has no room for it any more')
    assert.equal((await kept.ask(`${kit.wiki}/`)).status, 303)
  })

  test('a sign-out with two sessions of one name ends both', async () => {
    await using kit = await withoutFeed({ modes: [] })
    const [ana, other] = [new Visitor(), new Visitor()]
    for (const one of [ana, other]) await one.open(`${kit.wiki}/`)
    const cookie = [ana, other].map((one) => `PA.ACE_ws=${one.jar(kit.wiki).get('PA.ACE_ws')}`).join('; ')
    assert.equal((await new Visitor().ask(`${kit.wiki}/pa/oidc/logout`, { headers: { cookie } })).status, 200)
    for (const one of [ana, other]) assert.equal((await one.ask(`${kit.wiki}/`)).status, 303)
  })

  test('frames with any sid fill no list, and where the feed is followed they are not needed', async () => {
    for (const feed of [true, false]) {
      await using kit = await createGatewayKit({ gateway: { sessionCheck: { feed } } })
      const ana = new Visitor()
      await ana.open(`${kit.wiki}/`)
      const { revocations } = kit.gateway.context
      const before = [revocations.size, revocations.bytes]
      for (let i = 0; i < 50; i++) {
        const parameters = new URLSearchParams({ iss: kit.issuer, sid: `any-${i}` })
        assert.equal((await new Visitor().ask(`${kit.wiki}/pa/oidc/frontchannel?${parameters.toString()}`)).status, 200)
      }
      assert.deepEqual([revocations.size, revocations.bytes], before)
      assert.equal((await ana.ask(`${kit.wiki}/`)).status, 200)
    }
  })

  test('a frame with issuer and sid ends the session without any cookie; with another issuer or none it ends nothing', async () => {
    await using kit = await withoutFeed({ modes: ['frontChannel'], frontChannelUris: ['WIKI/pa/oidc/frontchannel'] })
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const [stored] = (await kit.authority.store.listSessions({ limit: 1, nowMs: Temporal.Now.instant().epochMilliseconds })).items
    const [participant] = await kit.authority.store.getParticipants(stored?.session.id ?? assert.fail())
    const sid = participant?.sessionIndex ?? assert.fail()
    const frame = (parameters: Record<string, string>) => new Visitor().ask(`${kit.wiki}/pa/oidc/frontchannel?${new URLSearchParams(parameters).toString()}`)
    for (const wrong of [{ iss: 'https://evil.example.com', sid }, { iss: kit.issuer }, { sid }]) {
      assert.equal((await frame(wrong as Record<string, string>)).status, 400)
      assert.equal((await ana.ask(`${kit.wiki}/`)).status, 200)
    }
    const done = await frame({ iss: kit.issuer, sid })
    assert.equal(done.status, 200)
    assert.match(String(done.headers['content-security-policy']), new RegExp(`frame-ancestors ${kit.issuer}`))
    assert.equal((await ana.ask(`${kit.wiki}/`)).status, 303)
  })
})
