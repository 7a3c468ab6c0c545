import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { decodeJwt } from 'jose'
import { parse, stringify } from 'yaml'
import { curfew, freePorts, lineOf, startCurfew } from '../../cli/bin.ts'
import { basic, secret } from './support.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-signals-'))
const state: { child?: ChildProcess; receiver?: Server; takes: boolean; baseUrl: string } = { takes: false, baseUrl: '' }
/** What reached the receiver, taken or not. */
const heard: { readonly jti: unknown; readonly event: string; readonly isTaken: boolean }[] = []

before(async () => {
  const [port = 0, adminPort = 0, receiverPort = 0] = await freePorts(3)
  state.baseUrl = `http://127.0.0.1:${port}`
  state.receiver = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    request.once('end', () => {
      const { jti, events } = decodeJwt(text) as { jti: unknown; events: Record<string, unknown> }
      heard.push({ jti, event: (Object.keys(events)[0] ?? '').split('/').at(-1) ?? '', isTaken: state.takes })
      response.writeHead(state.takes ? 202 : 503).end()
    })
  }).listen(receiverPort, '127.0.0.1')
  assert.equal((await curfew(folder, ['init', '--base-url', state.baseUrl, '--user', 'ana', '--user-password', 'correct horse'])).code, 0)
  const config = parse(readFileSync(join(folder, 'curfew.yaml'), 'utf8')) as object
  writeFileSync(
    join(folder, 'curfew.yaml'),
    stringify({
      ...config,
      server: { baseUrl: state.baseUrl, listen: [state.baseUrl.slice(7)] },
      admin: { listen: [`127.0.0.1:${adminPort}`] },
      outbound: { allowPrivate: ['127.0.0.0/8'] },
      connections: [{ id: 'radar', protocol: 'oidc', clientSecret: secret, redirectUris: ['http://radar.localhost/cb'], sharedSignals: {} }]
    })
  )
  await start()
  const endpoint_url = `http://127.0.0.1:${receiverPort}/events`
  const made = await fetch(`${state.baseUrl}/ssf/stream`, {
    method: 'POST',
    headers: { authorization: basic(), 'content-type': 'application/json' },
    body: JSON.stringify({ delivery: { method: 'urn:ietf:rfc:8935', endpoint_url } })
  })
  assert.equal(made.status, 201, await made.text())
})

after(() => {
  state.child?.kill('SIGKILL')
  state.receiver?.closeAllConnections()
  state.receiver?.close()
  rmSync(folder, { recursive: true, force: true })
})

async function start(): Promise<void> {
  state.child = startCurfew(folder, ['start'])
  await lineOf(state.child, /server\.ready/)
  state.child.stderr?.resume()
}

async function kill(): Promise<void> {
  const child = state.child ?? assert.fail()
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function signIn(): Promise<void> {
  const jar = new Map<string, string>()
  const go = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(new URL(path, state.baseUrl), { redirect: 'manual', ...init, headers: { accept: 'text/html', cookie, ...init.headers } })
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      jar.set(name, value)
    }
    return answer
  }
  const form = await (await go((await go('/')).headers.get('location') ?? '')).text()
  const action = /<form method="post" action="([^"]*)"/.exec(form)?.[1] ?? assert.fail(form)
  const csrfToken = /name="csrfToken" value="([^"]*)"/.exec(form)?.[1] ?? ''
  const body = new URLSearchParams({ csrfToken, username: 'ana', password: 'correct horse' })
  assert.equal((await go(action, { method: 'POST', body, headers: { origin: state.baseUrl } })).status, 303)
}

/** An attempt that was under way when its process died belongs to it for 20 s more. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 50))
  assert.ok(holds(), what)
}

suite('a signal outlives the process that owed it', { timeout: 240_000 }, () => {
  test('killed between the end of the session and the push: it is told after the restart, under the same jti', async () => {
    await signIn()
    const ended = await curfew(folder, ['logout', '--user', 'ana', '--yes', '--json'])
    assert.equal(ended.code, 0, ended.err)
    await kill()
    const before = heard.length
    assert.ok(heard.every(({ isTaken }) => !isTaken))
    state.takes = true
    await start()
    await until('it is told after the restart', () => heard.some(({ isTaken }) => isTaken))
    const taken = heard.filter(({ isTaken }) => isTaken)
    assert.deepEqual(
      taken.map(({ event }) => event),
      ['session-revoked']
    )
    assert.ok(heard.slice(0, before).every(({ jti }) => jti === taken[0]?.jti))
  })

  test('an end that was answered is owed even when the process dies with it', async () => {
    for (let round = 0; round < 3; round++) {
      await signIn()
      const taken = heard.filter(({ isTaken }) => isTaken).length
      state.takes = false
      const ended = await curfew(folder, ['logout', '--user', 'ana', '--yes', '--json'])
      await kill()
      assert.equal(ended.code, 0, ended.err)
      state.takes = true
      await start()
      await until(`round ${round}: it is told`, () => heard.filter(({ isTaken }) => isTaken).length === taken + 1)
    }
  })

  test('the command line shows the stream, pauses it and has it verified', async () => {
    const list = await curfew(folder, ['streams', 'list'])
    assert.match(list.out, /radar +enabled +push +0 +\d+ +0 +0/)
    assert.match((await curfew(folder, ['streams', 'pause', 'radar', '--reason', 'repairs'])).out, /is paused/)
    assert.match((await curfew(folder, ['streams', 'show', 'radar'])).out, /Status +paused/)
    assert.match((await curfew(folder, ['streams', 'resume', 'radar'])).out, /is enabled/)
    assert.equal((await curfew(folder, ['streams', 'verify', 'radar'])).code, 0)
    await until('the verification arrives', () => heard.some(({ event }) => event === 'verification'))
    assert.equal((await curfew(folder, ['streams', 'verify', 'nobody'])).code, 3)
    assert.equal((await curfew(folder, ['streams', 'show', 'nobody'])).code, 3)
  })

  test('a password that is changed at the command line is told', async () => {
    assert.equal((await curfew(folder, ['users', 'password', 'ana', '--password-stdin'], 'another horse')).code, 0)
    await until('the change is told', () => heard.some(({ event }) => event === 'credential-change'))
  })
})
