import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { systemClock } from '../../../src/platform/clock.ts'
import { createPrimary } from '../../../src/stores/redis/primary.ts'
import { skipReason, startServer, until } from './servers.ts'

suite('redis: what copies confirm', { skip: skipReason }, () => {
  test('AC-190 an entry that somebody else wrote is not confirmed by copies that do not have it', async () => {
    const server = await startServer()
    const replica = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
    await until(async () => String(await server.command('INFO', 'replication')).includes('state=online'))
    const address = { host: '127.0.0.1', port: server.port }
    const common = { address, access: {}, clock: systemClock, label: 'test', copies: 1, copyWaitMs: 150, isOnDisk: false, isPlain: true }
    const [primary, other] = [createPrimary(common), createPrimary(common)]
    const add = (): Promise<number> => primary.write(['SADD', 'entries', 'one'], ['SET', 'beat', '1']).then(({ copies }) => copies)
    try {
      await until(async () => (await other.write(['SET', 'first', '1'])).copies === 1)
      replica.kill('SIGSTOP')
      assert.deepEqual(await other.write(['SADD', 'entries', 'one']), { reply: 1, copies: 0 })
      assert.equal(await add(), 0)
      replica.kill('SIGCONT')
      await until(async () => (await add()) === 1)
      assert.equal((await primary.write(['SADD', 'entries', 'one'], ['NOTHING'])).copies, 0, 'what was to go behind it was refused')
    } finally {
      primary.close()
      other.close()
      await Promise.all([server.stop(), replica.stop()])
    }
  })
})
