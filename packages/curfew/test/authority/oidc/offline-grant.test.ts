import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError } from '@curfew/codecs'
import { createAdminServer } from '../../../src/admin/server.ts'
import type { AuthorityContext } from '../../../src/authority/context.ts'
import { dropGrant, generationOf } from '../../../src/authority/oidc/grant-generation.ts'
import { grantKeyOf } from '../../../src/authority/oidc/grant-name.ts'
import { endGrant } from '../../../src/authority/oidc/offline-grant.ts'
import type { RunFacts } from '../../../src/authority/oidc/run-facts.ts'
import type { ClientSettings } from '../../../src/authority/oidc/settings.ts'
import { withHashedKeys } from '../../../src/authority/sign-on/hashed-keys.ts'
import { type LocalUsers, localDirectory } from '../../../src/authority/sign-on/users.ts'
import type { RunId } from '../../../src/core/ids.ts'
import type { LogoutRun } from '../../../src/core/run.ts'
import { verdictOf } from '../../../src/core/verdict.ts'
import { receiptOf } from '../../../src/engine/receipt.ts'
import { silentLogger } from '../../../src/platform/logger.ts'
import { createMetrics } from '../../../src/platform/metrics.ts'
import type { Artifact, Store } from '../../../src/stores/store.ts'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import { alone, noStreams } from '../../admin/alone.ts'
import { type Browser, formOf } from '../browser.ts'
import { createFakeClock } from '../fake-clock.ts'
import { createLocalUsers, type Kit, type KitOptions, passwords } from '../kit.ts'
import { authorizationUrl, clientOf, createOidcKit, exchange, follow, post, refresh, returned, signIn } from './relying-party.ts'

interface World {
  readonly kit: Kit
  readonly browser: Browser
  /** Refresh token of the offline grant. */
  readonly token: string
}

/** `ana` is signed in, and a client holds an offline grant. Every client answers its logout token with 200. */
async function withGrant(more: Partial<ClientSettings> = {}, store?: Store, options: KitOptions = {}): Promise<World> {
  const kit = await createOidcKit({
    ...options,
    clients: [clientOf('wiki', more), clientOf('chat')],
    network: async () => ({ status: 200 }),
    ...(store === undefined ? {} : { store })
  })
  const browser = kit.browser()
  await signIn(browser, '/')
  return { kit, browser, token: await grantTo(kit, browser, 'wiki') }
}

/** The person allows offline access. */
async function grantTo(kit: Kit, browser: Browser, id: string): Promise<string> {
  const page = await follow(browser, await browser.get(authorizationUrl(id, { scope: 'openid offline_access', prompt: 'consent' })))
  const form = formOf(page.body)
  const code = returned(await follow(browser, await browser.post(form.action, { ...form.fields, choice: 'allow' }))).get('code') ?? ''
  return (await exchange(kit, id, code)).json<{ refresh_token: string }>().refresh_token
}

async function onlySession({ kit }: World) {
  return (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0]?.session ?? assert.fail('no session')
}

/** The run once nothing of it is under way. */
async function settled({ kit }: World, id?: RunId): Promise<LogoutRun> {
  for (let i = 0; i < 5_000; i++) {
    const run = id === undefined ? (await kit.store.listRuns({ limit: 1 })).items[0] : await kit.store.getRun(id)
    if (run?.state === 'done') return run
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return assert.fail('the run does not end')
}

async function logOut(world: World): Promise<LogoutRun> {
  const { fields } = formOf((await world.browser.get('/signoff')).body)
  await world.browser.post('/signoff', { ...fields, choice: 'everywhere' })
  return settled(world)
}

const outcomes = (run: LogoutRun) => run.deliveries.map(({ peerId, grant, outcome }) => [peerId, grant, outcome?.kind])

suite('OpenID: offline grants in a logout', () => {
  test('a grant is a participant of its own beside the client, and one however often it is renewed', async () => {
    const world = await withGrant()
    await using _kit = world.kit
    const session = await onlySession(world)
    const next = (await refresh(world.kit, 'wiki', world.token)).json<{ refresh_token: string }>()
    await refresh(world.kit, 'wiki', next.refresh_token)
    const known = await world.kit.store.getParticipants(session.id)
    assert.deepEqual(known.map(({ peerId, grant }) => [peerId, grant ?? 'none']).sort(), [
      ['wiki', 'none'],
      ['wiki', 'offline']
    ])
  })

  test('a grant that outlived its session is refused while its user is disabled or gone, and not while the directory is away', async () => {
    const known = createLocalUsers()
    let ana: 'as before' | 'disabled' | 'gone' | 'unknown' = 'as before'
    const localUsers: LocalUsers = {
      ...known,
      async find(username) {
        if (ana === 'unknown') throw new CurfewError('CURFEW_USERS_UNAVAILABLE', {})
        const user = await known.find(username)
        if (user === undefined || ana === 'gone') return undefined
        return ana === 'disabled' ? { ...user, isDisabled: true } : user
      }
    }
    const world = await withGrant({}, undefined, { localUsers })
    await using _kit = world.kit
    await logOut(world)
    for (ana of ['disabled', 'gone'] as const)
      assert.deepEqual((await refresh(world.kit, 'wiki', world.token)).json<{ error: string }>().error, 'invalid_grant')
    ana = 'unknown'
    const next = (await refresh(world.kit, 'wiki', world.token)).json<{ refresh_token: string }>().refresh_token
    assert.ok(world.kit.logged.some(({ fields }) => fields['event'] === 'oidc.user-unknown'))
    ana = 'as before'
    assert.equal((await refresh(world.kit, 'wiki', next)).statusCode, 200)
  })

  test('a grant from before keys were hashed is refused too while its user is disabled', async () => {
    const known = createLocalUsers()
    let isDisabled = false
    let isHashed = false
    const localUsers: LocalUsers = {
      ...known,
      find: async (username) => {
        const user = await known.find(username)
        return user === undefined ? undefined : { ...user, isDisabled }
      }
    }
    const plain = localDirectory(localUsers, passwords)
    const hashed = withHashedKeys(plain)
    const at = () => (isHashed ? hashed : plain)
    const users: AuthorityContext['users'] = { ...plain, find: (name) => at().find(name), keysFor: (name) => at().keysFor(name) }
    const world = await withGrant({}, undefined, { users })
    await using _kit = world.kit
    await logOut(world)
    isHashed = true
    isDisabled = true
    assert.equal((await refresh(world.kit, 'wiki', world.token)).json<{ error?: string }>().error, 'invalid_grant')
    isDisabled = false
    assert.equal((await refresh(world.kit, 'wiki', world.token)).statusCode, 200)
  })

  test('a client that asks for no offline access has no such participant', async () => {
    const world = await withGrant()
    await using _kit = world.kit
    const page = await follow(world.browser, await world.browser.get(authorizationUrl('chat')))
    await exchange(world.kit, 'chat', returned(page).get('code') ?? '')
    const known = await world.kit.store.getParticipants((await onlySession(world)).id)
    assert.deepEqual(
      known.filter(({ peerId }) => peerId === 'chat').map(({ grant }) => grant),
      [undefined]
    )
  })

  test('a grant of a client that is not tracked is listed all the same', async () => {
    const world = await withGrant({ logout: { modes: ['none'], trackSessions: false } })
    await using _kit = world.kit
    assert.deepEqual(outcomes(await logOut(world)), [['wiki', 'offline', 'not-asked']])
  })

  test('it survives a logout, the run says so and is partial, and it goes on working', async () => {
    const world = await withGrant()
    await using _kit = world.kit
    const run = await logOut(world)
    assert.deepEqual(outcomes(run), [
      ['wiki', undefined, 'ended'],
      ['wiki', 'offline', 'not-asked']
    ])
    assert.deepEqual(run.deliveries[1]?.outcome, { kind: 'not-asked', code: 'CURFEW_RUN_OFFLINE_GRANT' })
    assert.equal(verdictOf(run).kind, 'partial')
    const answer = await refresh(world.kit, 'wiki', world.token)
    assert.equal(answer.statusCode, 200, answer.body)
  })

  test('with offlineGrants: end it ends with the session, and the receipt says by which proof', async () => {
    const world = await withGrant({ offlineGrants: 'end' })
    await using _kit = world.kit
    const run = await logOut(world)
    assert.deepEqual(outcomes(run), [
      ['wiki', undefined, 'ended'],
      ['wiki', 'offline', 'ended']
    ])
    assert.equal(verdictOf(run).kind, 'all-ended')
    const line = receiptOf('http://curfew.test', run).participants[1]
    assert.equal(line?.channel, 'server/grant')
    assert.ok(line?.outcome?.kind === 'ended' && line.outcome.proof.kind === 'own-record' && /^[0-9a-f]{64}$/.test(line.outcome.proof.hash))
    assert.equal(line.grant, 'offline')
    const answer = await refresh(world.kit, 'wiki', world.token)
    assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [400, 'invalid_grant'])
  })

  test('a logout without a browser ends it when it says so', async () => {
    for (const [ends, status] of [
      [true, 400],
      [false, 200]
    ] as const) {
      const world = await withGrant()
      await using _kit = world.kit
      const fields = { token: world.token, ...(ends ? { end_offline_grants: 'true' } : {}) }
      const { run, participants } = (await post(world.kit, '/as/logout.oauth2', 'wiki', fields)).json<RunFacts>()
      assert.deepEqual(
        participants.map(({ grant }) => grant),
        [undefined, 'offline']
      )
      assert.equal(verdictOf(await settled(world, run as RunId)).kind, ends ? 'all-ended' : 'partial')
      assert.equal((await refresh(world.kit, 'wiki', world.token)).statusCode, status)
    }
  })

  test('only the grant of a client that is to end them ends; that of another goes on', async () => {
    const world = await withGrant({ offlineGrants: 'end' })
    await using _kit = world.kit
    const chat = await grantTo(world.kit, world.browser, 'chat')
    await logOut(world)
    assert.equal((await refresh(world.kit, 'wiki', world.token)).statusCode, 400)
    assert.equal((await refresh(world.kit, 'chat', chat)).statusCode, 200)
  })

  test('a token that was being stored while the grant ended is worth nothing either', async () => {
    const memory = createMemoryStore({ capacity: 10 })
    const written: Artifact[] = []
    const store: Store = Object.assign(Object.create(memory) as Store, {
      putArtifact: async (artifact: Artifact) => {
        written.push(artifact)
        return memory.putArtifact(artifact)
      }
    })
    const world = await withGrant({ offlineGrants: 'end' }, store)
    await using _kit = world.kit
    const late = written.filter(({ kind }) => kind === 'RefreshToken' || kind === 'Grant' || kind === 'OfflineAccount')
    assert.ok(late.length >= 3)
    await logOut(world)
    for (const artifact of late) await memory.putArtifact(artifact)
    const answer = await refresh(world.kit, 'wiki', world.token)
    assert.deepEqual([answer.statusCode, answer.json<{ error: string }>().error], [400, 'invalid_grant'])
  })

  test('the sign-off page says who keeps access, and the person can end it there', async () => {
    const world = await withGrant()
    await using _kit = world.kit
    const run = await logOut(world)
    const path = `/signoff/${run.id}`
    const page = (await world.browser.get(path)).body
    assert.match(page, /Wiki keeps access to your account after this sign-out/)
    assert.match(page, /Wiki, offline access/)
    assert.doesNotMatch(page, /safe to leave|did not confirm/)
    const { action, fields } = formOf(page)
    assert.match(page, /aria-label="End access of Wiki"/)
    await world.browser.post(action, fields)
    const after = await settled(world, run.id)
    assert.equal(verdictOf(after).kind, 'all-ended')
    assert.equal((await refresh(world.kit, 'wiki', world.token)).statusCode, 400)
    const result = (await world.browser.get(path)).body
    assert.match(result, /Access ended, confirmed/)
    assert.match(result, /signed out everywhere/)
  })

  test('another browser sees who keeps access and can end nothing', async () => {
    const world = await withGrant()
    await using _kit = world.kit
    const run = await logOut(world)
    const page = (await world.kit.browser().get(`/signoff/${run.id}`)).body
    assert.match(page, /Wiki keeps access/)
    assert.doesNotMatch(page, /End access/)
  })

  test('signing out of the client only lets its grant live, and says so', async () => {
    const world = await withGrant()
    await using _kit = world.kit
    const { fields } = formOf((await world.browser.get('/signoff')).body)
    const path = String((await world.browser.post('/signoff', { ...fields, choice: 'only:wiki' })).headers.location)
    await settled(world)
    const page = (await world.browser.get(path)).body
    assert.match(page, /Wiki: signed out/)
    assert.match(page, /Wiki keeps access/)
    assert.equal((await refresh(world.kit, 'wiki', world.token)).statusCode, 200)
  })

  test('a grant that ended with a partial logout does not taint the next one of the same session', async () => {
    const world = await withGrant({ offlineGrants: 'end' })
    await using _kit = world.kit
    const { fields } = formOf((await world.browser.get('/signoff')).body)
    await world.browser.post('/signoff', { ...fields, choice: 'only:wiki' })
    await settled(world)
    assert.equal((await refresh(world.kit, 'wiki', world.token)).statusCode, 400)
    const next = await grantTo(world.kit, world.browser, 'wiki')
    assert.equal((await refresh(world.kit, 'wiki', next)).statusCode, 200)
  })

  /** Signs out of the client only, which ends its grant, too. */
  const signOutOfWiki = async (world: World): Promise<LogoutRun> => {
    const { fields } = formOf((await world.browser.get('/signoff')).body)
    const path = String((await world.browser.post('/signoff', { ...fields, choice: 'only:wiki' })).headers.location)
    return settled(world, path.split('/').at(-1) as RunId)
  }
  const week = { sessions: { idleMinutes: 10_080, maxMinutes: 10_080 } }
  const hourMs = 3_600_000
  const endOf = (run: LogoutRun) => run.deliveries.find(({ grant }) => grant === 'offline')?.outcome?.kind

  test('a grant that was given anew ends with the next partial logout, however long after the first one', async () => {
    const world = await withGrant({ offlineGrants: 'end', refreshTokenDays: 1 }, undefined, week)
    await using kit = world.kit
    await signOutOfWiki(world)
    kit.clock.advance(20 * hourMs)
    const next = await grantTo(kit, world.browser, 'wiki')
    kit.clock.advance(10 * hourMs)
    assert.equal(endOf(await signOutOfWiki(world)), 'ended')
    assert.equal((await refresh(kit, 'wiki', next)).statusCode, 400)
  })

  test('so does what was issued by its refresh tokens', async () => {
    const world = await withGrant({ offlineGrants: 'end', refreshTokenDays: 1 }, undefined, week)
    await using kit = world.kit
    await signOutOfWiki(world)
    const next = await grantTo(kit, world.browser, 'wiki')
    kit.clock.advance(20 * hourMs)
    assert.equal((await refresh(kit, 'wiki', next)).statusCode, 200)
    kit.clock.advance(10 * hourMs)
    const { id } = await onlySession(world)
    const kept = () => kit.store.artifactsOf(id, 'RefreshToken', kit.clock.nowMs(), 10)
    assert.equal((await kept()).length, 1)
    await signOutOfWiki(world)
    assert.deepEqual(await kept(), [])
  })

  test('what is kept under a name beside the one that counts is dropped with it, and the next grant is another one', async () => {
    const store = createMemoryStore({ capacity: 10 })
    const clock = createFakeClock()
    const clients = { find: async () => ({ refreshTokenSeconds: 86_400 }) }
    const owner = { accountId: 'ses_1', clientId: 'wiki' } as const
    const keep = (generation: number) =>
      store.putArtifact({
        kind: 'Grant',
        id: `${generation}`,
        grantId: grantKeyOf('ses_1', 'wiki', generation),
        untilMs: clock.nowMs() + 86_400_000,
        value: owner
      })
    const end = () => endGrant(store, { sessionId: 'ses_1', clientId: 'wiki', isSessionLive: true, nowMs: clock.nowMs(), refreshTokenSeconds: 86_400 })
    const deps = { store, clock, clients } as unknown as Parameters<typeof dropGrant>[0]
    await keep(1)
    assert.equal(await end(), 1, 'the mark on it had run out')
    assert.equal(await generationOf(store, owner, clock.nowMs()), 2)
    await keep(1)
    await keep(2)
    assert.equal(await end(), 2, 'one was being stored while the other ended')
    assert.equal(await generationOf(store, owner, clock.nowMs()), 3)
    clock.advance(20 * hourMs)
    await keep(1)
    assert.equal(await dropGrant(deps, grantKeyOf('ses_1', 'wiki', 1)), 1)
    clock.advance(20 * hourMs)
    assert.equal(await generationOf(store, owner, clock.nowMs()), 3, 'its name holds for as long as the drop is remembered')
    await keep(4)
    assert.equal(await dropGrant(deps, grantKeyOf('ses_1', 'wiki', 4)), 1)
    assert.equal(await generationOf(store, owner, clock.nowMs()), 5)
  })

  for (const [name, ask, answer] of [
    ['the sign-off page', '/signoff', '/signoff'],
    ['a link of a stranger', '/idp/startSLO.ping', '/idp/startSLO.ping'],
    ['a client without a hint', '/idp/init_logout.openid?client_id=chat', '/idp/init_logout.openid'],
    ['the sign-out of PingOne', '/sso/initslo/', '/sso/initslo/']
  ] as const) {
    test(`before anything ends, the question by ${name} offers to end the access, and it ends only when that was chosen`, async () => {
      for (const isChosen of [true, false]) {
        const world = await withGrant()
        await using _kit = world.kit
        const page = await world.browser.get(ask)
        assert.match(page.body, /<input type="checkbox" name="endOffline" value="yes">Also end the access that Wiki would keep/)
        const { fields } = formOf(page.body)
        await world.browser.post(answer, { ...fields, choice: 'everywhere', ...(isChosen ? { endOffline: 'yes' } : {}) })
        const run = await settled(world)
        assert.deepEqual(outcomes(run)[1], ['wiki', 'offline', isChosen ? 'ended' : 'not-asked'])
        assert.equal((await refresh(world.kit, 'wiki', world.token)).statusCode, isChosen ? 400 : 200)
      }
    })
  }

  test('there is nothing to choose without a grant, and where the client says already that it ends', async () => {
    const world = await withGrant({ offlineGrants: 'end' })
    await using _kit = world.kit
    assert.doesNotMatch((await world.browser.get('/signoff')).body, /endOffline/)
    const other = world.kit.browser()
    await signIn(other, '/', 'ben')
    assert.doesNotMatch((await other.get('/signoff')).body, /endOffline/)
  })

  test('an address alone chooses nothing: only the answer to our page does', async () => {
    const world = await withGrant()
    await using _kit = world.kit
    await world.browser.get('/idp/startSLO.ping?endOffline=yes&choice=everywhere', { 'sec-fetch-site': 'none' })
    assert.deepEqual(outcomes(await settled(world))[1], ['wiki', 'offline', 'not-asked'])
  })

  test('an administrator who ends one session may end its offline grants, too', async () => {
    for (const [body, isEnded] of [
      [{ endOfflineGrants: true }, true],
      [{}, false],
      [undefined, false]
    ] as const) {
      const world = await withGrant()
      await using kit = world.kit
      const { store, engine, everywhere, clock, ids } = kit.ctx
      await using admin = createAdminServer({
        ...noStreams,
        everywhere,
        store,
        engine,
        clock,
        ids,
        metrics: createMetrics(),
        logger: silentLogger,
        token: 'token of the test',
        version: '0',
        baseUrl: 'http://curfew.test',
        peers: () => [],
        resetPassword: async () => assert.fail('nobody asks'),
        accountLinks: { list: async () => assert.fail('nobody asks'), remove: async () => assert.fail('nobody asks') },
        peer: (id) => kit.ctx.peer(id),
        cluster: alone,
        status: () => 'ok'
      })
      const url = `/v1/sessions/${(await onlySession(world)).id}/logout`
      const headers = { authorization: 'Bearer token of the test' }
      const answer = await admin.inject({ method: 'POST', url, headers, ...(body === undefined ? {} : { payload: body }) })
      assert.equal(answer.statusCode, 200, answer.body)
      assert.deepEqual(outcomes(await settled(world))[1], ['wiki', 'offline', isEnded ? 'ended' : 'not-asked'])
      assert.equal((await refresh(kit, 'wiki', world.token)).statusCode, isEnded ? 400 : 200)
    }
  })
})
