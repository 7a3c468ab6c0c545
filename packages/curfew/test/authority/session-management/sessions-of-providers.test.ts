import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import { writeOpenToken } from '@curfew/codecs'
import type { Kit, KitOptions } from '../kit.ts'
import { authorizationHeader, clientOf } from '../oidc/relying-party.ts'
import { createOidcHub, signInAt } from '../oidc-rp/hub.ts'
import { key } from '../opentoken/application.ts'
import { createLoginKit, sent } from '../opentoken/login-application.ts'

const clients = [clientOf('desk', { sessionManagement: true })]

/** How many sessions are listed before and after `POST .../users/{name}/revoke`, and live at the end. */
async function revoked(kit: Kit, name: string): Promise<readonly number[]> {
  const url = `/pf-ws/rest/sessionMgmt/users/${encodeURIComponent(name)}`
  const headers = { authorization: authorizationHeader('desk'), 'x-xsrf-header': '1' }
  const listed = async (): Promise<number> => (await kit.app.inject({ url, headers })).json<{ sessions: unknown[] }>().sessions.length
  const before = await listed()
  assert.equal((await kit.app.inject({ method: 'POST', url: `${url}/revoke`, headers })).statusCode, 200)
  return [before, await listed(), await kit.store.countLiveSessions()]
}

function hashOf(name: string): string {
  return createHash('sha256').update(name).digest('base64url')
}

async function atOpenId(options: KitOptions, username?: string): Promise<Kit> {
  const hub = await createOidcHub({ clients, ...options }, username === undefined ? {} : { username })
  await signInAt(hub, hub.kit.browser(), { preferred_username: 'ana' })
  assert.equal(await hub.kit.store.countLiveSessions(), 1)
  return hub.kit
}

async function atOpenToken(options: KitOptions = {}): Promise<Kit> {
  const kit = await createLoginKit({}, { clients, ...options })
  const browser = kit.browser()
  const path = await sent(browser)
  const now = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
  const token = writeOpenToken({ subject: 'zoe', attributes: {}, notBefore: now, notOnOrAfter: now.add({ seconds: 300 }) }, key, Buffer.alloc(16, 7))
  await browser.get(String((await browser.get(`${path}?opentoken=${token}`)).headers.location))
  assert.equal(await kit.store.countLiveSessions(), 1)
  return kit
}

suite('Session management by user: who signed in elsewhere', () => {
  test('AC-115 AC-116 sessions of an OpenID provider are found by subject, and end', async () => {
    await using kit = await atOpenId({})
    assert.deepEqual(await revoked(kit, 'u-1'), [1, 0, 0])
  })

  test('AC-115 AC-116 sessions of an OpenID provider whose user name is a claim are found by that, and by subject', async () => {
    for (const name of ['ana', 'u-1']) {
      await using kit = await atOpenId({}, 'preferred_username')
      assert.deepEqual(await revoked(kit, 'bob'), [0, 0, 1])
      assert.deepEqual(await revoked(kit, name), [1, 0, 0])
    }
  })

  test('AC-115 AC-116 sessions of an OpenToken login are found by subject, and end', async () => {
    await using kit = await atOpenToken()
    assert.deepEqual(await revoked(kit, 'zoe'), [1, 0, 0])
  })

  test('AC-117 where user keys are hashed, they are found by the hash alone', async () => {
    const sessions = { hashUserKeys: true }
    await using openId = await atOpenId({ sessions }, 'preferred_username')
    for (const name of ['u-1', 'ana', hashOf('ana')]) assert.deepEqual(await revoked(openId, name), [0, 0, 1])
    assert.deepEqual(await revoked(openId, hashOf('u-1')), [1, 0, 0])
    await using openToken = await atOpenToken({ sessions })
    assert.deepEqual(await revoked(openToken, 'zoe'), [0, 0, 1])
    assert.deepEqual(await revoked(openToken, hashOf('zoe')), [1, 0, 0])
  })
})
