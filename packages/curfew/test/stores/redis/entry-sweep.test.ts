import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createEntrySweep, passEveryMs } from '../../../src/stores/redis/entry-sweep.ts'
import { createKeys } from '../../../src/stores/redis/keys.ts'
import type { Reply, Wire } from '../../../src/stores/redis/link.ts'
import { createShards } from '../../../src/stores/redis/shards.ts'
import { openTopology } from '../../../src/stores/redis/topology.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

suite('redis: a pass over entries that lead nowhere', () => {
  test('which is broken off begins again, and is told of once until one has come to its end', async () => {
    const clock = createFakeClock()
    const steadyMs = (): number => clock.nowMs()
    let isLoading = true
    let scans = 0
    let note: string | null = null
    const answer = (args: readonly string[]): Reply => {
      if (args[0] === 'HGET') return note
      if (args[0] === 'SCAN') {
        scans += 1
        if (isLoading) throw new Error('LOADING Redis is loading the dataset in memory')
        return ['0', []]
      }
      if (args.includes('swept')) note = String(clock.nowMs())
      return 1
    }
    const wire: Wire = { connect: async () => undefined, sendCommand: async (args) => answer(args), onBroken: () => undefined, destroy: () => undefined }
    const nodes = [{ host: 'server', port: 1 }]
    const reached = {
      topology: { kind: 'standalone' },
      nodes,
      access: {},
      dial: () => wire,
      label: 'test',
      copies: 0,
      copyWaitMs: 150,
      isOnDisk: false
    } as const
    const topology = await openTopology({ ...reached, clock, steadyMs })
    const shards = createShards({ topology, clock, copies: 0, isStrict: false })
    const failures: unknown[] = []
    const context = { shards, keys: createKeys('test:', 1) }
    const sweep = createEntrySweep({ context, topology, prefix: 'test:', clock, steadyMs, token: 'one', onFailed: (error) => void failures.push(error) })
    sweep.start()
    await clock.advance(25_000)
    assert.equal(scans, 3, 'at once, and every ten seconds')
    assert.match(String(failures[0]), /LOADING/)
    assert.equal(failures.length, 1)
    isLoading = false
    await clock.advance(10_000)
    assert.equal(scans, 4)
    isLoading = true
    await clock.advance(passEveryMs - 20_000)
    assert.deepEqual([scans, failures.length], [4, 1])
    await clock.advance(60_000)
    assert.ok(scans > 4)
    assert.equal(failures.length, 2)
    await sweep.stop()
    shards.close()
  })
})
