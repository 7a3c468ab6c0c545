import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import * as client from 'openid-client'
import { parse, stringify } from 'yaml'
import { curfew, freePorts, lineOf, startCurfew, stopped } from './bin.ts'

const folder = mkdtempSync(join(tmpdir(), 'curfew-registration-'))
const server: { child?: ChildProcess; baseUrl: string } = { baseUrl: '' }
const token = 'an-initial-token-of-the-test'

before(async () => {
  const [port = 0, adminPort = 0] = await freePorts(2)
  server.baseUrl = `http://127.0.0.1:${port}`
  assert.equal((await curfew(folder, ['init', '--base-url', server.baseUrl])).code, 0)
  const config = parse(readFileSync(join(folder, 'curfew.yaml'), 'utf8')) as object
  writeFileSync(
    join(folder, 'curfew.yaml'),
    stringify({
      ...config,
      server: { baseUrl: server.baseUrl, listen: [server.baseUrl.slice(7)] },
      admin: { listen: [`127.0.0.1:${adminPort}`] },
      oidc: { registration: { initialAccessTokens: [{ name: 'partners', token }] } }
    })
  )
  await start()
})

after(() => {
  server.child?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

async function start(): Promise<void> {
  server.child = startCurfew(folder, ['start'])
  await lineOf(server.child, /server\.ready/)
  server.child.stderr?.resume()
}

async function isKnown(config: client.Configuration): Promise<boolean> {
  return client.tokenIntrospection(config, 'x').then(
    () => true,
    () => false
  )
}

suite('registration, with a client that this project did not write', { timeout: 180_000 }, () => {
  const held: { config?: client.Configuration; id: string } = { id: '' }
  const options = { initialAccessToken: token, execute: [client.allowInsecureRequests] }

  test('it registers by discovery and proves itself with the secret that it got', async () => {
    const wanted = { redirect_uris: ['https://notes.example.org/cb'], client_name: 'Notes', backchannel_logout_uri: 'https://notes.example.org/out' }
    held.config = await client.dynamicClientRegistration(new URL(server.baseUrl), wanted, client.ClientSecretBasic(), options)
    held.id = held.config.clientMetadata().client_id
    assert.ok(await isKnown(held.config))
  })

  test('an address that this server never asks is refused', async () => {
    const wanted = { redirect_uris: ['https://notes.example.org/cb'], backchannel_logout_uri: 'https://10.0.0.1/out' }
    await assert.rejects(client.dynamicClientRegistration(new URL(server.baseUrl), wanted, client.ClientSecretBasic(), options))
  })

  test('a restart does not forget it', async () => {
    assert.equal(await stopped(server.child ?? assert.fail()), 0)
    await start()
    assert.ok(await isKnown(held.config ?? assert.fail()))
  })

  test('the command line lists it', async () => {
    const { out, code } = await curfew(folder, ['clients', 'list'])
    assert.equal(code, 0)
    assert.match(out, new RegExp(`${held.id} +Notes +\\S+ \\S+ +partners +https://notes.example.org/cb`))
  })

  test('the configuration is shown without the token', async () => {
    const { out } = await curfew(folder, ['config', 'show'])
    assert.match(out, /oidc\.registration\.initialAccessTokens\.0\.token +"\[secret\]"/)
    assert.ok(!out.includes(token))
  })

  test('the command line removes it, after a yes, and then it is nobody', async () => {
    assert.equal((await curfew(folder, ['clients', 'remove', held.id])).code, 4)
    assert.ok(await isKnown(held.config ?? assert.fail()))
    assert.equal((await curfew(folder, ['clients', 'remove', held.id, '--yes'])).code, 0)
    assert.equal((await curfew(folder, ['clients', 'remove', held.id, '--yes'])).code, 3)
    assert.ok(!(await isKnown(held.config ?? assert.fail())))
    assert.equal((await curfew(folder, ['clients', 'list', '--json'])).out.trim(), '[]')
  })
})
