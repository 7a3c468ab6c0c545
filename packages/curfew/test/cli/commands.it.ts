import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { RunView, SessionView } from '../../src/admin/schemas.ts'
import { startCurfew } from './bin.ts'
import { type RunningCurfew, type SeededSession, startInstallation } from './running.ts'
import { atTerminal } from './terminal-of.ts'

const held: { curfew?: RunningCurfew; application?: Server } = {}
/** Questions of the server that nobody answers yet. */
const waiting: ServerResponse[] = []
const hourMs = 3_600_000

/** More than one page of a list, one from another identity provider, one that is three hours old. */
const sessions: readonly SeededSession[] = [
  { peers: ['wiki'], change: { username: 'zoe', userKey: 'campus:zoe', sourceId: 'campus' } },
  { peers: ['wiki'], change: { username: 'old', userKey: 'form:old', createdAtMs: Temporal.Now.instant().epochMilliseconds - 3 * hourMs } },
  { peers: ['mute'], change: { username: 'mute', userKey: 'form:mute' } },
  ...Array.from({ length: 117 }, (): SeededSession => ({ peers: ['wiki'] }))
]

before(async () => {
  held.application = createServer((request, response) => {
    request.resume()
    if (request.url === '/mute') waiting.push(response)
    else response.end()
  }).listen(0, '127.0.0.1')
  await once(held.application, 'listening')
  const application = `http://127.0.0.1:${(held.application.address() as AddressInfo).port}`
  const client = (id: string): object => ({
    id,
    protocol: 'oidc',
    clientSecret: 'a-secret-of-the-test-that-is-long-enough',
    redirectUris: [`${application}/cb`],
    logout: { modes: ['backChannel'], backChannelUri: `${application}/${id}` }
  })
  held.curfew = await startInstallation({ sessions, config: () => ({ connections: [client('wiki'), client('mute')] }) })
})

after(async () => {
  for (const response of waiting) response.end()
  await held.curfew?.[Symbol.asyncDispose]()
  held.application?.close()
})

function curfew(): RunningCurfew {
  return held.curfew ?? assert.fail('no server')
}

const run = (...args: readonly string[]): ReturnType<RunningCurfew['run']> => curfew().run(args)

suite('lists', { timeout: 180_000 }, () => {
  test('a person gets fifty lines and how to go on; a program gets everything, in both shapes', async () => {
    const { out, err } = await run('sessions', 'list')
    assert.equal(out.trimEnd().split('\n').length, 51)
    const cursor = /^More: curfew sessions list --cursor (\S+)$/m.exec(err)?.[1] ?? assert.fail(err)
    assert.equal((await run('sessions', 'list', '--cursor', cursor, '--limit', '500')).out.trimEnd().split('\n').length, 71)
    const all = await curfew().json<SessionView[]>(['sessions', 'list'])
    assert.deepEqual([all.length, new Set(all.map(({ id }) => id)).size], [120, 120])
    const lines = (await run('sessions', 'list', '--ndjson')).out.trimEnd().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as SessionView).id),
      all.map(({ id }) => id)
    )
  })

  test('with --limit a program gets one page, and where the next one begins', async () => {
    const page = JSON.parse((await run('sessions', 'list', '--json', '--limit', '7')).out) as { items: SessionView[]; nextCursor: string }
    assert.equal(page.items.length, 7)
    const next = JSON.parse((await run('sessions', 'list', '--json', '--limit', '500', '--cursor', page.nextCursor)).out) as { items: SessionView[] }
    assert.deepEqual([next.items.length, Object.keys(next)], [113, ['items']])
    const lines = (await run('sessions', 'list', '--ndjson', '--limit', '7')).out.trimEnd().split('\n')
    assert.deepEqual([lines.length, JSON.parse(lines.at(-1) ?? '')], [8, { nextCursor: page.nextCursor }])
  })

  test('--idp and --since narrow a list of sessions', async () => {
    const users = async (...args: readonly string[]): Promise<readonly string[]> =>
      (await curfew().json<SessionView[]>(['sessions', 'list', ...args])).map(({ user }) => user)
    assert.deepEqual(await users('--idp', 'campus'), ['zoe'])
    assert.equal((await users('--since', '2h')).length, 119)
    assert.equal((await users('--since', '1d')).length, 120)
    assert.deepEqual(await users('--idp', 'campus', '--since', '2h'), ['zoe'])
    assert.match((await run('sessions', 'list', '--idp', 'nowhere')).err, /There is no such session\./)
    const wrong = await run('sessions', 'list', '--since', 'yesterday')
    assert.deepEqual([wrong.code, wrong.out], [64, ''])
    assert.match(wrong.err, /Use 30m, 2h, 7d, or a date/)
  })
})

suite('a logout of those who signed in at one identity provider', { timeout: 60_000 }, () => {
  test('says and ends those only', async () => {
    assert.match((await run('logout', '--all', '--idp', 'campus', '--dry-run')).out, /^Would end 1 session of 1 user\./)
    assert.match((await run('logout', '--all', '--idp', 'form', '--dry-run')).out, /^Would end 119 sessions of 119 users\./)
    assert.deepEqual((await run('logout', '--all', '--idp', 'nowhere', '--yes')).err, 'There is no such session.\n')
    const [own] = await curfew().json<SessionView[]>(['sessions', 'list', '--user', 'zoe'])
    assert.equal((await run('logout', '--user', 'user3', '--idp', 'campus', '--yes')).code, 3)
    assert.equal(own?.source, 'campus')
  })
})

suite('what can not be undone', { timeout: 180_000 }, () => {
  test('one session: whose it is and how many will be told comes first', async () => {
    const [one] = await curfew().json<SessionView[]>(['sessions', 'list', '--user', 'zoe'])
    const id = one?.id ?? assert.fail('no session')
    const asked = await run('sessions', 'revoke', id)
    assert.deepEqual([asked.code, asked.out], [4, ''])
    assert.equal(asked.err, '1 session of zoe will end, and 1 application will be told. Nothing was done. Say --yes to go on without being asked.\n')
    assert.equal((await curfew().json<SessionView[]>(['sessions', 'list', '--user', 'zoe'])).length, 1)
    const done = await run('sessions', 'revoke', id, '--yes')
    assert.equal(done.code, 0)
    assert.match(done.out, /The session has ended/)
    assert.match((await run('sessions', 'revoke', id)).out, /had ended already/)
  })

  test('a group that is none here is said to be none, asked or not', async () => {
    for (const more of [[], ['--yes']]) {
      const { code, out, err } = await run('cluster', 'forget', 'paris', ...more)
      assert.deepEqual([code, out, err], [3, '', 'There is no other group paris here. There are: none.\n'])
    }
  })

  test('at a terminal it is asked, unless --no-input says never', async () => {
    const [one] = await curfew().json<SessionView[]>(['sessions', 'list', '--user', 'old'])
    const id = one?.id ?? assert.fail('no session')
    const silent = await atTerminal(curfew().folder, ['--no-input', 'sessions', 'revoke', id])
    assert.deepEqual([silent.code, /Go on\?/.test(silent.text), /Say --yes/.test(silent.text)], [4, false, true])
    const asked = await atTerminal(curfew().folder, ['sessions', 'revoke', id], { after: /Go on/, keys: 'n' })
    assert.deepEqual([asked.code, /Go on\?/.test(asked.text)], [4, true], asked.text)
    assert.equal((await curfew().json<SessionView[]>(['sessions', 'list', '--user', 'old'])).length, 1)
  })
})

suite('options of every command', { timeout: 180_000 }, () => {
  const escape = '\u001B['

  test('--quiet leaves hints out, and neither errors nor findings', async () => {
    assert.equal((await run('--quiet', 'sessions', 'list')).err, '')
    const unknown = await run('--quiet', 'logout', '--user', 'nobody')
    assert.deepEqual([unknown.code, unknown.err], [3, 'nobody is not signed in.\n'])
    assert.match((await run('--quiet', 'runs', 'show', 'run_NOBODY')).err, /CURFEW_RUN_UNKNOWN/)
    writeFileSync(join(curfew().folder, 'bad.yaml'), 'server: { baseUrl: nothing }\n')
    const findings = await run('--quiet', 'validate', '--config', 'bad.yaml')
    assert.deepEqual([findings.code, findings.out], [78, ''])
    assert.match(findings.err, /bad\.yaml:1:\d+ {2}CURFEW_CONFIG_VALUE {2}server\.baseUrl/)
    assert.match((await run('--quiet', 'sessions', 'list', '--config', 'bad.yaml')).err, /CURFEW_CONFIG_INVALID/)
    assert.match((await run('--quiet', 'logout', '--all')).err, /will end\. Nothing was done/)
    assert.match((await run('--quiet', 'users', 'remove', 'nobody', '--yes')).err, /There is no user nobody/)
  })

  test('colours come at a terminal, and not with --no-color', async () => {
    const coloured = await atTerminal(curfew().folder, ['doctor'])
    assert.ok(coloured.text.includes(`${escape}32mok`), coloured.text)
    const plain = await atTerminal(curfew().folder, ['--no-color', 'doctor'])
    assert.ok(/^ok {4}runtime/m.test(plain.text) && !plain.text.includes(escape), plain.text)
  })

  test('config show --origin says where each value comes from', async () => {
    const { code, out } = await run('config', 'show', '--origin')
    assert.equal(code, 0)
    assert.match(out, /^SETTING +VALUE +ORIGIN\n/)
    assert.match(out, /^server\.baseUrl +"http:\/\/127\.0\.0\.1:\d+" +curfew\.yaml:\d+/m)
    assert.match(out, /^logging\.level +"info" +default/m)
    const settings = await curfew().json<{ path: string; origin?: string }[]>(['config', 'show'])
    assert.ok(settings.length > 50 && settings.every(({ origin }) => origin === undefined))
  })

  test('an address that answers with pages is no admin API, and one that is another is sent no token', async () => {
    const pages = await run('sessions', 'list', '--server', curfew().baseUrl, '--token-file', 'data/admin.token')
    assert.deepEqual([pages.code, pages.out], [69, ''])
    assert.match(pages.err, /CURFEW_CLI_SERVER_FOREIGN\n {2}server +http.*\n {2}status +404\n {2}type +text\/html/)
    const other = await run('sessions', 'list', '--server', curfew().baseUrl)
    assert.deepEqual([other.code, other.out], [4, ''])
    assert.match(other.err, /CURFEW_CLI_TOKEN_NEEDED/)
  })
})

suite('a run that was exported', { timeout: 180_000 }, () => {
  test('looks the same without a server', async () => {
    const [one] = await curfew().json<RunView[]>(['runs', 'list', '--user', 'zoe'])
    const id = one?.id ?? assert.fail('no run')
    assert.equal((await run('runs', 'export', id, '--out', 'run.json')).code, 0)
    const opened = await run('runs', 'open', 'run.json', '--server', 'http://127.0.0.1:9')
    assert.deepEqual([opened.code, opened.out], [0, (await run('runs', 'show', id)).out])
    const receipt = await run('runs', 'export', id, '--receipt', '--out', 'receipt.jws')
    assert.equal(receipt.code, 0)
    const refused = await run('runs', 'open', 'receipt.jws')
    assert.deepEqual([refused.code, /CURFEW_CLI_RUN_FILE/.test(refused.err)], [64, true])
  })
})

suite('what can be inspected by its id', { timeout: 180_000 }, () => {
  test('a session and its run, each with the command that shows more', async () => {
    const [run1] = await curfew().json<RunView[]>(['runs', 'list', '--user', 'zoe'])
    const { id, session } = run1 ?? assert.fail('no run')
    const byRun = await run('inspect', id)
    assert.equal(byRun.code, 0)
    assert.match(byRun.out, new RegExp(`^Run of zoe, started by cli\\n(.*\\n)*More: curfew runs show ${id}\\n$`))
    const bySession = await run('inspect', session)
    assert.match(bySession.out, new RegExp(`^Session of zoe, ended\\n(.*\\n)* {2}Ended .*${id}\\nMore: curfew sessions show ${session}\\n$`))
    assert.equal((await curfew().json<RunView>(['inspect', id])).id, id)
    assert.equal((await run('inspect', 'run_NOBODY')).code, 3)
  })

  test('a reference of a page stands in the log', async () => {
    const page = await (await fetch(`${curfew().baseUrl}/no/such/page`, { headers: { accept: 'text/html' } })).text()
    const reference = /msg_\w+/.exec(page)?.[0] ?? assert.fail(page)
    const { code, out } = await run('inspect', reference)
    assert.equal(code, 0)
    assert.match(out, new RegExp(`More: grep ${reference} in the log`))
  })
})

suite('what nobody foresaw', { timeout: 180_000 }, () => {
  test('a file that can not be written is said to be so, and --verbose shows where it came from', async () => {
    const [one] = await curfew().json<RunView[]>(['runs', 'list'])
    const failed = await run('runs', 'export', one?.id ?? '', '--out', '/missing/run.json')
    assert.deepEqual([failed.code, failed.out], [1, ''])
    assert.match(failed.err, /^A file can not be read or written\. {3}CURFEW_CLI_FILE\n {2}path {2}\/missing\/run\.json\n/)
    assert.doesNotMatch(failed.err, /^ {4}at /m)
    assert.match((await run('--verbose', 'runs', 'export', one?.id ?? '', '--out', '/missing/run.json')).err, /^ {4}at .*\b(runs\.ts|cli\.js|runs-[^/]*\.js):/m)
  })

  test('a server that goes away while a run is followed ends both commands that follow with 69', async () => {
    const { folder, child, adminUrl } = curfew()
    const follow = async (args: readonly string[]): Promise<{ readonly closed: Promise<[number | null]>; readonly err: () => string }> => {
      const one = startCurfew(folder, args)
      let err = ''
      one.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text))
      const closed = once(one, 'close') as Promise<[number | null]>
      await once(one.stdout ?? assert.fail('no output'), 'data')
      return { closed, err: () => err }
    }
    const started = await follow(['logout', '--user', 'mute', '--watch'])
    const [{ id } = assert.fail('no run')] = await curfew().json<RunView[]>(['runs', 'list', '--user', 'mute'])
    const open = [started, await follow(['runs', 'watch', id])]
    child.kill('SIGKILL')
    for (const { closed, err } of open) {
      const [code] = await closed
      assert.equal(code, 69, err())
      assert.match(err(), /CURFEW_CLI_SERVER_UNREACHABLE/)
      assert.match(err(), new RegExp(`server +${adminUrl}\\n`))
      assert.doesNotMatch(err(), /^ {4}at /m)
    }
  })
})
