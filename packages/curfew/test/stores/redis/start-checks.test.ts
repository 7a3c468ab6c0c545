import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { versionOf } from '../../../src/stores/redis/start-checks.ts'
import { infoOf } from './server-infos.ts'

suite('What a server says it is', () => {
  test('is read of Redis, and of Valkey, which says what Redis it is like as well', () => {
    assert.deepEqual(versionOf(infoOf.redis62), { isValkey: false, major: 6, minor: 2 })
    assert.deepEqual(versionOf(infoOf.redis70), { isValkey: false, major: 7, minor: 0 })
    assert.deepEqual(versionOf(infoOf.valkey72), { isValkey: true, major: 7, minor: 2 })
    assert.deepEqual(versionOf(infoOf.valkey80), { isValkey: true, major: 8, minor: 0 })
  })

  test('is no number where it says nothing', () => {
    assert.deepEqual(versionOf(''), { isValkey: false, major: Number.NaN, minor: Number.NaN })
  })
})
