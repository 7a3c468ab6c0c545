import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Visitor } from '../../packages/curfew/test/gateway/visitor.ts'
import { freeRange } from '../../packages/curfew/test/support/ports.ts'
import { type RealAuthority, startRealAuthority } from '../../packages/curfew/test/support/real-authority.ts'

/** What the guide to the session guard tells a reader to write, by file name. */
export function guideFiles(): Readonly<Record<string, string>> {
  const guide = readFileSync(fileURLToPath(new URL('../../docs/how-to/session-guard.md', import.meta.url)), 'utf8')
  const blocks = guide.matchAll(/```(?:js|ts)\n\/\/ (?<name>[\w.-]+)\n(?<text>[\s\S]*?)```/g)
  return Object.fromEntries(Array.from(blocks, ({ groups }) => [groups?.['name'] ?? '', groups?.['text'] ?? '']))
}

/** Writes the guide's files into a folder that has the packages. */
export function writeGuide(at: string): void {
  for (const [name, text] of Object.entries(guideFiles())) writeFileSync(join(at, name), text)
}

/**
 * Starts one application of the guide, before its authority, signs in, opens what it holds open, ends the session at the
 * authority, and signs in and out once more. Whatever is not as the guide says throws.
 */
export async function tryApplication(at: string, program: string): Promise<void> {
  const port = await freeRange(2)
  const [issuer, app] = [`http://localhost:${port}`, `http://localhost:${port + 1}`]
  const secret = 'a secret that is long enough'
  const child = spawn(process.execPath, [program], {
    cwd: at,
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      NODE_TEST_CONTEXT: '',
      ISSUER: issuer,
      CLIENT_ID: 'wiki',
      CLIENT_SECRET: secret,
      BASE_URL: app,
      PORT: String(port + 1)
    },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  let authority: RealAuthority | undefined
  try {
    await setTimeout(500)
    authority = await startRealAuthority({
      issuer,
      port,
      usernames: ['ana'],
      connections: [
        {
          id: 'wiki',
          protocol: 'oidc',
          clientSecret: secret,
          redirectUris: [`${app}/oidc/cb`],
          revocationFeed: true,
          postLogoutRedirectUris: [`${app}/oidc/signed-out`],
          logout: { modes: ['backChannel'], backChannelUri: `${app}/oidc/backchannel-logout` }
        }
      ]
    })
    for (let i = 0; !(await isListening(port + 1)); i++) {
      assert.ok(i < 200 && child.exitCode === null, `it does not listen: ${child.exitCode}`)
      await setTimeout(50)
    }
    const ana = new Visitor()
    assert.match((await ana.open(`${app}/`)).body, /^Hello /)
    if (program === 'node-app.js') {
      await tryBadClients(port + 1, ana.cookieFor(app))
      assert.match((await ana.open(`${app}/`)).body, /^Hello /)
    }
    const { said: heard } = await openLive(program, port + 1, ana.cookieFor(app))
    const endedMs = Date.now()
    await authority.endAll()
    assert.match(await heard, /session ended/)
    // How soon is for the tests of the guard to say: here it has to come at all, on a machine that builds and installs.
    assert.ok(Date.now() - endedMs < 30_000)
    assert.equal((await ana.ask(`${app}/`)).status, 303)
    assert.match((await ana.open(`${app}/leave`)).body, /action="\/oidc\/logout"/)
    await signOut(ana, app)
    assert.deepEqual(
      said.split('\n').filter((line) => !/^(signed-(in|out) |feed-problem CURFEW_FEED_UNREACHABLE$|feed-problem CURFEW_OIDC_PROVIDER$|$)/.test(line)),
      []
    )
  } catch (error) {
    throw new Error(`${program} said:\n${said}`, { cause: error })
  } finally {
    child.kill('SIGKILL')
    await authority?.[Symbol.asyncDispose]()
  }
}

/** Signs out by the form of the application, goes on from the pages of the authority, and ends where the application asks for a sign-in. */
async function signOut(ana: Visitor, app: string): Promise<void> {
  let answer = await ana.follow(`${app}/oidc/logout`, { method: 'POST', headers: { origin: app } })
  for (let i = 0; !answer.body.includes('type="password"'); i++) {
    assert.ok(i < 100 && !answer.body.includes('verdict bad'), answer.body.slice(answer.body.indexOf('<main')))
    // The page of a sign-out that takes a while has no way on yet.
    const onward = new RegExp(`href="(${app}/oidc/signed-out[^"]*)"`).exec(answer.body)?.[1]
    if (onward === undefined) await setTimeout(100)
    answer = await ana.follow(onward?.replaceAll('&amp;', '&') ?? answer.url)
  }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, 'localhost')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** Connections that are reset as soon as they want a WebSocket, and one whose first frame is none (it has no mask). */
async function tryBadClients(port: number, cookie: string): Promise<void> {
  for (let i = 0; i < 20; i++) {
    const socket = connect(port, 'localhost').on('error', () => undefined)
    socket.write(upgradeRequest(i % 2 === 0 ? cookie : ''), () => socket.resetAndDestroy())
    await once(socket, 'close')
  }
  const socket = connect(port, 'localhost').on('error', () => undefined)
  const closed = once(socket, 'close')
  socket.write(upgradeRequest(cookie))
  socket.once('data', () => socket.write(Buffer.from([0x81, 1, 0x61]))).resume()
  await closed
}

function upgradeRequest(cookie: string): string {
  return `GET /live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nCookie: ${cookie}\r\n\r\n`
}

/** A stream of events, or the WebSocket of the application on `node:http`; what it says at the end. */
async function openLive(program: string, port: number, cookie: string): Promise<{ readonly said: Promise<string> }> {
  if (program === 'node-app.js') {
    const socket = connect(port, 'localhost')
    socket.write(upgradeRequest(cookie))
    let text = ''
    const closed = Promise.withResolvers<string>()
    const greeted = Promise.withResolvers<void>()
    socket.on('data', (part: Buffer) => {
      text += part.toString('latin1')
      if (text.includes('hello')) greeted.resolve()
      if (text.includes('session ')) closed.resolve(text)
    })
    await greeted.promise
    return { said: closed.promise }
  }
  const request = httpRequest({ host: 'localhost', port, path: '/live', headers: { cookie }, agent: false })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  assert.equal(String((await once(response, 'data'))[0]), 'data: hello\n\n')
  return { said: Array.fromAsync(response).then((chunks) => Buffer.concat(chunks as Buffer[]).toString()) }
}
