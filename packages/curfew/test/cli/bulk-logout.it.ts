import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse, stringify } from 'yaml'
import type { Session } from '../../src/core/session.ts'
import { engineLimits } from '../../src/engine/deps.ts'
import { hourMs, sampleParticipant, sampleSession } from '../../src/stores/conformance/samples.ts'
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'
import { curfew, freePorts, lineOf, startCurfew } from './bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-bulk-'))
/** More than one call of the command ends. */
const sessionCount = 600
/** Requests to one application: so many came, so many are there now, so many were at most. */
interface Told {
  count: number
  atOnce: number
  atOnceMax: number
  /** As many are there as its bound allows. */
  readonly full: PromiseWithResolvers<void>
}

const told = new Map<string, Told>()
/** The first requests to an application wait until it has as many as it may, and for more that should not come. */
const fullMs = 30_000
const moreMs = 500
const { perPeerMax } = engineLimits
const server: { child?: ChildProcess; client?: Server } = {}

before(async () => {
  server.client = createServer((request, response) => {
    const one = toldOf((request.url ?? '').slice(1))
    one.count += 1
    one.atOnce += 1
    one.atOnceMax = Math.max(one.atOnceMax, one.atOnce)
    const isFirst = one.count <= perPeerMax
    if (one.atOnce === perPeerMax) one.full.resolve()
    request.resume().on('end', () => void answer(one, isFirst, response))
  }).listen(0, '127.0.0.1')
  await once(server.client, 'listening')
  const client = `http://127.0.0.1:${(server.client.address() as AddressInfo).port}`
  const [port = 0, adminPort = 0] = await freePorts(2)
  const baseUrl = `http://127.0.0.1:${port}`
  assert.equal((await curfew(folder, ['init', '--base-url', baseUrl])).code, 0)
  const config = parse(readFileSync(join(folder, 'curfew.yaml'), 'utf8')) as object
  const connection = (id: string): object => ({
    id,
    name: id,
    protocol: 'oidc',
    clientSecret: 'a-secret-of-the-test-that-is-long-enough',
    redirectUris: [`${client}/cb`],
    logout: { modes: ['backChannel'], backChannelUri: `${client}/${id}` }
  })
  const text = stringify({
    ...config,
    server: { baseUrl, listen: [baseUrl.slice(7)] },
    outbound: { allowPrivate: ['127.0.0.1/32'] },
    admin: { listen: [`127.0.0.1:${adminPort}`] },
    // The disk decides how fast so many come: none of those that wait is given up and asked again.
    logout: { sendTimeoutSeconds: 60 },
    connections: [connection('wiki'), connection('chat')]
  })
  writeFileSync(join(folder, 'curfew.yaml'), text)
  await fill()
  server.child = startCurfew(folder, ['start'])
  await lineOf(server.child, /server\.ready/)
  server.child.stderr?.resume()
})

after(() => {
  server.child?.kill('SIGKILL')
  server.client?.close()
  rmSync(folder, { recursive: true, force: true })
})

async function answer(one: Told, isFirst: boolean, response: ServerResponse): Promise<void> {
  if (isFirst) {
    await Promise.race([one.full.promise, sleep(fullMs)])
    await sleep(moreMs)
  }
  one.atOnce -= 1
  response.end()
}

function toldOf(id: string): Told {
  const one = told.get(id) ?? { count: 0, atOnce: 0, atOnceMax: 0, full: Promise.withResolvers() }
  told.set(id, one)
  return one
}

/** As many sessions as nobody signs in by hand, half of them with a second application. */
async function fill(): Promise<void> {
  mkdirSync(join(folder, 'data'), { recursive: true })
  await using store = await openSqliteStore({ file: join(folder, 'data/curfew.db'), capacity: 100_000 })
  const nowMs = Date.now()
  const times: Partial<Session> = { createdAtMs: nowMs, lastActivityAtMs: nowMs, idleExpiresAtMs: nowMs + hourMs, expiresAtMs: nowMs + hourMs }
  await Promise.all(
    Array.from({ length: sessionCount }, async (_, n) => {
      const session = sampleSession(n, { ...times, username: `user${n}`, userKey: `form:user${n}` })
      await store.openSession(session)
      for (const peerId of n % 2 === 0 ? ['wiki'] : ['wiki', 'chat']) await store.addParticipant(session.id, sampleParticipant(peerId, n, { protocol: 'oidc' }))
    })
  )
}

suite('a bulk logout', { timeout: 120_000 }, () => {
  test('says first what would happen, by application', async () => {
    const { code, out } = await curfew(folder, ['logout', '--all', '--app', 'chat', '--dry-run'])
    assert.equal(code, 0)
    assert.match(out, /Would end 300 sessions of 300 users\. Nothing was done\./)
    assert.match(out, /chat +300 would be told\n +wiki +300 would be told/)
    assert.equal(told.size, 0)
  })

  test('ends more sessions than one call, tells every application once and within its bound, and sums up', async () => {
    const { code, out } = await curfew(folder, ['logout', '--all', '--yes', '--watch'])
    assert.equal(code, 0, out)
    assert.match(out, /chat +300 +0 +0 +0/)
    assert.match(out, /wiki +600 +0 +0 +0/)
    assert.match(out, /complete +600 of 600 sign-outs are confirmed by every application/)
    assert.deepEqual([...told.keys()].sort(), ['chat', 'wiki'])
    for (const [id, count] of [
      ['chat', 300],
      ['wiki', 600]
    ] as const) {
      assert.equal(toldOf(id).count, count, id)
      assert.equal(toldOf(id).atOnceMax, perPeerMax, `at once at ${id}`)
    }
    assert.match((await curfew(folder, ['logout', '--all', '--yes'])).err, /Nobody is signed in/)
  })
})
