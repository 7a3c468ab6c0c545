import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { redisAccess, type RedisServers } from '../../../src/cli/redis-access.ts'
import { steadyMs, systemClock } from '../../../src/platform/clock.ts'
import type { EndingsLog } from '../../../src/stores/endings-log.ts'
import { openRedisEndings } from '../../../src/stores/redis/redis-endings.ts'
import { startModeServers } from '../../support/mode-servers.ts'
import { skipReason, until } from './servers.ts'

/** A reader of the log, and what it has read. */
function reader(servers: RedisServers): { readonly log: EndingsLog; readonly texts: string[]; readonly isComplete: () => boolean } {
  const texts: string[] = []
  let completeMs: number | undefined
  const log = openRedisEndings(
    { ...redisAccess(servers), prefix: 'curfew:', copies: 0, keepMs: 3_600_000, clock: systemClock, steadyMs, label: 'test' },
    { take: (more) => void texts.push(...more), complete: (atMs) => void (completeMs = atMs), onProblem: () => undefined }
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
