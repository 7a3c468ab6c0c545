import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { parse, stringify } from 'yaml'
import { curfew, freePorts, lineOf, startCurfew, stopped } from '../cli/bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-resets-'))
const running: { child?: ChildProcess } = {}
const at = { authority: 0, admin: 0, gateway: 0 }

before(async () => {
  const [authority = 0, admin = 0, gateway = 0, application = 0] = await freePorts(4)
  Object.assign(at, { authority, admin, gateway })
  const baseUrl = `http://127.0.0.1:${authority}`
  assert.equal((await curfew(folder, ['init', '--base-url', baseUrl])).code, 0)
  const wiki = `http://wiki.localhost:${gateway}`
  const config = parse(readFileSync(join(folder, 'curfew.yaml'), 'utf8')) as object
  writeFileSync(
    join(folder, 'curfew.yaml'),
    stringify({
      ...config,
      server: { baseUrl, listen: [`127.0.0.1:${authority}`] },
      admin: { listen: [`127.0.0.1:${admin}`] },
      connections: [{ id: 'gate', protocol: 'oidc', clientSecret: 'a secret that is long enough', redirectUris: [`${wiki}/pa/oidc/cb`] }],
      gateway: {
        listen: [`127.0.0.1:${gateway}`],
        provider: { clientId: 'gate' },
        webSessions: [{ name: 'main', audience: 'main' }],
        applications: [{ id: 'wiki', urls: [wiki], target: `http://127.0.0.1:${application}`, anonymous: ['/open'] }]
      }
    })
  )
  running.child = startCurfew(folder, ['start'])
  await lineOf(running.child, /"msg":"ready"/)
  running.child.stderr?.resume()
})

after(async () => {
  if (running.child !== undefined) await stopped(running.child)
  rmSync(folder, { recursive: true, force: true })
})

const heads: Readonly<Record<string, string>> = {
  'a tunnel': 'CONNECT HOST HTTP/1.1\r\nHost: HOST\r\n\r\n',
  'a WebSocket without a session': 'GET / HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'a WebSocket to an application that is not there': 'GET /open HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
  'another protocol': 'GET / HTTP/1.1\r\nHost: HOST\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n',
  'no request': 'nothing of HTTP\r\n\r\n',
  'a head that breaks off': 'POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\n\r\nab',
  'a page': 'GET / HTTP/1.1\r\nHost: HOST\r\n\r\n'
}

async function opened(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  await once(socket, 'connect')
  return socket.on('error', () => undefined)
}

/** Asks and resets the connection: at once, or when the answer begins. */
async function reset(port: number, head: string, when: 'at once' | 'answered'): Promise<void> {
  const socket = await opened(port)
  await new Promise<void>((resolve) => socket.write(head, () => resolve()))
  if (when === 'answered') await new Promise((resolve) => socket.once('data', resolve).once('end', resolve).once('close', resolve))
  socket.resetAndDestroy()
}

async function isServing(): Promise<void> {
  assert.equal((await fetch(`http://127.0.0.1:${at.gateway}/pa/heartbeat.ping`)).status, 200)
  assert.equal((await fetch(`http://127.0.0.1:${at.authority}/pf/heartbeat.ping`)).status, 200)
  assert.ok((await fetch(`http://127.0.0.1:${at.admin}/health`)).status < 500)
  assert.equal(running.child?.exitCode, null)
}

suite('Connections that are reset', { timeout: 60_000 }, () => {
  for (const door of ['gateway', 'authority', 'admin'] as const)
    for (const [what, head] of Object.entries(heads))
      test(`${what} at the ${door}: the process goes on`, async () => {
        const text = head.replaceAll('HOST', `wiki.localhost:${at.gateway}`)
        for (let i = 0; i < 20; i++) {
          await reset(at[door], text, 'at once')
          if (what !== 'a head that breaks off') await reset(at[door], text, 'answered')
        }
        await isServing()
      })
})

suite('Clients that never close', { timeout: 60_000 }, () => {
  for (const what of ['a tunnel', 'a WebSocket without a session', 'no request'])
    test(`${what} at the gateway: the connection is cut after its answer`, async () => {
      const socket = await opened(at.gateway)
      const closed = new Promise((resolve) => socket.once('close', resolve))
      let answer = ''
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')))
      socket.write((heads[what] ?? '').replaceAll('HOST', `wiki.localhost:${at.gateway}`))
      // What is written to a connection that was cut is answered with a reset; to one that is only half closed, with nothing.
      socket.once('end', () => {
        const timer = setInterval(() => socket.write('x'), 50)
        socket.once('close', () => clearInterval(timer))
      })
      await closed
      assert.match(answer, /^HTTP\/1\.1 4\d\d /)
    })
})
