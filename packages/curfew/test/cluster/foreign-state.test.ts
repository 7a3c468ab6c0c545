import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { signedOn } from '../../src/stores/conformance/harness.ts'
import { sampleParticipant } from '../../src/stores/conformance/samples.ts'
import { hourMs, inBerlin, regions } from './replication-kit.ts'

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

  test('two regions ask for one transaction of a third at once: exactly one of them has it', () =>
    regions(async (a, b) => {
      const key = `signon:a${'k'.repeat(21)}`
      await a.store.txCreate(key, 1, Date.now() + hourMs)
      const answers = await Promise.all([b.store.txTake(key, Date.now()), b.store.txTake(key, Date.now()), a.store.txTake(key, Date.now())])
      assert.equal(answers.filter(({ value }) => value === 1).length, 1)
    }))
})
