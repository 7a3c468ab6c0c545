import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Wire } from '../../../src/stores/redis/link.ts'
import { createPrimary } from '../../../src/stores/redis/primary.ts'
import { createFakeClock } from '../../support/fake-clock.ts'

suite('redis: a server that takes connections and says nothing', () => {
  for (const copies of [0, 1])
    test(`is tried once for all who wait: nobody waits for the tries of those before, with ${copies} copies`, async () => {
      const clock = createFakeClock()
      let dialled = 0
      const wire: Wire = {
        connect: () => {
          dialled += 1
          return new Promise(() => undefined)
        },
        sendCommand: async () => null,
        onBroken: () => undefined,
        destroy: () => undefined
      }
      const address = { host: 'server', port: 1 }
      const primary = createPrimary({ address, access: {}, clock, label: 'test', dial: () => wire, copies, copyWaitMs: 150, isOnDisk: false })
      let rejected = 0
      // More writes than one batch takes.
      for (let n = 0; n < 2_000; n++)
        (n % 2 === 0 ? primary.read(['GET', 'key']) : primary.write(['SET', 'key', '1'])).catch(() => {
          rejected += 1
        })
      await clock.advance(1_000)
      assert.equal(rejected, 2_000)
      assert.equal(dialled, 2)
      primary.close()
    })
})
