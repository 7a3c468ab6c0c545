import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { steadyMs, systemClock } from '../../../src/platform/clock.ts'
import { signedOn } from '../../../src/stores/conformance/harness.ts'
import { sampleEnd, sampleSession } from '../../../src/stores/conformance/samples.ts'
import { dialSocket, openLink } from '../../../src/stores/redis/link.ts'
import { confirmedMsMax } from '../../../src/stores/redis/sentinels.ts'
import { startRelay, type TcpRelay } from '../../support/tcp-relay.ts'
import { openOn } from './opened.ts'
import { type Server, skipReason, startSentinels, startServer, until } from './servers.ts'

const at = (port: number) => ({ host: '127.0.0.1', port })
const watched = { topology: { kind: 'sentinel', master: 'curfew' }, copies: 1 } as const
const unconfirmed = { code: 'CURFEW_STORE_UNCONFIRMED' }

/** A server and its copy, which follows by this port. */
async function startCopy(port: number): Promise<Server> {
  const replica = await startServer(['--replicaof', `127.0.0.1 ${port}`])
  await until(async () => String(await replica.command('INFO', 'replication')).includes('master_link_status:up'))
  return replica
}

suite('redis: a primary that a majority of the sentinels confirms', { skip: skipReason }, () => {
  test('is read from for so long after they were lost, and no longer; what is written meanwhile is degraded', async () => {
    const primary = await startServer()
    const replica = await startCopy(primary.port)
    const sentinels = await startSentinels(3, primary, [replica])
    const told: boolean[] = []
    /** Ten times as slow as the other clocks: the last word of a majority is nearly over, and there is time to read by it. */
    let slowSinceMs: number | undefined
    const slowMs = (sinceMs: number): number => sinceMs + confirmedMsMax / 2 + (steadyMs() - sinceMs) / 10
    const store = await openOn([], {
      ...watched,
      nodes: sentinels.map(({ port }) => at(port)),
      steadyMs: () => (slowSinceMs === undefined ? steadyMs() : slowMs(slowSinceMs)),
      onConfirmed: (isConfirmed) => void told.push(isConfirmed)
    })
    try {
      const session = await signedOn(store, sampleSession(1))
      // One may be away.
      sentinels[0]?.kill('SIGSTOP')
      await sleep(confirmedMsMax + 500)
      assert.equal((await store.getSession(session.id))?.id, session.id)
      assert.notEqual(told.at(-1), false)
      // The third is asked and confirms it: it may be cut off together with the primary.
      sentinels[1]?.kill('SIGSTOP')
      slowSinceMs = steadyMs()
      await until(async () => (await store.describe()).durability === 'degraded')
      assert.equal(told.at(-1), false)
      assert.equal((await store.getSession(session.id))?.id, session.id)
      slowSinceMs = undefined
      await until(async () =>
        store.getSession(session.id).then(
          () => false,
          ({ code }: { code?: string }) => code === unconfirmed.code
        )
      )
      await Promise.all([
        assert.rejects(store.findSessionByToken(session.tokenHash), unconfirmed),
        assert.rejects(store.openSession(sampleSession(2)), unconfirmed),
        assert.rejects(store.endSession(sampleEnd(1, session)), unconfirmed)
      ])
      sentinels[1]?.kill('SIGCONT')
      await until(async () => (await store.getSession(session.id))?.id === session.id)
      assert.equal(told.at(-1), true)
      assert.equal((await store.describe()).durability, 'replicated')
    } finally {
      for (const sentinel of sentinels) sentinel.kill('SIGCONT')
      await store[Symbol.asyncDispose]()
      await Promise.all([primary, replica, ...sentinels].map((one) => one.stop()))
    }
  })

  test('is left where it is cut off together with a node: a session that ended on the other side is refused there, not let in', async () => {
    const primary = await startServer()
    // What comes from the other side comes by this; the node beside the primary needs no cable.
    await using cable = await startRelay(primary.port)
    const replica = await startCopy(cable.port)
    const sentinels = await startSentinels(3, cable, [replica])
    const cables: TcpRelay[] = []
    for (const { port } of sentinels) cables.push(await startRelay(port))
    const shared = { ...watched, prefix: 'cut:' }
    const there = await openOn([], { ...shared, nodes: sentinels.map(({ port }) => at(port)) })
    const here = await openOn([], {
      ...shared,
      nodes: cables.map(({ port }) => at(port)),
      dial: ({ address, ...rest }) => dialSocket({ ...rest, address: address.port === cable.port ? at(primary.port) : address })
    })
    try {
      const session = await signedOn(here, sampleSession(1))
      await until(async () => (await there.touch(session.id, 0, 0)).durability === 'replicated')
      for (const one of [cable, ...cables]) {
        one.refuse(true)
        one.cut()
      }
      const cutMs = steadyMs()
      await until(async () => String(await replica.command('ROLE')).startsWith('master'))
      await until(async () => (await there.endSession(sampleEnd(1, session))).value.kind === 'ended')
      assert.equal((await there.getSession(session.id))?.end?.reason, 'user')
      assert.equal(String(await primary.command('ROLE')).startsWith('master'), true, 'the former one would still answer')
      await sleep(Math.max(0, confirmedMsMax - (steadyMs() - cutMs)))
      await assert.rejects(here.getSession(session.id), unconfirmed)
      await assert.rejects(here.findSessionByToken(session.tokenHash), unconfirmed)
      for (const one of cables) one.refuse(false)
      /** The first that is read again is what happened on the other side. */
      const first = async (): Promise<string | undefined> =>
        ((await here.getSession(session.id).catch(first as () => Promise<never>)) as { end?: { reason: string } } | undefined)?.end?.reason
      assert.equal(await first(), 'user')
    } finally {
      await here[Symbol.asyncDispose]()
      await there[Symbol.asyncDispose]()
      for (const one of cables) await one[Symbol.asyncDispose]()
      await Promise.all([primary, replica, ...sentinels].map((one) => one.stop()))
    }
  })

  test('is looked for at those that are listed: too few of them, and such as let a copy take over too soon, are told of', async () => {
    const primary = await startServer(['--hash-max-listpack-value', '512'])
    const replica = await startCopy(primary.port)
    const sentinels = await startSentinels(2, primary, [replica])
    const warnings: string[] = []
    const store = await openOn([], { ...watched, nodes: sentinels.slice(0, 1).map(({ port }) => at(port)), onWarning: ({ what }) => void warnings.push(what) })
    try {
      const [few = '', listed = '', soon = '', ...others] = warnings
      assert.match(few, /^fewer than 3 sentinels are listed/)
      assert.match(listed, /^there are 2 sentinels, and 1 of them are listed/)
      assert.match(soon, /^down-after-milliseconds is 500/)
      assert.deepEqual(others, [])
      // One that says no more than who the primary is, is enough.
      const link = await openLink({ address: at(sentinels[0]?.port ?? 0), access: {}, clock: systemClock, label: 'test' })
      await link.send(['ACL', 'SETUSER', 'default', '-@all', '+hello', '+client', '+sentinel|get-master-addr-by-name'])
      link.close()
      const hushed: string[] = []
      const other = await openOn([], { ...watched, nodes: sentinels.slice(0, 1).map(({ port }) => at(port)), onWarning: ({ what }) => void hushed.push(what) })
      await other[Symbol.asyncDispose]()
      assert.deepEqual(hushed, [few])
    } finally {
      await store[Symbol.asyncDispose]()
      await Promise.all([primary, replica, ...sentinels].map((one) => one.stop()))
    }
  })
})
