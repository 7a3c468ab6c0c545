import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { LRUCache } from 'lru-cache'
import type { RunId, SessionId } from '../../../src/core/ids.ts'
import { type Clock, systemClock } from '../../../src/platform/clock.ts'
import { createKeys } from '../../../src/stores/redis/keys.ts'
import { LinkLost, type Reply } from '../../../src/stores/redis/link.ts'
import type { Primary } from '../../../src/stores/redis/primary.ts'
import { createFeed } from '../../../src/stores/redis/redis-feed.ts'
import { redisServices } from '../../../src/stores/redis/redis-services.ts'
import { createTeller } from '../../../src/stores/redis/redis-teller.ts'
import { createShards, missingMsMax, type Shards, waitingMax } from '../../../src/stores/redis/shards.ts'
import { createFakeClock } from '../../support/fake-clock.ts'
import { until } from './servers.ts'

/** A server that takes everything, has nothing and no copies; `write` and `read` say otherwise. */
function shardsOn(
  write: Primary['write'] = async () => ({ reply: 'OK', copies: 0 }),
  read: Primary['read'] = async () => null,
  clock: Clock = systemClock
): Shards {
  const primary: Primary = { name: 'server', read, write, ask: async () => null, close: () => undefined }
  const topology = { primaryOf: () => primary, primaryAt: () => primary, refresh: async () => undefined, moved: () => undefined, isConfirmed: true }
  return createShards({
    topology: { ...topology, primaries: () => [primary], close: () => undefined },
    clock,
    copies: 1,
    isStrict: false
  })
}

suite('redis: what copies are owed', () => {
  test('is sent again in the order in which it was done, also when one of it had to be tried twice', async () => {
    const done: string[] = []
    let copies = 0
    let isLost = false
    const shards = shardsOn(async (args) => {
      const what = args.at(-1) ?? ''
      if (isLost && what === 'session') {
        isLost = false
        throw new LinkLost('gone')
      }
      done.push(what)
      return { reply: 'OK', copies }
    })
    const { common } = createKeys('t:', 1)
    for (const what of ['session', 'application', 'end'])
      assert.equal((await shards.write(common, 'put', [what], { again: { name: 'put', args: [what] } })).durability, 'degraded')
    assert.equal(shards.owed, 3)
    copies = 1
    isLost = true
    done.length = 0
    await until(async () => done.length >= 6 && shards.owed === 0)
    assert.deepEqual(done.slice(-3), ['session', 'application', 'end'])
    shards.close()
  })

  test('is not what a call found that it may not do: a plan to end that came too late is not carried out later', async () => {
    const shards = shardsOn(async (args) => ({ reply: [args.at(-1) ?? ''], copies: 0 }))
    const { common } = createKeys('t:', 1)
    const owedAfter = async (word: string): Promise<number> => {
      const isDone = (reply: Reply): boolean => Array.isArray(reply) && reply[0] === 'ended'
      await shards.write(common, 'end_session', [word], { isEnding: true, again: { name: 'reassert_end', args: [word] }, isDone })
      return shards.owed
    }
    assert.equal(await owedAfter('changed'), 0)
    assert.equal(await owedAfter('ended'), 1)
    shards.close()
  })

  /** Copies are there again; the session that is ended is not, until another node pays what it owes. */
  const endOfMissing = async (clock: Clock) => {
    const server = { copies: 0, hasSession: true, ends: 0 }
    const shards = shardsOn(
      async () => {
        if (server.copies > 0 && server.hasSession) server.ends += 1
        return { reply: [server.hasSession ? 'ended' : 'unknown'], copies: server.copies }
      },
      undefined,
      clock
    )
    const { common } = createKeys('t:', 1)
    const again = { name: 'reassert_end', args: ['session'] }
    await shards.write(common, 'end_session', ['session'], { isEnding: true, again, isDone: (reply) => Array.isArray(reply) && reply[0] === 'ended' })
    Object.assign(server, { copies: 1, hasSession: false })
    return { server, shards }
  }

  test('is an end also while its session is missing, which another node may owe', async () => {
    const clock = createFakeClock()
    const { server, shards } = await endOfMissing(clock)
    await clock.advance(missingMsMax / 2)
    assert.deepEqual([server.ends, shards.owed], [0, 1])
    server.hasSession = true
    await clock.advance(1_000)
    assert.deepEqual([server.ends, shards.owed], [1, 0])
    shards.close()
  })

  test('is nothing else while a session is missing: only what comes after its end, of the same session or run, is sent with it', async () => {
    const clock = createFakeClock()
    const server = { copies: 0, missing: '' }
    const sent: string[] = []
    const shards = shardsOn(
      async (args) => {
        if (server.copies > 0) sent.push(args.slice(4).join(' '))
        return { reply: [args[4] === server.missing ? 'unknown' : 'done'], copies: server.copies }
      },
      undefined,
      clock
    )
    const { common } = createKeys('t:', 1)
    const facts = [
      ['other', 'opened'],
      ['session', 'ended', 'run'],
      ['other', 'ended', 'other run'],
      ['run', 'done'],
      ['other run', 'done'],
      ['session', 'renewed']
    ]
    for (const args of facts) await shards.write(common, 'fact', args, { isEnding: true, again: { name: 'fact', args } })
    Object.assign(server, { copies: 1, missing: 'session' })
    await clock.advance(600)
    assert.deepEqual(
      sent.splice(0),
      facts.map((args) => args.join(' '))
    )
    assert.equal(shards.owed, 3)
    server.missing = ''
    await clock.advance(600)
    assert.deepEqual([sent, shards.owed], [['session ended run', 'run done', 'session renewed'], 0])
    shards.close()
  })

  test('is an end no longer once its session was missing for as long as another node may take', async () => {
    const clock = createFakeClock()
    const { server, shards } = await endOfMissing(clock)
    await clock.advance(2 * missingMsMax)
    assert.deepEqual([server.ends, shards.owed], [0, 0])
    shards.close()
  })

  test('is also what a call took whose answer was lost: nothing is there any more when it is sent once more', async () => {
    const sent: (readonly string[])[] = []
    const shards = shardsOn(
      async (args) => {
        sent.push(args)
        if (sent.length === 1) throw new LinkLost('gone')
        return { reply: [], copies: sent.length === 2 ? 0 : 1 }
      },
      async () => ['5', '"value"']
    )
    const context = {
      shards,
      keys: createKeys('t:', 1),
      teller: createTeller(undefined),
      capacity: 1,
      auditMax: 0,
      runSessions: new LRUCache<RunId, SessionId>({ max: 1 })
    }
    assert.deepEqual(
      await redisServices(
        context,
        createFeed(context, 'token', () => 0),
        'token'
      ).txTake('key', 1),
      { value: undefined, durability: 'degraded' }
    )
    assert.equal(shards.owed, 1)
    await until(async () => shards.owed === 0)
    // Only what was there then, and not what is created under the same key since.
    assert.equal(sent.at(-1)?.at(-1), '5')
    shards.close()
  })

  test('has room of its own for what happened here: what another region tells takes none of it', async () => {
    const shards = shardsOn()
    const { common } = createKeys('t:', 1)
    const again = { name: 'put', args: ['told'] }
    for (let n = 0; n < 6_000; n += 1) shards.owe(common, async () => 'degraded')
    for (let n = 0; n < 4_000; n += 1) await shards.write(common, 'put', ['told'], { isEnding: true, isForeign: true, again })
    assert.deepEqual([shards.owed, shards.forgotten], [10_000, 0])
    shards.owe(common, async () => 'degraded')
    await shards.write(common, 'put', ['told'], { isEnding: true, isForeign: true, again })
    assert.deepEqual([shards.owed, shards.forgotten], [10_000, 2])
    await shards.write(common, 'put', ['end'], { isEnding: true, again })
    assert.equal(shards.owed, 10_001)
    shards.close()
  })

  test('has room for endings when sign-ins find none any more', async () => {
    const shards = shardsOn()
    const { common } = createKeys('t:', 1)
    const again = { name: 'put', args: ['session'] }
    for (let n = 0; n < 5_001; n += 1) await shards.write(common, 'put', ['session'], { again })
    assert.equal(shards.owed, 5_000)
    for (let n = 0; n < 5_001; n += 1) await shards.write(common, 'put', ['end'], { isEnding: true, again })
    assert.deepEqual([shards.owed, shards.forgotten], [10_000, 0])
    shards.close()
  })
})

suite('redis: a server that refuses writes while its replicas are away', () => {
  test('is tried again: they may be back in a moment', async () => {
    const server = { asked: 0 }
    const shards = shardsOn(async () => {
      server.asked += 1
      if (server.asked < 3) throw new Error('NOREPLICAS Not enough good replicas to write.')
      return { reply: 'OK', copies: 1 }
    })
    const { common } = createKeys('t:', 1)
    assert.equal((await shards.write(common, 'put', ['end'], { isEnding: true })).durability, 'replicated')
    assert.equal(server.asked, 3)
    shards.close()
  })
})

suite('redis: a server that takes no write any more', () => {
  const misconf = 'MISCONF Errors writing to the AOF file: No space left on device'
  for (const [said, code] of [
    [misconf, 'CURFEW_STORE_DISK_FULL'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'CURFEW_STORE_MEMORY_FULL']
  ] as const) {
    test(`is called full, unless it may have carried the call out before its answer was lost: ${code}`, async () => {
      const server = { asked: 0, lost: 0 }
      const shards = shardsOn(async () => {
        server.asked += 1
        throw server.asked <= server.lost ? new LinkLost('gone') : new Error(said)
      })
      const { common } = createKeys('t:', 1)
      await assert.rejects(shards.write(common, 'put', ['end'], { isEnding: true }), { code })
      Object.assign(server, { asked: 0, lost: 1 })
      await assert.rejects(shards.write(common, 'put', ['end'], { isEnding: true }), (error: { readonly code?: string; readonly context?: object }) => {
        assert.equal(error.code, 'CURFEW_STORE_UNREACHABLE')
        assert.match(JSON.stringify(error.context), new RegExp(said.split(' ')[0] ?? ''))
        return true
      })
      shards.close()
    })

    test(`is called full also where it has no functions of this version and does not take them: ${code}`, async () => {
      const clock = createFakeClock()
      const shards = shardsOn(
        async ([command]) => {
          throw new Error(command === 'FUNCTION' ? said : 'ERR Function not found')
        },
        undefined,
        clock
      )
      const { common } = createKeys('t:', 1)
      const refused = assert.rejects(shards.write(common, 'put', ['end'], { isEnding: true }), { code })
      await clock.advance(10_000)
      await refused
      shards.close()
    })
  }
})

suite('redis: writes that wait for one primary', () => {
  test('are so many at most before sign-ins are refused; what has begun, and what ends something, waits', async () => {
    const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
    const shards = shardsOn(() => answered.then(() => ({ reply: 'OK', copies: 1 })))
    const { common } = createKeys('t:', 1)
    const writes = Array.from({ length: waitingMax - 1 }, () => shards.write(common, 'put', ['session']))
    shards.admit([common])
    writes.push(shards.write(common, 'put', ['session']))
    assert.throws(() => shards.admit([common]), { code: 'CURFEW_STORE_OVERLOADED', context: { server: 'server', waiting: waitingMax } })
    writes.push(shards.write(common, 'put', ['end'], { isEnding: true }))
    answer()
    assert.ok((await Promise.all(writes)).every(({ durability }) => durability === 'replicated'))
    shards.admit([common])
    shards.close()
  })

  test('count while they wait for the next try, too', async () => {
    const server = { isAway: true, asked: 0 }
    // However long a busy machine takes, nobody's time is over.
    const clock: Clock = { ...systemClock, nowMs: () => 0 }
    const shards = shardsOn(
      async () => {
        server.asked += 1
        if (server.isAway) throw new LinkLost('gone')
        return { reply: 'OK', copies: 1 }
      },
      undefined,
      clock
    )
    const { common } = createKeys('t:', 1)
    const writes = Promise.all(Array.from({ length: waitingMax }, () => shards.write(common, 'put', ['session'])))
    await until(async () => server.asked > waitingMax, 60_000)
    assert.throws(() => shards.admit([common]), { code: 'CURFEW_STORE_OVERLOADED' })
    server.isAway = false
    await writes
    shards.admit([common])
    shards.close()
  })
})
