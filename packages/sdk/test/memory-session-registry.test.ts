import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type AppSession, createMemorySessionRegistry, registryLimits } from '../src/index.ts'
import { browserOf, issuer, setting, signIn } from './openid-provider.ts'
import { createStage, request, signIn as signInBySaml } from './provider.ts'

const nowMs = Date.parse('2026-03-01T09:00:00Z')
const hourMs = 3_600_000

function session(id: string, more: Partial<AppSession> = {}): AppSession {
  return { id, identityProvider: 'idp', nameId: { value: id }, attributes: {}, createdAtMs: nowMs, expiresAtMs: nowMs + hourMs, ...more }
}

const isFull = { code: 'CURFEW_SESSION_REGISTRY_FULL' }

suite('Memory registry: what has no room', () => {
  test('a sign-in is refused rather than a session forgotten, until one has ended or its time is over', async () => {
    const registry = createMemorySessionRegistry({ sessionsMax: 2 })
    await registry.open(session('a'))
    await registry.open(session('b', { expiresAtMs: nowMs + 1_000 }))
    await assert.rejects(registry.open(session('c')), isFull)
    assert.equal((await registry.get('a', nowMs))?.id, 'a')
    await registry.open(session('c', { createdAtMs: nowMs + 20_000 }))
    assert.equal(await registry.get('b', nowMs), undefined)
    await registry.end('a')
    await registry.open(session('d', { createdAtMs: nowMs + 20_000 }))
    assert.deepEqual((await registry.endBySubject({ identityProvider: 'idp', nameId: { value: 'b' }, sessionIndexes: [] }, nowMs + hourMs)).length, 0)
  })

  test('a verified logout is refused before anything ends, and its tombstones never give way', async () => {
    const registry = createMemorySessionRegistry({ tombstonesMax: 2 })
    await registry.open(session('c'))
    const end = (value: string, untilMs: number) => registry.endBySubject({ identityProvider: 'idp', nameId: { value }, sessionIndexes: [] }, untilMs)
    await end('a', nowMs + 60_000)
    await end('b', nowMs + hourMs)
    await end('b', nowMs + hourMs)
    await assert.rejects(end('c', nowMs + hourMs), isFull)
    assert.equal((await registry.get('c', nowMs))?.id, 'c')
    assert.deepEqual([await registry.isEnded(session('a'), nowMs), await registry.isEnded(session('b'), nowMs)], [true, true])
    await registry.remember('time goes on', '1', nowMs + hourMs, nowMs + 80_000)
    assert.deepEqual(
      (await end('c', nowMs + hourMs)).map(({ id }) => id),
      ['c']
    )
  })

  test('frames with made-up names leave a bounded number of tombstones and take none of a verified logout', async () => {
    const registry = createMemorySessionRegistry({ tombstonesMax: 10, unsignedTombstonesMax: 100 })
    await registry.endBySubject({ identityProvider: 'idp', sessionIndexes: ['verified'], issuedUntilMs: nowMs }, nowMs + hourMs)
    const isEnded = (sessionIndex: string) => registry.isEnded(session('x', { sessionIndex, issuedAtMs: nowMs }), nowMs)
    for (let i = 0; i < 1_000; i++)
      await registry.endBySubject({ identityProvider: 'idp', sessionIndexes: [`frame${i}`], issuedUntilMs: nowMs, isUnsigned: true }, nowMs + hourMs)
    const standing = (await Promise.all(Array.from({ length: 1_000 }, (_, i) => isEnded(`frame${i}`)))).filter(Boolean).length
    assert.ok(standing <= 100 && standing >= 90, String(standing))
    assert.deepEqual([await isEnded('verified'), await isEnded('frame999'), await isEnded('frame0')], [true, true, false])
  })

  test('what strangers begin gives way to what strangers begin, and to nothing else', async () => {
    const registry = createMemorySessionRegistry({ valuesMax: 2, spareValuesMax: 100 })
    await registry.remember('assertion', '1', nowMs + hourMs, nowMs)
    for (let i = 0; i < 1_000; i++) await registry.remember(`login${i}`, '/', nowMs + hourMs, nowMs, 'if-room')
    const known = await Promise.all(Array.from({ length: 1_000 }, (_, i) => registry.isRemembered(`login${i}`, nowMs)))
    assert.ok(known.filter(Boolean).length <= 100)
    assert.deepEqual([known[0], known[999], await registry.isRemembered('assertion', nowMs)], [false, true, true])
    assert.equal(await registry.take('login999', nowMs), '/')
    await registry.remember('another', '1', nowMs + hourMs, nowMs)
    await assert.rejects(registry.remember('third', '1', nowMs + hourMs, nowMs), isFull)
    assert.equal(await registry.remember('login-new', '/', nowMs + hourMs, nowMs, 'if-room'), true)
  })

  test('limits are named and can be changed one by one', () => {
    assert.deepEqual(Object.keys(registryLimits), ['sessionsMax', 'tombstonesMax', 'unsignedTombstonesMax', 'valuesMax', 'spareValuesMax', 'endedMarksMax'])
  })
})

suite('Strangers at the doors of an application', () => {
  test('OpenID: sign-ins that nobody finishes and frames of no session take nothing from who is signed in, signs in or was signed out', async () => {
    const sessions = createMemorySessionRegistry({ valuesMax: 20, tombstonesMax: 20, spareValuesMax: 32, unsignedTombstonesMax: 32 })
    const world = setting({ sessions })
    const [ana, late, stranger] = [browserOf(world), browserOf(world), browserOf(world)]
    await signIn(world, ana)
    await signIn(world, late, { sid: 's2' })
    const overtaken = world.authorize(String((await late.get('/oidc/login')).headers['location']), { sid: 's2' })
    await stranger.post('/oidc/backchannel-logout', new URLSearchParams({ logout_token: await world.logoutToken({ sid: 's2' }) }).toString())
    for (let i = 0; i < 200; i++) {
      assert.equal((await stranger.get('/oidc/login')).status, 303)
      const frame = await stranger.get(`/oidc/frontchannel-logout?${new URLSearchParams({ iss: issuer, sid: `made up ${i}` }).toString()}`)
      assert.equal(frame.status, 200)
    }
    assert.ok(await ana.session())
    assert.equal((await late.get(overtaken)).status, 400)
    assert.equal(await sessions.isEnded({ identityProvider: issuer, nameId: { value: 'ana' }, sessionIndex: 's2', issuedAtMs: 0 }, world.clock.nowMs), true)
    const again = browserOf(world)
    assert.equal((await signIn(world, again, { sid: 's3' })).status, 303)
  })

  test('SAML: the same, and an address that is too long is not remembered', async () => {
    const stage = createStage({ spareValuesMax: 32, valuesMax: 20 })
    const { cookie } = await signInBySaml(stage)
    for (let i = 0; i < 100; i++) assert.equal((await stage.provider.handle(request('GET', '/saml/login?to=/x')))?.status, 303)
    assert.ok(await stage.provider.session(cookie))
    assert.equal((await signInBySaml(stage, `/${'a'.repeat(2_000)}`)).location, '/')
    assert.equal((await signInBySaml(stage, `/${'a'.repeat(1_999)}`)).location.length, 2_000)
  })

  test('a sign-in that has no room is answered with 503, and so is a logout message, which ends nothing', async () => {
    const stage = createStage({ sessionsMax: 1, tombstonesMax: 0 })
    const { cookie } = await signInBySaml(stage)
    assert.notEqual(cookie, '')
    assert.equal((await signInBySaml(stage)).cookie, '')
    const soap = await stage.provider.handle(request('POST', '/saml/slo/soap', { body: stage.soap(stage.logoutRequest()) }))
    assert.equal(soap?.status, 503)
    assert.ok(await stage.provider.session(cookie))
    assert.deepEqual(
      stage.events.flatMap((event) => (event.kind === 'refused' ? [event.code] : [])),
      ['CURFEW_SESSION_REGISTRY_FULL', 'CURFEW_SESSION_REGISTRY_FULL']
    )
  })
})
