import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createRevocationList, CurfewError } from '@curfew/codecs'
import { createLiveConnections } from '../../../src/gateway/live-connections.ts'
import { createEndedByProvider } from '../../../src/gateway/session/ended-by-provider.ts'
import { createEndings } from '../../../src/gateway/session/endings.ts'
import { createEncryptedSealer } from '../../../src/gateway/session/sealer.ts'
import { createSessionStatus } from '../../../src/gateway/session/session-status.ts'
import { verdictOf } from '../../../src/gateway/session/verdict.ts'
import { openedSession } from '../../../src/gateway/session/web-session.ts'
import type { GatewaySettings, SessionCheckSettings } from '../../../src/gateway/settings.ts'
import { createSweep } from '../../../src/gateway/sweep.ts'
import type { OutboundRequest } from '../../../src/platform/outbound.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { createFakeClock } from '../../authority/fake-clock.ts'

const sri = 'sri-1'
const opened = openedSession({
  id: 'w1',
  audience: 'a',
  issuer: 'https://op',
  subject: 'ana',
  sri,
  claims: {},
  startedAtMs: 0,
  expiresAtMs: Number.MAX_SAFE_INTEGER,
  activeAtMs: 0
})

/** What was asked is answered. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** An authority that answers as it is told. @param sharesEndings - with other gateways, which nothing is heard of */
function installation(check: Partial<SessionCheckSettings>, sharesEndings = false) {
  const clock = createFakeClock()
  const asked: OutboundRequest[] = []
  const authority = { status: 404 as number | 'unreachable' | 'silent', type: 'application/problem+json' }
  const sessionCheck: SessionCheckSettings = { feed: false, status: false, statusCacheMs: 60_000, staleMs: 10_000, whenUnknown: 'refuse', ...check }
  const steady = { aheadMs: 0 }
  const steadyMs = () => clock.nowMs() + steady.aheadMs
  const status = createSessionStatus({
    clock,
    steadyMs,
    cacheMs: sessionCheck.statusCacheMs,
    url: async () => 'https://op/pf-ws/rest/sessionMgmt/revokedSris',
    credentials: async () => ({ headers: { authorization: 'Basic x' }, query: {} }),
    onAnswer: () => undefined,
    outbound: {
      request: async (request) => {
        asked.push(request)
        if (authority.status === 'silent') return new Promise(() => undefined)
        if (authority.status === 'unreachable') throw new CurfewError('CURFEW_OUTBOUND_UNREACHABLE')
        return { status: authority.status, headers: { 'content-type': authority.type }, body: Buffer.alloc(0), durationMs: 1 }
      }
    }
  })
  const revocations = createRevocationList(() => undefined, steadyMs)
  const feed = (entries: readonly string[] = []) => {
    for (const one of entries) revocations.add(one, clock.nowMs() + 3_600_000, clock.nowMs())
    revocations.take({ prev: revocations.position, seq: revocations.position, hasMore: false, issuedAtMs: clock.nowMs(), entries: [] }, clock.nowMs())
  }
  const live = createLiveConnections()
  const endedByProvider = createEndedByProvider(3_600_000, () => 0)
  const sealer = createEncryptedSealer({ secret: Buffer.alloc(32), use: 'ending', maxMs: 3_600_000, random: systemRandom })
  // Nothing is ever read of what the others ended.
  const shared = { sealer, staleMs: sessionCheck.staleMs, onProblem: () => undefined, onDropped: () => undefined }
  const endings = createEndings({
    revocations,
    endedByProvider,
    live,
    issuer: 'https://op',
    maxMs: 3_600_000,
    clock,
    steadyMs,
    ...(sharesEndings ? { shared } : {})
  })
  const deps = { settings: { sessionCheck } as GatewaySettings, revocations, status, clock, steadyMs, live, endings, endedByProvider }
  const verdict = async () => verdictOf(deps, opened)
  return { clock, steady, asked, authority, feed, verdict, live, revocations, endings, deps, sweep: createSweep(deps) }
}

suite('Asking the authority about single sessions', () => {
  test('AC-066 is a GET with the header and client authentication, and never anything that revokes', async () => {
    const { asked, verdict } = installation({ status: true })
    assert.equal(await verdict(), 'live')
    const [request] = asked
    assert.deepEqual([request?.method, request?.url, request?.body], ['GET', 'https://op/pf-ws/rest/sessionMgmt/revokedSris/sri-1', undefined])
    assert.ok(request?.headers?.['x-xsrf-header'] !== undefined && request.headers['authorization'] === 'Basic x')
  })

  test('AC-084 an answer counts for 60 seconds and not a moment longer; "revoked" stays', async () => {
    const { asked, authority, clock, verdict } = installation({ status: true })
    await verdict()
    authority.status = 200
    clock.advance(59_999)
    assert.deepEqual([await verdict(), asked.length], ['live', 1])
    clock.advance(1)
    assert.deepEqual([await verdict(), asked.length], ['revoked', 2])
    authority.status = 404
    clock.advance(600_000)
    assert.deepEqual([await verdict(), asked.length], ['revoked', 2])
  })

  test('requests that come together share one question', async () => {
    const { asked, verdict } = installation({ status: true })
    assert.deepEqual(await Promise.all([verdict(), verdict(), verdict()]), ['live', 'live', 'live'])
    assert.equal(asked.length, 1)
  })

  test('a page for people says nothing, whatever its status: it comes from something in between', async () => {
    for (const status of [200, 404]) {
      const { authority, verdict } = installation({ status: true })
      authority.type = 'text/html; charset=utf-8'
      authority.status = status
      assert.equal(await verdict(), 'unknown')
    }
  })

  test('AC-086 without an answer a session is refused once the last one is too old, unless the policy lets it pass', async () => {
    for (const [whenUnknown, then] of [
      ['refuse', 'unknown'],
      ['allow', 'live']
    ] as const) {
      for (const answer of ['unreachable', 500, 401, 302] as const) {
        const { authority, clock, verdict } = installation({ status: true, whenUnknown })
        assert.equal(await verdict(), 'live')
        authority.status = answer
        clock.advance(59_000)
        assert.equal(await verdict(), 'live')
        clock.advance(1_000)
        assert.equal(await verdict(), then)
      }
    }
  })
})

suite('Knowing by the revocation feed', () => {
  test('a session on the list is refused, whatever the policy and however old the feed', async () => {
    const { clock, feed, verdict } = installation({ feed: true, whenUnknown: 'allow' })
    feed([sri])
    assert.equal(await verdict(), 'revoked')
    clock.advance(60_000)
    assert.equal(await verdict(), 'revoked')
  })

  test('AC-086 what is older than the bound says nothing: refused by default, also before the first reading', async () => {
    const { clock, feed, verdict } = installation({ feed: true })
    assert.equal(await verdict(), 'unknown')
    feed()
    clock.advance(10_000)
    assert.equal(await verdict(), 'live')
    clock.advance(1)
    assert.equal(await verdict(), 'unknown')
    assert.equal(await installation({ feed: true, whenUnknown: 'allow' }).verdict(), 'live')
  })

  test('AC-069 both ways together: the feed while it is young, a question when it is not', async () => {
    const { asked, authority, clock, feed, verdict } = installation({ feed: true, status: true })
    feed()
    assert.deepEqual([await verdict(), asked.length], ['live', 0])
    clock.advance(10_001)
    assert.deepEqual([await verdict(), asked.length], ['live', 1])
    authority.status = 'unreachable'
    clock.advance(60_000)
    assert.equal(await verdict(), 'unknown')
    feed([sri])
    assert.equal(await verdict(), 'revoked')
  })
})

suite('A gateway that hears nothing of the others', () => {
  const page = { prev: 0, seq: 0, hasMore: false, entries: [], lifetimeSeconds: 600 }

  test('lets nobody in, whatever the authority says; where the policy is to let sessions go on, the authority is asked as ever', async () => {
    for (const [whenUnknown, then] of [
      ['refuse', 'unknown'],
      ['allow', 'revoked']
    ] as const) {
      const one = installation({ status: true, whenUnknown }, true)
      assert.equal(await one.verdict(), whenUnknown === 'allow' ? 'live' : 'unknown')
      one.authority.status = 200
      one.clock.advance(60_000)
      assert.equal(await one.verdict(), then)
    }
  })

  test('and lets sessions go on takes one that is older than the list remembers for over', () => {
    const { clock, deps, revocations } = installation({ feed: true, whenUnknown: 'allow' }, true)
    const session = openedSession({ ...opened.session, startedAtMs: clock.nowMs() })
    revocations.take({ ...page, issuedAtMs: clock.nowMs() }, clock.nowMs())
    assert.equal(verdictOf(deps, session), 'live')
    clock.advance(600_000)
    assert.equal(verdictOf(deps, session), 'revoked')
  })

  test('and lets sessions go on looks at what is open as ever, and closes what the authority ended', async () => {
    const one = installation({ status: true, whenUnknown: 'allow' }, true)
    let reason: string | undefined
    one.live.add(opened, (why) => {
      reason = why
    })
    one.authority.status = 200
    one.sweep.look()
    await turn()
    assert.deepEqual([one.asked.length, reason], [1, 'session ended'])
  })
})

suite('A session that ends while the authority is asked about it', () => {
  test('is over, whatever the answer: by a frame, by a token, and for what is open under it', async () => {
    const session = openedSession({ ...opened.session, sid: 'sid-ana' })
    for (const end of ['sid', 'subject'] as const) {
      const { deps, endings } = installation({ status: true })
      const verdict = verdictOf(deps, session)
      assert.ok(verdict instanceof Promise)
      await (end === 'sid' ? endings.endSid('sid-ana', '192.0.2.1') : endings.endSubject('ana', session.session.startedAtMs))
      assert.equal(await verdict, 'revoked', end)
    }
  })
})

suite('A session that is older than the list remembers', () => {
  const page = { prev: 0, seq: 0, hasMore: false, entries: [], lifetimeSeconds: 600 }
  const aged = (startedAtMs: number) => openedSession({ ...opened.session, startedAtMs })

  test('is over: that it is not on the list any more says nothing', () => {
    const { clock, deps, revocations } = installation({ feed: true })
    const session = aged(clock.nowMs())
    revocations.add(sri, clock.nowMs() + 600_000, clock.nowMs())
    const verdictAfter = (ms: number) => {
      clock.advance(ms)
      revocations.take({ ...page, issuedAtMs: clock.nowMs() }, clock.nowMs())
      return verdictOf(deps, session)
    }
    assert.deepEqual([verdictAfter(0), verdictAfter(599_999), verdictAfter(1), verdictAfter(600_000)], ['revoked', 'revoked', 'revoked', 'revoked'])
  })

  test('is closed then with what is open under it; a younger one goes on', () => {
    const { clock, deps, revocations, live } = installation({ feed: true })
    const [old, young] = [aged(clock.nowMs()), aged(clock.nowMs() + 1)]
    const closed: string[] = []
    live.add(old, (reason) => closed.push(`old: ${reason}`))
    live.add(young, (reason) => closed.push(`young: ${reason}`))
    clock.advance(600_000)
    revocations.take({ ...page, issuedAtMs: clock.nowMs() }, clock.nowMs())
    live.expire(clock.nowMs(), revocations.lifetimeMs)
    assert.deepEqual([closed, verdictOf(deps, young)], [['old: session expired'], 'live'])
  })
})

suite('A date that is set back', () => {
  test('makes neither the feed nor an answer young', async () => {
    const byFeed = installation({ feed: true })
    byFeed.feed()
    const byStatus = installation({ status: true })
    assert.equal(await byStatus.verdict(), 'live')
    byStatus.authority.status = 'unreachable'
    for (const { clock, steady } of [byFeed, byStatus]) {
      clock.advance(-3_600_000)
      steady.aheadMs = 3_600_000 + 60_000
    }
    assert.deepEqual([await byFeed.verdict(), await byStatus.verdict()], ['unknown', 'unknown'])
  })

  test('holds no look at what is open up', () => {
    const one = installation({ feed: true })
    one.feed()
    let reason: string | undefined
    one.live.add(opened, (why) => {
      reason = why
    })
    one.clock.advance(-3_600_000)
    one.steady.aheadMs = 3_600_000 + 10_001
    one.sweep.look()
    assert.equal(reason, 'session unchecked')
  })
})

suite('A long list that is read from its start', () => {
  const page = { prev: 0, seq: 4_000, hasMore: true, issuedAtMs: 0, entries: [], list: 'b', end: 9_000 }

  test('at the start of a gateway: sessions are asked about one by one meanwhile, and what is on it already is refused', async () => {
    const { asked, authority, clock, verdict, revocations, feed } = installation({ feed: true })
    assert.deepEqual([await verdict(), asked.length], ['unknown', 0], 'nothing is there yet')
    revocations.take(page, clock.nowMs())
    assert.deepEqual([await verdict(), asked.length], ['live', 1])
    authority.status = 200
    clock.advance(60_000)
    assert.deepEqual([await verdict(), asked.length], ['unknown', 1], 'no page came for longer than the feed counts')
    revocations.take({ ...page, prev: 4_000, seq: 8_000 }, clock.nowMs())
    assert.deepEqual([await verdict(), asked.length], ['revoked', 2])
    feed()
    assert.equal(await verdict(), 'live')
  })

  test('because it is another one: what was known counts for its time, then sessions are asked about one by one', async () => {
    const { asked, authority, clock, verdict, revocations } = installation({ feed: true })
    revocations.take({ ...page, seq: 9_000, hasMore: false, issuedAtMs: clock.nowMs(), list: 'a' }, clock.nowMs())
    assert.equal(revocations.take({ ...page, prev: 9_000, seq: 9_001, end: 9_001 }, clock.nowMs()), 'other')
    clock.advance(10_000)
    assert.deepEqual([await verdict(), asked.length], ['live', 0])
    revocations.take(page, clock.nowMs())
    clock.advance(1)
    assert.deepEqual([await verdict(), asked.length], ['live', 1])
    authority.status = 'unreachable'
    clock.advance(60_000)
    revocations.take({ ...page, prev: 4_000, seq: 8_000 }, clock.nowMs())
    assert.deepEqual([await verdict(), asked.length], ['unknown', 2])
  })
})

suite('What is open under a session', () => {
  /** Opens a connection and tells why it was closed. */
  function open({ live }: ReturnType<typeof installation>): { readonly reason: () => string | undefined } {
    let closed: string | undefined
    live.add(opened, (reason) => {
      closed = reason
    })
    return { reason: () => closed }
  }

  test('is closed when the feed is older than the bound, unless the policy lets it be', async () => {
    const strict = installation({ feed: true })
    const lenient = installation({ feed: true, whenUnknown: 'allow' })
    for (const one of [strict, lenient]) {
      one.feed()
      const connection = open(one)
      one.clock.advance(10_000)
      one.sweep.look()
      assert.equal(connection.reason(), undefined)
      one.clock.advance(1)
      one.sweep.look()
      assert.equal(connection.reason(), one === strict ? 'session unchecked' : undefined)
    }
  })

  test('is asked about twice in the time that an answer counts, and closed when the session ended', async () => {
    const one = installation({ status: true })
    const connection = open(one)
    for (let seconds = 0; seconds <= 90; seconds++) {
      one.sweep.look()
      await turn()
      assert.equal(one.asked.length, 1 + Math.floor(seconds / 30))
      if (seconds === 89) one.authority.status = 200
      one.clock.advance(1_000)
    }
    assert.deepEqual([connection.reason(), one.live.count], ['session ended', 0])
  })

  test('goes on while an answer counts, and is closed when it counts no more and nobody answers', async () => {
    const one = installation({ status: true })
    const connection = open(one)
    one.sweep.look()
    await turn()
    one.authority.status = 'unreachable'
    for (let seconds = 1; seconds <= 60; seconds++) {
      assert.equal(connection.reason(), undefined, `${seconds}`)
      one.clock.advance(1_000)
      one.sweep.look()
      await turn()
    }
    assert.deepEqual([connection.reason(), one.live.count], ['session unchecked', 0])
  })

  test('is closed in time, however much it is, when the authority says nothing and does not refuse either', async () => {
    const one = installation({ status: true })
    one.authority.status = 'silent'
    for (let i = 0; i < 1_000; i++)
      one.live.add(openedSession({ ...opened.session, id: `w${i}`, sri: `sri-${i}` }), (reason) => assert.equal(reason, 'session unchecked'))
    for (let seconds = 0; seconds <= 33; seconds++) {
      one.sweep.look()
      one.clock.advance(1_000)
      for (let i = 0; i < 3; i++) await turn()
    }
    assert.equal(one.live.count, 0)
    assert.ok(one.asked.length < 200, `${one.asked.length}`)
  })

  test('is asked about only while the feed says nothing', async () => {
    const one = installation({ feed: true, status: true })
    one.feed()
    open(one)
    one.sweep.look()
    assert.equal(one.asked.length, 0)
    one.clock.advance(10_001)
    one.sweep.look()
    await turn()
    assert.equal(one.asked.length, 1)
  })
})
