import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { suite, test } from 'node:test'
import type { CurfewError } from '@curfew/codecs'
import { callsAtOnceMax, callsWaitingMax } from '../../../src/authority/session-management/plugin.ts'
import { endFor } from '../../../src/authority/session-management/ending.ts'
import { statusOf } from '../../../src/authority/session-management/session-facts.ts'
import type { LightMyRequestResponse } from 'fastify'
import type { OutboundRequest } from '../../../src/platform/outbound.ts'
import { createLocalUsers, type Kit, type KitOptions, signIn, users } from '../kit.ts'
import { authorizationHeader, clientOf, createOidcKit, tokensFor } from '../oidc/relying-party.ts'

const base = '/pf-ws/rest/sessionMgmt'
const clients = [
  clientOf('gate', { sessionRevocation: true }),
  clientOf('reader', { revocationFeed: true }),
  clientOf('desk', { sessionManagement: true }),
  clientOf('wiki'),
  clientOf('chat')
]

interface Wish {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly client?: string
  readonly password?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

function ask(
  kit: Kit,
  path: string,
  { method = 'GET', client = 'gate', password, headers = { 'x-xsrf-header': 'any' }, body }: Wish = {}
): Promise<LightMyRequestResponse> {
  const authorization = password === undefined ? authorizationHeader(client) : authorizationHeader(client, password)
  const json = body === undefined ? {} : { 'content-type': 'application/json' }
  return kit.app.inject({
    method,
    url: base + path,
    headers: { authorization, ...json, ...headers },
    ...(body === undefined ? {} : { payload: JSON.stringify(body) })
  })
}

function codeOf(answer: LightMyRequestResponse): unknown {
  return [answer.statusCode, answer.json<{ code: string }>().code]
}

async function signedIn({
  told,
  ...options
}: { readonly told?: OutboundRequest[] } & Pick<KitOptions, 'revocationMinutes' | 'revokesOnLogout' | 'localUsers'> = {}) {
  const kit = await createOidcKit({
    clients,
    ...options,
    network: async (request) => {
      told?.push(request)
      return { status: 200 }
    }
  })
  const { claims } = await tokensFor(kit, kit.browser(), 'wiki')
  return { kit, sri: String(claims['pi.sri']) }
}

/** The delivery is under way as soon as the session has ended. */
async function settled(told: readonly OutboundRequest[]): Promise<void> {
  for (let i = 0; i < 2_000 && told.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(told.length, 1)
}

suite('Session Revocation API', () => {
  test('AC-096 adds an SRI by JSON, with the header and the client, 201 also the second time; the session ends and its applications are told', async () => {
    const told: OutboundRequest[] = []
    const { kit, sri } = await signedIn({ told })
    await using _ = kit
    for (let i = 0; i < 2; i++) {
      const answer = await ask(kit, '/revokedSris', { method: 'POST', body: { id: sri } })
      assert.deepEqual([answer.statusCode, answer.json()], [201, { id: sri }])
    }
    await settled(told)
    assert.deepEqual(
      told.map(({ url }) => url),
      ['http://wiki.test/backchannel']
    )
    assert.equal((await kit.store.listAudit({ limit: 100 })).filter(({ event, peerId }) => event === 'sri.revoked' && peerId === 'gate').length, 2)
  })

  test('AC-097 tells a revoked SRI from one that is not, by path and by parameter', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    const forms = [`/revokedSris/${encodeURIComponent(sri)}`, `/revokedSris?id=${encodeURIComponent(sri)}`, `/revokedSris?sri=${encodeURIComponent(sri)}`]
    for (const form of forms) assert.deepEqual(codeOf(await ask(kit, form)), [404, 'CURFEW_SESSION_SRI_NOT_REVOKED'])
    await ask(kit, '/revokedSris', { method: 'POST', body: { id: sri } })
    for (const form of forms) assert.deepEqual([(await ask(kit, form)).statusCode, (await ask(kit, form)).json()], [200, { id: sri }])
  })

  test('AC-098 refuses a call without the header, and takes any value of it', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    const body = { id: sri }
    assert.deepEqual(codeOf(await ask(kit, '/revokedSris', { method: 'POST', body, headers: {} })), [403, 'CURFEW_SESSION_API_REFUSED'])
    assert.deepEqual(codeOf(await ask(kit, `/revokedSris/${sri}`, { headers: {} })), [403, 'CURFEW_SESSION_API_REFUSED'])
    for (const value of ['PingFederate', '1', '']) {
      assert.equal((await ask(kit, '/revokedSris', { method: 'POST', body, headers: { 'x-xsrf-header': value } })).statusCode, 201)
    }
  })

  test('AC-099 refuses a wrong secret, a client without the permission, and nobody at all', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    const wish = { method: 'POST', body: { id: sri } } as const
    assert.equal((await ask(kit, '/revokedSris', { ...wish, password: 'not this secret at all' })).statusCode, 401)
    assert.deepEqual(codeOf(await ask(kit, '/revokedSris', { ...wish, client: 'chat' })), [403, 'CURFEW_SESSION_API_REFUSED'])
    assert.deepEqual(codeOf(await ask(kit, '/revokedSris', { ...wish, client: 'desk' })), [403, 'CURFEW_SESSION_API_REFUSED'])
    assert.equal((await kit.app.inject({ method: 'POST', url: `${base}/revokedSris`, headers: { 'x-xsrf-header': '1' } })).statusCode, 401)
    assert.equal(await kit.store.isRevoked(sri, kit.clock.nowMs()), false)
  })

  test('a client that may only read the list is told of an SRI, and ends nothing', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    const byReader = { client: 'reader' } as const
    assert.deepEqual(codeOf(await ask(kit, `/revokedSris/${sri}`, byReader)), [404, 'CURFEW_SESSION_SRI_NOT_REVOKED'])
    const refused = [403, 'CURFEW_SESSION_API_REFUSED']
    for (const path of ['/revokedSris', `/sessions/${sri}/revoke`, `/sessions/${sri}/extend`, '/users/ana/revoke'])
      assert.deepEqual(codeOf(await ask(kit, path, { ...byReader, method: 'POST', body: { id: sri } })), refused, path)
    for (const path of [`/sessions/${sri}`, '/users/ana']) assert.deepEqual(codeOf(await ask(kit, path, byReader)), refused, path)
    assert.deepEqual([await kit.store.isRevoked(sri, kit.clock.nowMs()), await kit.store.countLiveSessions()], [false, 1])
    await ask(kit, '/revokedSris', { method: 'POST', body: { id: sri } })
    assert.deepEqual((await ask(kit, `/revokedSris/${sri}`, byReader)).json(), { id: sri })
  })

  test('nothing of it is given to a client that has no way to say who it is', async () => {
    for (const name of ['revocationFeed', 'sessionRevocation', 'sessionManagement']) {
      const given = clientOf('spa', { authentication: 'none', clientSecret: undefined, [name]: true })
      await assert.rejects(createOidcKit({ clients: [given] }), ({ code, context }: CurfewError) => {
        assert.deepEqual([code, context['reason']], ['CURFEW_CONFIG_CONNECTION', `${name} needs a client that proves who it is`])
        return true
      })
    }
  })

  test('AC-100 refuses another content type, and a body that is not what is asked for', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/jsonp', 'multipart/form-data; boundary=x']) {
      const answer = await ask(kit, '/revokedSris', { method: 'POST', body: { id: sri }, headers: { 'x-xsrf-header': '1', 'content-type': type } })
      assert.deepEqual(codeOf(answer), [415, 'CURFEW_SESSION_API_MEDIA_TYPE'], type)
    }
    for (const body of [{ sri }, [sri], sri, null, { id: 7 }]) assert.equal((await ask(kit, '/revokedSris', { method: 'POST', body })).statusCode, 400)
    assert.equal((await ask(kit, '/revokedSris', { method: 'POST', body: { id: `${sri}x` } })).statusCode, 400)
    assert.equal(await kit.store.isRevoked(sri, kit.clock.nowMs()), false)
    const other = await ask(kit, '/revokedSris', { method: 'DELETE' })
    assert.deepEqual([other.statusCode, other.headers.allow], [405, 'GET, POST'])
  })

  /** What the API says of an SRI. */
  async function saidOf(kit: Kit, sri: string): Promise<readonly unknown[]> {
    const { status } = (await ask(kit, `/sessions/${sri}`, { client: 'desk' })).json<{ status: string }>()
    return [(await ask(kit, `/revokedSris/${sri}`)).statusCode, status]
  }

  for (const [minutes, what] of [
    [490, 'as it is by default'],
    [40, 'as it is configured']
  ] as const)
    test(`AC-101 forgets an entry when its lifetime is over, not before (${minutes} minutes, ${what})`, async () => {
      const { kit } = await signedIn({ revocationMinutes: minutes })
      await using _ = kit
      const sri = kit.ctx.locator.seal('curfew:sri', 'ses_0a7AAAAAAAAAAAAAAAAAAAAAA')
      await ask(kit, '/revokedSris', { method: 'POST', body: { id: sri } })
      const at = kit.clock.nowMs()
      assert.equal(await kit.store.isRevoked(sri, at + minutes * 60_000 - 1), true)
      assert.equal(await kit.store.isRevoked(sri, at + minutes * 60_000), false)
      await kit.clock.advance((minutes - 1) * 60_000)
      assert.deepEqual(await saidOf(kit, sri), [200, 'SESSION_REVOKED'])
      await kit.clock.advance(60_000)
      assert.deepEqual(await saidOf(kit, sri), [404, 'NO_VALID_SESSIONS'])
    })

  test('AC-101 a lifetime that is shorter than that of the session is none: the entry stays as long as the session could have lasted', async () => {
    const { kit, sri } = await signedIn({ revocationMinutes: 40 })
    await using _ = kit
    await ask(kit, '/revokedSris', { method: 'POST', body: { id: sri } })
    await kit.clock.advance(479 * 60_000)
    assert.deepEqual(await saidOf(kit, sri), [200, 'SESSION_REVOKED'])
    await kit.clock.advance(60_000)
    assert.deepEqual(await saidOf(kit, sri), [404, 'NO_VALID_SESSIONS'])
  })

  test('AC-101 an entry that a logout makes goes the same way', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    await ask(kit, '/users/ana/revoke', { method: 'POST', client: 'desk' })
    await kit.clock.advance(489 * 60_000)
    assert.equal((await ask(kit, `/revokedSris/${sri}`)).statusCode, 200)
    await kit.clock.advance(60_000)
    assert.equal((await ask(kit, `/revokedSris/${sri}`)).statusCode, 404)
  })
})

suite('Session management by SRI', () => {
  test('AC-110 AC-111 lists what an SRI stands for, with its limits and where it comes from; a status for each state', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    const read = async () => (await ask(kit, `/sessions/${sri}`, { client: 'desk' })).json<{ status: string; sessions: Record<string, string>[] }>()
    const { status, sessions } = await read()
    const [stored] = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items
    const session = stored?.session ?? assert.fail()
    const at = (ms: number): string => Temporal.Instant.fromEpochMilliseconds(ms).toString()
    assert.equal(status, 'HAS_VALID_SESSIONS')
    assert.deepEqual(sessions, [
      {
        id: sri,
        authenticationSource: 'form',
        authenticationTime: at(session.authenticatedAtMs),
        lastActivityTime: at(session.lastActivityAtMs),
        idleTimeout: at(session.idleExpiresAtMs),
        maxTimeout: at(session.expiresAtMs),
        ipAddress: '127.0.0.1',
        userAgent: session.userAgent
      }
    ])
    const unknown = kit.ctx.locator.seal('curfew:sri', 'ses_0a7AAAAAAAAAAAAAAAAAAAAAA')
    assert.deepEqual((await ask(kit, `/sessions/${unknown}`, { client: 'desk' })).json(), { id: unknown, status: 'NO_VALID_SESSIONS', sessions: [] })
    await ask(kit, '/revokedSris', { method: 'POST', body: { id: sri } })
    assert.deepEqual(await read(), { id: sri, status: 'SESSION_REVOKED', sessions: [] })
  })

  for (const [revokesOnLogout, status] of [
    [true, 'SESSION_REVOKED'],
    [false, 'NO_VALID_SESSIONS']
  ] as const)
    test(`AC-111 a session that a logout ended is ${status} where such endings are ${revokesOnLogout ? '' : 'not '}put on the list`, async () => {
      const { kit, sri } = await signedIn({ revokesOnLogout })
      await using _ = kit
      const sessionId = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0]?.session.id ?? assert.fail()
      await kit.ctx.engine.endSessions({
        scope: { kind: 'session', sessionId },
        reason: 'user',
        by: { kind: 'user', id: 'ana' },
        starter: { kind: 'none' },
        browser: 'absent'
      })
      assert.deepEqual((await ask(kit, `/sessions/${sri}`, { client: 'desk' })).json(), { id: sri, status, sessions: [] })
    })

  test('AC-111 without an entry on the list a session is valid to the end of its times, and not a moment longer', async () => {
    const { kit } = await signedIn()
    await using _ = kit
    const session = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0]?.session ?? assert.fail()
    const overMs = Math.min(session.idleExpiresAtMs, session.expiresAtMs)
    const statuses = [overMs - 1, overMs].map((nowMs) => statusOf(session, false, nowMs))
    assert.deepEqual(statuses, ['HAS_VALID_SESSIONS', 'NO_VALID_SESSIONS'])
    assert.deepEqual([statusOf(undefined, false, overMs), statusOf(session, true, overMs - 1)], ['NO_VALID_SESSIONS', 'SESSION_REVOKED'])
  })

  test('AC-112 extends the idle limit, and never past the absolute one', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    const extend = async () => {
      const answer = await ask(kit, `/sessions/${sri}/extend`, { method: 'POST', client: 'desk' })
      assert.equal(answer.statusCode, 200)
      const [session] = answer.json<{ sessions: { idleTimeout: string; maxTimeout: string }[] }>().sessions
      return session ?? assert.fail()
    }
    const first = await extend()
    kit.clock.advance(30 * 60_000)
    const second = await extend()
    assert.equal(Date.parse(second.idleTimeout) - Date.parse(first.idleTimeout), 30 * 60_000)
    for (let i = 0; i < 9; i++) {
      kit.clock.advance(49 * 60_000)
      assert.ok(Date.parse((await extend()).idleTimeout) <= Date.parse(first.maxTimeout))
    }
    assert.equal((await extend()).idleTimeout, first.maxTimeout)
  })

  test('AC-113 revokes what an SRI stands for, in the store that every node reads, and tells the applications', async () => {
    const told: OutboundRequest[] = []
    const { kit, sri } = await signedIn({ told })
    await using _ = kit
    const answer = await ask(kit, `/sessions/${sri}/revoke`, { method: 'POST', client: 'desk' })
    assert.deepEqual([answer.statusCode, answer.json<{ status: string }>().status], [200, 'SESSION_REVOKED'])
    await settled(told)
    assert.equal(await kit.store.countLiveSessions(), 0)
  })

  test('AC-114 a malformed SRI is 400, in every call', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    const wrong = ['x', `${sri.slice(0, -1)}${sri.endsWith('A') ? 'B' : 'A'}`, kit.ctx.locator.seal('wiki', 'ses_0a7AAAAAAAAAAAAAAAAAAAAAA')]
    for (const text of wrong) {
      for (const [method, path] of [
        ['GET', ''],
        ['POST', '/extend'],
        ['POST', '/revoke']
      ] as const) {
        assert.deepEqual(codeOf(await ask(kit, `/sessions/${text}${path}`, { method, client: 'desk' })), [400, 'CURFEW_SESSION_SRI_MALFORMED'])
      }
      assert.deepEqual(codeOf(await ask(kit, `/revokedSris/${text}`)), [400, 'CURFEW_SESSION_SRI_MALFORMED'])
    }
  })

  test('AC-119 needs the permission, which no client has by default', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    for (const client of ['chat', 'gate', 'reader']) {
      assert.deepEqual(codeOf(await ask(kit, `/sessions/${sri}`, { client })), [403, 'CURFEW_SESSION_API_REFUSED'])
      assert.deepEqual(codeOf(await ask(kit, '/users/ana/revoke', { method: 'POST', client })), [403, 'CURFEW_SESSION_API_REFUSED'])
    }
    assert.equal(await kit.store.countLiveSessions(), 1)
  })
})

suite('Session management by user', () => {
  test('AC-115 lists the valid sessions of a user and no other, by the URL-encoded name', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    await tokensFor(kit, kit.browser(), 'chat')
    const ofAna = (await ask(kit, '/users/ana', { client: 'desk' })).json<{ sessions: { id: string }[] }>()
    assert.equal(ofAna.sessions.length, 2)
    assert.ok(ofAna.sessions.some(({ id }) => id === sri))
    assert.deepEqual((await ask(kit, '/users/ana%40example.org', { client: 'desk' })).json(), { id: 'ana@example.org', sessions: [] })
    await ask(kit, '/revokedSris', { method: 'POST', body: { id: sri } })
    assert.equal((await ask(kit, '/users/ana', { client: 'desk' })).json<{ sessions: unknown[] }>().sessions.length, 1)
  })

  for (const username of ['m\u00fcller@example.org', 'sales/anna', 'anna maria', '100%', 'a+b&c=d?e#f'])
    test(`AC-115 finds ${username} by the URL-encoded name`, async () => {
      const user = { username, passwordHash: 'hash:correct horse', attributes: {}, isDisabled: false }
      const { kit } = await signedIn({ localUsers: createLocalUsers([...users, user]) })
      await using _ = kit
      await signIn(kit.browser(), '/', username, 'correct horse')
      const path = `/users/${encodeURIComponent(username)}`
      const { id, sessions } = (await ask(kit, path, { client: 'desk' })).json<{ id: string; sessions: unknown[] }>()
      assert.deepEqual([id, sessions.length], [username, 1])
      assert.equal((await ask(kit, `${path}/revoke`, { method: 'POST', client: 'desk' })).statusCode, 200)
      assert.deepEqual((await ask(kit, path, { client: 'desk' })).json(), { id: username, sessions: [] })
      assert.equal((await ask(kit, '/users/ana', { client: 'desk' })).json<{ sessions: unknown[] }>().sessions.length, 1, 'and nobody else')
    })

  test('AC-115 a session that is over by its idle time, or was ended, is not among them', async () => {
    const { kit } = await signedIn()
    await using _ = kit
    await kit.clock.advance(30 * 60_000)
    const ended = (await tokensFor(kit, kit.browser(), 'chat')).claims['pi.sri']
    const valid = (await tokensFor(kit, kit.browser(), 'wiki')).claims['pi.sri']
    const listed = async () => (await ask(kit, '/users/ana', { client: 'desk' })).json<{ sessions: { id: string }[] }>().sessions.map(({ id }) => id)
    assert.equal((await listed()).length, 3)
    await kit.clock.advance(31 * 60_000)
    assert.deepEqual((await listed()).toSorted(), [ended, valid].map(String).toSorted())
    await ask(kit, `/sessions/${String(ended)}/revoke`, { method: 'POST', client: 'desk' })
    assert.deepEqual(await listed(), [valid])
  })

  test('AC-117 a hashed user key is found by its hash and by nothing else, and no key has the name in it', async () => {
    await using kit = await createOidcKit({ clients, sessions: { hashUserKeys: true } })
    await tokensFor(kit, kit.browser(), 'wiki')
    const hash = createHash('sha256').update('ana').digest('base64url')
    const found = async (key: string) => (await ask(kit, `/users/${key}`, { client: 'desk' })).json<{ sessions: unknown[] }>().sessions.length
    assert.deepEqual([await found('ana'), await found(`local:${hash}`), await found(hash.toLowerCase()), await found(hash)], [0, 0, 0, 1])
    assert.equal((await kit.store.findByUser(`local:${hash}`)).length, 1)
    assert.equal((await ask(kit, '/users/ana/revoke', { method: 'POST', client: 'desk' })).statusCode, 200)
    assert.equal(await found(hash), 1)
    assert.equal((await ask(kit, `/users/${hash}/revoke`, { method: 'POST', client: 'desk' })).statusCode, 200)
    assert.equal(await found(hash), 0)
    const lines = await kit.store.listAudit({ limit: 100 })
    assert.ok(lines.length > 0 && lines.every(({ userKey }) => userKey === undefined || userKey === `local:${hash}`))
  })

  test('AC-116 AC-118 ends all sessions of a user with 200 and an empty body; only that is in the audit log', async () => {
    const { kit } = await signedIn()
    await using _ = kit
    await tokensFor(kit, kit.browser(), 'chat')
    const before = (await kit.store.listAudit({ limit: 100 })).length
    await ask(kit, '/users/ana', { client: 'desk' })
    assert.equal((await kit.store.listAudit({ limit: 100 })).length, before)
    const answer = await ask(kit, '/users/ana/revoke', { method: 'POST', client: 'desk' })
    assert.deepEqual([answer.statusCode, answer.body], [200, ''])
    assert.deepEqual((await ask(kit, '/users/ana', { client: 'desk' })).json(), { id: 'ana', sessions: [] })
    const lines = (await kit.store.listAudit({ limit: 100 })).filter(({ event }) => event === 'session.revoked')
    assert.deepEqual(
      lines.map(({ actor }) => actor),
      [
        { kind: 'peer', id: 'desk' },
        { kind: 'peer', id: 'desk' }
      ]
    )
    assert.equal((await ask(kit, '/users/ana/revoke', { method: 'POST', client: 'desk' })).statusCode, 200)
  })

  test('AC-118 calls that read, extend, are refused or find nothing leave no line in the audit log; each that revokes does', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    const other = String((await tokensFor(kit, kit.browser(), 'chat')).claims['pi.sri'])
    await tokensFor(kit, kit.browser(), 'wiki')
    const lines = async () => (await kit.store.listAudit({ limit: 500 })).length
    const before = await lines()
    const asDesk = { client: 'desk' } as const
    const unknown = kit.ctx.locator.seal('curfew:sri', 'ses_0a7AAAAAAAAAAAAAAAAAAAAAA')
    for (const [path, wish, status] of [
      [`/revokedSris/${sri}`, {}, 404],
      [`/revokedSris?id=${sri}`, {}, 404],
      [`/sessions/${sri}`, asDesk, 200],
      [`/users/ana`, asDesk, 200],
      [`/sessions/${sri}/extend`, { ...asDesk, method: 'POST' }, 200],
      [`/sessions/${unknown}/revoke`, { ...asDesk, method: 'POST' }, 200],
      ['/users/nobody/revoke', { ...asDesk, method: 'POST' }, 200],
      [`/sessions/${sri}/revoke`, { client: 'chat', method: 'POST' }, 403],
      ['/users/ana/revoke', { client: 'gate', method: 'POST' }, 403],
      ['/revokedSris', { ...asDesk, method: 'POST', body: { id: sri } }, 403],
      ['/revokedSris', { method: 'POST', body: { id: 'x' } }, 400],
      ['/revokedSris', { method: 'POST', body: { id: sri }, headers: {} }, 403]
    ] as const) {
      assert.equal((await ask(kit, path, wish)).statusCode, status, path)
      assert.equal(await lines(), before, path)
    }
    /** Beside the line of the ending itself. */
    const told = async (): Promise<readonly string[]> =>
      (await kit.store.listAudit({ limit: 500 })).flatMap(({ event, actor }) =>
        actor?.kind === 'peer' && event !== 'session.ended' ? [`${event} ${actor.id}`] : []
      )
    const added = async (path: string, wish: Wish): Promise<readonly string[]> => {
      const known = [...(await told())]
      await ask(kit, path, { method: 'POST', ...wish })
      // Lines of the same moment stand in any order where groups have logs of their own.
      return (await told()).filter((line) => {
        const at = known.indexOf(line)
        if (at >= 0) known.splice(at, 1)
        return at < 0
      })
    }
    assert.deepEqual(await added('/revokedSris', { body: { id: sri } }), ['sri.revoked gate'])
    assert.deepEqual(await added(`/sessions/${other}/revoke`, asDesk), ['session.revoked desk'])
    assert.deepEqual(await added('/users/ana/revoke', asDesk), ['session.revoked desk'])
  })

  test('AC-118 what ended has its line in the audit log also where another group could not be reached', async () => {
    const { kit } = await signedIn()
    await using _ = kit
    const { engine } = kit.ctx
    const apart = {
      ...kit.ctx,
      engine: {
        ...engine,
        endSessions: async (order: Parameters<typeof engine.endSessions>[0]) => ({ ...(await engine.endSessions(order)), unreached: ['paris'] })
      }
    }
    const [session = assert.fail()] = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items
    const desk = kit.ctx.clients.byId('desk') ?? assert.fail()
    await assert.rejects(
      endFor(apart, desk, { kind: 'session', sessionId: session.session.id }),
      (error: CurfewError) => error.code === 'CURFEW_GROUP_UNREACHABLE'
    )
    const lines = (await kit.store.listAudit({ limit: 100 })).filter(({ event }) => event === 'session.revoked')
    assert.deepEqual(
      lines.map(({ sessionId }) => sessionId),
      [session.session.id]
    )
  })

  test('a client that floods it is told to come later, and others are answered all the same', async () => {
    const { kit, sri } = await signedIn()
    await using _ = kit
    const { store } = kit
    const gate = Promise.withResolvers<void>()
    // Where a call is not refused, it waits no longer than this.
    const limit = setTimeout(gate.resolve, 10_000)
    const isRevoked = store.isRevoked.bind(store)
    let asked = 0
    store.isRevoked = async (...whom) => {
      asked += 1
      await gate.promise
      return isRevoked(...whom)
    }
    const path = `/revokedSris/${sri}`
    const flood = Array.from({ length: callsAtOnceMax + callsWaitingMax }, () => ask(kit, path, { client: 'reader' }))
    for (let i = 0; i < 500 && asked < callsAtOnceMax; i++) await new Promise((resolve) => setImmediate(resolve))
    const refused = await ask(kit, path, { client: 'reader' })
    assert.deepEqual([codeOf(refused), refused.headers['retry-after']], [[429, 'CURFEW_SESSION_API_BUSY'], '1'])
    assert.match(String(refused.headers['content-type']), /^application\/problem\+json/)
    assert.equal(asked, callsAtOnceMax)
    const other = await ask(kit, '/users/ana', { client: 'desk' })
    assert.equal(other.statusCode, 200)
    clearTimeout(limit)
    gate.resolve()
    assert.deepEqual(new Set((await Promise.all(flood)).map(({ statusCode }) => statusCode)), new Set([404]))
    assert.equal((await ask(kit, path, { client: 'reader' })).statusCode, 404, 'and has its places again')
  })

  test('AC-103 discovery names all of these addresses', async () => {
    await using kit = await createOidcKit({ clients })
    const metadata = (await kit.app.inject('/.well-known/openid-configuration')).json<Record<string, string>>()
    assert.equal(metadata['ping_revoked_sris_endpoint'], `http://curfew.test${base}/revokedSris`)
    assert.equal(metadata['ping_end_session_endpoint'], 'http://curfew.test/idp/startSLO.ping')
    assert.equal(metadata['ping_session_management_sris_endpoint'], `http://curfew.test${base}/sessions`)
    assert.equal(metadata['ping_session_management_users_endpoint'], `http://curfew.test${base}/users`)
  })
})
