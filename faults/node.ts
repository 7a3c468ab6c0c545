/**
 * One node under load: the whole product as its configuration says, and callers in its process. What was acknowledged is
 * written out line by line before the next thing is done, so that it outlives a `kill -9`.
 */
import { readFileSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { compose } from '../packages/curfew/src/cli/compose.ts'
import { readSecret } from '../packages/curfew/src/cli/key-files.ts'
import { groupsOf } from '../packages/curfew/src/config/groups.ts'
import { loadConfig } from '../packages/curfew/src/config/load.ts'
import { createLocator } from '../packages/curfew/src/platform/locator.ts'
import { createLogger } from '../packages/curfew/src/platform/logger.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { createCallers } from './callers.ts'
import { type Event, nowMs, type Order } from './events.ts'

/** How long copies may take to get what they were owed, once the fault is over. */
const owedMsMax = 30_000

/** A pipe that is full is tried again: nothing that was acknowledged may get lost between two processes. */
function say(event: Event): void {
  const line = Buffer.from(`${JSON.stringify(event)}\n`)
  for (let at = 0; at < line.length; ) {
    try {
      at += writeSync(1, line, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

const result = loadConfig(process.argv[2] ?? '', { environment: {} })
if (!result.ok) throw new Error(result.findings.map(({ path, what }) => `${path}: ${what}`).join('\n'))
const { config } = result.loaded
const server = await compose(result.loaded, createLogger({ level: 'warn' }, { write: (text) => void writeSync(2, text) }))
await server.start()
const callers = createCallers({
  store: server.store,
  engine: server.engine,
  clock: server.clock,
  locator: createLocator([readSecret(config.sessions.secretFile)], systemRandom, groupsOf(config).self.letter),
  peers: config.connections.map(({ id }) => id),
  durability: (config.store.redis?.copies ?? 0) === 0 ? 'local' : 'replicated',
  say
})

async function carryOut(order: Order): Promise<void> {
  switch (order.what) {
    case 'load':
      callers.start(order.lanes, order.pauseMs)
      return
    case 'idle':
      await callers.stop()
      return untilPaid()
    case 'open':
      await Promise.all(Array.from({ length: order.count }, () => callers.open(-1)))
      return
    case 'end':
      return callers.end(-1, order.ticket)
    case 'check':
      await Promise.all(order.tickets.map((ticket) => callers.check(ticket)))
      return
    case 'forget':
      return forget(order.group)
    case 'stop':
      await callers.stop()
      await server.stop()
  }
}

async function forget(group: string): Promise<void> {
  const token = readFileSync(join(dirname(process.argv[2] ?? ''), 'data/admin.token'), 'utf8').trim()
  const { statusCode, body } = await server.admin.inject({
    method: 'POST',
    url: `/v1/cluster/groups/${group}/forget`,
    headers: { authorization: `Bearer ${token}` },
    payload: {}
  })
  if (statusCode !== 200) throw new Error(`forgetting ${group} was answered with ${statusCode}: ${body}`)
}

/** Resolves when the copies have what they were owed. */
async function untilPaid(): Promise<void> {
  const endMs = nowMs() + owedMsMax
  while ('owed' in server.store && Number(server.store.owed) > 0 && nowMs() < endMs) await pause(50)
}

for await (const line of (say({ kind: 'ready' }), createInterface({ input: process.stdin }))) {
  const order = JSON.parse(line) as Order
  void carryOut(order).then(() => {
    say({ kind: 'done', number: order.number })
    if (order.what === 'stop') process.exit(0)
  })
}
