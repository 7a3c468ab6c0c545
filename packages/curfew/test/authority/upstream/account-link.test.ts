import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bearerMethod, status, statusUri } from '@curfew/codecs'
import type { LightMyRequestResponse } from 'fastify'
import type { AccountLinkView } from '../../../src/admin/schemas.ts'
import { createAdminServer } from '../../../src/admin/server.ts'
import { createPasswordEndings } from '../../../src/authority/sign-on/password-endings.ts'
import { type AccountLink, findLink, keepLink, linksOf, removeLink } from '../../../src/authority/upstream/account-link.ts'
import { adminAccountLinks } from '../../../src/cli/users-setup.ts'
import { silentLogger } from '../../../src/platform/logger.ts'
import { createMetrics } from '../../../src/platform/metrics.ts'
import { alone } from '../../admin/alone.ts'
import { type Browser, formOf } from '../browser.ts'
import { consumerUrl } from '../identity-provider.ts'
import { createLocalUsers, type KitOptions, signIn, users } from '../kit.ts'
import { begin, createOidcHub, type OidcHub, signInAt } from '../oidc-rp/hub.ts'
import { begin as beginAtCampus, createHub, deliver, follow, liveSessions } from '../saml-sp/hub.ts'

const ana = 'local:ana'
const claims = { preferred_username: 'ana@social' }

function hubWith(accountLinking: 'off' | 'offered' | 'required', options: KitOptions = {}): Promise<OidcHub> {
  return createOidcHub({ ...options, signOn: { hasForm: true, ...options.signOn } }, { accountLinking, username: 'preferred_username' })
}

interface Answer {
  readonly username?: string
  readonly password?: string
}

/** Answers the question of a page with a name and a password. */
async function link(browser: Browser, page: LightMyRequestResponse, { username = 'ana', password = 'correct horse' }: Answer = {}) {
  const { action, fields } = formOf(page.body)
  assert.match(action, /^\/sp\/[\w-]{22}\/resume\/sp\/link$/, page.body.slice(0, 600))
  return follow(browser, await browser.post(action, { ...fields, choice: 'link', username, password }))
}

async function decline(browser: Browser, page: LightMyRequestResponse): Promise<LightMyRequestResponse> {
  const { action, fields } = formOf(page.body)
  return follow(browser, await browser.post(action, { ...fields, choice: 'decline' }))
}

async function userKeys({ kit }: OidcHub): Promise<readonly string[]> {
  return (await liveSessions(kit)).map(({ userKey }) => userKey)
}

suite('Account linking', () => {
  for (const accountLinking of ['offered', 'required'] as const) {
    test(`${accountLinking}: the password of the account makes the link, once; later sign-ins have its key and attributes without it`, async () => {
      const hub = await hubWith(accountLinking)
      await using kit = hub.kit
      const first = kit.browser()
      const page = await signInAt(hub, first, claims)
      assert.match(page.body, /ana@social/)
      assert.deepEqual(await liveSessions(kit), [], 'nobody is signed in before the answer')
      assert.match((await link(first, page)).body, /ana/)
      await signInAt(hub, kit.browser(), claims)
      const sessions = await liveSessions(kit)
      assert.deepEqual(
        sessions.map(({ userKey, username, sourceId, attributes }) => ({ userKey, username, sourceId, attributes })),
        Array.from({ length: 2 }, () => ({ userKey: ana, username: 'ana', sourceId: 'social', attributes: { mail: ['ana@example.org'] } }))
      )
      const [participant] = await kit.store.getParticipants(sessions[0]?.id ?? 'ses_')
      assert.deepEqual([participant?.peerId, participant?.role, participant?.nameId.value], ['social', 'upstream', 'u-1'])
      const linked = (await kit.store.listAudit({ limit: 100 })).filter(({ event }) => event === 'account.linked')
      assert.deepEqual(
        linked.map(({ userKey, peerId, actor }) => [userKey, peerId, actor.id]),
        [[ana, 'social', 'ana']]
      )
    })
  }

  test('off: people of the provider stay people of the provider', async () => {
    const hub = await hubWith('off')
    await using kit = hub.kit
    await signInAt(hub, kit.browser(), claims)
    assert.deepEqual(await userKeys(hub), ['social:u-1'])
  })

  test('offered and declined: the sign-in goes on without a link, and the question comes back after a month', async () => {
    const hub = await hubWith('offered')
    await using kit = hub.kit
    const browser = kit.browser()
    await decline(browser, await signInAt(hub, browser, claims))
    assert.deepEqual(await userKeys(hub), ['social:u-1'])
    assert.doesNotMatch((await signInAt(hub, kit.browser(), claims)).body, /Which account/)
    assert.match((await signInAt(hub, kit.browser(), { ...claims, sub: 'u-2' })).body, /Which account/, 'somebody else is asked')
    kit.clock.advance(31 * 86_400_000)
    assert.match((await signInAt(hub, kit.browser(), claims)).body, /Which account/)
  })

  test('required: there is no way around it', async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const browser = kit.browser()
    const page = await signInAt(hub, browser, claims)
    assert.doesNotMatch(page.body, /value="decline"/)
    const { action, fields } = formOf(page.body)
    assert.match((await browser.post(action, { ...fields, choice: 'decline' })).body, /CURFEW_LINK_REQUIRED/)
    assert.deepEqual(await userKeys(hub), [])
  })

  test('a wrong password shows the question again and counts as a failed sign-in of that account', async () => {
    const hub = await hubWith('required', { signOn: { locking: { attempts: 2, windowMinutes: 15 } } })
    await using kit = hub.kit
    const browser = kit.browser()
    const page = await signInAt(hub, browser, claims)
    const failed = await link(browser, page, { password: 'wrong' })
    assert.equal(failed.statusCode, 401)
    assert.match(failed.body, /not right/)
    await link(browser, failed, { password: 'wrong again' })
    assert.equal((await link(browser, failed)).statusCode, 429)
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
    assert.deepEqual(await userKeys(hub), [])
  })

  test('an application that waited for the sign-in gets the account, and stands in one session with the provider', async () => {
    const hub = await hubWith('required', { partners: { payroll: { nameId: { attribute: 'mail' } } } })
    await using kit = hub.kit
    const browser = kit.browser()
    const form = String((await browser.get(await kit.partner('payroll').ssoRedirect())).headers.location)
    const asked = String((await browser.get(`${form}?identityProvider=social`)).headers.location)
    const page = await follow(browser, await browser.get(await hub.upstream.grant(asked, claims)))
    const { response } = kit.partner('payroll').readResponse((await link(browser, page)).body)
    assert.ok(status.isSuccess(response.status))
    assert.equal(response.assertion?.subject.nameId.value, 'ana@example.org')
    const participants = await kit.store.getParticipants((await liveSessions(kit))[0]?.id ?? 'ses_')
    assert.deepEqual(new Set(participants.map(({ peerId }) => peerId)), new Set(['payroll', 'social']))
  })

  test('passive: no question is shown; without a link nobody is signed in where one is required', async () => {
    const hub = await hubWith('required', { partners: { payroll: {} } })
    await using kit = hub.kit
    const browser = kit.browser()
    const form = String((await browser.get(await kit.partner('payroll').ssoRedirect({ isPassive: true }))).headers.location)
    const asked = String((await browser.get(`${form}?identityProvider=social`)).headers.location)
    const page = await follow(browser, await browser.get(await hub.upstream.grant(asked, claims)))
    const { response } = kit.partner('payroll').readResponse(page.body)
    assert.deepEqual([response.status.code, ...response.status.subcodes], [statusUri.responder, statusUri.noPassive])
    assert.deepEqual(await userKeys(hub), [])
  })

  test('somebody else is signed in here: that session ends first, then the linked one opens', async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const browser = kit.browser()
    await follow(browser, await signIn(browser, '/', 'ben'))
    const page = await signInAt(hub, browser, claims)
    const ended = await link(browser, page)
    const landing = /url=(http:\/\/curfew\.test\/sp\/[^"]+)"/.exec(ended.body)?.[1]
    if (landing !== undefined) await follow(browser, await browser.get(landing))
    assert.deepEqual(await userKeys(hub), [ana])
    assert.equal((await kit.store.listRuns({ limit: 1 })).items[0]?.reason, 'replaced')
  })

  test('my sessions shows the link and takes it back; the next sign-in asks again', async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const browser = kit.browser()
    await link(browser, await signInAt(hub, browser, claims))
    const page = await browser.get('/signoff/sessions')
    assert.match(page.body, /ana@social/)
    const id = /name="unlink" value="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail(page.body)
    const done = await browser.post('/signoff/sessions', { ...formOf(page.body).fields, unlink: id })
    assert.match(done.body, /The link was removed/)
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
    assert.match((await signInAt(hub, kit.browser(), claims)).body, /Which account/)
    const events = (await kit.store.listAudit({ limit: 100 })).map(({ event }) => event)
    assert.ok(events.includes('account.unlinked'))
    const again = kit.browser()
    await link(again, await signInAt(hub, again, claims), { username: 'ben', password: 'battery staple' })
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
    assert.doesNotMatch((await signInAt(hub, kit.browser(), claims)).body, /Which account/, 'a link that was removed can be made again, to whomever')
  })

  test('a link that was removed leads a node of the former version to nobody, and what an earlier one left in its place is read as none', async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const browser = kit.browser()
    await link(browser, await signInAt(hub, browser, claims))
    const [known] = await linksOf(kit.ctx, ana)
    const id = known?.id ?? assert.fail('no link')
    assert.ok(await removeLink(kit.ctx, ana, id, { kind: 'user', id: 'ana' }))
    // The former version takes whatever is stored for a link, and asks for the user by these two.
    const left = (await kit.store.getArtifact('AccountLink', id, kit.clock.nowMs()))?.value as AccountLink
    assert.equal(await kit.ctx.users.find(left.username), undefined)
    assert.ok(!kit.ctx.users.sources.some((source) => left.userKey.startsWith(`${source}:`)))
    assert.equal(left.providerUser, undefined, 'an application is told of no account')
    assert.equal(await findLink(kit.ctx, id), undefined)
    await kit.store.putArtifact({ kind: 'AccountLink', id, untilMs: Number.MAX_SAFE_INTEGER, value: null })
    assert.equal(await findLink(kit.ctx, id), undefined)
    await keepLink(kit.ctx, { id, providerId: 'social', providerUser: 'ana@social', role: 'upstream' }, { userKey: ana, username: 'ana' })
    assert.equal((await findLink(kit.ctx, id))?.userKey, ana)
  })

  test('the admin API lists the links of a user and removes one, for users that are gone, too', async () => {
    const localUsers = createLocalUsers()
    const hub = await hubWith('required', { localUsers })
    await using kit = hub.kit
    const browser = kit.browser()
    await link(browser, await signInAt(hub, browser, claims))
    const people = { ...kit.ctx.users, find: async () => undefined }
    const { store, engine, clock, ids, everywhere } = kit.ctx
    await using admin = createAdminServer({
      everywhere,
      ...{ store, engine, clock, ids, cluster: alone, logger: silentLogger, metrics: createMetrics(), token: 'token', version: '0', baseUrl: '' },
      peers: () => [],
      streams: async () => [],
      setStreamStatus: async () => undefined,
      verifyStream: async () => false,
      peer: (id) => kit.ctx.peer(id),
      resetPassword: async () => assert.fail('nobody asks'),
      accountLinks: adminAccountLinks({ ...kit.ctx, users: people }),
      settings: { startedAtMs: 0, items: [] },
      status: () => 'ok'
    })
    const ask = (method: 'GET' | 'DELETE', url: string) => admin.inject({ method, url, headers: { authorization: 'Bearer token' } })
    const { items } = (await ask('GET', '/v1/users/ana/links')).json<{ items: AccountLinkView[] }>()
    assert.deepEqual(
      items.map(({ provider, providerUser, user }) => [provider, providerUser, user]),
      [['social', 'ana@social', 'ana']]
    )
    assert.equal((await ask('DELETE', `/v1/users/ben/links/${items[0]?.id}`)).statusCode, 404)
    assert.equal((await ask('DELETE', `/v1/users/ana/links/${items[0]?.id}`)).statusCode, 200)
    assert.deepEqual((await ask('GET', '/v1/users/ana/links')).json(), { items: [] })
  })

  test('a disabled account, and one that is gone, opens nothing', async () => {
    for (const change of [{ isDisabled: true }, undefined]) {
      const people = new Map(users.map((user) => [user.username, user]))
      const localUsers = { ...createLocalUsers(), find: async (name: string) => people.get(name.trim().toLowerCase()) }
      const hub = await hubWith('offered', { localUsers })
      await using kit = hub.kit
      const browser = kit.browser()
      await link(browser, await signInAt(hub, browser, claims))
      const known = people.get('ana') ?? assert.fail()
      if (change === undefined) people.delete('ana')
      else people.set('ana', { ...known, ...change })
      assert.match((await signInAt(hub, kit.browser(), claims)).body, /CURFEW_LINK_ACCOUNT/)
      assert.equal((await userKeys(hub)).length, 1)
    }
  })

  test('a changed password ends linked sessions from before, and not those from after, however old the sign-in elsewhere is', async () => {
    const localUsers = createLocalUsers()
    const hub = await hubWith('required', { localUsers })
    await using kit = hub.kit
    const hourAgo = Math.floor(kit.clock.nowMs() / 1000) - 3600
    const browser = kit.browser()
    await link(browser, await signInAt(hub, browser, { ...claims, auth_time: hourAgo }))
    kit.clock.advance(1_000)
    const user = (await kit.ctx.users.find('ana')) ?? assert.fail()
    await kit.ctx.users.setPassword(user, { password: 'another long one', atMs: kit.clock.nowMs(), endsSessions: true })
    kit.clock.advance(1_000)
    await signInAt(hub, kit.browser(), { ...claims, auth_time: hourAgo })
    assert.equal(await createPasswordEndings(kit.ctx)(), 1)
    assert.equal((await userKeys(hub)).length, 1)
  })

  test('by SAML: a NameID that stays is linked, a transient one is not', async () => {
    const hub = await createHub({ signOn: { hasForm: true } }, { accountLinking: 'offered' })
    await using kit = hub.kit
    const browser = kit.browser()
    const request = await beginAtCampus(hub, browser)
    const page = await deliver(hub, browser, { requestId: request.id, sessionIndex: 'index-1' })
    await link(browser, page)
    assert.deepEqual(
      (await liveSessions(kit)).map(({ userKey }) => userKey),
      [ana]
    )
    const again = kit.browser()
    const second = await beginAtCampus(hub, again)
    const format = 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient'
    const notOnOrAfter = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs() + 300_000)
    const confirmation = { method: bearerMethod, recipient: consumerUrl, notOnOrAfter, inResponseTo: second.id }
    const assertion = { subject: { nameId: { value: '_t1', format }, confirmations: [confirmation] } }
    const done = await deliver(hub, again, { requestId: second.id, sessionIndex: 'index-2', assertion })
    assert.doesNotMatch(done.body, /Which account/)
    assert.deepEqual((await liveSessions(kit)).map(({ userKey }) => userKey).toSorted(), ['campus:_t1', ana])
  })
})

suite('/sp/defederate.ping', () => {
  test('leads to the page where links are removed, and is not there while no provider has links', async () => {
    const hub = await hubWith('offered')
    await using kit = hub.kit
    assert.equal((await kit.browser().get('/sp/defederate.ping')).headers.location, '/signoff/sessions')
    const off = await hubWith('off')
    await using offKit = off.kit
    assert.equal((await offKit.browser().get('/sp/defederate.ping')).statusCode, 404)
  })
})

suite('Attacks on account linking', () => {
  test('an answer that nobody asked for is never linked: a stranger may have brought it', async () => {
    for (const accountLinking of ['offered', 'required'] as const) {
      const hub = await createHub({ signOn: { hasForm: true } }, { accountLinking, profiles: { idpInitiatedSso: true } })
      await using kit = hub.kit
      const page = await deliver(hub, kit.browser(), { sessionIndex: 'index-1' })
      assert.doesNotMatch(page.body, /Which account/)
      const sessions = await liveSessions(kit)
      if (accountLinking === 'required') assert.match(page.body, /CURFEW_LINK_REQUIRED/)
      assert.equal(sessions.length, accountLinking === 'required' ? 0 : 1)
      assert.ok(sessions.every(({ userKey }) => userKey !== ana))
    }
  })

  test("the attacker's question is worth nothing in the victim's browser, and the form nothing without its token", async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const attacker = kit.browser()
    const page = await signInAt(hub, attacker, { ...claims, sub: 'evil' })
    const { action, fields } = formOf(page.body)
    const victim = kit.browser()
    await follow(victim, await signIn(victim, '/', 'ana'))
    assert.match((await victim.get(action)).body, /CURFEW_SESSION_FORM_FOREIGN/)
    const answer = { choice: 'link', username: 'ana', password: 'correct horse' }
    assert.match((await victim.post(action, { ...fields, ...answer })).body, /CURFEW_SESSION_FORM_FOREIGN/)
    assert.match((await attacker.post(action, answer)).body, /CURFEW_SESSION_FORM_FOREIGN/)
    assert.match((await attacker.post(action, { ...answer, csrfToken: 'x'.repeat(43) })).body, /CURFEW_SESSION_FORM_FOREIGN/)
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
  })

  test('a session here alone proves nothing: without the password no link is made', async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const browser = kit.browser()
    await follow(browser, await signIn(browser, '/', 'ana'))
    const page = await signInAt(hub, browser, { ...claims, sub: 'evil' })
    assert.match(page.body, /value="ana"/, 'the name is filled in')
    await link(browser, page, { password: '' })
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
  })

  test('of 20 answers at once exactly one counts, and a replayed one makes no link', async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const browser = kit.browser()
    const { action, fields } = formOf((await signInAt(hub, browser, claims)).body)
    const answer = { ...fields, choice: 'link', username: 'ana', password: 'correct horse' }
    const answers = await Promise.all(Array.from({ length: 20 }, () => browser.post(action, answer)))
    assert.equal(answers.filter(({ statusCode }) => statusCode === 303).length, 1)
    const [known] = await linksOf(kit.ctx, ana)
    assert.ok(await removeLink(kit.ctx, ana, known?.id ?? '', { kind: 'user', id: 'ana' }))
    assert.match((await browser.post(action, answer)).body, /CURFEW_SESSION_STATE_NOT_FOUND/)
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
  })

  test('the answer is good for minutes only', async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const browser = kit.browser()
    const page = await signInAt(hub, browser, claims)
    kit.clock.advance(5 * 60_000)
    assert.match((await link(browser, page)).body, /CURFEW_SESSION_STATE_NOT_FOUND/)
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
  })

  test("nobody takes over somebody else's subject: a link stands, and only its user removes it", async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const [first, second] = [kit.browser(), kit.browser()]
    const [mine, late] = [await signInAt(hub, first, claims), await signInAt(hub, second, claims)]
    await link(first, mine)
    assert.match((await link(second, late, { username: 'ben', password: 'battery staple' })).body, /CURFEW_LINK_TAKEN/)
    const [known] = await linksOf(kit.ctx, ana)
    assert.equal(await removeLink(kit.ctx, 'local:ben', known?.id ?? '', { kind: 'user', id: 'ben' }), false)
    const ben = kit.browser()
    await follow(ben, await signIn(ben, '/', 'ben'))
    const page = await ben.get('/signoff/sessions')
    await ben.post('/signoff/sessions', { ...formOf(page.body).fields, unlink: known?.id ?? '', password: 'battery staple' })
    assert.equal((await linksOf(kit.ctx, ana)).length, 1)
  })

  test('an upstream that changes the subject, and the same subject of another upstream, open nothing', async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const browser = kit.browser()
    await link(browser, await signInAt(hub, browser, claims))
    assert.match((await signInAt(hub, kit.browser(), { ...claims, sub: 'u-9' })).body, /Which account/, 'the same name, another subject')
    const other = kit.browser()
    const back = await hub.other.grant(await begin(hub, other, '', hub.other), { ...claims, sub: 'u-1' })
    await follow(other, await other.get(back))
    assert.deepEqual((await userKeys(hub)).toSorted(), [ana, 'partner:u-1'])
  })

  test('a logout at the upstream while the question is open: the answer opens no session that lives', async () => {
    const hub = await hubWith('required')
    await using kit = hub.kit
    const browser = kit.browser()
    const page = await signInAt(hub, browser, claims)
    kit.clock.advance(2_000)
    const token = await hub.upstream.logoutToken({ sid: 'social-sid-1' })
    await kit.app.inject({
      method: 'POST',
      url: '/sp/social/backchannel-logout.openid',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams({ logout_token: token }).toString()
    })
    assert.match((await link(browser, page)).body, /CURFEW_OIDC_SESSION_OVER/)
    assert.deepEqual(await userKeys(hub), [])
  })
})
