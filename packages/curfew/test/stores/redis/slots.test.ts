import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { createKeys, pair } from '../../../src/stores/redis/keys.ts'
import { parseNodeUrl } from '../../../src/stores/redis/node-address.ts'
import { bucketTags, slotOfTag, slotsTotal } from '../../../src/stores/redis/slots.ts'

suite('slots and buckets of the shared store', () => {
  test('slots are those of the cluster specification', () => {
    assert.equal(slotOfTag('123456789'), 0x31c3)
    assert.equal(slotOfTag('foo'), 12_182)
    assert.equal(slotOfTag(''), 0)
  })

  test('every bucket has a tag of its own, in its own share of the slots', () => {
    for (const count of [1, 2, 64, 1_024]) {
      const tags = bucketTags(count)
      assert.equal(new Set(tags).size, count)
      for (const [i, tag] of tags.entries()) assert.equal(Math.floor((slotOfTag(tag) * count) / slotsTotal), i)
    }
  })

  test('a session and what is written with it have one tag, other texts are spread over all', () => {
    const keys = createKeys('curfew:', 64)
    assert.equal(keys.ofSession('ses_0a7AAAAAAAAAAAAAAAAAAAAAA'), keys.ofSession('ses_0a7BBBBBBBBBBBBBBBBBBBBBB'))
    const used = new Set(Array.from({ length: 2_000 }, (_, n) => keys.ofText(`text ${n}`).index))
    assert.equal(used.size, 64)
    assert.notEqual(pair('a', 'bc'), pair('ab', 'c'))
  })

  test('an address says host, port, account and TLS; anything else is refused', () => {
    assert.deepEqual(parseNodeUrl('redis://10.0.0.1'), { address: { host: '10.0.0.1', port: 6379 }, access: {} })
    assert.deepEqual(parseNodeUrl('rediss://me:a%20b@[::1]:7000'), {
      address: { host: '::1', port: 7000 },
      access: { username: 'me', password: 'a b', tls: {} }
    })
    assert.deepEqual(parseNodeUrl('unix:/run/redis.sock'), { address: { host: 'localhost', port: 0, path: '/run/redis.sock' }, access: {} })
    for (const text of ['http://10.0.0.1', '10.0.0.1:6379', 'redis://', '']) assert.throws(() => parseNodeUrl(text), { code: 'CURFEW_CONFIG_VALUE' })
  })

  test('every name of a key that a function uses is described in the schema', () => {
    const folder = new URL('../../../src/stores/redis/', import.meta.url)
    const schema = readFileSync(new URL('STORAGE-SCHEMA.md', folder), 'utf8')
    const sources = readdirSync(folder).filter((name) => name.endsWith('-functions.ts'))
    const names = sources.flatMap((name) => [...readFileSync(new URL(name, folder), 'utf8').matchAll(/P \.\. '([a-z]+:?)'/g)].map(([, key = '']) => key))
    assert.ok(names.length > 50)
    for (const name of new Set(names)) assert.match(schema, new RegExp(name.endsWith(':') ? `\`${name}<` : `\`${name}\``), name)
  })
})
