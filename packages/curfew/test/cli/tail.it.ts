import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { type EventView, eventView } from '../../src/admin/schemas.ts'
import { until } from '../support/until.ts'
import { lineOf, startCurfew, stopped } from './bin.ts'
import { type RunningCurfew, type SeededSession, startInstallation } from './running.ts'
import { atTerminal } from './terminal-of.ts'

const held: { curfew?: RunningCurfew; application?: Server; restarted?: ChildProcess } = {}
const secret = 'a-secret-of-the-test-that-is-long-enough'
const users = ['ana', 'ben', 'cid', 'dan', 'eve']
const sessions = users.map((username): SeededSession => ({ peers: ['wiki', 'mute'], change: { username, userKey: `form:${username}` } }))

before(async () => {
  held.application = createServer((request, response) => {
    request.resume()
    response.writeHead(request.url === '/mute' ? 503 : 200).end()
  }).listen(0, '127.0.0.1')
  await once(held.application, 'listening')
  const application = `http://127.0.0.1:${(held.application.address() as AddressInfo).port}`
  const client = (id: string): object => ({
    id,
    protocol: 'oidc',
    clientSecret: secret,
    redirectUris: [`${application}/cb`],
    logout: { modes: ['backChannel'], backChannelUri: `${application}/${id}` }
  })
  held.curfew = await startInstallation({ sessions, config: () => ({ connections: [client('wiki'), client('mute')] }) })
})

after(async () => {
  held.restarted?.kill('SIGKILL')
  await held.curfew?.[Symbol.asyncDispose]()
  held.application?.close()
})

function curfew(): RunningCurfew {
  return held.curfew ?? assert.fail('no server')
}

/** `curfew tail`, as it goes on. */
function tailing(...args: readonly string[]): { readonly child: ChildProcess; readonly lines: () => readonly string[]; readonly notes: () => string } {
  const child = startCurfew(curfew().folder, ['tail', ...args])
  let out = ''
  let err = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
  return { child, lines: () => out.split('\n').slice(0, -1), notes: () => err }
}

const read = (lines: readonly string[]): readonly EventView[] => lines.map((line) => eventView.parse(JSON.parse(line)))
const logout = (user: string): ReturnType<RunningCurfew['run']> => curfew().run(['logout', '--user', user, '--yes'])

suite('curfew tail', { timeout: 180_000 }, () => {
  test('with --since and --no-follow prints what was and stops, as lines, as JSON and for people', async () => {
    assert.equal((await logout('ana')).code, 0)
    const events = async (...args: readonly string[]): Promise<readonly EventView[]> => {
      const { code, out, err } = await curfew().run(['tail', '--since', '1h', '--no-follow', '--ndjson', ...args])
      assert.deepEqual([code, err], [0, ''])
      return read(out.split('\n').slice(0, -1))
    }
    await until('an attempt failed', async () => (await events()).some(({ event }) => event === 'attempt.failed'))
    const all = await events()
    assert.deepEqual(
      all.filter(({ peer }) => peer === 'wiki').map(({ event, outcome }) => [event, outcome]),
      [
        ['attempt.sent', undefined],
        ['delivery.final', 'ended']
      ]
    )
    assert.deepEqual(
      (await events('--filter', 'app=mute outcome=failed')).map(({ event, code, user }) => [event, code, user]),
      [['attempt.failed', 'CURFEW_OIDC_PEER_HTTP', 'ana']]
    )
    const asJson = JSON.parse((await curfew().run(['tail', '--since', '1h', '--no-follow', '--json'])).out) as EventView[]
    assert.deepEqual(
      asJson.map(({ id }) => id).filter((id) => all.some((one) => one.id === id)),
      all.map(({ id }) => id)
    )
    assert.deepEqual(JSON.parse((await curfew().run(['tail', '--no-follow', '--json'])).out), [])
    const text = (await curfew().run(['tail', '--since', '1h', '--no-follow'])).out
    assert.match(text, /^\d\d:\d\d:\d\d\.\d{3} {2}== {2}ana {9}session ended: admin, by cli, 2 applications to tell {2}run_\w+$/m)
    assert.match(text, /^\S+ {2}<-- wiki {8}logout token accepted \S+ m?s: signed out, confirmed \(ana\)$/m)
    for (const output of [JSON.stringify(asJson), text]) assert.ok(!output.includes(secret))
  })

  test('goes on after the server was killed and started again, and tells every event once', async () => {
    const { child, lines, notes } = tailing('--since', '1h', '--ndjson', '--filter', 'event=session.ended')
    const person = tailing('--since', '1h', '--filter', 'event=session.ended')
    const endedUsers = (): readonly (string | undefined)[] => read(lines()).map(({ user }) => user)
    await until('the first ending is told', () => endedUsers().length === 1 && person.lines().length === 1)
    assert.equal((await logout('ben')).code, 0)
    await until('the second ending is told', () => endedUsers().includes('ben') && person.lines().length === 2)
    curfew().child.kill('SIGKILL')
    await once(curfew().child, 'exit')
    await until('it is noticed', () => notes().includes('The server does not answer'))
    held.restarted = startCurfew(curfew().folder, ['start'])
    await lineOf(held.restarted, /server\.ready/)
    assert.equal((await logout('cid')).code, 0)
    assert.equal((await logout('dan')).code, 0)
    await until('the others are told', () => endedUsers().length >= 4 && person.lines().length >= 4)
    assert.deepEqual(endedUsers(), ['ana', 'ben', 'cid', 'dan'])
    assert.match(notes(), /The server is back\./)
    for (const { child: one } of [{ child }, person]) assert.equal(await stopped(one), 0)
    assert.equal(person.lines().filter((line) => line.includes('session ended')).length, 4)
  })

  test('a filter that can not be read is a fault of usage, a server that is not there is said at once', async () => {
    const wrong = await curfew().run(['tail', '--filter', 'ap=wiki'])
    assert.deepEqual([wrong.code, wrong.out], [64, ''])
    assert.match(wrong.err, /Did you mean "app"\?/)
    const away = await curfew().run(['tail', '--server', 'http://127.0.0.1:9', '--token-file', 'data/admin.token'])
    assert.equal(away.code, 69)
  })

  test('at a terminal there are colours, and none with --no-color', async () => {
    const { text } = await atTerminal(curfew().folder, ['tail', '--since', '1h', '--no-follow'])
    assert.ok(text.includes('\u001B[36m-->'), text)
    const plain = await atTerminal(curfew().folder, ['--no-color', 'tail', '--since', '1h', '--no-follow'])
    assert.ok(plain.text.includes('-->') && !plain.text.includes('\u001B['), plain.text)
  })
})
