import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { createRevocationList } from '@curfew/codecs'
import { createLiveConnections } from '../../../src/gateway/live-connections.ts'
import { createEndedByProvider } from '../../../src/gateway/session/ended-by-provider.ts'
import { createEndings } from '../../../src/gateway/session/endings.ts'
import { askedAtOnceMax, createSessionStatus } from '../../../src/gateway/session/session-status.ts'
import { verdictOf } from '../../../src/gateway/session/verdict.ts'
import { type OpenedSession, openedSession } from '../../../src/gateway/session/web-session.ts'
import type { GatewaySettings } from '../../../src/gateway/settings.ts'
import { createSweep, sweepAtOnceMax } from '../../../src/gateway/sweep.ts'
import { type Clock, systemClock } from '../../../src/platform/clock.ts'
import { createOutbound } from '../../../src/platform/outbound.ts'

const sessionsMax = 2_000

/** Time stands still: how fast this machine answers is not what is looked at. */
const clock: Clock = { nowMs: () => 1_772_438_400_000, after: () => ({ cancel: () => undefined }) }
const steadyMs = () => 0

function sessionOf(name: string): OpenedSession {
  const nowMs = clock.nowMs()
  const base = { id: name, audience: 'a', issuer: 'https://op', subject: name, sri: name, claims: {} }
  return openedSession({ ...base, startedAtMs: nowMs, expiresAtMs: nowMs + 3_600_000, activeAtMs: nowMs })
}

/** An authority over real HTTP that is well and has a little to do for each answer. */
const authority = { atOnce: 0, most: 0, asked: 0 }
const server = createServer((_request, response) => {
  authority.atOnce += 1
  authority.asked += 1
  authority.most = Math.max(authority.most, authority.atOnce)
  setTimeout(() => {
    authority.atOnce -= 1
    response.writeHead(404, { 'content-type': 'application/problem+json' }).end('{}')
  }, 1)
})
const outbound = createOutbound({ clock: systemClock, allowPrivate: ['127.0.0.0/8'], hosts: {}, perPeerMax: 16 })

before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)))
after(async () => {
  await outbound.close()
  server.close()
})

function installation() {
  Object.assign(authority, { atOnce: 0, most: 0, asked: 0 })
  const failures: string[] = []
  const allAnswered = Promise.withResolvers<undefined>()
  let answers = 0
  const status = createSessionStatus({
    outbound,
    clock,
    steadyMs,
    cacheMs: 60_000,
    url: async () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/revoked`,
    credentials: async () => ({ headers: {}, query: {} }),
    onAnswer(_status, code) {
      if (code !== undefined) failures.push(code)
      answers += 1
      if (answers === sessionsMax) allAnswered.resolve(undefined)
    }
  })
  const sessionCheck = { feed: false, status: true, statusCacheMs: 60_000, staleMs: 10_000, whenUnknown: 'refuse' }
  const live = createLiveConnections()
  const revocations = createRevocationList(() => undefined, steadyMs)
  const endedByProvider = createEndedByProvider(3_600_000, () => 0)
  const endings = createEndings({ revocations, endedByProvider, live, issuer: 'https://op', maxMs: 3_600_000, clock, steadyMs })
  const deps = { settings: { sessionCheck } as GatewaySettings, revocations, status, clock, steadyMs, live, endings, endedByProvider }
  return { failures, live, allAnswered: allAnswered.promise, sweep: createSweep(deps), verdict: async (opened: OpenedSession) => verdictOf(deps, opened) }
}

suite('An authority that is well, asked about two thousand sessions', () => {
  test('what is open under them stays open: they are asked about a few at a time, with room for requests', async () => {
    const { failures, live, allAnswered, sweep, verdict } = installation()
    const closed: string[] = []
    for (let i = 0; i < sessionsMax - 1; i++) live.add(sessionOf(`open-${i}`), (reason) => closed.push(reason))
    sweep.look()
    sweep.look()
    assert.equal(await verdict(sessionOf('request')), 'live')
    assert.ok(authority.asked < sessionsMax / 2, `the request waited for ${authority.asked} others`)
    await allAnswered
    assert.deepEqual([closed, failures, live.count, authority.asked], [[], [], sessionsMax - 1, sessionsMax])
    assert.ok(authority.most <= sweepAtOnceMax + 1, `${authority.most}`)
  })

  test('requests of all of them at once wait for each other, and each has its answer', async () => {
    const { failures, verdict } = installation()
    const all = await Promise.all(Array.from({ length: sessionsMax }, (_, i) => verdict(sessionOf(`request-${i}`))))
    assert.deepEqual([[...new Set(all)], failures, authority.asked], [['live'], [], sessionsMax])
    assert.ok(authority.most <= askedAtOnceMax, `${authority.most}`)
  })
})
