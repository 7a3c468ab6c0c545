import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import type { HealthView, RunView, SessionView } from '../../src/admin/schemas.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { curfew, type Finished, freePorts, lineOf, startCurfew, stopped } from './bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-cli-'))
const server: { child?: ChildProcess; baseUrl: string; adminPort: number } = { baseUrl: '', adminPort: 0 }

const run = (args: readonly string[], input?: string): Promise<Finished> => curfew(folder, args, input)

async function runJson<T>(args: readonly string[]): Promise<T> {
  const { out, err, code } = await run([...args, '--json'])
  assert.equal(code, 0, err)
  return JSON.parse(out) as T
}

/** Signs in at the form and returns the cookies. */
async function signIn(username: string, password: string): Promise<string> {
  const jar = new Map<string, string>()
  const go = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(new URL(path, server.baseUrl), { redirect: 'manual', ...init, headers: { accept: 'text/html', cookie, ...init.headers } })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      jar.set(name, value)
    }
    return answer
  }
  const form = await go((await go('/')).headers.get('location') ?? '')
  const html = await form.text()
  const action = /action="([^"]*)"/.exec(html)?.[1] ?? ''
  const hidden = [...html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)].map(
    ([, name = '', value = '']) => [name, value] as [string, string]
  )
  const body = new URLSearchParams([...hidden, ['username', username], ['password', password]])
  const answer = await go(action, { method: 'POST', body, headers: { origin: server.baseUrl } })
  assert.equal(answer.status, 303, await answer.text())
  return [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
}

before(async () => {
  const [port = 0, adminPort = 0] = await freePorts(2)
  server.baseUrl = `http://127.0.0.1:${port}`
  server.adminPort = adminPort
})

after(async () => {
  server.child?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

suite('an installation, from nothing to a sign-out', { timeout: 180_000 }, () => {
  test('init needs to know the address when nobody can be asked', async () => {
    const { code, err } = await run(['init'])
    assert.equal(code, 4)
    assert.match(err, /curfew init --base-url/)
  })

  test('init writes a configuration that is good, with secrets that only the owner reads', async () => {
    const { code, out, err } = await run(['init', '--base-url', server.baseUrl, '--organisation', 'Example'])
    assert.equal(code, 0, err)
    assert.match(out, /curfew\.yaml/)
    for (const path of ['keys/saml.key.pem', 'keys/session.secret', 'data/admin.token']) assert.equal(statSync(join(folder, path)).mode & 0o077, 0, path)
    assert.match(readFileSync(join(folder, 'curfew.yaml'), 'utf8'), /^# yaml-language-server: \$schema=/)
    assert.match(readFileSync(join(folder, '.gitignore'), 'utf8'), /keys\/\ndata\//)
    const config = parse(readFileSync(join(folder, 'curfew.yaml'), 'utf8')) as object
    writeFileSync(
      join(folder, 'curfew.yaml'),
      stringify({ ...config, server: { baseUrl: server.baseUrl, listen: [server.baseUrl.slice(7)] }, admin: { listen: [`127.0.0.1:${server.adminPort}`] } })
    )
    assert.deepEqual(await runJson(['validate']), { file: 'curfew.yaml', connections: 0, findings: [] })
  })

  test('init changes nothing where an installation is', async () => {
    const before = readFileSync(join(folder, 'keys/saml.key.pem'), 'utf8')
    assert.equal((await run(['init', '--base-url', server.baseUrl])).code, 1)
    assert.equal(readFileSync(join(folder, 'keys/saml.key.pem'), 'utf8'), before)
  })

  test('users are added, listed without their hash, and removed after a yes', async () => {
    for (const name of ['ana', 'ben'])
      assert.equal((await run(['users', 'add', name, '--password-stdin', '--attribute', `mail=${name}@example.com`], `${name} secret`)).code, 0)
    assert.equal((await run(['users', 'add', 'ANA', '--password-stdin'], 'x')).code, 1)
    const users = await runJson<{ username: string }[]>(['users', 'list'])
    assert.deepEqual(
      users.map(({ username }) => username),
      ['ana', 'ben']
    )
    assert.doesNotMatch(JSON.stringify(users), /argon2/)
    assert.equal((await run(['users', 'remove', 'ben'])).code, 4)
    assert.equal((await run(['users', 'remove', 'nobody', '--yes'])).code, 3)
    const removed = await run(['users', 'remove', 'ben', '--yes'])
    assert.deepEqual([removed.code, removed.out], [2, 'ben is removed.\n'])
    assert.match(removed.err, /could not be asked \(CURFEW_CLI_SERVER_UNREACHABLE\): sessions of ben end when a server that uses this file reads it/)
    assert.match(removed.err, /could not be asked \(CURFEW_CLI_SERVER_UNREACHABLE\): accounts elsewhere stay linked/)
  })

  test('commands that need the server say where they looked and end with 69 while it is not there', async () => {
    const { code, err, out } = await run(['sessions', 'list'])
    assert.deepEqual([code, out], [69, ''])
    assert.match(err, /CURFEW_CLI_SERVER_UNREACHABLE/)
    assert.match(err, new RegExp(`127\\.0\\.0\\.1:${server.adminPort}`))
  })

  test('start writes one JSON line when it is ready', async () => {
    server.child = startCurfew(folder, ['start'])
    const ready = JSON.parse(await lineOf(server.child, /server\.ready/)) as { event: string; baseUrl: string }
    assert.equal(ready.baseUrl, server.baseUrl)
    const health = await run(['doctor'])
    assert.equal(health.code, 2)
    assert.match(health.out, /ok {4}server: ok/)
  })

  test('doctor warns of a key that was put first and that the running server has never published', async () => {
    const path = join(folder, 'curfew.yaml')
    const before = readFileSync(path, 'utf8')
    const config = parse(before) as { saml: { keys: readonly object[] } }
    const [first, last] = ['first', 'last'].map((name) => {
      const pair = makeKeyPair(name)
      const [key, certificate] = [`keys/${name}.key.pem`, `keys/${name}.crt.pem`]
      writeFileSync(join(folder, key), pair.key.export({ type: 'pkcs8', format: 'pem' }))
      writeFileSync(join(folder, certificate), pair.certificatePem)
      return { key, certificate, algorithm: 'ecdsa-sha256' }
    })
    writeFileSync(path, stringify({ ...config, saml: { ...config.saml, keys: [first, ...config.saml.keys, last] } }))
    const checks = JSON.parse((await run(['doctor', '--json'])).out) as readonly { readonly what: string; readonly verdict: string }[]
    writeFileSync(path, before)
    assert.deepEqual(
      checks.filter(({ what }) => what.endsWith(': publication')).map(({ what, verdict }) => [what, verdict]),
      [
        ['signing key 1: publication', 'warn'],
        ['signing key 3: publication', 'ok']
      ]
    )
  })

  test('a second server on the same database does not start and ends with 78', async () => {
    const { code, err } = await run(['start'])
    assert.equal(code, 78)
    assert.match(err, /CURFEW_STORE_LOCKED/)
  })

  test('a sign-in is listed, a dry run ends nothing, a logout ends it and its run is complete', async () => {
    const cookie = await signIn('ana', 'ana secret')
    const [session, ...others] = await runJson<SessionView[]>(['sessions', 'list', '--user', 'ana'])
    assert.deepEqual([session?.user, session?.state, others.length], ['ana', 'live', 0])
    assert.match((await run(['logout', '--all', '--dry-run'])).out, /Would end 1 session/)
    const refused = await run(['logout', '--all'])
    assert.equal(refused.code, 4)
    const watched = await run(['logout', '--user', 'ana', '--reason', 'test', '--watch'])
    assert.equal(watched.code, 0, watched.err)
    assert.match(watched.out, /^run_\w+ {2}ana {2}started by cli: test\n(.*\n)*complete {2}no other application took part {12}npx curfew runs show run_/)
    const page = await fetch(server.baseUrl, { redirect: 'manual', headers: { cookie } })
    assert.equal(page.status, 303)
    assert.equal((await run(['logout', '--user', 'ana'])).code, 3)
  })

  test('a reset password ends the sessions of that user that were opened with the old one, whoever of them was here', async () => {
    await signIn('ana', 'ana secret')
    const before = await runJson<SessionView[]>(['sessions', 'list', '--user', 'ana'])
    const { code, out } = await run(['users', 'password', 'ana', '--password-stdin'], 'ana new secret')
    assert.deepEqual([code, before.length], [0, 1])
    assert.match(out, /Sessions opened with the old one end/)
    const ended = async (): Promise<RunView[]> => (await runJson<RunView[]>(['runs', 'list'])).filter(({ reason }) => reason === 'password-change')
    for (let i = 0; i < 120 && (await ended()).length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 500))
    assert.equal((await ended())[0]?.session, before[0]?.id)
    await signIn('ana', 'ana new secret')
    await new Promise((resolve) => setTimeout(resolve, 3_500))
    assert.equal((await runJson<SessionView[]>(['sessions', 'list', '--user', 'ana'])).length, 1)
    assert.equal((await run(['logout', '--user', 'ana'])).code, 0)
  })

  test('a reset link lets the person choose a password, once', async () => {
    await signIn('ana', 'ana new secret')
    const { code, out, err } = await run(['users', 'reset', 'ana'])
    assert.equal(code, 0, err)
    const url = out.trim()
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/ext\/pwdreset\/Identify\?code=[\w-]{32}$/)
    assert.match(err, /Give this link to ana and to nobody else/)
    const page = await fetch(url)
    const cookie = page.headers
      .getSetCookie()
      .map((line) => line.split(';')[0] ?? '')
      .join('; ')
    const csrfToken = /name="csrfToken" value="([^"]*)"/.exec(await page.text())?.[1] ?? ''
    const body = new URLSearchParams({
      csrfToken,
      code: new URL(url).searchParams.get('code') ?? '',
      password: 'seven wet umbrellas',
      repeated: 'seven wet umbrellas'
    })
    const changed = await fetch(url, { method: 'POST', headers: { cookie }, body })
    assert.equal(changed.status, 200)
    assert.match(await changed.text(), /One other session was ended/)
    assert.deepEqual(await runJson<SessionView[]>(['sessions', 'list', '--user', 'ana']), [])
    await signIn('ana', 'seven wet umbrellas')
    assert.equal((await fetch(url)).status, 400)
    assert.equal((await run(['users', 'reset', 'nobody'])).code, 3)
    await run(['users', 'password', 'ana', '--password-stdin'], 'ana new secret')
    await run(['logout', '--user', 'ana'])
  })

  test('two sessions of one user: asked about first, then every run is watched', async () => {
    await signIn('ana', 'ana new secret')
    await signIn('ana', 'ana new secret')
    assert.equal((await run(['logout', '--user', 'ana', '--watch'])).code, 4)
    const { code, out } = await run(['logout', '--user', 'ana', '--watch', '--yes'])
    assert.equal(code, 0)
    assert.equal(out.match(/^run_\w+ {2}ana {2}started by cli$/gm)?.length, 2)
    assert.equal(out.match(/^complete {2}no other application took part/gm)?.length, 2)
  })

  test('the run can be listed, shown, explained and exported with its receipt', async () => {
    const [done] = await runJson<RunView[]>(['runs', 'list'])
    const id = done?.id ?? assert.fail('no run')
    assert.match((await run(['runs', 'show', id])).out, /complete/)
    assert.equal((await run(['runs', 'show', id, '--why'])).out, 'Every application confirmed.\n')
    const receipt = await run(['runs', 'export', id, '--receipt'])
    assert.match(receipt.out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/)
    assert.match((await run(['inspect', receipt.out.trim()])).out, /JSON Web Token/)
    assert.equal((await run(['runs', 'show', 'run_NOBODY'])).code, 3)
  })

  test('a wrong token is not permitted', async () => {
    writeFileSync(join(folder, 'wrong.token'), 'not the token at all\n')
    const { code, err } = await run(['sessions', 'list', '--token-file', 'wrong.token'])
    assert.equal(code, 5)
    assert.match(err, /CURFEW_API_UNAUTHORISED/)
  })

  test('a user who is removed with a wrong token is gone, and it is said that the links are not, and how to finish', async () => {
    assert.equal((await run(['users', 'add', 'cleo', '--password-stdin'], 'cleo secret')).code, 0)
    const { code, err } = await run(['users', 'remove', 'cleo', '--yes', '--token-file', 'wrong.token'])
    assert.equal(code, 2)
    assert.match(err, /^The server refused \(CURFEW_API_UNAUTHORISED\): accounts elsewhere stay linked to the name/m)
    assert.match(err, /Finish it with: curfew users unlink cleo\n/)
    assert.equal((await run(['users', 'unlink', 'cleo'])).code, 3)
  })

  test('a user who is disabled is signed out after a yes, can not sign in, and can when enabled again', async () => {
    for (const name of ['dora', 'Emil']) assert.equal((await run(['users', 'add', name, '--password-stdin'], `${name} secret`)).code, 0)
    await signIn('dora', 'dora secret')
    await signIn('emil', 'Emil secret')
    const asked = await run(['users', 'disable', 'dora'])
    assert.equal(asked.code, 4)
    assert.match(asked.err, /dora will not be able to sign in any more, and 1 session will end\. Nothing was done/)
    const disabled = await run(['users', 'disable', 'dora', '--yes'])
    assert.equal(disabled.code, 0, disabled.err)
    assert.match(disabled.out, /^dora is disabled\.\n1 session ended\. The applications are being told\.\n {2}npx curfew runs show run_\w+\n$/)
    const runs = async (name: string): Promise<readonly RunView[]> => (await runJson<RunView[]>(['runs', 'list'])).filter(({ user }) => user === name)
    assert.deepEqual(
      (await runs('dora')).map(({ reason }) => reason),
      ['admin']
    )
    await assert.rejects(signIn('dora', 'dora secret'))
    assert.equal((await run(['users', 'enable', 'DORA'])).code, 0)
    await signIn('dora', 'dora secret')
    assert.match((await run(['users', 'remove', 'emil', '--yes', '--keep-sessions'])).out, /Sessions go on until they end: curfew logout --user emil/)
    assert.match(readFileSync(join(folder, 'users.yaml'), 'utf8'), /keepSessionsOf:\n {2}- emil/)
    assert.equal((await run(['users', 'disable', 'nobody', '--yes'])).code, 3)
    assert.equal((await run(['users', 'enable', 'nobody'])).code, 3)
  })

  test('a users file that somebody edits signs out who is gone from it by one run, and nobody while it is broken', async () => {
    const path = join(folder, 'users.yaml')
    const sessions = async (name: string): Promise<number> => (await runJson<SessionView[]>(['sessions', 'list', '--user', name])).length
    await signIn('ana', 'ana new secret')
    const before = readFileSync(path, 'utf8')
    for (const text of ['', before.slice(0, before.indexOf('$argon2id'))]) {
      writeFileSync(path, text)
      await new Promise((resolve) => setTimeout(resolve, 9_000))
      assert.deepEqual([await sessions('ana'), await sessions('dora')], [1, 1])
    }
    const { users, ...rest } = parse(before) as { users: { username: string }[] }
    writeFileSync(path, stringify({ ...rest, users: users.filter(({ username }) => username !== 'dora') }))
    for (let i = 0; i < 60 && (await sessions('dora')) > 0; i++) await new Promise((resolve) => setTimeout(resolve, 500))
    assert.deepEqual([await sessions('dora'), await sessions('ana'), await sessions('Emil')], [0, 1, 1])
    const [last] = await runJson<RunView[]>(['runs', 'list'])
    assert.deepEqual([last?.user, last?.reason, last?.startedBy], ['dora', 'admin', 'users-file'])
    for (const name of ['ana', 'Emil']) await run(['logout', '--user', name])
  })

  test('the metadata of the server can be inspected', async () => {
    const metadata = await (await fetch(`${server.baseUrl}/pf/federation_metadata.ping`)).text()
    const { code, out } = await run(['inspect', '-'], metadata)
    assert.equal(code, 0)
    assert.match(out, /Metadata of 1 entity, signed/)
    assert.match(out, /identity provider/)
  })

  test('SIGTERM stops the server in order, and the next start finds what was there', async () => {
    assert.equal(await stopped(server.child ?? assert.fail('no server')), 0)
    const again = startCurfew(folder, ['start'])
    server.child = again
    await lineOf(again, /server\.ready/)
    assert.equal((await runJson<RunView[]>(['runs', 'list'])).length, 11)
    const [status] = [
      (await (
        await fetch(`http://127.0.0.1:${server.adminPort}/v1/health`, {
          headers: { authorization: `Bearer ${readFileSync(join(folder, 'data/admin.token'), 'utf8').trim()}` }
        })
      ).json()) as HealthView
    ]
    assert.deepEqual([status.status, status.store.kind, status.store.liveSessions], ['ok', 'sqlite', 0])
    assert.equal(await stopped(again), 0)
  })
})

suite('the command line without an installation', { timeout: 180_000 }, () => {
  const empty = mkdtempSync(join(tmpdir(), 'curfew-empty-'))
  after(() => rmSync(empty, { recursive: true, force: true }))

  test('help starts with examples and goes to standard output', async () => {
    const { code, out, err } = await curfew(empty, ['logout', '--help'])
    assert.deepEqual([code, err], [0, ''])
    assert.match(out, /^Examples:\n {2}curfew logout --user ana --watch\n/)
  })

  test('a command that does not exist is a usage error with the one that was meant', async () => {
    const { code, out, err } = await curfew(empty, ['logoot'])
    assert.deepEqual([code, out], [64, ''])
    assert.match(err, /Did you mean logout\?/)
  })

  test('no configuration ends with 78 and says how to make one', async () => {
    const { code, err } = await curfew(empty, ['validate'])
    assert.equal(code, 78)
    assert.match(err, /curfew init/)
  })

  test('findings can be read by programs', async () => {
    writeFileSync(join(empty, 'bad.yaml'), 'server: { baseUrl: nothing }\n')
    const { code, out } = await curfew(empty, ['validate', '--config', 'bad.yaml', '--json'])
    assert.equal(code, 78)
    assert.deepEqual((JSON.parse(out) as { path: string }[]).map(({ path }) => path).sort(), ['saml', 'server.baseUrl', 'sessions', 'signOn.users'])
  })

  test('a number that can not be used is a usage error that says which can', async () => {
    for (const args of [
      ['runs', 'list', '--limit', '0'],
      ['sessions', 'list', '--limit', 'many'],
      ['demo', '--port', '70000']
    ]) {
      const { code, err } = await curfew(empty, args)
      assert.equal(code, 64, args.join(' '))
      assert.match(err, /Use a whole number from 1 to \d+\./)
    }
  })

  test('prints the version', async () => {
    assert.match((await curfew(empty, ['version'])).out, /^\d+\.\d+\.\d+/)
  })
})
