import assert from 'node:assert/strict'
import { suite } from 'node:test'
import type { AuditRecord } from '../store.ts'
import { signedOn, type StoreTest } from './harness.ts'
import { sampleEnd, sampleSession, t0 } from './samples.ts'

export function serviceTests(test: StoreTest): void {
  revocationTests(test)
  replayTests(test)
  failedSignInTests(test)
  transactionTests(test)
  auditTests(test)
}

function revocationTests(test: StoreTest): void {
  suite('revocation', () => {
    test('holds an SRI revoked until its time', async (store) => {
      assert.equal((await store.revoke('sri-a', t0 + 100, t0)).value, 'revoked')
      assert.equal((await store.revoke('sri-a', t0 + 100, t0 + 5)).value, 'known')
      assert.equal(await store.isRevoked('sri-a', t0 + 99), true)
      assert.equal(await store.isRevoked('sri-a', t0 + 100), false)
      assert.equal(await store.isRevoked('sri-b', t0), false)
      assert.equal((await store.revocationFeed(0, 10)).length, 1)
    })

    test('feeds entries in order, and a cursor goes on where it stopped', async (store) => {
      for (const n of [1, 2, 3, 4]) await store.revoke(`sri-${n}`, t0 + 100, t0 + n)
      const first = await store.revocationFeed(0, 3)
      assert.deepEqual(
        first.map(({ sri, untilMs, atMs }) => [sri, untilMs - t0, atMs - t0]),
        [
          ['sri-1', 100, 1],
          ['sri-2', 100, 2],
          ['sri-3', 100, 3]
        ]
      )
      const cursor = first.at(-1)?.cursor ?? 0
      assert.deepEqual(
        (await store.revocationFeed(cursor, 3)).map(({ sri }) => sri),
        ['sri-4']
      )
      const last = (await store.revocationFeed(cursor, 3)).at(-1)?.cursor ?? 0
      assert.deepEqual(await store.revocationFeed(last, 3), [])
    })

    test('names its list, apart from that of any other store, and says where it ends', async (store, { reopen }) => {
      const before = await store.revocationList()
      assert.ok(before.id.length > 0)
      await store.revoke('sri-a', t0 + 100, t0)
      await store.revoke('sri-b', t0 + 100, t0)
      const [last] = (await store.revocationFeed(0, 10)).slice(-1)
      assert.deepEqual(await store.revocationList(), { id: before.id, end: last?.cursor })
      await store.purge(t0 + 200, 0, 10)
      assert.deepEqual(await store.revocationList(), { id: before.id, end: last?.cursor })
      if (reopen !== undefined) assert.deepEqual(await (await reopen()).revocationList(), { id: before.id, end: last?.cursor })
    })

    test('never shortens a revocation, and feeds it again when it is to last longer', async (store) => {
      await store.revoke('sri-a', t0 + 100, t0 + 1)
      await store.revoke('sri-b', t0 + 100, t0 + 2)
      const cursor = (await store.revocationFeed(0, 10)).at(-1)?.cursor ?? 0
      await store.revoke('sri-a', t0 + 50, t0 + 3)
      assert.deepEqual(await store.revocationFeed(cursor, 10), [])
      assert.equal((await store.revoke('sri-a', t0 + 200, t0 + 4)).value, 'known')
      assert.equal(await store.isRevoked('sri-a', t0 + 150), true)
      const [again] = await store.revocationFeed(cursor, 10)
      assert.deepEqual([again?.sri, again?.untilMs, again?.atMs], ['sri-a', t0 + 200, t0 + 1])
    })

    test('never uses a cursor again, not even after the newest entry is purged', async (store) => {
      await store.revoke('sri-a', t0 + 100, t0)
      const cursor = (await store.revocationFeed(0, 1))[0]?.cursor ?? 0
      await store.purge(t0 + 100, 0, 10)
      await signedOn(store, sampleSession(1))
      await store.endSession(sampleEnd(1, sampleSession(1)))
      assert.deepEqual(
        (await store.revocationFeed(cursor, 10)).map(({ sri }) => sri),
        ['sri-1']
      )
    })
  })
}

function replayTests(test: StoreTest): void {
  suite('replay prevention', () => {
    test('tells the first use of an id from every later one until its time', async (store) => {
      const seen = async (issuer: string, id: string, at: number) => (await store.replaySeen(issuer, id, t0 + at + 100, t0 + at)).value
      assert.equal(await seen('idp', 'id', 0), 'fresh')
      assert.equal(await seen('idp', 'id', 99), 'seen')
      assert.equal(await seen('idp', 'id', 198), 'seen')
      assert.equal(await seen('idp', 'id', 298), 'fresh')
      assert.equal(await seen('idp2', 'id', 0), 'fresh')
      assert.equal(await seen('id', 'pid', 0), 'fresh')
    })

    test('lets exactly one of many uses at once be the first', async (store) => {
      const all = await Promise.all(Array.from({ length: 20 }, () => store.replaySeen('idp', 'id', t0 + 100, t0)))
      assert.equal(all.filter(({ value }) => value === 'fresh').length, 1)
    })
  })
}

function failedSignInTests(test: StoreTest): void {
  suite('failed sign-ins', () => {
    test('counts what lies inside the window and forgets on success', async (store) => {
      const bump = async (at: number) => (await store.lockBump('form:ana', t0 + at, 100)).value
      assert.deepEqual([await bump(0), await bump(0), await bump(50)], [1, 2, 3])
      assert.equal(await store.lockRead('form:ana', t0 + 99, 100), 3)
      assert.equal(await store.lockRead('form:ana', t0 + 100, 100), 1)
      assert.equal(await store.lockRead('form:ana', t0 + 150, 100), 0)
      assert.equal(await store.lockRead('form:ana', t0 + 20, 100), 2)
      assert.equal(await store.lockRead('form:ben', t0, 100), 0)
      assert.equal(await bump(120), 2)
      assert.equal((await store.lockClear('form:ana')).value, 'cleared')
      assert.equal(await store.lockRead('form:ana', t0 + 120, 100), 0)
      assert.equal((await store.lockClear('form:ana')).value, 'cleared')
    })

    test('loses no count of many at once', async (store) => {
      const counts = await Promise.all(Array.from({ length: 20 }, () => store.lockBump('form:ana', t0, 100)))
      assert.deepEqual(
        counts.map(({ value }) => value).sort((a, b) => a - b),
        Array.from({ length: 20 }, (_, i) => i + 1)
      )
    })
  })
}

function transactionTests(test: StoreTest): void {
  suite('transactions', () => {
    test('keeps a value until its time and creates it once', async (store) => {
      const value = { step: 1, path: '/a', list: [null, true, 'x'] }
      assert.equal((await store.txCreate('key', value, t0 + 100)).value, 'created')
      assert.equal((await store.txCreate('key', { step: 2 }, t0 + 500)).value, 'exists')
      assert.deepEqual(await store.txGet('key', t0 + 99), value)
      assert.equal(await store.txGet('key', t0 + 100), undefined)
      assert.equal(await store.txGet('other', t0), undefined)
    })

    test('gives a value to exactly one of many that take it at once', async (store) => {
      await store.txCreate('key', 'secret', t0 + 100)
      const taken = await Promise.all(Array.from({ length: 20 }, () => store.txTake('key', t0)))
      assert.deepEqual(
        taken.map(({ value }) => value).filter((value) => value !== undefined),
        ['secret']
      )
      assert.equal(await store.txGet('key', t0), undefined)
    })

    test('gives nothing when the time of the value has passed', async (store) => {
      await store.txCreate('key', 'secret', t0 + 100)
      assert.equal((await store.txTake('key', t0 + 100)).value, undefined)
    })

    test('shares no object with the caller', async (store) => {
      const value = { list: ['a'] }
      await store.txCreate('key', value, t0 + 100)
      value.list.push('b')
      assert.deepEqual(await store.txGet('key', t0), { list: ['a'] })
    })
  })
}

function auditTests(test: StoreTest): void {
  suite('audit', () => {
    test('keeps the order in which lines were appended and continues after an id', async (store) => {
      const line = (event: string, user?: string): AuditRecord => ({
        atMs: t0,
        event,
        actor: { kind: 'admin', id: 'root' },
        detail: { count: 1, forced: true },
        ...(user !== undefined && { userKey: user })
      })
      await store.appendAudit(line('a', 'form:ana'))
      await Promise.all([store.appendAudit(line('b')), store.appendAudit(line('c', 'form:ana')), store.appendAudit(line('d', 'form:ben'))])
      const all = await store.listAudit({ limit: 10 })
      assert.deepEqual(
        all.map(({ event }) => event),
        ['a', 'b', 'c', 'd']
      )
      const [first, second] = all
      assert.ok(first !== undefined && second !== undefined)
      assert.deepEqual(first, { ...line('a', 'form:ana'), id: first.id })
      assert.deepEqual(await store.listAudit({ afterId: first.id, limit: 1 }), [second])
      const ofAna = await store.listAudit({ afterId: first.id, limit: 10, userKey: 'form:ana' })
      assert.deepEqual(
        ofAna.map(({ event }) => event),
        ['c']
      )
    })
  })
}
