import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { copiesOf } from '../../../src/config/redis-schema.ts'
import { carry, sampleReplication } from '../../../src/stores/conformance/carry.ts'
import { sampleParticipant, sampleSession } from '../../../src/stores/conformance/samples.ts'
import type { MissingCopies } from '../../../src/stores/redis/copies-watch.ts'
import type { RedisStore } from '../../../src/stores/redis/redis-store.ts'
import { createIds } from '../../../src/platform/ids.ts'
import { createLocator } from '../../../src/platform/locator.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { moveSlots, slotsOfBuckets } from './move-slots.ts'
import { openOn } from './opened.ts'
import { addToCluster, clusterSettings, type Server, skipReason, startCluster, startServer, until } from './servers.ts'

const locator = createLocator([Buffer.alloc(32, 7)], systemRandom)
const ids = createIds(systemRandom)

/** How many keys each server has in a slot. */
function keysIn(servers: readonly Server[], slot: number): Promise<readonly number[]> {
  return Promise.all(servers.map(async (server) => Number(await server.command('CLUSTER', 'COUNTKEYSINSLOT', String(slot)))))
}

function serverAt(servers: readonly Server[], address: string | undefined): Server {
  return servers.find(({ port }) => address?.split(' ')[0] === `127.0.0.1:${port}`) ?? assert.fail(`no server at ${address}`)
}

/** Opens a session with a participant and returns its id. */
async function open(store: RedisStore): Promise<string> {
  const session = sampleSession(1, { id: locator.newSessionId(), tokenHash: ids.cookie(), sri: ids.cookie() })
  await store.openSession(session)
  await store.addParticipant(session.id, sampleParticipant('payroll', 1, { sessionIndex: ids.cookie() }))
  return session.id
}

suite('adaptive clustering: replica sets', { skip: skipReason }, () => {
  test('AC-171 state goes to a replica set of three when nothing else is said; one that loses a server is reported, and once more when it is whole', async () => {
    const copies = copiesOf({ topology: 'cluster', copies: undefined })
    assert.equal(copies + 1, 3)
    const servers = await startCluster(2, copies)
    const missing: MissingCopies[] = []
    const back: string[] = []
    const store = await openOn(servers, {
      topology: { kind: 'cluster' },
      copies,
      onCopiesMissing: (found) => missing.push(found),
      onCopiesBack: (server) => back.push(server)
    })
    try {
      const session = sampleSession(1)
      assert.equal((await store.openSession(session)).durability, 'replicated')
      const { primary, copies: replicas, slot } = await store.whereIs(session.id)
      const set = [primary, ...replicas].map((address) => serverAt(servers, address))
      assert.equal(new Set(set).size, 3)
      const others = servers.filter((server) => !set.includes(server))
      assert.deepEqual(await keysIn(others, slot), [0, 0, 0], 'a server of another set holds nothing of it')
      const [there = 0] = await keysIn(set, slot)
      assert.ok(there > 0)
      assert.deepEqual(await keysIn(set, slot), [there, there, there])
      assert.deepEqual(missing, [])
      const struck = serverAt(servers, replicas[0])
      struck.kill('SIGKILL')
      await until(async () => missing.length > 0)
      assert.deepEqual(missing, [{ server: primary, have: 1, wanted: 2 }])
      assert.deepEqual(store.missingCopies, missing)
      assert.equal((await store.describe()).durability, 'degraded')
      await struck.restart()
      await until(async () => back.length > 0)
      assert.deepEqual(back, [primary])
      await until(async () => (await store.describe()).durability === 'replicated')
    } finally {
      await store[Symbol.asyncDispose]()
      await Promise.all(servers.map((server) => server.stop()))
    }
  })

  test('AC-171 a replica set that is too small is reported at the start', async () => {
    const servers = await startCluster(1, 0)
    const missing: MissingCopies[] = []
    const store = await openOn(servers, { topology: { kind: 'cluster' }, copies: 2, onCopiesMissing: (found) => missing.push(found) })
    try {
      assert.deepEqual(missing, [{ server: `127.0.0.1:${servers[0]?.port}`, have: 0, wanted: 2 }])
      assert.equal((await store.openSession(sampleSession(1))).durability, 'degraded')
    } finally {
      await store[Symbol.asyncDispose]()
      await Promise.all(servers.map((server) => server.stop()))
    }
  })
})

suite('adaptive clustering: servers join and leave', { skip: skipReason }, () => {
  test('AC-173 a server that joins takes over a share of the sessions and gives it back when it leaves, while people sign in; the other region stays as it is', async () => {
    const [here, there] = [await startCluster(2, 0), await startCluster(1, 0)]
    const [first, second] = here
    assert.ok(first !== undefined && second !== undefined)
    const options = { topology: { kind: 'cluster' }, prefix: 'join:' } as const
    const [store, far] = [
      await openOn(here, { ...options, replication: sampleReplication('a') }),
      await openOn(there, { ...options, replication: sampleReplication('b') })
    ]
    const newcomer = await startServer([...clusterSettings, '--cluster-allow-replica-migration', 'no'])
    let isRunning = true
    const opened: string[] = []
    const load = async (): Promise<void> => {
      while (isRunning) {
        opened.push(await open(store))
        await sleep(10)
      }
    }
    const working = Promise.all([load(), load()])
    try {
      await until(async () => opened.length > 20)
      await carry(store, far)
      const farSlots = JSON.stringify(await there[0]?.command('CLUSTER', 'SLOTS'))
      const farKeys = await Promise.all(there.map((server) => server.command('DBSIZE')))

      await addToCluster(here, newcomer)
      const moving = slotsOfBuckets(16).filter((slot) => slot < 8_192)
      await moveSlots(first, newcomer, moving)
      const during = opened.length
      await until(async () => opened.length > during + 20)
      const joined = await placesOf(store, opened.slice(0, during))
      assert.ok(joined.includes(`127.0.0.1:${newcomer.port}`) && joined.includes(`127.0.0.1:${second.port}`))
      assert.ok(!joined.includes(`127.0.0.1:${first.port}`), 'what was moved is looked for where it is now')
      assert.equal(JSON.stringify(await there[0]?.command('CLUSTER', 'SLOTS')), farSlots)
      assert.deepEqual(await Promise.all(there.map((server) => server.command('DBSIZE'))), farKeys)

      await moveSlots(newcomer, first, moving)
      assert.equal(await newcomer.command('DBSIZE'), 0)
      await newcomer.stop()
      const left = opened.length
      await until(async () => opened.length > left + 20)
      isRunning = false
      await working
      assert.ok(opened.length > 60)
      for (const id of opened) assert.equal((await store.getParticipants(id as `ses_${string}`)).length, 1, id)
      assert.equal(await store.countLiveSessions(), opened.length)

      await carry(store, far)
      assert.equal(await far.countLiveSessions(), opened.length, 'the other region knows all of them')
      assert.equal(JSON.stringify(await there[0]?.command('CLUSTER', 'SLOTS')), farSlots)
    } finally {
      isRunning = false
      await working.catch(() => undefined)
      await store[Symbol.asyncDispose]()
      await far[Symbol.asyncDispose]()
      await Promise.all([...here, ...there, newcomer].map((server) => server.stop()))
    }
  })
})

/** Servers that keep these sessions. */
async function placesOf(store: RedisStore, sessions: readonly string[]): Promise<readonly string[]> {
  const places = await Promise.all(sessions.map(async (id) => (await store.whereIs(id as `ses_${string}`)).primary))
  return [...new Set(places)]
}
