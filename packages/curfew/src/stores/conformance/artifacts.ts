import assert from 'node:assert/strict'
import { suite } from 'node:test'
import type { Artifact } from '../store.ts'
import { type StoreTest } from './harness.ts'
import { t0 } from './samples.ts'

const untilMs = t0 + 60_000

function artifact(id: string, more: Partial<Artifact> = {}): Artifact {
  return { kind: 'code', id, untilMs, value: { of: id, list: [1, null, 'x'] }, ...more }
}

export function artifactTests(test: StoreTest): void {
  suite('artifacts', () => {
    test('are found by kind and id until their time, and replaced by the next of the same name', async (store) => {
      const stored = artifact('a', { grantId: 'g', sessionId: 'ses_1' })
      await store.putArtifact(stored)
      assert.deepEqual(await store.getArtifact('code', 'a', t0), stored)
      assert.equal(await store.getArtifact('token', 'a', t0), undefined)
      assert.equal(await store.getArtifact('code', 'a', untilMs), undefined)
      await store.putArtifact(artifact('a', { untilMs: untilMs + 1, value: 'other' }))
      assert.deepEqual(await store.getArtifact('code', 'a', untilMs), artifact('a', { untilMs: untilMs + 1, value: 'other' }))
    })

    test('are listed by grant and kind, in the order of their ids', async (store) => {
      for (const id of ['c', 'a', 'b']) await store.putArtifact(artifact(id, { grantId: 'g' }))
      await store.putArtifact(artifact('d', { grantId: 'g', kind: 'codec' }))
      await store.putArtifact(artifact('e', { grantId: 'other' }))
      await store.putArtifact(artifact('f', { grantId: 'g', untilMs: t0 }))
      const ids = async (max: number): Promise<readonly string[]> => (await store.artifactsOfGrant('g', 'code', t0, max)).map(({ id }) => id)
      assert.deepEqual(await ids(10), ['a', 'b', 'c'])
      assert.deepEqual(await ids(2), ['a', 'b'])
      assert.deepEqual(await store.artifactsOfGrant('g', 'code', t0, 1), [artifact('a', { grantId: 'g' })])
      await store.dropArtifact('code', 'a')
      assert.deepEqual(await ids(10), ['b', 'c'])
      await store.dropGrant('g')
      assert.deepEqual(await ids(10), [])
    })

    test('without an end stay through every purge, are listed by grant, and go when they are dropped', async (store) => {
      const link = artifact('link', { grantId: 'account', untilMs: Number.MAX_SAFE_INTEGER })
      await store.putArtifact(link)
      const farMs = 8_640_000_000_000_000
      assert.equal(await store.purge(farMs, 1_000, 10), 0)
      assert.deepEqual(await store.getArtifact('code', 'link', farMs), link)
      assert.deepEqual(await store.artifactsOfGrant('account', 'code', farMs, 10), [link])
      assert.equal((await store.dropArtifact('code', 'link')).value, 'dropped')
      assert.deepEqual(await store.artifactsOfGrant('account', 'code', t0, 10), [])
    })

    test('are used up by exactly one of many, and stay used up when they are stored again', async (store) => {
      await store.putArtifact(artifact('a'))
      const answers = await Promise.all(Array.from({ length: 10 }, async () => (await store.consumeArtifact('code', 'a', t0 + 5)).value))
      assert.equal(answers.filter((answer) => answer === 'consumed').length, 1)
      assert.equal(answers.filter((answer) => answer === 'already').length, 9)
      await store.putArtifact(artifact('a'))
      assert.equal((await store.getArtifact('code', 'a', t0))?.consumedAtMs, t0 + 5)
      assert.equal((await store.consumeArtifact('code', 'a', t0)).value, 'already')
      assert.equal((await store.consumeArtifact('code', 'b', t0)).value, 'unknown')
      assert.equal((await store.consumeArtifact('code', 'a', untilMs)).value, 'unknown')
    })

    test('go with their grant, one by one, and by themselves after their time', async (store) => {
      for (const id of ['a', 'b']) await store.putArtifact(artifact(id, { grantId: 'g' }))
      await store.putArtifact(artifact('c', { grantId: 'other', kind: 'token' }))
      assert.equal((await store.dropGrant('g')).value, 2)
      assert.equal((await store.dropGrant('g')).value, 0)
      assert.equal(await store.getArtifact('code', 'a', t0), undefined)
      assert.equal((await store.dropArtifact('token', 'c')).value, 'dropped')
      assert.equal((await store.dropArtifact('token', 'c')).value, 'unknown')
      await store.putArtifact(artifact('d'))
      assert.equal(await store.purge(untilMs - 1, 1_000, 10), 0)
      assert.equal(await store.purge(untilMs, 1_000, 10), 1)
    })

    test('of a session are listed by kind, in order, as many as asked for', async (store) => {
      for (const id of ['b', 'a', 'c']) await store.putArtifact(artifact(id, { sessionId: 'ses_1' }))
      await store.putArtifact(artifact('x', { sessionId: 'ses_2' }))
      await store.putArtifact(artifact('t', { sessionId: 'ses_1', kind: 'token' }))
      await store.putArtifact(artifact('old', { sessionId: 'ses_1', untilMs: t0 }))
      const ids = async (max: number): Promise<readonly string[]> => (await store.artifactsOf('ses_1', 'code', t0, max)).map(({ id }) => id)
      assert.deepEqual(await ids(10), ['a', 'b', 'c'])
      assert.deepEqual(await ids(2), ['a', 'b'])
    })
  })
}
