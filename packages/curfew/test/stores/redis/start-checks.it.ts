import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { hourMs, sampleSession, t0 } from '../../../src/stores/conformance/samples.ts'
import type { RedisStoreOptions } from '../../../src/stores/redis/redis-store.ts'
import { openOn } from './opened.ts'
import { type Dial, dialSocket } from '../../../src/stores/redis/link.ts'
import { infoOf } from './server-infos.ts'
import { noFsync, type Server, skipReason, startCluster, startServer, until } from './servers.ts'

const unsuitable = { code: 'CURFEW_STORE_UNSUITABLE' }

/** What an operator reads of a server with these settings; rejects where it is refused. */
async function findings(settings: readonly string[], options: Partial<RedisStoreOptions> = {}): Promise<readonly string[]> {
  const server = await startServer(settings)
  const warnings: string[] = []
  try {
    const store = await openOn([server], { ...options, onWarning: ({ what }) => warnings.push(what) })
    await store[Symbol.asyncDispose]()
    return warnings
  } finally {
    await server.stop()
  }
}

type StoreFailure = Error & { readonly code?: string; readonly context?: { readonly why?: string } }

/** Whether a server was refused for this. */
function why(pattern: RegExp): (error: StoreFailure) => boolean {
  return ({ code, context }) => code === unsuitable.code && pattern.test(String(context?.why))
}

/** A way to a real server that says something else of itself. */
function sayingOf(info: string): Dial {
  return (options) => {
    const wire = dialSocket(options)
    return { ...wire, sendCommand: (args) => (args[0] === 'INFO' && args[1] === 'server' ? Promise.resolve(info) : wire.sendCommand(args)) }
  }
}

suite('redis: what servers are told to do', { skip: skipReason }, () => {
  const packed = ['--hash-max-listpack-value', '512']

  test('a server that writes nothing to disk is refused, unless it is declared volatile', async () => {
    const memoryOnly = ['--appendonly', 'no', ...packed]
    await assert.rejects(findings(memoryOnly), unsuitable)
    assert.deepEqual(await findings(memoryOnly, { isVolatile: true }), [])
    await assert.rejects(findings(memoryOnly, { isVolatile: true, ack: 'fsync' }), unsuitable)
  })

  test('one that leaves it to the machine when it writes, or keeps sessions loosely, is told of', async () => {
    assert.deepEqual(await findings(packed), [])
    const [sync = '', ...others] = await findings([...packed, '--appendfsync', 'no'])
    assert.match(sync, /^appendfsync is no/)
    assert.deepEqual(others, [])
    const [loose = ''] = await findings(['--hash-max-listpack-value', '64'])
    assert.match(loose, /^hash-max-listpack-value is 64/)
  })

  test('ack: fsync needs a server that is through with the disk in the time that is waited', async () => {
    await assert.rejects(findings(['--appendfsync', 'no'], { ack: 'fsync' }), unsuitable)
    await assert.rejects(findings(['--appendfsync', 'everysec'], { ack: 'fsync' }), unsuitable)
  })

  test('ack: fsync is taken where it writes to disk in time', { skip: noFsync }, async () => {
    assert.deepEqual(await findings([...packed, '--appendfsync', 'everysec'], { ack: 'fsync', copyWaitMs: 1_100 }), [])
    assert.deepEqual(await findings([...packed, '--appendfsync', 'always'], { ack: 'fsync' }), [])
  })

  test('a server that is too old is refused, for ack: fsync one before Redis 7.2', async () => {
    const server = await startServer([...packed, '--appendfsync', 'always'])
    const open = async (info: string, options: Partial<RedisStoreOptions> = {}): Promise<void> => {
      const store = await openOn([server], { dial: sayingOf(info), ...options })
      await store[Symbol.asyncDispose]()
    }
    try {
      await assert.rejects(open(infoOf.redis62), why(/^version 6\.2: Redis 7\.0 or Valkey 7\.2 is the oldest that works$/))
      await assert.rejects(open(infoOf.valkey72.replace('valkey_version:7.2.11', 'valkey_version:7.1.9')), why(/^version 7\.1: /))
      await assert.rejects(
        open(infoOf.redis70, { ack: 'fsync' }),
        why(/^store\.redis\.ack is fsync, which version 7\.0 does not know: Redis 7\.2 is the oldest/)
      )
      for (const info of [infoOf.redis70, infoOf.valkey72, infoOf.valkey80]) await open(info)
    } finally {
      await server.stop()
    }
  })

  test('a cluster that one lost shard stops, and one that waits long before a copy takes over, are told of', async () => {
    const servers = await startCluster(1, 0, [...packed, '--cluster-require-full-coverage', 'yes', '--cluster-node-timeout', '2001'])
    const warnings: string[] = []
    try {
      const open = async (): Promise<void> => {
        const onWarning: RedisStoreOptions['onWarning'] = ({ server, what }) => warnings.push(`${server} ${what}`)
        const store = await openOn(servers, { topology: { kind: 'cluster' }, onWarning })
        await store[Symbol.asyncDispose]()
      }
      await open()
      const name = `127.0.0.1:${servers[0]?.port}`
      assert.deepEqual(warnings.splice(0), [
        `${name} cluster-require-full-coverage is yes: one lost shard stops all`,
        `${name} cluster-node-timeout is 2001 ms: so long nobody takes over`
      ])
      await servers[0]?.command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
      await servers[0]?.command('CONFIG', 'SET', 'cluster-node-timeout', '2000')
      await open()
      assert.deepEqual(warnings, [])
    } finally {
      await Promise.all(servers.map((server) => server.stop()))
    }
  })
})

suite('redis: a server that refuses every write while replicas are away', { skip: skipReason }, () => {
  test('is told of where they are there, and refused where they are not, or where ack: strict has fewer of them for enough', async () => {
    const primary = await startServer(['--hash-max-listpack-value', '512', '--min-replicas-to-write', '1'])
    const warnings: string[] = []
    const open = async (options: Partial<RedisStoreOptions>): Promise<void> => {
      const store = await openOn([primary], { copies: 1, onWarning: ({ what }) => warnings.push(what), ...options })
      await store[Symbol.asyncDispose]()
    }
    let replica: Server | undefined
    try {
      await assert.rejects(open({}), why(/^min-replicas-to-write is 1: .* and 0 follow/))
      replica = await startServer(['--replicaof', `127.0.0.1 ${primary.port}`])
      await until(async () => String(await primary.command('INFO', 'replication')).includes('min_slaves_good_slaves:1'))
      await open({})
      await open({ ack: 'strict' })
      assert.equal(warnings.filter((what) => what.startsWith('min-replicas-to-write is 1')).length, 2)
      await assert.rejects(open({ ack: 'strict', copies: 0 }), why(/takes 0 for enough/))
      await open({ copies: 0 })
      await primary.command('CONFIG', 'SET', 'min-replicas-max-lag', '0')
      warnings.length = 0
      await open({})
      assert.deepEqual(warnings, [])
    } finally {
      await replica?.stop()
      await primary.stop()
    }
  })
})

suite('redis: ack: fsync', { skip: noFsync }, () => {
  test('a sign-in counts where the primary and the copy have it on disk; else it is refused, and signing out is not', async () => {
    const primary = await startServer(['--appendfsync', 'always'])
    const copy = await startServer(['--appendfsync', 'always', '--replicaof', `127.0.0.1 ${primary.port}`])
    try {
      await using store = await openOn([primary], { copies: 1, ack: 'fsync', copyWaitMs: 1_000 })
      assert.equal((await store.openSession(sampleSession(1))).durability, 'replicated')
      // It follows as before, and a plain WAIT would say so.
      await copy.command('CONFIG', 'SET', 'appendonly', 'no')
      assert.equal(await primary.command('WAIT', '1', '1000'), 1)
      await assert.rejects(store.openSession(sampleSession(2)), { code: 'CURFEW_STORE_NOT_REPLICATED' })
      assert.equal((await store.revoke('sri', t0 + hourMs, t0)).durability, 'degraded')
    } finally {
      await copy.stop()
      await primary.stop()
    }
  })

  test('without copies the disk of the one server counts', async () => {
    const server = await startServer(['--appendfsync', 'always'])
    try {
      await using store = await openOn([server], { ack: 'fsync' })
      assert.equal((await store.openSession(sampleSession(1))).durability, 'local')
      await server.command('CONFIG', 'SET', 'appendonly', 'no')
      await assert.rejects(store.openSession(sampleSession(2)), { code: 'CURFEW_STORE_NOT_REPLICATED' })
    } finally {
      await server.stop()
    }
  })
})
