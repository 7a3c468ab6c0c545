import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { createIds } from '../../../src/platform/ids.ts'
import { createLocator } from '../../../src/platform/locator.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { hourMs, sampleEnd, sampleParticipant, sampleSession, t0 } from '../../../src/stores/conformance/samples.ts'
import type { RedisStore } from '../../../src/stores/redis/redis-store.ts'
import type { Durability } from '../../../src/stores/store.ts'
import type { Session } from '../../../src/core/session.ts'
import { library } from '../../../src/stores/redis/library.ts'
import type { NodeAccess } from '../../../src/stores/redis/node-address.ts'
import { waitingMax } from '../../../src/stores/redis/shards.ts'
import { moveSlots, slotsOfBuckets } from './move-slots.ts'
import { openOn } from './opened.ts'
import { makeCertificate } from '../../support/certificates.ts'
import { freeRange } from '../../support/ports.ts'
import { type Server, skipReason, startCluster, startSentinel, startServer, until } from './servers.ts'

const locator = createLocator([Buffer.alloc(32, 7)], systemRandom)
const ids = createIds(systemRandom)

/** What a client was told, to be held against what is there afterwards. */
interface Told {
  readonly opened: Session[]
  readonly added: Session[]
  readonly ended: Session[]
  refused: number
}

/**
 * Signs in and out, without a pause, until it is told to stop.
 * @param safe - what has to be there afterwards: `local` where no copies are asked for
 */
function load(store: RedisStore, workers: number, safe: Durability = 'replicated'): { readonly told: Told; stop(): Promise<Told> } {
  const told: Told = { opened: [], added: [], ended: [], refused: 0 }
  let isRunning = true
  const one = async (worker: number): Promise<void> => {
    for (let n = 0; isRunning; n++) {
      const session = sampleSession(n, { id: locator.newSessionId(), username: `w${worker}`, tokenHash: `t-${worker}-${n}`, sri: `sri-${worker}-${n}` })
      try {
        const opening = await store.openSession(session)
        if (opening.durability === safe) told.opened.push(session)
        const participant = sampleParticipant('payroll', n)
        const adding = await store.addParticipant(session.id, participant)
        if (adding.durability === safe && adding.value === 'added') told.added.push(session)
        if (n % 2 === 1) continue
        const known = await store.getSession(session.id)
        if (known === undefined) continue
        const run = sampleEnd(n, known, [participant]).run
        const end = sampleEnd(n, known, [participant], { run: { ...run, id: ids.run() } })
        const ending = await store.endSession({ ...end, end: { ...end.end, runId: end.run.id } })
        if (ending.value.kind === 'ended') told.ended.push(known)
      } catch (error) {
        const code = String((error as { code?: unknown }).code)
        assert.match(code, /^CURFEW_STORE_/)
        // The test has failed and nobody will stop the load.
        if (code === 'CURFEW_STORE_CLOSED') return
        told.refused += 1
      }
    }
  }
  const all = Promise.all(Array.from({ length: workers }, (_, worker) => one(worker)))
  return {
    told,
    async stop() {
      isRunning = false
      await all
      return told
    }
  }
}

/** Nothing that was acknowledged is gone, nothing that ended lives. */
async function hold(store: RedisStore, told: Told): Promise<void> {
  for (const { id } of told.opened) assert.ok((await store.getSession(id)) !== undefined, `${id} was acknowledged and is gone`)
  for (const { id } of told.added) assert.equal((await store.getParticipants(id)).length, 1, `a participant of ${id} was acknowledged and is gone`)
  for (const { id, sri } of told.ended) {
    assert.ok((await store.getSession(id))?.end !== undefined, `${id} ended and lives`)
    assert.equal(await store.isRevoked(sri, 0), true)
  }
}

suite('redis: servers fail under load', { skip: skipReason }, () => {
  for (const [name, strike] of [
    ['a primary is killed', (server: Server) => server.kill('SIGKILL')],
    ['a primary stops answering', (server: Server) => server.kill('SIGSTOP')]
  ] as const) {
    test(`AC-172 ${name}: nothing acknowledged is lost, work goes on with its copy`, async () => {
      const servers = await startCluster(3, 1)
      const store = await openOn(servers, { topology: { kind: 'cluster' }, copies: 1 })
      try {
        const working = load(store, 8)
        await until(async () => working.told.ended.length > 20)
        const [struck] = servers
        assert.ok(struck !== undefined)
        strike(struck)
        await until(async () => String(await servers[3]?.command('ROLE')).startsWith('master'))
        const after = working.told.ended.length
        await until(async () => working.told.ended.length > after + 20)
        await hold(store, await working.stop())
      } finally {
        await store[Symbol.asyncDispose]()
        await Promise.all(servers.map((server) => server.stop()))
      }
    })
  }

  test('AC-190 a replica that is away makes writes degraded, and what it missed is sent until it has it', async () => {
    const primary = await startServer()
    const replica = await startServer(['--replicaof', `127.0.0.1 ${primary.port}`])
    await until(async () => String(await primary.command('INFO', 'replication')).includes('state=online'))
    const store = await openOn([primary], { copies: 1 })
    const strict = await openOn([primary], { copies: 1, ack: 'strict' })
    try {
      await store.openSession(sampleSession(1))
      await until(async () => (await store.touch(sampleSession(1).id, 0, 0)).durability === 'replicated')
      replica.kill('SIGSTOP')
      assert.equal((await store.openSession(sampleSession(2))).durability, 'degraded')
      assert.ok(store.owed > 0)
      assert.equal((await store.describe()).durability, 'degraded')
      await assert.rejects(strict.openSession(sampleSession(3)), { code: 'CURFEW_STORE_NOT_REPLICATED' })
      const session = await store.getSession(sampleSession(1).id)
      assert.ok(session !== undefined)
      assert.deepEqual((await store.endSession(sampleEnd(1, session))).value, { kind: 'ended' })
      replica.kill('SIGCONT')
      await until(async () => store.owed === 0)
      assert.equal((await store.openSession(sampleSession(4))).durability, 'replicated')
    } finally {
      await store[Symbol.asyncDispose]()
      await strict[Symbol.asyncDispose]()
      await Promise.all([primary.stop(), replica.stop()])
    }
  })

  test('with full memory sign-ins are refused and endings are taken', async () => {
    const server = await startServer()
    const store = await openOn([server], { prefix: 'full:' })
    try {
      await store.openSession(sampleSession(1))
      const session = await store.getSession(sampleSession(1).id)
      assert.ok(session !== undefined)
      await server.command('CONFIG', 'SET', 'maxmemory', '1mb')
      await assert.rejects(store.openSession(sampleSession(2)), { code: 'CURFEW_STORE_MEMORY_FULL' })
      assert.deepEqual((await store.endSession(sampleEnd(1, session))).value, { kind: 'ended' })
      assert.equal(await store.isRevoked(session.sri, 0), true)
      const mark = { kind: 'mark', id: 'one', untilMs: t0 + hourMs, value: null }
      await assert.rejects(store.putArtifact(mark), { code: 'CURFEW_STORE_MEMORY_FULL' })
      assert.equal((await store.putArtifact(mark, { isEnding: true })).value, 'stored')
      // Connections that break are made again, and a node may be started again.
      await server.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      assert.equal((await store.revoke('later', t0 + hourMs, t0)).value, 'revoked')
      const again = await openOn([server], { prefix: 'full:' })
      assert.equal(await again.isRevoked('later', 0), true)
      assert.equal((await again.revoke('latest', t0 + hourMs, t0)).value, 'revoked')
      await again[Symbol.asyncDispose]()
      // To a node of another version it is as if there were no functions.
      await server.command('FUNCTION', 'FLUSH')
      await assert.rejects(store.revoke('last', t0 + hourMs, t0), { code: 'CURFEW_STORE_MEMORY_FULL' })
      await server.command('CONFIG', 'SET', 'maxmemory', '0')
      assert.equal((await store.openSession(sampleSession(2))).value, 'opened')
    } finally {
      await store[Symbol.asyncDispose]()
      await server.stop()
    }
  })

  test('sign-ins are refused while too much waits for a server that hangs; what has begun, and signing out, is carried out when it goes on', async () => {
    const server = await startServer()
    const store = await openOn([server], { capacity: 1_000_000 })
    try {
      const first = sampleSession(0)
      await store.openSession(first)
      server.kill('SIGSTOP')
      // Six entries lead to each: the primary is asked for those first.
      const count = Math.ceil(waitingMax / 6)
      const opening = Array.from({ length: count }, (_, n) => store.openSession(sampleSession(n + 1, { persistentTokenHash: `persistent-${n}` })))
      await assert.rejects(store.openSession(sampleSession(9_998)), { code: 'CURFEW_STORE_OVERLOADED' })
      await assert.rejects(store.addParticipant(first.id, sampleParticipant('payroll', 1)), { code: 'CURFEW_STORE_OVERLOADED' })
      const ending = store.endSession(sampleEnd(0, first))
      server.kill('SIGCONT')
      assert.deepEqual((await ending).value, { kind: 'ended' })
      assert.ok((await Promise.all(opening)).every(({ value }) => value === 'opened'))
      assert.equal((await store.openSession(sampleSession(9_999))).value, 'opened')
    } finally {
      server.kill('SIGCONT')
      await store[Symbol.asyncDispose]()
      await server.stop()
    }
  })

  test('a server that is restarted is found again, with its data and the functions', async () => {
    const server = await startServer(['--appendfsync', 'always'])
    const store = await openOn([server])
    try {
      await store.openSession(sampleSession(1))
      await server.restart()
      assert.equal((await store.getSession(sampleSession(1).id))?.id, sampleSession(1).id)
      assert.equal((await store.openSession(sampleSession(2))).value, 'opened')
      await server.command('FUNCTION', 'FLUSH')
      assert.equal((await store.openSession(sampleSession(3))).value, 'opened')
    } finally {
      await store[Symbol.asyncDispose]()
      await server.stop()
    }
  })

  test('no server at all is said so, at the start and later', async () => {
    const server = await startServer()
    const store = await openOn([server])
    await server.stop()
    await assert.rejects(openOn([server]), { code: 'CURFEW_STORE_UNREACHABLE' })
    await assert.rejects(store.getSession('ses_1'), { code: 'CURFEW_STORE_UNREACHABLE' })
    await store[Symbol.asyncDispose]()
  })
})

suite('redis: links to the servers', { skip: skipReason }, () => {
  test('AC-197 TLS and passwords are used, and neither a foreign certificate nor a wrong password gets through', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-tls-'))
    const root = await makeCertificate({ name: [{ CN: ['Root of the test'] }], isAuthority: true })
    const own = await makeCertificate({
      name: [{ CN: ['Server of the test'] }],
      by: root,
      alternative: [
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' }
      ]
    })
    writeFileSync(join(folder, 'crt.pem'), own.pem)
    writeFileSync(join(folder, 'key.pem'), own.keyPem)
    const tlsPort = await freeRange(1)
    const tls = [
      '--tls-port',
      String(tlsPort),
      '--tls-cert-file',
      join(folder, 'crt.pem'),
      '--tls-key-file',
      join(folder, 'key.pem'),
      '--tls-auth-clients',
      'no'
    ]
    const server = await startServer([...tls, '--user', 'curfew', 'on', '>right', '~*', '&*', '+@all'])
    const refused = (why: RegExp) => (error: { readonly code?: string; readonly context?: { readonly why?: string } }) =>
      error.code === 'CURFEW_STORE_REFUSED' && why.test(String(error.context?.why))
    const open = (access: NodeAccess, host = 'localhost'): Promise<RedisStore> => openOn([], { nodes: [{ host, port: tlsPort }], access })
    const right = { username: 'curfew', password: 'right', tls: { ca: root.pem } }
    try {
      // By its name, and by an address: a cluster and Sentinel name servers so.
      for (const host of ['localhost', '127.0.0.1']) {
        const store = await open(right, host)
        assert.equal((await store.openSession(sampleSession(1))).value, 'opened')
        await store[Symbol.asyncDispose]()
      }
      await assert.rejects(open({ username: 'curfew', password: 'right', tls: {} }), refused(/^UNABLE_TO_VERIFY_LEAF_SIGNATURE /))
      await assert.rejects(open({ username: 'curfew', password: 'wrong', tls: { ca: root.pem } }), refused(/^WRONGPASS /))
    } finally {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('AC-200 of the listed servers one that answers is enough, and those that do not are named', async () => {
    const servers = await startCluster(2, 0)
    const silent = await freeRange(1)
    const warnings: string[] = []
    const nodes = [silent, servers[1]?.port ?? 0].map((port) => ({ host: '127.0.0.1', port }))
    const store = await openOn([], { topology: { kind: 'cluster' }, nodes, onWarning: ({ server, what }) => warnings.push(`${server} ${what}`) })
    try {
      assert.equal((await store.openSession(sampleSession(1))).value, 'opened')
      assert.ok(warnings.some((warning) => warning.startsWith(`127.0.0.1:${silent} does not answer`)))
      await assert.rejects(openOn([], { topology: { kind: 'cluster' }, nodes: nodes.slice(0, 1) }), (error) =>
        String((error as { context?: { nodes?: string } }).context?.nodes).includes(String(silent))
      )
    } finally {
      await store[Symbol.asyncDispose]()
      await Promise.all(servers.map((server) => server.stop()))
    }
  })

  test('servers that would forget sessions are refused, and so is another number of buckets', async () => {
    const server = await startServer(['--maxmemory-policy', 'allkeys-lru'])
    try {
      await assert.rejects(openOn([server]), { code: 'CURFEW_STORE_UNSUITABLE' })
      await server.command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
      const store = await openOn([server], { prefix: 'fixed:', buckets: 16 })
      await store[Symbol.asyncDispose]()
      await assert.rejects(openOn([server], { prefix: 'fixed:', buckets: 32 }), { code: 'CURFEW_STORE_UNSUITABLE' })
    } finally {
      await server.stop()
    }
  })

  test('Sentinel says who takes the writes, also after the primary has died', async () => {
    const primary = await startServer()
    const replica = await startServer(['--replicaof', `127.0.0.1 ${primary.port}`])
    await until(async () => String(await primary.command('INFO', 'replication')).includes('state=online'))
    const sentinel = await startSentinel(primary, [replica])
    const nodes = [{ host: '127.0.0.1', port: sentinel.port }]
    const store = await openOn([], { topology: { kind: 'sentinel', master: 'curfew' }, nodes, copies: 1 })
    try {
      await store.openSession(sampleSession(1))
      await until(async () => (await store.touch(sampleSession(1).id, 0, 0)).durability === 'replicated')
      primary.kill('SIGKILL')
      await until(async () => (await store.openSession(sampleSession(2))).value === 'opened', 30_000)
      assert.equal((await store.getSession(sampleSession(1).id))?.id, sampleSession(1).id)
    } finally {
      await store[Symbol.asyncDispose]()
      await Promise.all([sentinel, primary, replica].map((server) => server.stop()))
    }
  })
})

/** The end of a session as far as its own bucket: its revocation is left there. Returns the SRI and when it ended. */
async function endHalf(server: Server, store: RedisStore, prefix: string): Promise<{ readonly sri: string; readonly atMs: number }> {
  await store.openSession(sampleSession(1))
  const session = await store.getSession(sampleSession(1).id)
  assert.ok(session !== undefined)
  const { end, run } = sampleEnd(1, session)
  const place = `${String(run.startedAtMs).padStart(16, '0')} ${run.id}`
  const runArgs = [run.id, session.id, place, '1', 'open', '', JSON.stringify(run), '1', '0', '0']
  const args = [session.id, String(session.version), JSON.stringify(end), '9000000000000', '9000000000000', session.sri, String(end.atMs), '', '', '{}']
  await server.command('FCALL', library.named('end_session'), '1', `${prefix}{0}beat`, ...args, ...runArgs)
  return { sri: session.sri, atMs: end.atMs }
}

suite('redis: what a crash leaves half done', { skip: skipReason }, () => {
  test('a session that ended is revoked at once, and comes onto the list with the next reader', async () => {
    const server = await startServer()
    const store = await openOn([server], { prefix: 'half:', buckets: 1 })
    try {
      const { sri, atMs } = await endHalf(server, store, 'half:')
      assert.equal(await store.isRevoked(sri, atMs), true)
      const [entry] = await store.revocationFeed(0, 10)
      assert.deepEqual([entry?.sri, entry?.untilMs, entry?.atMs], [sri, 9_000_000_000_000, atMs])
      assert.equal((await store.revocationFeed(0, 10)).length, 1)
    } finally {
      await store[Symbol.asyncDispose]()
      await server.stop()
    }
  })

  test('as long as the server takes no write that is nowhere but with the session: the list is read by nobody, rather than without it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'curfew-unwritten-'))
    const snapshot = join(folder, 'dump.rdb')
    const server = await startServer(['--dir', folder])
    const store = await openOn([server], { prefix: 'half:', buckets: 1 })
    const isSaved = async (): Promise<boolean> => {
      await server.command('BGSAVE').catch(() => undefined)
      return /rdb_last_bgsave_status:ok/.test(String(await server.command('INFO', 'persistence')))
    }
    try {
      const { sri, atMs } = await endHalf(server, store, 'half:')
      await server.command('CONFIG', 'SET', 'save', '3600 1000000')
      mkdirSync(snapshot)
      await until(async () => !(await isSaved()))
      await assert.rejects(store.openSession(sampleSession(2)), { code: 'CURFEW_STORE_DISK_FULL' })
      assert.equal(await store.isRevoked(sri, atMs), true)
      for (let i = 0; i < 3; i++) await assert.rejects(store.revocationFeed(0, 10), { code: 'CURFEW_STORE_DISK_FULL' })
      rmdirSync(snapshot)
      await until(isSaved)
      assert.deepEqual(
        (await store.revocationFeed(0, 10)).map((entry) => entry.sri),
        [sri]
      )
    } finally {
      await store[Symbol.asyncDispose]()
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

suite('redis: buckets move to another server under load', { skip: skipReason }, () => {
  test('every call is carried out where its bucket is now', async () => {
    const servers = await startCluster(2, 0)
    const store = await openOn(servers, { topology: { kind: 'cluster' }, prefix: 'move:' })
    const [from, to] = servers
    assert.ok(from !== undefined && to !== undefined)
    try {
      const working = load(store, 4, 'local')
      await until(async () => working.told.ended.length > 20)
      const keysThere = Number(await to.command('DBSIZE'))
      const before = working.told.ended.length
      await moveSlots(
        from,
        to,
        slotsOfBuckets(16).filter((slot) => slot < 8_192)
      )
      const moved = working.told.ended.length
      await until(async () => working.told.ended.length > moved + 20)
      const told = await working.stop()
      assert.ok(moved > before, 'work went on meanwhile')
      assert.equal(told.refused, 0)
      assert.ok(told.opened.length > told.ended.length && told.added.length >= told.ended.length)
      assert.equal(await from.command('DBSIZE'), 0)
      assert.ok(Number(await to.command('DBSIZE')) > keysThere)
      await hold(store, told)
    } finally {
      await store[Symbol.asyncDispose]()
      await Promise.all(servers.map((server) => server.stop()))
    }
  })
})
