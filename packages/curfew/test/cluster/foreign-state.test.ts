import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { linkHeaders } from '../../src/cluster/link-http.ts'
import { artifactsTake } from '../../src/cluster/replication-calls.ts'
import { carry } from '../../src/stores/conformance/carry.ts'
import { signedOn } from '../../src/stores/conformance/harness.ts'
import { sampleEnd, sampleParticipant } from '../../src/stores/conformance/samples.ts'
import { paris } from './link-kit.ts'
import { hourMs, inBerlin, regionOn, regions, type TestRegion } from './replication-kit.ts'

suite('what has not arrived yet', () => {
  test('a session of another region that is not known yet is fetched from there once, and stored', () =>
    regions(async (a, b, wire) => {
      const session = await signedOn(a.store, inBerlin(), [sampleParticipant('payroll', 1)])
      const first = await b.store.getSession(session.id)
      assert.equal(first?.id, session.id)
      assert.equal((await b.own.getParticipants(session.id)).length, 1)
      const asked = wire.sent.length
      await b.store.getSession(session.id)
      assert.equal(wire.sent.length, asked)
    }))

  test('an open run is read in its region, which alone knows how far it is; the copy stands in where that does not answer', () =>
    regions(async (a, b, wire) => {
      const session = await signedOn(a.store, inBerlin(), [sampleParticipant('payroll', 1)])
      const end = sampleEnd(1, session, [sampleParticipant('payroll', 1)])
      const { run: told } = end
      const run: typeof told = { ...told, id: `run_a${'0'.repeat(16)}` }
      await a.store.endSession({ ...end, end: { ...end.end, runId: run.id }, run })
      await carry(a.own, b.own)
      const next = { ...run, version: run.version + 1 }
      assert.equal((await a.store.commitRun({ run: next, effects: [], settled: [] })).value, 'committed')
      assert.equal((await b.own.getRun(run.id))?.version, run.version, 'what is on its way is not told')
      assert.equal((await b.store.getRun(run.id))?.version, next.version)
      assert.equal((await b.store.findOpenRunByToken(run.tokenHash))?.version, next.version)
      for (const link of a.group.links) wire.cut(link)
      assert.equal((await b.store.findOpenRunByToken(run.tokenHash))?.version, run.version)
    }))

  test('an identifier that nobody knows is asked for once in a while, not with every request', () =>
    regions(async (_a, b, wire) => {
      for (let n = 0; n < 5; n += 1) assert.equal(await b.store.getSession(`ses_a${'9'.repeat(24)}`), undefined)
      assert.equal(wire.sent.length, 1)
      assert.equal(await b.store.getSession(`ses_b${'9'.repeat(24)}`), undefined)
      assert.equal(await b.store.getSession(`ses_x${'9'.repeat(24)}`), undefined)
      assert.equal(wire.sent.length, 1)
    }))

  test('AC-176 a transaction that changes region is completed by one fetch from the group named in its key', () =>
    regions(async (a, b, wire) => {
      const key = `signon:a${'k'.repeat(21)}`
      await a.store.txCreate(key, { purpose: 'home' }, Date.now() + hourMs)
      assert.deepEqual(await b.store.txGet(key, Date.now()), { purpose: 'home' })
      assert.equal(wire.sent.length, 1)
      assert.deepEqual((await b.store.txTake(key, Date.now())).value, { purpose: 'home' })
      assert.equal(wire.sent.length, 1)
      assert.equal((await a.store.txTake(key, Date.now())).value, undefined, 'exactly one group has it')
    }))

  test('a transaction goes back to a region that it came from, as often as the browser does, and is used up once', () =>
    regions(async (a, b) => {
      const key = `signon:a${'m'.repeat(21)}`
      await a.store.txCreate(key, 1, Date.now() + hourMs)
      for (let n = 0; n < 3; n += 1) {
        assert.equal(await b.store.txGet(key, Date.now()), 1)
        assert.equal(await a.store.txGet(key, Date.now()), 1)
      }
      assert.equal((await b.store.txTake(key, Date.now())).value, 1)
      assert.equal((await a.store.txTake(key, Date.now())).value, undefined)
      assert.equal((await b.store.txTake(key, Date.now())).value, undefined)
    }))

  test('a transaction whose answer was lost is handed over again at once, and what was used up is not', () =>
    regions(async (a, b, wire) => {
      const key = `signon:a${'n'.repeat(21)}`
      await a.store.txCreate(key, 1, Date.now() + hourMs)
      let lost = 0
      wire.changeAnswer = (answer) => {
        lost += 1
        if (lost === 1) throw Object.assign(new Error('lost'), { code: 'ECONNRESET' })
        return answer
      }
      assert.equal(await b.store.txGet(key, Date.now()), 1)
      assert.equal((await b.store.txTake(key, Date.now())).value, 1)
      assert.equal((await b.store.txTake(key, Date.now())).value, undefined)
      assert.equal((await a.store.txTake(key, Date.now())).value, undefined)
    }))

  test('a transaction whose answer was lost is found by the next node that asks, as often as it goes there, and by no other group', () =>
    regions(async (a, b, wire) => {
      const again = regionOn(wire, paris, { own: b.own })
      const key = `signon:a${'o'.repeat(21)}`
      await a.store.txCreate(key, 1, Date.now() + hourMs)
      const through = wire.changeAnswer
      for (const next of [b, again]) {
        wire.changeAnswer = () => {
          throw Object.assign(new Error('lost'), { code: 'ECONNRESET' })
        }
        assert.equal(await next.store.txGet(key, Date.now()), undefined)
        wire.changeAnswer = through
        const third = regionOn(wire, paris, { own: b.own })
        assert.equal(await third.store.txGet(key, Date.now()), 1)
        if (next === again) break
        assert.equal(await a.store.txGet(key, Date.now()), 1)
      }
      assert.equal((await b.store.txTake(key, Date.now())).value, 1)
      assert.equal((await again.store.txTake(key, Date.now())).value, undefined)
    }))

  test('AC-176 with that turned off it is not known in the other region, and stays where it was', () =>
    regions(
      async (a, b, wire) => {
        const key = `signon:a${'k'.repeat(21)}`
        await a.store.txCreate(key, 1, Date.now() + hourMs)
        assert.equal(await b.store.txGet(key, Date.now()), undefined)
        assert.equal((await b.store.txTake(key, Date.now())).value, undefined)
        assert.equal(wire.sent.length, 0)
        assert.equal(await a.store.txGet(key, Date.now()), 1)
      },
      { fetchesTransactions: false }
    ))

  test('AC-176 the artifacts of an authorization change region with it, and are used up once', () =>
    regions(async (a, b) => {
      const pushed = { kind: 'PushedAuthorizationRequest', id: 'hash', untilMs: Date.now() + hourMs, value: { request: 'r' } }
      await a.store.putArtifact(pushed)
      assert.deepEqual(await b.store.getArtifact(pushed.kind, pushed.id, Date.now()), pushed)
      assert.equal(await a.own.getArtifact(pushed.kind, pushed.id, Date.now()), undefined, 'exactly one group has it')
      assert.deepEqual(await a.store.getArtifact(pushed.kind, pushed.id, Date.now()), pushed, 'and it goes back')
      await a.store.consumeArtifact(pushed.kind, pushed.id, Date.now())
      assert.equal(await b.store.getArtifact(pushed.kind, pushed.id, Date.now()), undefined)
      await a.store.putArtifact({ ...pushed, kind: 'Grant' })
      assert.equal(await b.store.getArtifact('Grant', pushed.id, Date.now()), undefined, 'what outlives an authorization is told, not fetched')
    }))

  test('an artifact whose answer was lost is handed out again to the group that asked, and to it alone; what that one used up it does not get again', () =>
    regions(async (a, b, wire) => {
      const pushed = { kind: 'PushedAuthorizationRequest', id: 'hash', untilMs: Date.now() + hourMs, value: { request: 'r' } }
      const found = (region: TestRegion) => region.store.getArtifact(pushed.kind, pushed.id, Date.now())
      await a.store.putArtifact(pushed)
      wire.changeAnswer = () => {
        throw Object.assign(new Error('lost'), { code: 'ECONNRESET' })
      }
      assert.equal(await found(b), undefined)
      wire.changeAnswer = (answer) => answer
      assert.equal(await found(a), undefined, 'exactly one group has it')
      assert.deepEqual(await found(b), pushed)
      await b.store.dropArtifact(pushed.kind, pushed.id)
      assert.equal(await found(b), undefined, 'it was used up')
    }))

  test('made-up ids of artifacts take no questions away from sessions, and are asked for within 0.3 seconds', () =>
    regions(async (a, b, wire) => {
      const session = await signedOn(a.store, inBerlin(), [])
      const silence = Promise.withResolvers<never>()
      const request = wire.request.bind(wire)
      wire.request = (asked) => {
        if (!asked.url.includes(artifactsTake)) return request(asked)
        wire.sent.push(asked)
        return silence.promise
      }
      const made = Array.from({ length: 64 }, (_, n) => b.store.getArtifact('Interaction', `made-up-${n}`, Date.now()))
      while (wire.sent.length < made.length) await new Promise((resolve) => setImmediate(resolve))
      assert.equal((await b.store.getSession(session.id))?.id, session.id)
      const { headers } = wire.sent[0] ?? assert.fail()
      assert.equal(Number(headers?.[linkHeaders.deadline]) - Number(headers?.[linkHeaders.at]), 300)
      silence.reject(new Error('nobody answers'))
      assert.deepEqual(
        await Promise.all(made),
        made.map(() => undefined)
      )
    }))

  test('AC-176 with that turned off they stay where they are', () =>
    regions(
      async (a, b) => {
        const pushed = { kind: 'Interaction', id: 'hash', untilMs: Date.now() + hourMs, value: {} }
        await a.store.putArtifact(pushed)
        assert.equal(await b.store.getArtifact(pushed.kind, pushed.id, Date.now()), undefined)
        assert.deepEqual(await a.store.getArtifact(pushed.kind, pushed.id, Date.now()), pushed)
      },
      { fetchesTransactions: false }
    ))

  test('two regions ask for one transaction of a third at once: exactly one of them has it', () =>
    regions(async (a, b) => {
      const key = `signon:a${'k'.repeat(21)}`
      await a.store.txCreate(key, 1, Date.now() + hourMs)
      const answers = await Promise.all([b.store.txTake(key, Date.now()), b.store.txTake(key, Date.now()), a.store.txTake(key, Date.now())])
      assert.equal(answers.filter(({ value }) => value === 1).length, 1)
    }))
})
