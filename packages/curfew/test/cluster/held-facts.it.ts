import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { pullFacts, type PullDeps } from '../../src/cluster/pull-facts.ts'
import { catchUpOnRevocations, pullRevocations } from '../../src/cluster/pull-revocations.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { factsOf, sampleReplication } from '../../src/stores/conformance/carry.ts'
import { hourMs, sampleSession } from '../../src/stores/conformance/samples.ts'
import type { Fact } from '../../src/stores/fact.ts'
import { openOn } from '../stores/redis/opened.ts'
import { skipReason, startServer, until } from '../stores/redis/servers.ts'
import { berlin, linksOn, paris, Wire } from './link-kit.ts'
import { regionOn } from './replication-kit.ts'

const held = { code: 'CURFEW_GROUP_FACTS_HELD' }

suite('replication into a store without its copies', { skip: skipReason }, () => {
  test('AC-190 what it can not remember is not called read, and revocations count all the same', async () => {
    const wire = new Wire()
    const there = regionOn(wire, berlin)
    const server = await startServer(['--appendfsync', 'always'])
    const untilMs = Date.now() + hourMs
    try {
      await using store = await openOn([server], { buckets: 1, copies: 1, copyWaitMs: 10, replication: sampleReplication('b') })
      const upToDate: string[] = []
      const deps: PullDeps = {
        links: linksOn(wire, paris, [berlin], { store, clock: systemClock }),
        facts: factsOf(store),
        clock: systemClock,
        node: 'one',
        figures: {
          joined() {},
          readAll() {},
          backlog() {},
          upToDate: () => void upToDate.push('facts'),
          revocationsUpToDate: () => void upToDate.push('revocations')
        }
      }
      // Too much is owed already.
      const told = Array.from({ length: 10_000 }, (_, n): Fact => ({ kind: 'replay', service: 'assertionReplay', issuer: 'idp', id: `_${n}`, untilMs }))
      assert.equal((await factsOf(store).apply({ source: 'rome', facts: told, nowMs: Date.now() })).value, 'applied')

      for (let n = 0; n < 150; n += 1) await there.own.openSession(sampleSession(n))
      for (let n = 0; n < 1_200; n += 1) await there.own.revoke(`sri-${n}`, untilMs, Date.now())
      const pages = (): number => wire.sent.filter(({ url }) => url.endsWith('/facts.export')).length
      await assert.rejects(pullFacts(deps, berlin), held)
      assert.equal(pages(), 1, 'it breaks off with the first page that is not remembered')
      await assert.rejects(pullRevocations(deps, berlin), held)
      await catchUpOnRevocations(deps, berlin)
      for (const n of [0, 600, 1_199]) assert.ok(await store.isRevoked(`sri-${n}`, Date.now()))
      assert.deepEqual(await Promise.all([factsOf(store).cursorOf('a'), factsOf(store).cursorOf('revocations:a')]), [
        '',
        `${await there.own.facts?.streamId()} 0`
      ])
      assert.deepEqual(upToDate, [])

      const copy = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
      try {
        // Ten thousand facts take their time on a machine that has much to do.
        await until(async () => store.owed === 0, 120_000)
        assert.equal(await pullFacts(deps, berlin), 'read')
        assert.equal(await pullFacts(deps, berlin), 'read')
        await catchUpOnRevocations(deps, berlin)
        assert.deepEqual(upToDate, ['facts', 'revocations'])
        assert.equal((await store.listSessions({ limit: 1_000, nowMs: 0 })).items.length, 150)
      } finally {
        await copy.stop()
      }
    } finally {
      await there.replicator.stop()
      await server.stop()
    }
  })
})
