import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Said } from './crash-child.ts'

const child = fileURLToPath(new URL('crash-child.ts', import.meta.url))
const peers = ['payroll', 'intranet', 'legacy']
/** Moments between the end of the session and the receipt, evenly over all calls that change something; the first is that end. */
const pointsCount = 12

interface Place {
  readonly file: string
  /** Holds the run that whoever asked was told of. */
  readonly answered: string
}

suite('kill -9 of a process on a SQLite file, at each of its calls', { concurrency: 2 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-crash-'))
  /** Message ids that arrived, by the file of the process and the peer. */
  const arrived = new Map<string, string[]>()
  let partners: Server
  let points: readonly string[] = []
  let places = 0

  before(async () => {
    // The partners: each confirms, but legacy, which is down for the first message.
    partners = createServer((request, response) => {
      const [, place = '', peer = '', message = ''] = (request.url ?? '').split('/')
      const sofar = arrived.get(`${place}/${peer}`) ?? []
      arrived.set(`${place}/${peer}`, [...sofar, message])
      response.writeHead(peer === 'legacy' && sofar.length === 0 ? 503 : 200).end()
    }).listen(0, '127.0.0.1')
    await once(partners, 'listening')
    const { said } = await live(place(), {})
    points = said?.calls ?? []
  })
  after(() => {
    partners.close()
    partners.closeAllConnections()
    rmSync(folder, { recursive: true, force: true })
  })

  test('the calls are those from before the session ends to after the receipt', () => {
    for (const name of ['endSession', 'claimEffects', 'commitRun', 'send to payroll', 'send to legacy', 'sign receipt', 'appendAudit'])
      assert.ok(points.includes(name), name)
    assert.ok(points.indexOf('endSession') < points.findIndex((name) => name.startsWith('send to')))
    assert.ok(points.length >= 20, String(points.length))
  })

  for (let i = 0; i < pointsCount; i++)
    test(`killed after ${i + 1} of ${pointsCount} calls that change something: no delivery is lost`, async () => {
      const where = place()
      const changes = points.flatMap((name, at) => (/^(?:endSession|claimEffects|commitRun|appendAudit|send to|sign receipt)/.test(name) ? [at + 1] : []))
      assert.ok(changes.length >= pointsCount, String(changes.length))
      const call = changes[Math.floor((i * changes.length) / pointsCount)] ?? assert.fail('a call')
      const first = await live(where, { call, phase: 'after' })
      assert.ok(first.wasKilled || call > points.length - 6, `call ${call} of ${points.length} came`)
      const { said } = await run(where, { session: first.session })
      assert.ok(said !== undefined)
      const told = existsSync(where.answered) ? readFileSync(where.answered, 'utf8') : undefined
      if (told !== undefined) assert.equal(said.run?.id, told, 'a run that was answered is there')
      if (said.state === 'live') return assert.deepEqual(receivedAt(where), {}, 'nobody was told of an ending that is not there')
      assert.equal(said.run?.state, 'done')
      assert.deepEqual(said.run.outcomes, { payroll: 'ended', intranet: 'ended', legacy: 'ended' })
      const received = receivedAt(where)
      for (const peer of peers) {
        const messages = received[peer] ?? []
        assert.ok(messages.length >= 1, `${peer} was told`)
        assert.equal(new Set(messages).size, messages.length, 'every message has its own id')
      }
    })

  function place(): Place {
    places += 1
    return { file: join(folder, `${places}.db`), answered: join(folder, `${places}.answered`) }
  }

  function receivedAt({ file }: Place): Readonly<Record<string, readonly string[]>> {
    const name = nameOf(file)
    return Object.fromEntries(peers.flatMap((peer) => (arrived.has(`${name}/${peer}`) ? [[peer, arrived.get(`${name}/${peer}`) ?? []]] : [])))
  }

  function live(where: Place, death: { readonly call?: number; readonly phase?: string }) {
    return run(where, { ...death })
  }

  async function run(where: Place, options: { readonly call?: number; readonly phase?: string; readonly session?: string }) {
    const partner = `http://127.0.0.1:${(partners.address() as AddressInfo).port}/${nameOf(where.file)}`
    const given = { file: where.file, partner, answered: where.answered, ...options }
    const args = Object.entries(given).flatMap(([name, value]) => [`--${name}`, String(value)])
    const process_ = spawn(process.execPath, [child, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(process_, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
    const [session = '', last = ''] = (await text(process_.stdout)).trim().split('\n')
    const [status, signal] = await ended
    assert.ok(signal === 'SIGKILL' || status === 0, `status ${status} signal ${signal}`)
    return { session, wasKilled: signal === 'SIGKILL', said: last === '' ? undefined : (JSON.parse(last) as Said) }
  }

  function nameOf(file: string): string {
    return file.slice(folder.length + 1)
  }
})
