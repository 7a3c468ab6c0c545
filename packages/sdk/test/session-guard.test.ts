import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { revocationFingerprint, revocationPageAudience, revocationPageClaims, revocationPageType } from '@curfew/codecs'
import { SignJWT } from 'jose'
import {
  type AppSession,
  createMemorySessionRegistry,
  createSessionGuard,
  type FeedSettings,
  type Guard,
  type SessionGuardEvent,
  type SessionGuardOptions,
  type SessionRegistry,
  type StreamFetch
} from '../src/index.ts'
import { createStage, idpEntity, signIn as signInBySaml } from './provider.ts'
import { setting, signIn as signInAt, browserOf, issuer as opIssuer } from './openid-provider.ts'

const issuer = 'https://login.example'
const startMs = Date.parse('2026-03-01T09:00:00Z')
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** Signs the pages; a test may put another in its place. */
const signer = { key: pair.privateKey }

function sessionOf(id: string, more: Partial<AppSession> = {}): AppSession {
  const nameId = { value: 'ana' }
  return { id, identityProvider: issuer, nameId, attributes: {}, createdAtMs: startMs, expiresAtMs: startMs + 3_600_000, ...more }
}

/** A guard on a clock that is moved by hand, and a feed that says what it is given. */
async function stage(more: { readonly feed?: Partial<FeedSettings>; readonly options?: Partial<SessionGuardOptions>; readonly lifetimeSeconds?: number } = {}) {
  const clock = { nowMs: startMs, timers: new Set<{ readonly atMs: number; readonly act: () => void }>() }
  const events: SessionGuardEvent[] = []
  const asked: { readonly url: string; readonly authorization: string | undefined }[] = []
  let position = 0
  let say: ((token: string) => void) | undefined
  const page = (sris: readonly string[]): Promise<string> => {
    const entries = sris.map((sri) => ({ fingerprint: revocationFingerprint(sri), untilSeconds: startMs / 1000 + 30_000 }))
    const prev = position
    position += sris.length
    return new SignJWT(
      revocationPageClaims({
        prev,
        seq: position,
        hasMore: false,
        entries,
        ...(more.lifetimeSeconds === undefined ? {} : { lifetimeSeconds: more.lifetimeSeconds })
      })
    )
      .setProtectedHeader({ alg: 'ES256', kid: 'k', typ: revocationPageType })
      .setIssuer(issuer)
      .setAudience(revocationPageAudience)
      .setIssuedAt(Math.floor(clock.nowMs / 1000))
      .sign(signer.key)
  }
  const open: StreamFetch = async (url, { headers, signal }) => {
    asked.push({ url, authorization: headers['authorization'] })
    const waiting: string[] = [await page([])]
    // Nobody is told of an end that is over: a stopped reader would wait for ever.
    signal.throwIfAborted()
    let wake = Promise.withResolvers<void>()
    say = (token) => {
      waiting.push(token)
      wake.resolve()
    }
    signal.addEventListener('abort', () => {
      wake.promise.catch(() => undefined)
      wake.reject(new Error('aborted'))
    })
    async function* body(): AsyncGenerator<Uint8Array> {
      for (;;) {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) yield Buffer.from(`event: revocations\ndata: ${next}\n\n`)
        await wake.promise
        wake = Promise.withResolvers()
      }
    }
    return { status: 200, headers: [['content-type', 'text/event-stream']], body: body() }
  }
  const json = (body: unknown) => ({ status: 200, json: async () => body })
  const guard = createSessionGuard({
    sessions: createMemorySessionRegistry(),
    feed: {
      issuer,
      clientId: 'app',
      clientSecret: 'a secret',
      open,
      steadyMs: () => clock.nowMs,
      fetch: async (url) =>
        url.endsWith('/keys')
          ? json({ keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'k' }] })
          : json({
              issuer,
              authorization_endpoint: `${issuer}/a`,
              token_endpoint: `${issuer}/t`,
              jwks_uri: `${issuer}/keys`,
              curfew_revocation_feed_endpoint: `${issuer}/feed`
            }),
      ...more.feed
    },
    nowMs: () => clock.nowMs,
    randomBytes,
    after(delayMs, act) {
      const timer = { atMs: clock.nowMs + delayMs, act }
      clock.timers.add(timer)
      return { cancel: () => void clock.timers.delete(timer) }
    },
    onEvent: (event) => void events.push(event),
    ...more.options
  })
  await guard.ready()
  return {
    guard,
    events,
    asked,
    clock,
    open: async (...sessions: readonly AppSession[]) => {
      for (const session of sessions) await guard.sessions.open(session)
    },
    /** Resolves when the guard has taken the page, or refused it, and what follows from it has happened. */
    async revoke(...sris: readonly string[]) {
      const problems = () => events.filter(({ kind }) => kind === 'feed-problem').length
      const [refusedBefore, revokedBefore] = [problems(), guard.status().revoked]
      say?.(await page(sris))
      const isTaken = () => guard.status().revoked >= revokedBefore + sris.length && guard.status().completeAtMs === clock.nowMs
      await until(() => isTaken() || problems() > refusedBefore)
      await setImmediate()
    },
    pass(milliseconds: number) {
      clock.nowMs += milliseconds
      for (const timer of [...clock.timers]) {
        if (timer.atMs > clock.nowMs) continue
        clock.timers.delete(timer)
        timer.act()
      }
    },
    live: async (...ids: readonly string[]) => {
      const found = await Promise.all(ids.map((id) => guard.sessions.get(id, clock.nowMs)))
      return ids.filter((_, i) => found[i] !== undefined)
    },
    async [Symbol.asyncDispose]() {
      await guard.stop()
    }
  }
}

/** Signatures are checked beside the event loop: how long that takes is up to the machine. */
async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + 10_000
  while (!holds()) {
    assert.ok(performance.now() < endMs, 'it did not happen')
    await setImmediate()
  }
}

/** A guard of an application whose cookie is the session. */
function plainGuard(world: Awaited<ReturnType<typeof stage>>): Guard {
  return world.guard.protect({
    paths: { logout: '/logout' },
    sessionCookie: 'app',
    loginPath: () => '/login',
    session: async (cookie) => world.guard.sessions.get(cookie?.slice('app='.length) ?? '', world.clock.nowMs),
    handle: async () => undefined
  })
}

suite('Session guard: whom it ends', () => {
  test('by the feed: every session of the SRI and its connections, and no other', async () => {
    await using world = await stage()
    const closed: string[] = []
    await world.open(sessionOf('a', { sri: 's1' }), sessionOf('b', { sri: 's1' }), sessionOf('c', { sri: 's2' }), sessionOf('d'))
    for (const id of ['a', 'b', 'c', 'd']) {
      const session = (await world.guard.sessions.get(id, world.clock.nowMs)) ?? assert.fail()
      world.guard.hold(session, (code, reason) => void closed.push(`${id} ${code} ${reason}`))
    }
    await world.revoke('s1')
    assert.deepEqual(await world.live('a', 'b', 'c', 'd'), ['c', 'd'])
    assert.deepEqual(closed, ['a 4001 session ended', 'b 4001 session ended'])
    assert.deepEqual(
      world.events.map((event) => (event.kind === 'signed-out' ? `${event.session.id} by ${event.by}` : event.kind)),
      ['a by feed', 'b by feed']
    )
    assert.deepEqual(world.asked, [{ url: `${issuer}/feed?after=0`, authorization: `Basic ${Buffer.from('app:a%20secret').toString('base64')}` }])
  })

  test('a sign-in of an SRI that is on the list already opens nothing', async () => {
    await using world = await stage()
    await world.revoke('s1')
    await world.open(sessionOf('late', { sri: 's1' }))
    assert.deepEqual(await world.live('late'), [])
  })

  for (const by of ['feed', 'call'] as const) {
    test(`a sign-in under way whose SRI was ended meanwhile, by ${by}, is refused as one of an ended sid is, and nobody is told that it was there`, async () => {
      await using world = await stage()
      const op = setting({ sessions: world.guard.sessions, nowMs: () => world.clock.nowMs })
      op.clock.nowMs = world.clock.nowMs
      const browser = browserOf(op)
      const started = await browser.get('/oidc/login')
      const callback = op.authorize(String(started.headers['location']), { sri: 's1' })
      if (by === 'feed') await world.revoke('s1')
      else await world.guard.end({ by: 'sri', sri: 's1' })
      assert.equal((await browser.get(callback)).status, 400)
      assert.deepEqual([await browser.session(), op.events.map(({ kind }) => kind)], [undefined, ['refused']])
    })
  }

  test('by SRI, on the word of one process: a sign-in from before it opens nothing in another, and who signs in again later is let in', async () => {
    const sessions = createMemorySessionRegistry()
    await using one = await stage({ options: { sessions } })
    await using two = await stage({ options: { sessions } })
    await two.open(sessionOf('a', { sri: 's1' }))
    assert.equal((await one.guard.end({ by: 'sri', sri: 's1' })).length, 1)
    assert.deepEqual([await one.live('a'), await two.live('a')], [[], []])
    const isEnded = (issuedAtMs: number) => two.guard.sessions.isEnded(sessionOf('late', { sri: 's1', issuedAtMs }), startMs)
    assert.deepEqual([await isEnded(startMs - 1_000), await isEnded(startMs + 5_000), await isEnded(startMs + 5_001)], [true, true, false])
    // The session at the authority may go on: its user is not sent around in circles.
    await one.open(sessionOf('again', { sri: 's1', issuedAtMs: startMs + 6_000 }))
    assert.deepEqual([await one.live('again'), await two.live('again')], [['again'], ['again']])
  })

  for (const [name, end] of [
    ['sid', (world) => world.guard.end({ by: 'sid', issuer, sid: 'i1' })],
    ['user', (world) => world.guard.end({ by: 'user', identityProvider: issuer, user: 'ana' })],
    ['its cookie', (world) => world.guard.sessions.end('a')]
  ] satisfies readonly (readonly [string, (world: Awaited<ReturnType<typeof stage>>) => Promise<unknown>])[]) {
    test(`by ${name} in another process, which nothing tells of: what is open here under a session without SRI is closed within six seconds`, async () => {
      const sessions = createMemorySessionRegistry()
      await using one = await stage({ options: { sessions } })
      await using two = await stage({ options: { sessions } })
      const closed: string[] = []
      await two.open(sessionOf('a', { sessionIndex: 'i1' }), sessionOf('b', { nameId: { value: 'ben' } }))
      for (const id of ['a', 'b']) {
        const session = (await sessions.get(id, startMs)) ?? assert.fail()
        two.guard.hold(session, (code, reason) => void closed.push(`${id} ${code} ${reason}`))
      }
      await setImmediate()
      await end(one)
      assert.deepEqual([await two.live('a'), closed], [[], []])
      for (let second = 0; second < 6; second++) {
        two.pass(1_000)
        await setImmediate()
      }
      assert.deepEqual([closed, two.guard.status().connections], [['a 4001 session ended'], 1])
    })
  }

  test('a registry that does not answer for a while closes nothing, and is asked again', async () => {
    const memory = createMemorySessionRegistry()
    const state = { isAway: false, asked: 0 }
    const sessions: SessionRegistry = {
      ...memory,
      async get(...parts) {
        state.asked += 1
        if (state.isAway) throw new Error('away')
        return memory.get(...parts)
      }
    }
    await using world = await stage({ options: { sessions } })
    const closed: string[] = []
    for (let i = 0; i < 100; i++) {
      await world.open(sessionOf(`a${i}`))
      world.guard.hold(sessionOf(`a${i}`), () => void closed.push(`a${i}`))
    }
    await setImmediate()
    const pass = async (): Promise<void> => {
      for (let second = 0; second < 5; second++) {
        world.pass(1_000)
        await setImmediate()
      }
    }
    Object.assign(state, { isAway: true, asked: 0 })
    await pass()
    const kinds = world.events.flatMap(({ kind }) => (kind === 'feed-problem' ? [] : [kind]))
    assert.deepEqual([closed, kinds, state.asked], [[], ['failed'], 16])
    state.isAway = false
    await memory.end('a7')
    await pass()
    assert.deepEqual(closed, ['a7'])
  })

  test('by SRI, sid, NameID with SessionIndex and user, on the word of the application', async () => {
    await using world = await stage()
    const saml = { identityProvider: 'https://idp.example', nameId: { value: 'ana', format: 'urn:f' } }
    await world.open(
      sessionOf('sri', { sri: 's1', nameId: { value: 'a' } }),
      sessionOf('sid', { sessionIndex: 'i1', nameId: { value: 'b' } }),
      sessionOf('saml-1', { ...saml, sessionIndex: 'x1' }),
      sessionOf('saml-2', { ...saml, sessionIndex: 'x2' }),
      sessionOf('user-1', { nameId: { value: 'ben' } }),
      sessionOf('user-2', { nameId: { value: 'ben' }, sessionIndex: 'i2' })
    )
    const all = ['sri', 'sid', 'saml-1', 'saml-2', 'user-1', 'user-2']
    const { guard } = world
    const ids = (sessions: readonly AppSession[]) => sessions.map(({ id }) => id)
    assert.deepEqual(ids(await guard.end({ by: 'sri', sri: 's1' })), ['sri'])
    assert.deepEqual(ids(await guard.end({ by: 'sid', issuer, sid: 'i1' })), ['sid'])
    assert.deepEqual(ids(await guard.end({ by: 'sid', issuer: 'https://other.example', sid: 'i2' })), [], 'a sid counts with its issuer only')
    assert.deepEqual(ids(await guard.end({ by: 'name-id', ...saml, sessionIndexes: ['x2'] })), ['saml-2'])
    assert.deepEqual(await world.live(...all), ['saml-1', 'user-1', 'user-2'])
    assert.deepEqual(ids(await guard.end({ by: 'user', identityProvider: issuer, user: 'ben' })), ['user-1', 'user-2'])
    assert.deepEqual(await world.live(...all), ['saml-1'])
  })

  for (const [name, format] of [
    ['persistent', 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent'],
    ['e-mail address', 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress'],
    ['none', undefined]
  ] as const) {
    test(`by user: a NameID of whatever format (${name}) and qualifiers, and a sign-in from before that arrives late`, async () => {
      await using world = await stage()
      const idp = 'https://idp.example'
      const nameId = { value: 'ana', ...(format === undefined ? {} : { format }), nameQualifier: 'https://elsewhere.example', spNameQualifier: 'app' }
      const saml = { identityProvider: idp, nameId }
      await world.open(
        sessionOf('one', { ...saml, sessionIndex: 'x1' }),
        sessionOf('two', saml),
        sessionOf('ben', { ...saml, nameId: { ...nameId, value: 'ben' } })
      )
      await world.open(sessionOf('other', { ...saml, identityProvider: 'https://other.example' }))
      const ended = await world.guard.end({ by: 'user', identityProvider: idp, user: 'ana' })
      assert.deepEqual(ended.map(({ id }) => id).sort(), ['one', 'two'])
      assert.deepEqual(await world.live('one', 'two', 'ben', 'other'), ['ben', 'other'])
      const isEnded = (issuedAtMs: number) => world.guard.sessions.isEnded(sessionOf('late', { ...saml, issuedAtMs }), startMs)
      assert.deepEqual([await isEnded(startMs - 1_000), await isEnded(startMs + 2_000), await isEnded(startMs + 6_000)], [true, true, false])
    })
  }

  test('by user: one who signs in again by SAML is let in', async () => {
    const saml = createStage()
    await using world = await stage({ options: { sessions: saml.registry, nowMs: () => saml.nowMs } })
    const { cookie } = await signInBySaml(saml)
    assert.equal((await world.guard.end({ by: 'user', identityProvider: idpEntity, user: 'ana' })).length, 1)
    assert.equal(await saml.provider.session(cookie), undefined)
    saml.nowMs += 6_000
    assert.ok(await saml.provider.session((await signInBySaml(saml)).cookie))
  })

  for (const by of ['user', 'name-id'] as const) {
    test(`by ${by}: an assertion of a provider whose clock is ahead, issued before the end, opens nothing after it`, async () => {
      const saml = createStage()
      await using world = await stage({ options: { sessions: saml.registry, nowMs: () => saml.nowMs } })
      await signInBySaml(saml)
      const [live] = await world.guard.end({ by: 'user', identityProvider: idpEntity, user: 'ana' })
      const nameId = live?.nameId ?? assert.fail()
      saml.nowMs += 60_000
      await world.guard.end(by === 'user' ? { by, identityProvider: idpEntity, user: 'ana' } : { by, identityProvider: idpEntity, nameId, sessionIndexes: [] })
      // One second before the end, by a clock that is two seconds ahead.
      saml.nowMs += 1_000
      assert.equal((await signInBySaml(saml)).cookie, '')
    })
  }

  test('a logout token of the provider closes what is open, too', async () => {
    await using world = await stage({ options: { nowMs: () => startMs } })
    const op = setting({ sessions: world.guard.sessions })
    const browser = browserOf(op)
    await signInAt(op, browser)
    const session = (await browser.session()) ?? assert.fail()
    assert.equal(session.identityProvider, opIssuer)
    const closed: string[] = []
    world.guard.hold(session, (code) => void closed.push(String(code)))
    await browser.post('/oidc/backchannel-logout', new URLSearchParams({ logout_token: await op.logoutToken() }).toString())
    assert.deepEqual([closed, await browser.session()], [['4001'], undefined])
  })

  test('a connection that is held a moment after the session ended is closed at once, and one that outlived it, too', async () => {
    await using world = await stage()
    const session = sessionOf('a', { sri: 's1' })
    const short = sessionOf('b', { expiresAtMs: startMs + 500 })
    await world.open(session, short)
    await world.guard.end({ by: 'sri', sri: 's1' })
    const closed: string[] = []
    world.guard.hold(session, (_code, reason) => void closed.push(`a ${reason}`))
    world.guard.hold(short, (_code, reason) => void closed.push(`b ${reason}`))
    await until(() => closed.length > 0)
    assert.deepEqual(closed, ['a session ended'])
    world.pass(1_001)
    assert.deepEqual(closed, ['a session ended', 'b session expired'])
  })

  test('what is older than the list remembers is over, for nobody knows whether it was revoked while the application was down', async () => {
    await using world = await stage({ lifetimeSeconds: 600 })
    const long = { expiresAtMs: startMs + 86_400_000 }
    const listed = sessionOf('a', { sri: 's1', ...long })
    const own = sessionOf('b', long)
    await world.open(listed, own)
    const closed: string[] = []
    for (const session of [listed, own]) world.guard.hold(session, (code, reason) => void closed.push(`${session.id} ${code} ${reason}`))
    world.pass(599_999)
    await world.revoke('another')
    assert.deepEqual([await world.live('a', 'b'), closed], [['a', 'b'], []])
    // Connections are looked at every second.
    world.pass(1_000)
    assert.deepEqual(closed, ['a 4001 session expired'])
    assert.deepEqual(await world.live('a', 'b'), ['b'])
    assert.deepEqual(
      world.events.filter(({ kind }) => kind === 'signed-out').map((event) => 'session' in event && event.session.id),
      ['a']
    )
  })

  test('one connection whose closing fails takes no other with it', async () => {
    await using world = await stage()
    const session = sessionOf('a', { sri: 's1' })
    await world.open(session)
    const closed: number[] = []
    world.guard.hold(session, () => assert.fail('cannot be closed'))
    world.guard.hold(session, () => void closed.push(1))
    await world.revoke('s1')
    assert.deepEqual([closed, world.events.map(({ kind }) => kind)], [[1], ['failed', 'signed-out']])
  })
})

suite('Session guard: how well it knows', () => {
  test('who waits for a first reading that a stop comes before is told so, and who asks later, too', async () => {
    const guard = createSessionGuard({
      sessions: createMemorySessionRegistry(),
      feed: {
        issuer,
        clientId: 'app',
        clientSecret: 'a secret',
        fetch: async () => new Promise(() => undefined),
        open: async () => assert.fail('it is not known where'),
        steadyMs: () => startMs
      },
      nowMs: () => startMs,
      randomBytes
    })
    const told: string[] = []
    for (let i = 0; i < 2; i++) guard.ready().catch((error: Error) => told.push(error.name))
    await guard.stop()
    await setImmediate()
    assert.deepEqual(told, ['AbortError', 'AbortError'])
    await assert.rejects(guard.ready(), { name: 'AbortError' })
  })

  test('a list that was read before a stop stays read', async () => {
    const world = await stage()
    await world.guard.stop()
    await world.guard.ready()
  })

  test('what is known too long ago is refused with 503, and nobody is signed out by it', async () => {
    await using world = await stage()
    const guard = plainGuard(world)
    await world.open(sessionOf('a', { sri: 's1' }), sessionOf('b'))
    const kinds = async () => [await guard.admit?.('app=a'), await guard.admit?.('app=b')].map((one) => one?.kind)
    world.clock.nowMs += 10_000
    assert.deepEqual([await kinds(), world.guard.status().feed], [['signed-in', 'signed-in'], 'known'])
    world.clock.nowMs += 1
    assert.deepEqual([await kinds(), world.guard.status().feed], [['answered', 'signed-in'], 'unknown'], 'the feed says nothing of a session without SRI')
    const refused = await guard.admit?.('app=a')
    assert.equal(refused?.kind === 'answered' ? refused.answer.status : 0, 503)
    await assert.rejects(guard.session('app=a'), { code: 'CURFEW_FEED_STALE' })
    await world.revoke()
    assert.deepEqual(await kinds(), ['signed-in', 'signed-in'])
  })

  test('or lets the session go on, where the application says so', async () => {
    await using world = await stage({ feed: { whenUnknown: 'allow', staleMs: 1 } })
    await world.open(sessionOf('a', { sri: 's1' }))
    world.clock.nowMs += 60_000
    assert.deepEqual([(await plainGuard(world).admit?.('app=a'))?.kind, world.guard.status().feed], ['signed-in', 'unknown'])
  })

  test('a feed of another signer ends nobody and makes nothing known', async () => {
    await using world = await stage()
    await world.open(sessionOf('a', { sri: 's1' }))
    signer.key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    await world.revoke('s1')
    signer.key = pair.privateKey
    assert.deepEqual(await world.live('a'), ['a'])
    assert.deepEqual(
      world.events.map((event) => (event.kind === 'feed-problem' ? event.code : event.kind)),
      ['CURFEW_OIDC_TOKEN_SIGNATURE']
    )
  })

  test('a browser is told once, and only of a session that was here', async () => {
    await using world = await stage({ options: { clearSiteData: ['cache', 'cookies'] } })
    const guard = plainGuard(world)
    await world.open(sessionOf('a', { sri: 's1' }))
    await world.revoke('s1')
    const headersOf = async (cookie: string) => {
      const admission = await guard.admit?.(cookie)
      return admission?.kind === 'signed-out' ? admission.headers : assert.fail(admission?.kind ?? '')
    }
    assert.deepEqual(await headersOf('app=never'), {})
    assert.deepEqual(await headersOf('app=a'), { 'clear-site-data': '"cache", "cookies"' })
    assert.deepEqual(await headersOf('app=a'), {})
  })
})
