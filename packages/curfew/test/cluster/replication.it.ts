import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { factsOf, sampleReplication } from '../../src/stores/conformance/carry.ts'
import { signedOn } from '../../src/stores/conformance/harness.ts'
import { sampleEnd, sampleParticipant, sampleSession } from '../../src/stores/conformance/samples.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { Store } from '../../src/stores/store.ts'
import { berlin, paris, Wire } from './link-kit.ts'
import { hourMs, inBerlin, regionOn, regions, type TestRegion, until } from './replication-kit.ts'

/** What is asked for of everything. */
interface ExportAsk {
  readonly place?: string
  readonly max: number
}

const revokedIn = async (store: Store): Promise<readonly string[]> => (await store.revocationFeed(0, 1_000)).map(({ sri }) => sri).sort()

suite('replication between regions', () => {
  test('AC-174 what one region writes the other one has, and neither asks the other when it reads', () =>
    regions(async (a, b, wire) => {
      a.replicator.start()
      b.replicator.start()
      const session = await signedOn(a.store, inBerlin(), [sampleParticipant('payroll', 1)])
      await until(async () => (await b.own.getParticipants(session.id)).length === 1)
      const asked = wire.sent.filter(({ url }) => url.includes('facts.session')).length
      assert.equal((await b.store.findSessionByToken(session.tokenHash))?.id, session.id)
      assert.equal((await b.store.getSession(session.id))?.id, session.id)
      assert.equal(wire.sent.filter(({ url }) => url.includes('facts.session')).length, asked)
      await b.store.endSession(sampleEnd(1, (await b.store.getSession(session.id)) ?? session, [sampleParticipant('payroll', 1)]))
      await until(async () => (await a.own.getSession(session.id))?.end !== undefined)
      await until(async () => a.own.isRevoked(session.sri, session.createdAtMs))
    }))

  test('AC-193 AC-191 a link is cut, both sides revoke, it heals: both hold the union', () =>
    regions(async (a, b, wire) => {
      a.replicator.start()
      b.replicator.start()
      await a.store.revoke('before', Date.now() + hourMs, Date.now())
      await until(async () => (await revokedIn(b.own)).length === 1)
      const { change, changeAnswer } = wire
      wire.change = (request) => ({ ...request, url: 'http://nowhere.example:1/' })
      wire.changeAnswer = () => {
        throw new Error('cut')
      }
      for (const n of [1, 2, 3]) await a.store.revoke(`a${n}`, Date.now() + hourMs, Date.now())
      for (const n of [1, 2]) await b.store.revoke(`b${n}`, Date.now() + hourMs, Date.now())
      await new Promise((resolve) => {
        setTimeout(resolve, 300)
      })
      assert.equal((await revokedIn(a.own)).length, 4)
      Object.assign(wire, { change, changeAnswer })
      const union = ['a1', 'a2', 'a3', 'b1', 'b2', 'before']
      await until(async () => (await revokedIn(a.own)).length === 6 && (await revokedIn(b.own)).length === 6)
      assert.deepEqual(await revokedIn(a.own), union)
      assert.deepEqual(await revokedIn(b.own), union)
      // Every region has the whole list: who reads it asks nobody.
      await Promise.all([a.replicator.stop(), b.replicator.stop()])
      const asked = wire.sent.length
      for (const region of [a, b]) for (const sri of union) assert.equal(await region.store.isRevoked(sri, Date.now()), true)
      for (const region of [a, b]) assert.equal(await region.store.isRevoked('never', Date.now()), false)
      assert.equal(wire.sent.length, asked)
    }))

  test('AC-192 a new node has the whole revocation list before it serves, also a longer one than a page', () =>
    regions(async (a, b) => {
      for (let n = 0; n < 1_200; n += 1) await a.store.revoke(`sri${n}`, Date.now() + hourMs, Date.now())
      await b.replicator.catchUp()
      assert.equal((await revokedIn(b.own)).length, 1_000)
      assert.equal((await b.own.revocationFeed(1_000, 1_000)).length, 200)
      assert.deepEqual(b.warnings, [])
    }))

  test('AC-192 a store that was made anew is read from the beginning', () =>
    regions(async (a, b, wire) => {
      for (const n of [1, 2, 3]) await a.store.revoke(`old${n}`, Date.now() + hourMs, Date.now())
      await b.replicator.catchUp()
      const again = regionOn(wire, berlin, { own: createMemoryStore({ capacity: 10, replication: sampleReplication('a') }) })
      await again.store.revoke('new', Date.now() + hourMs, Date.now())
      await b.replicator.catchUp()
      assert.deepEqual(await revokedIn(b.own), ['new', 'old1', 'old2', 'old3'])
    }))

  test('AC-192 a group that does not answer in time keeps no node from serving, and that is logged', async () => {
    const wire = new Wire()
    const b = regionOn(wire, paris, { limits: { revocationsMs: 300 } })
    await b.replicator.catchUp()
    assert.deepEqual(b.warnings, ['replication.revocations-incomplete'])
  })

  test('a backlog of other facts does not delay a revocation', () =>
    regions(async (a, b, wire) => {
      const stop = wire.change
      wire.change = (request) => (request.url.includes('facts.') ? { ...request, url: 'http://nowhere.example:1/' } : request)
      for (let n = 0; n < 500; n += 1) await a.store.replaySeen('idp', `x${n}`, Date.now() + hourMs, Date.now())
      b.replicator.start()
      await a.store.revoke('sri', Date.now() + hourMs, Date.now())
      await until(async () => (await revokedIn(b.own)).includes('sri'))
      assert.equal((await b.own.replaySeen('idp', 'x1', Date.now() + hourMs, Date.now())).value, 'fresh')
      wire.change = stop
      await until(async () => (await b.own.replaySeen('idp', 'x2', Date.now() + hourMs, Date.now())).value === 'seen')
    }))

  test('a page that is lost while everything is read is asked for once more, with less in it, and nothing else is', () =>
    regions(async (a, b, wire) => {
      for (let n = 0; n < 130; n += 1) await a.own.openSession(sampleSession(n))
      let pages = 0
      wire.change = (request) => {
        if (!request.url.endsWith('/facts.export')) return request
        pages += 1
        return pages === 2 ? { ...request, url: 'http://nowhere.example:1/' } : request
      }
      b.replicator.start()
      await until(async () => (await b.own.countLiveSessions()) === 130 && ((await b.own.facts?.cursorOf('a')) ?? '') !== '')
      const asked = wire.sent.filter(({ url }) => url.endsWith('/facts.export')).map(({ body }) => JSON.parse(String(Buffer.from(body ?? ''))) as ExportAsk)
      assert.deepEqual(
        asked.slice(0, 3).map(({ max }) => max),
        [100, 100, 25]
      )
      assert.equal(asked.filter(({ place }) => place === undefined).length, 1)
      assert.equal(asked[1]?.place, asked[2]?.place)
      assert.ok(!b.warnings.includes('replication.failed'))
    }))

  test('a node keeps the lease of the stream from before it serves on, and gets it soon where another node had it', () =>
    regions(async (a, b) => {
      const lease = (region: TestRegion, nowMs: number, untilMs: number): Promise<boolean> => factsOf(region.own).lease('trim', 'another node', nowMs, untilMs)
      const isKept = async (region: TestRegion): Promise<boolean> => !(await lease(region, Date.now() + 40_000, 0))
      await a.replicator.catchUp()
      assert.ok(await isKept(a))
      const untilMs = Date.now() + 500
      await lease(b, Date.now(), untilMs)
      await b.replicator.catchUp()
      b.replicator.start()
      await until(async () => !(await lease(b, Date.now(), untilMs)))
      assert.ok(await isKept(b))
    }))

  test('a replicator that is stopped at any moment passes nothing over and repeats nothing', () =>
    regions(async (a, b, wire) => {
      a.replicator.start()
      let lost = 0
      // Every third answer is lost on its way: what was sent was joined or not, nobody knows.
      let turn = 0
      const lose = wire.changeAnswer
      wire.changeAnswer = (answer) => {
        turn += 1
        if (turn % 3 !== 0) return answer
        lost += 1
        throw Object.assign(new Error('lost'), { code: 'ECONNRESET' })
      }
      let region = b
      for (let round = 0; round < 6; round += 1) {
        region.replicator.start()
        for (let n = 0; n < 20; n += 1) await a.store.lockBump('form:ana', Date.now(), hourMs)
        await new Promise((resolve) => {
          setTimeout(resolve, (round * 37) % 150)
        })
        await region.replicator.stop()
        region = regionOn(wire, paris, { own: b.own })
      }
      wire.changeAnswer = lose
      region.replicator.start()
      await until(async () => (await b.own.lockRead('form:ana', Date.now(), hourMs)) >= 120)
      assert.equal(await b.own.lockRead('form:ana', Date.now(), hourMs), 120)
      assert.ok(lost > 0)
      await region.replicator.stop()
    }))

  test('participants that were added while the other region ended their session are handed to the engine', () =>
    regions(async (a, b) => {
      a.replicator.start()
      const session = await signedOn(a.store, inBerlin())
      b.replicator.start()
      await until(async () => (await b.own.getSession(session.id)) !== undefined)
      await b.replicator.stop()
      await b.own.addParticipant(session.id, sampleParticipant('wiki', 1))
      await a.store.endSession(sampleEnd(1, session))
      b.replicator.start()
      await until(async () => b.late.length > 0)
      assert.deepEqual(
        b.late[0]?.participants.map(({ peerId }) => peerId),
        ['wiki']
      )
      assert.deepEqual(a.late, [])
    }))

  test('facts that nobody reads are reported', async () => {
    const wire = new Wire()
    const a = regionOn(wire, berlin, { limits: { backlogAlert: 3 } })
    for (let n = 0; n < 5; n += 1) await a.store.replaySeen('idp', `x${n}`, Date.now() + hourMs, Date.now())
    a.replicator.start()
    await until(async () => a.warnings.includes('replication.backlog'))
    await a.replicator.stop()
  })
})
