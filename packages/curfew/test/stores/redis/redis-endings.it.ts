import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isCurfewError } from '@curfew/codecs'
import { redisAccess, type RedisServers } from '../../../src/cli/redis-access.ts'
import { type Clock, steadyMs, systemClock } from '../../../src/platform/clock.ts'
import type { EndingsLog } from '../../../src/stores/endings-log.ts'
import { checkEndingsServer, openRedisEndings, type RedisEndingsOptions } from '../../../src/stores/redis/redis-endings.ts'
import { startModeServers } from '../../support/mode-servers.ts'
import { freeRange } from '../../support/ports.ts'
import { type Server, skipReason, startSentinel, startServer, until } from './servers.ts'

/** A reader of the log, and what it has read. */
function reader(
  servers: RedisServers,
  more: Partial<RedisEndingsOptions> = {}
): { readonly log: EndingsLog; readonly texts: string[]; readonly isComplete: () => boolean } {
  const texts: string[] = []
  let completeMs: number | undefined
  const log = openRedisEndings(
    { ...redisAccess(servers), prefix: 'curfew:', copies: 0, needsCopies: true, keepMs: 3_600_000, clock: systemClock, steadyMs, label: 'test', ...more },
    { take: (read) => void texts.push(...read), complete: (atMs) => void (completeMs = atMs), onProblem: () => undefined }
  )
  return { log, texts, isComplete: () => completeMs !== undefined }
}

suite('What gateways tell each other, on servers of each kind', { skip: skipReason }, () => {
  for (const mode of ['shared', 'state-servers', 'adaptive'] as const) {
    test(`reaches those that read, and those that begin later (${mode})`, async () => {
      await using running = await startModeServers(mode)
      const [group] = running.groups
      assert.ok(group !== undefined)
      const servers: RedisServers = { topology: group.topology, master: 'curfew', nodes: group.ports.map((port) => `redis://127.0.0.1:${port}`) }
      const first = reader(servers)
      await until(async () => first.isComplete())
      await first.log.append('told', 'one')
      await first.log.append('unsigned', 'two')
      const second = reader(servers)
      for (const { texts } of [first, second]) await until(async () => texts.includes('one') && texts.includes('two'))
      await Promise.all([first.log.close(), second.log.close()])
      assert.deepEqual(new Set(second.texts), new Set(['one', 'two']))
    })
  }
})

suite('What gateways tell each other, when the primary dies', { skip: skipReason }, () => {
  test('goes on at the one that Sentinel names, with what was told before; nothing is lost in silence', async () => {
    const primary = await startServer()
    const copies = [await startServer(['--replicaof', `127.0.0.1 ${primary.port}`]), await startServer(['--replicaof', `127.0.0.1 ${primary.port}`])]
    await until(async () => String(await primary.command('INFO', 'replication')).match(/state=online/g)?.length === 2)
    const sentinel = await startSentinel(primary, copies)
    const servers: RedisServers = { topology: 'sentinel', master: 'curfew', nodes: [`redis://127.0.0.1:${sentinel.port}`] }
    const warnings: string[] = []
    const [first, second] = [reader(servers, { copies: 1, onWarning: ({ what }) => void warnings.push(what) }), reader(servers, { copies: 1 })]
    const append = (text: string): Promise<boolean> =>
      first.log.append('told', text).then(
        () => true,
        (error: unknown) => {
          assert.ok(isCurfewError(error) && error.code === 'CURFEW_STORE_UNREACHABLE')
          return false
        }
      )
    try {
      for (const { isComplete } of [first, second]) await until(async () => isComplete())
      await until(() => append('before'))
      primary.kill('SIGKILL')
      const hasMeanwhile = await append('meanwhile')
      await until(() => append('after'))
      await until(async () => second.texts.includes('after'))
      const later = reader(servers)
      await until(async () => later.isComplete())
      await later.log.close()
      for (const text of ['before', 'after', ...(hasMeanwhile ? ['meanwhile'] : [])]) assert.ok(later.texts.includes(text), text)
      // Once, whoever takes over.
      const ofSentinels = warnings.filter((what) => /sentinels|down-after/.test(what))
      assert.deepEqual(
        ofSentinels.map((what) => what.split(':')[0]),
        ['fewer than 3 sentinels are listed', 'down-after-milliseconds is 500']
      )
    } finally {
      await Promise.all([first.log.close(), second.log.close()])
      await Promise.all([sentinel, primary, ...copies].map((server) => server.stop()))
    }
  })
})

/** The one server, by an address with the words of a user. */
function only({ port }: Server, user = ''): RedisServers {
  return { topology: 'standalone', master: 'curfew', nodes: [`redis://${user}127.0.0.1:${port}`] }
}

/** A server for one test; it is stopped, and every log on it closed, however the test ends. */
async function onServer(settings: readonly string[], run: (server: Server, open: typeof reader) => Promise<void>): Promise<void> {
  const server = await startServer(settings)
  const logs: EndingsLog[] = []
  try {
    await run(server, (...args) => {
      const opened = reader(...args)
      logs.push(opened.log)
      return opened
    })
  } finally {
    await Promise.all(logs.map((log) => log.close()))
    await server.stop()
  }
}

/** What `docs/how-to/gateway.md` says that the user of the gateways needs. */
const narrow = ['~curfew:{gateway}:*', '-@all', '+client', '+xadd', '+xread', '+pexpire', '+zadd', '+zscore']

suite('What gateways tell each other, on servers that take little from them', { skip: skipReason }, () => {
  test('needs no functions, which a server before 7.0 has not, and a user of theirs may not load', () =>
    onServer([], async (server, open) => {
      await server.command('ACL', 'SETUSER', 'gateway', 'on', '>hush', ...narrow)
      const { log, texts, isComplete } = open(only(server, 'gateway:hush@'))
      await until(async () => isComplete())
      await log.append('told', 'one')
      await until(async () => texts.includes('one'))
      assert.deepEqual(await server.command('FUNCTION', 'LIST'), [])
    }))
})

suite('What a gateway with shorter sessions writes', { skip: skipReason }, () => {
  const hourMs = 3_600_000
  const ahead = (ms: number): Clock => ({ ...systemClock, nowMs: () => systemClock.nowMs() + ms })

  test('takes nothing that one with longer sessions needs, and what nobody needs goes', () =>
    // Streams are shortened by whole nodes: here each has one entry.
    onServer(['--stream-node-max-entries', '1'], async (server, open) => {
      await open(only(server), { keepMs: 10 * hourMs }).log.append('told', 'one')
      await open(only(server), { clock: ahead(3 * hourMs) }).log.append('told', 'two')
      assert.equal(await server.command('XLEN', 'curfew:{gateway}:endings'), 2)
      assert.ok(Number(await server.command('PTTL', 'curfew:{gateway}:endings')) > 10 * hourMs)
      await open(only(server), { clock: ahead(12 * hourMs) }).log.append('told', 'three')
      assert.equal(await server.command('XLEN', 'curfew:{gateway}:endings'), 0)
    }))
})

suite('A server that gateways are to tell each other by', { skip: skipReason }, () => {
  /** What stops the start, and what is told of the server once it is used. */
  async function findings(settings: readonly string[], user?: readonly string[]): Promise<readonly [string, readonly string[]]> {
    const told: string[] = []
    let why = ''
    await onServer(settings, async (server, open) => {
      if (user !== undefined) await server.command('ACL', 'SETUSER', 'gateway', 'on', '>hush', ...user)
      const servers = only(server, user === undefined ? '' : 'gateway:hush@')
      await checkEndingsServer({ ...redisAccess(servers), copies: 0, clock: systemClock, steadyMs, label: 'test' }).catch((error: unknown) => {
        assert.ok(isCurfewError(error) && error.code === 'CURFEW_STORE_UNSUITABLE')
        why = String(error.context['why'])
      })
      const { isComplete } = open(servers, { onWarning: ({ what }) => void told.push(what) })
      await until(async () => isComplete())
    })
    return [why, told]
  }

  test('is refused where it forgets under pressure, and is told of where it forgets over its restart', async () => {
    assert.deepEqual(await findings([]), ['', []])
    const [why, told] = await findings(['--maxmemory-policy', 'volatile-ttl'])
    assert.match(why, /^maxmemory-policy is volatile-ttl/)
    assert.equal(told.length, 1)
    const [none, [restart = '']] = await findings(['--appendonly', 'no'])
    assert.equal(none, '')
    assert.match(restart, /^appendonly is no/)
  })

  test('that tells nothing of itself to the user of the gateways is taken, and so is one that is not there yet', async () => {
    assert.deepEqual(await findings(['--maxmemory-policy', 'volatile-ttl'], narrow), ['', []])
    const nobody = redisAccess({ topology: 'standalone', master: 'curfew', nodes: [`redis://127.0.0.1:${await freeRange(1)}`] })
    assert.equal(await checkEndingsServer({ ...nobody, copies: 0, clock: systemClock, steadyMs, label: 'test' }), undefined)
  })
})

suite('What gateways tell each other, with copies that are waited for', { skip: skipReason }, () => {
  const refused = (error: unknown): boolean =>
    isCurfewError(error) && error.code === 'CURFEW_STORE_UNREACHABLE' && /of 1 copies/.test(String(error.context['why']))

  test('counts once so many replicas have it, and what they had no time for is sent again as one entry', () =>
    onServer([], async (server, open) => {
      const replica = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
      try {
        await until(async () => String(await server.command('INFO', 'replication')).includes('state=online'))
        const { log } = open(only(server), { copies: 1 })
        await log.append('told', 'one')
        await replica.stop()
        for (let i = 0; i < 3; i++) await assert.rejects(log.append('told', 'two'), refused)
        await assert.rejects(log.append('unsigned', 'three'), refused)
        const stream = async (name: string): Promise<number> => Number(await server.command('XLEN', `curfew:{gateway}:${name}`))
        assert.deepEqual([await stream('endings'), await stream('frames')], [2, 1])
        const again = await startServer(['--replicaof', `127.0.0.1 ${server.port}`])
        try {
          await until(async () => String(await server.command('INFO', 'replication')).includes('state=online'))
          await log.append('told', 'two')
          assert.deepEqual([await stream('endings'), Number(await again.command('XLEN', 'curfew:{gateway}:endings'))], [2, 2])
          await server.command('DEL', 'curfew:{gateway}:frames')
          await log.append('unsigned', 'three')
          assert.equal(Number(await again.command('XLEN', 'curfew:{gateway}:frames')), 1)
        } finally {
          await again.stop()
        }
      } finally {
        await replica.stop()
      }
    }))

  test('of the servers of the store the one that takes the writes is enough', () =>
    onServer([], async (server, open) => {
      const { log, texts } = open(only(server), { copies: 1, needsCopies: false })
      await log.append('told', 'one')
      await until(async () => texts.includes('one'))
    }))
})
