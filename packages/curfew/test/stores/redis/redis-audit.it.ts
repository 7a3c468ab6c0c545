import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openOn } from './opened.ts'
import { skipReason, startServer } from './servers.ts'

suite('redis: audit lines that are trimmed', { skip: skipReason }, () => {
  test('take along what leads to them, and hide no newer line of the user', async () => {
    const server = await startServer()
    try {
      await using store = await openOn([server], { prefix: 'audit:', auditMax: 100 })
      const append = async (userKey: string, count: number): Promise<void> => {
        for (let n = 0; n < count; n += 1) await store.appendAudit({ atMs: n, event: 'session.opened', actor: { kind: 'system', id: 'test' }, userKey })
      }
      const keysOf = async (userKey: string): Promise<number> => {
        const keys = (await server.command('KEYS', `audit:*}au:${userKey}`)) as readonly string[]
        return keys[0] === undefined ? 0 : Number(await server.command('ZCARD', keys[0]))
      }
      await append('form:gone', 150)
      await append('form:ana', 1)
      await append('form:bo', 250)
      await append('form:ana', 3)
      assert.equal(await keysOf('form:gone'), 0)
      assert.ok((await keysOf('form:bo')) <= 200)
      assert.equal((await store.listAudit({ limit: 2, userKey: 'form:ana' })).length, 2)
      assert.equal((await store.listAudit({ limit: 300 })).length, (await keysOf('form:bo')) + (await keysOf('form:ana')))
      // As nodes of former versions left it.
      const [key = ''] = (await server.command('KEYS', 'audit:*}au:form:ana')) as readonly string[]
      for (let id = 1; id <= 5; id += 1) await server.command('ZADD', key, String(id), String(id))
      assert.equal((await store.listAudit({ limit: 2, userKey: 'form:ana' })).length, 2)
      await append('form:ana', 1)
      assert.equal(await keysOf('form:ana'), 4)
    } finally {
      await server.stop()
    }
  })
})
