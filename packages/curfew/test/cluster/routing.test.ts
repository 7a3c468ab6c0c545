import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type NameID, status } from '@curfew/codecs'
import type { LightMyRequestResponse } from 'fastify'
import { handedOverHeader } from '../../src/authority/hand-over.ts'
import { groupOfArtifact } from '../../src/authority/saml/artifact-shelf.ts'
import { createPasswordEndings } from '../../src/authority/sign-on/password-endings.ts'
import { issueReset } from '../../src/authority/sign-on/password-reset.ts'
import { groupOf } from '../../src/core/group.ts'
import type { Session } from '../../src/core/session.ts'
import { type ArtifactPeer, carriedTo, createArtifactPeer } from '../authority/artifact-peer.ts'
import { type Browser, formOf } from '../authority/browser.ts'
import { authorityPair, createLocalUsers, type Kit, type KitOptions, signInTo, users } from '../authority/kit.ts'
import { artifactSettings } from '../authority/saml/artifact-kit.ts'
import { authorizationHeader, clientOf, codeFor, exchange, post, refresh } from '../authority/oidc/relying-party.ts'
import { createTwoGroups, type TwoGroups } from './groups-kit.ts'

const soapUrl = 'http://curfew.test/idp/SLO.ssaml2'
const partners: NonNullable<KitOptions['partners']> = { payroll: {}, intranet: { slo: [{ binding: 'soap', url: 'http://intranet.test/soap' }] } }

/** Both groups reach the partner that is asked by SOAP. */
async function withPartners(options: Omit<KitOptions, 'partners' | 'network'> = {}): Promise<TwoGroups & { readonly asked: string[] }> {
  const asked: string[] = []
  const groups: TwoGroups = await createTwoGroups({
    partners,
    network: async (request) => {
      asked.push(request.url)
      return { status: 200, body: Buffer.from(await groups.berlin.partner('intranet').soapAnswer(request.body ?? '')) }
    },
    ...options
  })
  return { ...groups, asked }
}

interface Known {
  readonly subject: NameID
  readonly index: string
}

async function signInAt(
  kit: Kit,
  groups: TwoGroups,
  ids: readonly string[],
  browser = kit.browser()
): Promise<{ readonly browser: Browser; readonly known: Record<string, Known> }> {
  const known: Record<string, Known> = {}
  for (const id of ids) {
    const { assertion } = await signInTo({ ...kit, partner: (name) => groups.berlin.partner(name) }, browser, id)
    assert.ok(assertion)
    known[id] = { subject: assertion.subject.nameId, index: assertion.authnStatement?.sessionIndex ?? '' }
  }
  return { browser, known }
}

function knownOf(known: Record<string, Known>, id: string): Known {
  return known[id] ?? assert.fail(id)
}

async function soapLogout(groups: TwoGroups, at: Kit, subject: NameID, indexes: readonly string[]) {
  const payroll = groups.berlin.partner('payroll')
  const payload = await payroll.logoutSoap(payroll.logoutRequest(subject, indexes, { destination: soapUrl }))
  const answer = await groups.while(at.app.inject({ method: 'POST', url: '/idp/SLO.ssaml2', headers: { 'content-type': 'text/xml' }, payload }))
  return payroll.readSoapResponse(answer.body).status
}

async function sessionsIn(kit: Kit): Promise<readonly Session[]> {
  return (await kit.ctx.everywhere.byUser('local:ana')).found.filter(({ id }) => groupOf(id) === kit.ctx.ids.group)
}

suite('requests that land in the wrong group', () => {
  test('AC-011 AC-018 a LogoutRequest by SOAP is carried out in the group that its SessionIndex names', async () => {
    await using groups = await withPartners()
    const { known } = await signInAt(groups.paris, groups, ['payroll', 'intranet'])
    const other = await signInAt(groups.berlin, groups, ['payroll'])
    assert.equal((await sessionsIn(groups.paris)).length, 1)
    const { subject, index } = knownOf(known, 'payroll')
    assert.deepEqual(await soapLogout(groups, groups.berlin, subject, [index]), status.success())
    assert.deepEqual(groups.asked, ['http://intranet.test/soap'])
    assert.deepEqual(await sessionsIn(groups.paris), [])
    const [run] = (await groups.paris.store.listRuns({ limit: 5 })).items
    assert.equal(groupOf(run?.id ?? ''), 'b')
    assert.deepEqual((await groups.berlin.store.listRuns({ limit: 5 })).items, [])
    assert.equal((await sessionsIn(groups.berlin)).length, 1, 'the session of another browser goes on')
    assert.notEqual(knownOf(other.known, 'payroll').index, index)
  })

  test('AC-011 AC-018 only the group that the index names is asked', async () => {
    await using groups = await withPartners()
    const { known } = await signInAt(groups.berlin, groups, ['payroll'])
    const { subject, index } = knownOf(known, 'payroll')
    groups.cutParis()
    const before = groups.wire.sent.length
    assert.deepEqual(await soapLogout(groups, groups.berlin, subject, [index]), status.success())
    assert.deepEqual(
      groups.wire.sent.slice(before).filter(({ url }) => url.includes('sessions.')),
      []
    )
  })

  test('AC-011 a LogoutRequest without SessionIndex ends the sessions of the subject in every group, and the answer waits for all', async () => {
    await using groups = await withPartners()
    const { known } = await signInAt(groups.paris, groups, ['payroll', 'intranet'])
    await signInAt(groups.berlin, groups, ['payroll', 'intranet'])
    assert.deepEqual(await soapLogout(groups, groups.berlin, knownOf(known, 'payroll').subject, []), status.success())
    assert.deepEqual([await sessionsIn(groups.berlin), await sessionsIn(groups.paris)], [[], []])
    assert.equal(groups.asked.length, 2)
  })

  test('AC-011 a group that is down is never called signed out', async () => {
    await using groups = await withPartners()
    const { known } = await signInAt(groups.paris, groups, ['payroll'])
    const { subject, index } = knownOf(known, 'payroll')
    groups.cutParis()
    assert.deepEqual(await soapLogout(groups, groups.berlin, subject, [index]), status.responder())
    const own = await signInAt(groups.berlin, groups, ['payroll'])
    assert.deepEqual(await soapLogout(groups, groups.berlin, knownOf(own.known, 'payroll').subject, []), status.partialLogout())
    assert.deepEqual(await sessionsIn(groups.berlin), [])
  })

  test('a SAML artifact is exchanged by whichever group is asked, once, and by the partner it is for', async () => {
    const forArtifacts = { payroll: artifactSettings('payroll'), intranet: artifactSettings('intranet') }
    await using groups = await createTwoGroups({ partners: forArtifacts })
    const { browser } = await signInAt(groups.paris, groups, ['payroll'])
    const address = await groups.berlin.partner('payroll').ssoRedirect({ assertionConsumerServiceIndex: 1 })
    const { artifact } = carriedTo(await browser.get(address))
    assert.equal(groupOfArtifact(artifact), 'b')
    const [payroll, intranet] = ['payroll', 'intranet'].map((id) => createArtifactPeer(groups.berlin.partner(id), groups.clock, authorityPair))
    const ask = (peer: ArtifactPeer | undefined) => groups.while((peer ?? assert.fail()).resolve(groups.berlin.app, '/idp/ARS.ssaml2', artifact))
    await assert.rejects(ask(intranet), { code: 'CURFEW_SAML_ARTIFACT_UNRESOLVED' })
    assert.equal((await ask(payroll)).kind, 'Response')
    await assert.rejects(ask(payroll), { code: 'CURFEW_SAML_ARTIFACT_UNRESOLVED' })
  })

  test('AC-129 a reset code of the other group is good at this one, once, and ends the sessions of both', async () => {
    const localUsers = createLocalUsers()
    await using groups = await withPartners({ localUsers })
    await signInAt(groups.paris, groups, ['payroll'])
    await signInAt(groups.berlin, groups, ['payroll'])
    const { url } = await issueReset(groups.paris.ctx, 'ana', { kind: 'admin', id: 'ops' })
    await groups.clock.advance(1_000)
    const browser = groups.anywhere()
    const form = formOf((await browser.get(url)).body)
    const fields = { ...form.fields, password: 'seven wet umbrellas', repeated: 'seven wet umbrellas' }
    assert.equal((await groups.while(browser.post(form.action, fields))).statusCode, 200)
    assert.deepEqual([await sessionsIn(groups.berlin), await sessionsIn(groups.paris)], [[], []])
    assert.equal((await groups.berlin.browser().get(url)).statusCode, 400)
  })

  test('the page of the own sessions shows those of every group and ends one of them, and says when a group is away', async () => {
    await using groups = await withPartners()
    await signInAt(groups.paris, groups, ['payroll'])
    const { browser } = await signInAt(groups.berlin, groups, ['intranet'])
    const [there] = await sessionsIn(groups.paris)
    const { body } = await browser.get('/signoff/sessions')
    assert.equal(body.match(/<button name="end" value="ses_/g)?.length, 2)
    assert.match(body, /Applications: Payroll/i)
    const fields = { ...formOf(body).fields, end: there?.id ?? '', password: 'correct horse' }
    assert.match((await groups.while(browser.post('/signoff/sessions', fields))).body, /One session was ended/)
    assert.deepEqual([(await sessionsIn(groups.berlin)).length, (await sessionsIn(groups.paris)).length], [1, 0])
    assert.doesNotMatch((await browser.get('/signoff/sessions')).body, /may be more sessions/)
    groups.cutParis()
    assert.match((await browser.get('/signoff/sessions')).body, /may be more sessions/)
  })

  test('a password that is changed in the middle of a sign-in goes back to where that began', async () => {
    await using groups = await withPartners({ localUsers: createLocalUsers() })
    const browser = groups.anywhere()
    const payroll = groups.berlin.partner('payroll')
    const begun = await browser.get(await payroll.ssoRedirect())
    const { body } = await browser.get(String(begun.headers.location))
    const link = /href="(\/ext\/pwdchange\/Identify[^"]*)"/.exec(body)?.[1]?.replaceAll('&amp;', '&') ?? assert.fail(body)
    const form = formOf((await browser.get(link)).body)
    const fields = { ...form.fields, username: 'ana', current: 'correct horse', password: 'seven wet umbrellas', repeated: 'seven wet umbrellas' }
    const answered = await groups.while(browser.post(form.action, fields))
    assert.ok(payroll.readResponse(answered.body).response.assertion)
  })

  test('a forged SessionIndex leads nowhere: no session ends, no group is asked for one of ours', async () => {
    await using groups = await withPartners()
    const { known } = await signInAt(groups.paris, groups, ['payroll'])
    const { subject, index } = knownOf(known, 'payroll')
    const forged = index.slice(0, 5) + (index[5] === 'A' ? 'B' : 'A') + index.slice(6)
    assert.notDeepEqual(await soapLogout(groups, groups.berlin, subject, [forged]), status.success())
    assert.equal((await sessionsIn(groups.paris)).length, 1)
  })

  test('AC-018 a browser may be sent to any group at every step of a sign-in and of a sign-out', async () => {
    await using groups = await withPartners()
    for (const first of [groups.berlin, groups.paris]) {
      const browser = groups.anywhere()
      if (first === groups.paris) await browser.get('/pf/heartbeat.ping')
      const { known } = await signInAt(first, groups, ['payroll', 'intranet'], browser)
      const payroll = groups.berlin.partner('payroll')
      const { subject, index } = knownOf(known, 'payroll')
      const request = payroll.logoutRequest(subject, [index])
      const home = await groups.while(away(browser, await payroll.logoutRedirect(request, 'back')))
      const answer = payroll.readLogoutResponse(home)
      assert.deepEqual(answer.status, status.success())
      assert.equal(answer.inResponseTo, request.id)
    }
  })

  test('AC-018 a resume path is taken up by the group that made it, once', async () => {
    await using groups = await withPartners()
    const asked = await groups.paris.browser().get(await groups.berlin.partner('payroll').ssoRedirect())
    const path = String(asked.headers.location)
    assert.match(path, /^\/idp\/b/)
    const browser = groups.berlin.browser()
    const form = await browser.get(path)
    const { action, fields } = formOf(form.body)
    const done = await browser.post(action, { ...fields, username: 'ana', password: 'correct horse' })
    assert.ok(groups.berlin.partner('payroll').readResponse(done.body).response.assertion)
    assert.equal(groupOf(browser.cookies.get('PF') ?? ''), 'b')
    assert.equal((await browser.get(path)).statusCode, 400)
  })

  test('AC-018 codes and tokens of OpenID are taken by the group that issued them, and so is a session by its SRI', async () => {
    const clients = [clientOf('wiki', { refreshTokens: true, sessionManagement: true, sessionRevocation: true })]
    await using groups = await withPartners({ clients })
    const code = await codeFor(groups.paris, groups.paris.browser(), 'wiki', { scope: 'openid profile' })
    assert.equal(groupOf(code), 'b')
    const first = (await exchange(groups.berlin, 'wiki', code)).json<Record<string, string>>()
    assert.ok(first['access_token'] !== undefined, JSON.stringify(first))
    const second = (await refresh(groups.berlin, 'wiki', first['refresh_token'] ?? '')).json<Record<string, string>>()
    assert.ok(second['access_token'] !== undefined, JSON.stringify(second))
    const active = async (path = '/as/introspect.oauth2'): Promise<boolean> => {
      const seen = await post(groups.berlin, path, 'wiki', { token: second['access_token'] ?? '' })
      return seen.json<{ active: boolean }>().active
    }
    assert.equal(await active('/as/%69ntrospect.oauth2'), true, 'in any spelling')
    assert.equal(await active(), true)
    const [session] = await sessionsIn(groups.paris)
    const authorization = { authorization: `Basic ${Buffer.from('wiki:a secret that is long enough').toString('base64')}` }
    const at = (path: string, method: 'GET' | 'POST'): Promise<LightMyRequestResponse> =>
      groups.berlin.app.inject({
        method,
        url: `/pf-ws/rest/sessionMgmt/sessions/${session?.sri ?? ''}${path}`,
        headers: { ...authorization, 'content-type': 'application/json', 'x-xsrf-header': '1' },
        ...(method === 'POST' ? { payload: '{}' } : {})
      })
    assert.equal((await at('', 'GET')).statusCode, 200)
    assert.equal((await at('/revoke', 'POST')).json<{ status: string }>().status, 'SESSION_REVOKED')
    assert.deepEqual(await sessionsIn(groups.paris), [])
    assert.equal(await active(), false)
  })

  test('an SRI of a group that is away is on the list all the same, and the caller hears that the session goes on', async () => {
    await using groups = await withPartners({ clients: [clientOf('gate', { sessionRevocation: true })] })
    await signInAt(groups.paris, groups, ['payroll'])
    const [session] = await sessionsIn(groups.paris)
    const sri = session?.sri ?? assert.fail()
    const headers = { authorization: authorizationHeader('gate'), 'content-type': 'application/json', 'x-xsrf-header': '1' }
    const revoke = (): Promise<LightMyRequestResponse> =>
      groups.while(groups.berlin.app.inject({ method: 'POST', url: '/pf-ws/rest/sessionMgmt/revokedSris', headers, payload: JSON.stringify({ id: sri }) }))
    const link = 'http://paris-1.example:9041'
    const listener = groups.wire.listenerOf(link)
    groups.wire.cut(link)
    const refused = await revoke()
    assert.deepEqual([refused.statusCode, refused.json<{ code: string }>().code], [503, 'CURFEW_GROUP_UNREACHABLE'])
    assert.equal(await groups.berlin.store.isRevoked(sri, groups.clock.nowMs()), true, 'the look-up failed')
    assert.equal((await groups.berlin.store.listAudit({ limit: 100 })).filter(({ event, peerId }) => event === 'sri.revoked' && peerId === 'gate').length, 1)
    groups.wire.listen(link, listener)
    groups.wire.change = (request) => (request.url.includes('sessions.end') ? { ...request, url: 'http://nowhere.example:1/' } : request)
    assert.equal((await revoke()).statusCode, 503, 'the end failed')
    assert.equal((await sessionsIn(groups.paris)).length, 1)
    groups.wire.change = (request) => request
    assert.equal((await revoke()).statusCode, 201)
    assert.deepEqual(await sessionsIn(groups.paris), [])
  })

  test('what was handed over is not handed on, and nobody outside can say that it was', async () => {
    await using groups = await withPartners()
    const browser = groups.paris.browser()
    await signInAt(groups.paris, groups, ['payroll'], browser)
    const cookie = `PF=${browser.cookies.get('PF') ?? ''}`
    const carried = (): number => groups.wire.sent.filter(({ url }) => url.includes('requests.carry')).length
    const forged = await groups.berlin.app.inject({ url: '/', headers: { cookie, accept: 'text/html', [handedOverHeader]: 'x' } })
    assert.match(forged.body, /ana/)
    assert.equal(carried(), 1)
    const marked = await groups.berlin.app.inject({
      url: '/',
      headers: { cookie, accept: 'text/html', [handedOverHeader]: groups.berlin.ctx.handOver?.mark ?? '' }
    })
    assert.doesNotMatch(marked.body, /ana/)
    assert.equal(carried(), 1)
    await groups.berlin.app.inject({ url: '/', headers: { cookie: `PF=z${'A'.repeat(21)}` } })
    assert.equal(carried(), 1, 'there is no group z')
  })

  test('a group that is away keeps nobody from signing in elsewhere, and a sign-out there is an error, not a success', async () => {
    await using groups = await withPartners()
    const { browser } = await signInAt(groups.paris, groups, ['payroll'])
    groups.cutParis()
    const moved = groups.berlin.browser()
    for (const [name, value] of browser.cookies) moved.cookies.set(name, value)
    const asked = await moved.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
    assert.equal(asked.statusCode, 503)
    assert.match(asked.body, /CURFEW_GROUP_UNREACHABLE/)
    await signInAt(groups.berlin, groups, ['payroll'], moved)
    assert.equal(groupOf(moved.cookies.get('PF') ?? ''), 'a')
  })

  test('AC-013 a changed password ends the sessions of the user in every group, also in one that was away', async () => {
    const localUsers = createLocalUsers()
    await using groups = await withPartners({ localUsers })
    await signInAt(groups.paris, groups, ['payroll'])
    await signInAt(groups.berlin, groups, ['payroll'])
    await groups.clock.advance(60_000)
    const entry = users[0] ?? assert.fail()
    await localUsers.replace(entry.username, (known) => ({
      ...known,
      passwordChangedAt: Temporal.Instant.fromEpochMilliseconds(groups.clock.nowMs()).toString()
    }))
    const endOutdated = createPasswordEndings(groups.berlin.ctx)
    const link = 'http://paris-1.example:9041'
    const listener = groups.wire.listenerOf(link)
    groups.wire.cut(link)
    assert.equal(await groups.while(endOutdated()), 1)
    assert.deepEqual([(await sessionsIn(groups.berlin)).length, (await sessionsIn(groups.paris)).length], [0, 1])
    groups.wire.listen(link, listener)
    assert.equal(await groups.while(endOutdated()), 1)
    assert.deepEqual(await sessionsIn(groups.paris), [])
    const [run] = (await groups.paris.store.listRuns({ limit: 1 })).items
    assert.equal(run?.reason, 'password-change')
    assert.equal(await groups.while(endOutdated()), 0)
  })

  test('AC-188 the state of a session is in the store of its group and nowhere else', async () => {
    await using groups = await withPartners()
    await signInAt(groups.paris, groups, ['payroll'])
    const nowMs = groups.clock.nowMs()
    assert.equal((await groups.paris.store.listSessions({ limit: 5, nowMs })).items.length, 1)
    assert.deepEqual((await groups.berlin.store.listSessions({ limit: 5, nowMs })).items, [])
    const [session] = await sessionsIn(groups.paris)
    assert.equal(await groups.berlin.store.getSession(session?.id ?? 'ses_'), undefined)
    assert.equal((await groups.berlin.ctx.store.getSession(session?.id ?? 'ses_'))?.id, session?.id)
  })
})

/** Follows a browser inside the authority until it is sent elsewhere. */
async function away(browser: Browser, from: string): Promise<string> {
  let url = from
  for (let i = 0; i < 12; i++) {
    const page = await browser.get(url)
    const next = page.statusCode === 303 ? String(page.headers.location) : /http-equiv="refresh" content="\d+;url=([^"]+)"/.exec(page.body)?.[1]
    assert.ok(next !== undefined, page.body.slice(0, 300))
    if (next.startsWith('http') && !next.startsWith('http://curfew.test')) return next
    url = next
  }
  return assert.fail('the browser went round and round')
}
