import assert from 'node:assert/strict'
import { alone, noStreams } from '../../admin/alone.ts'
import { generateKeyPairSync } from 'node:crypto'
import { suite, test } from 'node:test'
import { decodeSoap, type LogoutRequest, type NameID, securityEvents, verificationKeyFromCertificate, verifyLogoutRequest } from '@curfew/codecs'
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose'
import { createAdminServer } from '../../../src/admin/server.ts'
import { inStore } from '../../../src/stores/everywhere.ts'
import { createPasswordEndings } from '../../../src/authority/sign-on/password-endings.ts'
import type { RunId } from '../../../src/core/ids.ts'
import type { EndReason } from '../../../src/core/session.ts'
import { silentLogger } from '../../../src/platform/logger.ts'
import { createMetrics } from '../../../src/platform/metrics.ts'
import { type Browser, formOf } from '../browser.ts'
import { authorityPair, createLocalUsers, type Kit, type KitOptions, users } from '../kit.ts'
import { createFakeClock } from '../fake-clock.ts'
import { createUpstream, nameIdOf } from '../identity-provider.ts'
import { createOpenIdProvider } from '../oidc-rp/open-id-provider.ts'
import { authorityUrl } from '../partner.ts'
import type { OutboundResponse } from '../../../src/platform/outbound.ts'
import { clientOf, createOidcKit, follow, post, type Tokens, tokensFor, authorizationUrl, signInOn } from './relying-party.ts'

/** What reached the four participants of one session, by channel. */
interface Heard {
  redirect?: LogoutRequest
  soap?: LogoutRequest
  front?: { readonly iss: string | null; readonly sid: string | null }
  back?: { readonly typ: unknown; readonly sid: unknown; readonly aud: unknown; readonly events: unknown }
}

interface World {
  readonly kit: Kit
  readonly browser: Browser
  readonly heard: Heard
  readonly portal: Tokens
  /** What the SAML application that may start a logout was told of the user. */
  readonly hr: { readonly subject: NameID; readonly index: string }
  /** The identifier each channel's participant was given for the session. */
  readonly indexes: Readonly<Record<string, string>>
}

const signer = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authorityPair.certificate)] }

/** A session with one participant per channel, and with those that start a logout. @param enter - signs in where it is not at the form */
async function world({ network, ...options }: KitOptions = {}, enter?: (kit: Kit, browser: Browser) => Promise<unknown>): Promise<World> {
  const heard: Heard = {}
  const holder: { kit?: Kit } = {}
  const kit = await createOidcKit({
    partners: { payroll: {}, intranet: { slo: [{ binding: 'soap', url: 'http://intranet.test/soap' }] }, hr: {} },
    clients: [
      clientOf('wiki'),
      clientOf('chat', { logout: { modes: ['frontChannel'], frontChannelUris: ['http://chat.test/front'] } }),
      clientOf('portal', { revocationEndsSession: true })
    ],
    network: async (request) => {
      const other = await network?.(request)
      if (other !== undefined) return other
      const { url, body = '' } = request
      if (url === 'http://intranet.test/soap') {
        heard.soap = verifyLogoutRequest(decodeSoap(Buffer.from(body)), signer)
        return { body: Buffer.from((await holder.kit?.partner('intranet').soapAnswer(body)) ?? '') }
      }
      if (url !== 'http://wiki.test/backchannel') return { status: 200 }
      const token = new URLSearchParams(String(body)).get('logout_token') ?? ''
      const { sid, aud, events } = decodeJwt(token)
      heard.back = { typ: decodeProtectedHeader(token).typ, sid, aud, events }
      return { status: 200 }
    },
    ...options
  })
  holder.kit = kit
  const browser = kit.browser()
  await enter?.(kit, browser)
  const portal = await tokensFor(kit, browser, 'portal')
  for (const id of ['wiki', 'chat']) await tokensFor(kit, browser, id)
  const known: Record<string, { subject: NameID; index: string }> = {}
  for (const id of ['payroll', 'intranet', 'hr']) {
    const { response } = kit.partner(id).readResponse((await browser.get(await kit.partner(id).ssoRedirect())).body)
    known[id] = { subject: response.assertion?.subject.nameId ?? assert.fail(), index: response.assertion?.authnStatement?.sessionIndex ?? '' }
  }
  const { items } = await kit.store.listSessions({ state: 'live', limit: 2, nowMs: kit.clock.nowMs() })
  const participants = await kit.store.getParticipants(items[0]?.session.id ?? 'ses_')
  return {
    kit,
    browser,
    heard,
    portal,
    hr: known['hr'] ?? assert.fail(),
    indexes: Object.fromEntries(participants.map(({ peerId, sessionIndex }) => [peerId, sessionIndex]))
  }
}

async function ask(kit: Kit, url: string, payload: object = {}): Promise<void> {
  const { store, engine, clock, ids } = kit.ctx
  await using admin = createAdminServer({
    store,
    everywhere: inStore(store, () => clock.nowMs()),
    engine,
    clock,
    ids,
    metrics: createMetrics(),
    logger: silentLogger,
    token: 'token of the test',
    version: '0',
    baseUrl: authorityUrl,
    peers: () => [],
    ...noStreams,
    peer: (id) => kit.ctx.peer(id),
    cluster: alone,
    resetPassword: async () => assert.fail('nobody asks'),
    accountLinks: { list: async () => assert.fail('nobody asks'), remove: async () => assert.fail('nobody asks') },
    status: () => 'ok'
  })
  const answer = await admin.inject({ method: 'POST', url, payload, headers: { authorization: 'Bearer token of the test' } })
  assert.equal(answer.statusCode, 200, answer.body)
}

async function sessionId(kit: Kit): Promise<string> {
  return (await kit.store.findByUser('local:ana'))[0]?.id ?? assert.fail('no session')
}

interface Ending {
  readonly reason: EndReason
  readonly options?: KitOptions
  readonly enter?: (kit: Kit, browser: Browser) => Promise<unknown>
  /** Not told: it started the logout itself. */
  readonly starter?: string
  readonly start: (world: World) => Promise<unknown>
}

const passwordChanges = { atMs: 0 }

const now = createFakeClock(Temporal.Now.instant().epochMilliseconds)
const social = createOpenIdProvider('social')
const campus = createUpstream('campus', now, authorityPair)
const tower = { id: 'tower', issuer: 'https://tower.test', audience: 'curfew', jwksUri: 'https://tower.test/keys', pushToken: 'a-token-of-the-transmitter' }
const towerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })

/** Goes by way of the start page, and from there to the provider; where the browser is sent. */
async function toProvider(browser: Browser, id: string): Promise<string> {
  const page = await follow(browser, await browser.get('/'))
  const chosen = new RegExp(`href="([^"]+identityProvider=${id})"`).exec(page.body)?.[1] ?? assert.fail(page.body.slice(0, 500))
  return String((await follow(browser, await browser.get(chosen))).headers.location)
}

const endings: Readonly<Record<string, Ending>> = {
  'an OpenID provider upstream, by back channel': {
    reason: 'upstream',
    options: { upstreams: [social.settings], network: (request) => social.answer(request) as Promise<Partial<OutboundResponse>> },
    enter: async (_kit, browser) => follow(browser, await browser.get(await social.grant(await toProvider(browser, 'social')))),
    start: async ({ kit }) => {
      const logout_token = await social.logoutToken({ sub: 'u-1', sid: 'social-sid-1' })
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      const payload = new URLSearchParams({ logout_token }).toString()
      assert.equal((await kit.app.inject({ method: 'POST', url: '/sp/social/backchannel-logout.openid', headers, payload })).statusCode, 200)
    }
  },
  'a SAML identity provider upstream, by SOAP': {
    reason: 'upstream',
    options: { clock: now, identityProviders: [{ settings: campus.settings, certificatePem: campus.pair.certificatePem }] },
    enter: async (kit, browser) => {
      const { id: requestId } = campus.readAuthnRequest(await toProvider(browser, 'campus'))
      const payload = new URLSearchParams(await campus.respond({ requestId, sessionIndex: 'index-1' })).toString()
      const headers = { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' }
      return follow(browser, await kit.app.inject({ method: 'POST', url: '/sp/ACS.saml2', headers, payload }))
    },
    start: async ({ kit }) => {
      const request = campus.logoutRequest(nameIdOf('ana'), ['index-1'], { destination: `${authorityUrl}/sp/SLO.ssaml2` })
      const headers = { 'content-type': 'text/xml' }
      const answering = kit.app.inject({ method: 'POST', url: '/sp/SLO.ssaml2', headers, payload: await campus.logoutSoap(request) })
      await until(async () => (await kit.store.listRuns({ limit: 1 })).items.length === 1)
      // It is answered when its patience is over: the browser has not come yet.
      kit.clock.advance(9_000)
      assert.equal((await answering).statusCode, 200)
    }
  },
  'a shared signal': {
    reason: 'shared-signal',
    options: {
      transmitters: [tower],
      fetchKeys: async () => Response.json({ keys: [{ ...towerKey.publicKey.export({ format: 'jwk' }), kid: 't1', alg: 'ES256', use: 'sig' }] })
    },
    start: async ({ kit }) => {
      const text = await new SignJWT({
        sub_id: { format: 'email', email: 'ana@example.org' },
        events: { [securityEvents.sessionRevoked]: { event_timestamp: Math.floor(kit.clock.nowMs() / 1000) } }
      })
        .setProtectedHeader({ alg: 'ES256', kid: 't1', typ: 'secevent+jwt' })
        .setIssuer(tower.issuer)
        .setAudience(tower.audience)
        .setIssuedAt(Math.floor(kit.clock.nowMs() / 1000))
        .setJti('signal-1')
        .sign(towerKey.privateKey)
      const headers = { 'content-type': 'application/secevent+jwt', authorization: `Bearer ${tower.pushToken}` }
      assert.equal((await kit.app.inject({ method: 'POST', url: '/ssf/receive/tower', headers, payload: text })).statusCode, 202)
    }
  },
  'the user at /signoff': {
    reason: 'user',
    start: async ({ browser }) => {
      const form = formOf((await browser.get('/signoff')).body)
      await browser.post('/signoff', { ...form.fields, choice: 'everywhere' })
    }
  },
  'the user by startSLO': { reason: 'user', start: ({ browser }) => browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' }) },
  'another client, RP-initiated': {
    reason: 'user',
    start: ({ browser, portal }) => browser.get(`/idp/init_logout.openid?id_token_hint=${portal.id_token}`)
  },
  'another application, SAML by Redirect': {
    reason: 'user',
    starter: 'hr',
    start: async ({ kit, browser, hr }) => browser.get(await kit.partner('hr').logoutRedirect(kit.partner('hr').logoutRequest(hr.subject, [hr.index])))
  },
  'another application, SAML by SOAP': {
    reason: 'user',
    starter: 'hr',
    start: async ({ kit, hr }) => {
      const request = kit.partner('hr').logoutRequest(hr.subject, [hr.index], { destination: `${authorityUrl}/idp/SLO.ssaml2` })
      const headers = { 'content-type': 'text/xml' }
      const answering = kit.app.inject({ method: 'POST', url: '/idp/SLO.ssaml2', headers, payload: await kit.partner('hr').logoutSoap(request) })
      assert.equal((await answering).statusCode, 200)
    }
  },
  'an administrator, one session': { reason: 'admin', start: async ({ kit }) => ask(kit, `/v1/sessions/${await sessionId(kit)}/logout`) },
  'an administrator, all sessions of a user at once': {
    reason: 'admin',
    start: async ({ kit }) => {
      await tokensFor(kit, kit.browser(), 'portal')
      await ask(kit, '/v1/logout', { user: 'ana' })
      assert.deepEqual(await kit.store.findByUser('local:ana'), [])
    }
  },
  'the idle limit': { reason: 'idle-timeout', start: ({ kit }) => passMinutes(kit, 61) },
  'the maximum limit': { reason: 'max-timeout', options: { sessions: { idleMinutes: -1, maxMinutes: 480 } }, start: ({ kit }) => passMinutes(kit, 481) },
  'the limit of sessions per user': {
    reason: 'session-limit',
    options: { sessionsPerUserMax: 1 },
    start: async ({ kit }) => {
      kit.clock.advance(1_000)
      await tokensFor(kit, kit.browser(), 'portal')
      assert.equal((await kit.store.findByUser('local:ana')).length, 1, 'the new session goes on')
    }
  },
  'a changed password': {
    reason: 'password-change',
    options: {
      localUsers: {
        ...createLocalUsers(),
        all: async () => users.filter(({ username }) => username === 'ana').map((user) => ({ ...user, passwordChangedAtMs: passwordChanges.atMs }))
      }
    },
    start: async ({ kit }) => {
      passwordChanges.atMs = kit.clock.nowMs() + 1
      kit.clock.advance(1_000)
      const other = kit.browser()
      await tokensFor(kit, other, 'portal')
      const endOutdated = createPasswordEndings(kit.ctx)
      assert.deepEqual([await endOutdated(), await endOutdated()], [1, 0])
      assert.equal((await kit.store.findByUser('local:ana')).length, 1, 'the session of the new password goes on')
    }
  },
  'a locked account': {
    reason: 'account-lock',
    options: { signOn: { locking: { attempts: 3, windowMinutes: 15, endsSessions: true } } },
    start: async ({ kit }) => {
      const stranger = kit.browser()
      const page = await follow(stranger, await stranger.get(authorizationUrl('wiki')))
      for (let i = 0; i < 3; i++) {
        assert.equal((await kit.store.findByUser('local:ana')).length, 1, 'not before the account is locked')
        await signInOn(stranger, page, 'ana', 'wrong')
      }
    }
  },
  'a refresh token that was given back': {
    reason: 'token-revocation',
    start: ({ kit, portal }) => post(kit, '/as/revoke_token.oauth2', 'portal', { token: portal.refresh_token ?? '' })
  },
  'somebody else who signs in in the same browser': {
    reason: 'replaced',
    start: async ({ browser }) => {
      const page = await follow(browser, await browser.get(authorizationUrl('portal', { prompt: 'login' })))
      await signInOn(browser, page, 'ben', 'battery staple')
    }
  }
}

async function passMinutes(kit: Kit, minutes: number): Promise<void> {
  kit.clock.advance(minutes * 60_000)
  await kit.ctx.engine.endExpired()
}

async function runOf(kit: Kit, reason: EndReason, peerId: string) {
  const { items } = await kit.store.listRuns({ limit: 10 })
  return items.find((run) => run.reason === reason && run.deliveries.some((delivery) => delivery.peerId === peerId)) ?? assert.fail(`no run by ${reason}`)
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 3_000 && !(await condition()); i++) await new Promise((resolve) => setTimeout(resolve, 1))
  assert.ok(await condition(), 'it took too long')
}

/** The browser of the session is there, or comes again: loads the frames and goes where it is sent. */
async function browse({ kit, browser, heard }: World, runId: RunId): Promise<void> {
  const waiting = async () => (await kit.store.getRun(runId))?.deliveries.filter(({ state }) => state === 'waiting-for-browser') ?? []
  for (const { id, peerId } of await waiting()) {
    if (peerId !== 'chat') continue
    const { searchParams } = new URL(String((await browser.get(`/signoff/${runId}/frame/${id}`)).headers.location))
    heard.front = { iss: searchParams.get('iss'), sid: searchParams.get('sid') }
  }
  for (let i = 0; i < 5_000 && (await waiting()).length > 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 1))
    const location = String((await browser.get(`/signoff/${runId}/go`)).headers.location)
    const id = /^http:\/\/(\w+)\.test\/slo/.exec(location)?.[1]
    if (id === undefined) continue
    const request = kit.partner(id).readLogoutRequest(location)
    if (id === 'payroll') heard.redirect = request
    await browser.get(await kit.partner(id).logoutAnswer(request))
  }
}

/** Every reason that there is: one that is added has to be shown here. */
const reasons: Readonly<Record<EndReason, true>> = {
  user: true,
  admin: true,
  upstream: true,
  'idle-timeout': true,
  'max-timeout': true,
  'session-limit': true,
  'password-change': true,
  'account-lock': true,
  'token-revocation': true,
  'shared-signal': true,
  replaced: true
}

suite('every ending reaches every participant', () => {
  test('the table has every reason', () => {
    assert.deepEqual([...new Set(Object.values(endings).map(({ reason }) => reason))].sort(), Object.keys(reasons).sort())
  })

  for (const [name, ending] of Object.entries(endings)) {
    test(`${name.includes('SAML') ? 'AC-168 ' : ''}by ${name}: SAML by Redirect and SOAP, OpenID by frame and back channel, each told of its own session, and nothing is claimed unproven`, async () => {
      const here = await world(ending.options, ending.enter)
      await using kit = here.kit
      await ending.start(here)
      const { id } = await runOf(kit, ending.reason, 'wiki')
      const state = async (peerId: string) => (await kit.store.getRun(id))?.deliveries.find((delivery) => delivery.peerId === peerId)
      await until(async () => (await state('intranet'))?.state === 'final' && (await state('wiki'))?.state === 'final')
      for (const peerId of ['payroll', 'chat']) assert.equal((await state(peerId))?.state, 'waiting-for-browser', `${peerId} was not asked yet`)
      await browse(here, id)
      // A frame never answers: its time passes.
      await until(async () => {
        kit.clock.advance(100)
        return (await kit.store.getRun(id))?.state === 'done'
      })
      const { heard, indexes } = here
      assert.deepEqual(heard.redirect?.sessionIndexes, [indexes['payroll']])
      assert.deepEqual(heard.soap?.sessionIndexes, [indexes['intranet']])
      assert.deepEqual(heard.front, { iss: authorityUrl, sid: indexes['chat'] })
      const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
      assert.deepEqual(heard.back, { typ: 'logout+jwt', sid: indexes['wiki'], aud: 'wiki', events })
      const outcomes = await Promise.all(
        ['payroll', 'intranet', 'chat', 'wiki'].map(async (peerId) => {
          const outcome = (await state(peerId))?.outcome
          return [peerId, outcome?.kind, outcome !== undefined && 'proof' in outcome ? outcome.proof.kind : 'none']
        })
      )
      assert.deepEqual(outcomes, [
        ['payroll', 'ended', 'signed-answer'],
        ['intranet', 'ended', 'signed-answer'],
        ['chat', 'unconfirmed', 'none'],
        ['wiki', 'ended', 'authenticated-2xx']
      ])
      assert.equal((await state(ending.starter ?? 'nobody'))?.state, undefined)
      assert.equal(await kit.store.isRevoked((await kit.store.getRun(id))?.sri ?? '', kit.clock.nowMs()), true)
    })
  }
})

suite('endings that are settings', () => {
  test('a locked account, and a token given back, end nothing unless they are told to', async () => {
    const here = await world({ clients: [clientOf('wiki'), clientOf('chat'), clientOf('portal')] })
    await using kit = here.kit
    const stranger = kit.browser()
    const page = await follow(stranger, await stranger.get(authorizationUrl('wiki')))
    for (let i = 0; i < 8; i++) await signInOn(stranger, page, 'ana', 'wrong')
    assert.match((await signInOn(stranger, page)).body, /locked|Too many/i)
    await post(kit, '/as/revoke_token.oauth2', 'portal', { token: here.portal.refresh_token ?? '' })
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })

  test('an access token that is given back ends no session, nor does a token of another client', async () => {
    const { kit: made, portal } = await world()
    await using kit = made
    await post(kit, '/as/revoke_token.oauth2', 'portal', { token: portal.access_token })
    await post(kit, '/as/revoke_token.oauth2', 'wiki', { token: portal.refresh_token ?? '' })
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })
})
