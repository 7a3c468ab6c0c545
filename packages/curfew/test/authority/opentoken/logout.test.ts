import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status } from '@curfew/codecs'
import { nameIdOf } from '../identity-provider.ts'
import { type Kit, type KitOptions, signIn } from '../kit.ts'
import { createHub, liveSessions, signInAt } from '../saml-sp/hub.ts'
import type { ApplicationSettings } from '../../../src/authority/opentoken/settings.ts'
import type { Browser } from '../browser.ts'
import { answerToken, createAdapterKit, open, outcomes, readToken, runOf, settingsOf, startLogout, visit } from './application.ts'

async function signedIn(applications: readonly ApplicationSettings[], more: KitOptions = {}): Promise<{ readonly kit: Kit; readonly browser: Browser }> {
  const kit = await createAdapterKit(applications, more)
  const browser = kit.browser()
  for (const { id } of applications) {
    await open(browser, id)
    kit.clock.advance(1_000)
  }
  return { kit, browser }
}

suite('Single logout of applications by OpenToken', () => {
  test('AC-020 AC-021 AC-022 AC-023 the browser is sent to the Logout Service with a token and the resume path, comes back, and the logout goes on once', async () => {
    const { kit, browser } = await signedIn([settingsOf('forms')])
    await using _kit = kit
    const run = await startLogout(browser)
    const hop = (await visit(browser, run)) ?? assert.fail('no hop')
    assert.equal(hop.url.origin + hop.url.pathname, 'http://forms.test/logout')
    assert.equal(hop.url.searchParams.get('cmd'), 'slo')
    assert.equal(hop.url.searchParams.get('resume'), hop.path)
    assert.match(hop.path, /^\/sp\/[\w.-]+\/resume\/sp\/startSLO\.ping$/)
    const token = readToken(kit, hop.token)
    assert.deepEqual([token.subject, token.attributes['mail']], ['ana', ['ana@example.org']])
    assert.deepEqual(kit.probed, ['http://forms.test/logout?cmd=slo'])
    const back = await browser.get(hop.path)
    assert.equal(back.headers.location, run)
    const { deliveries, state } = await runOf(kit, run)
    assert.equal(state, 'done')
    assert.deepEqual(deliveries[0]?.outcome?.kind === 'ended' && deliveries[0].outcome.proof.kind, 'browser-return')
    assert.match((await browser.get(run)).body, /safe to leave/)
  })

  test('AC-196 an application that is signed out is told the attributes until they expire, then the subject alone', async () => {
    const toldAfter = async (elapsedMs: number): Promise<readonly unknown[]> => {
      const { kit, browser } = await signedIn([settingsOf('forms')], { attributeMinutes: 60 })
      await using _kit = kit
      const run = await startLogout(browser)
      kit.clock.advance(elapsedMs)
      const { subject, attributes } = readToken(kit, ((await visit(browser, run)) ?? assert.fail('no hop')).token)
      return [subject, attributes['mail']]
    }
    assert.deepEqual(await toldAfter(60 * 60_000 - 1), ['ana', ['ana@example.org']])
    assert.deepEqual(await toldAfter(60 * 60_000), ['ana', undefined])
  })

  test('AC-022 one name of the parameter is sent where the adapter says so', async () => {
    const { kit, browser } = await signedIn([settingsOf('forms', { resumeParameter: 'resume' }), settingsOf('desk', { resumeParameter: 'resumePath' })])
    await using _kit = kit
    const run = await startLogout(browser)
    const first = (await visit(browser, run)) ?? assert.fail()
    assert.equal(first.url.searchParams.get('resumePath'), null)
    await browser.get(first.url.searchParams.get('resume') ?? '')
    const second = (await visit(browser, run)) ?? assert.fail()
    assert.equal(second.url.searchParams.get('resume'), null)
    assert.ok(second.path.startsWith('/sp/'))
  })

  test('AC-024 AC-025 AC-026 once for each session: every application has its own visit, one without a Logout Service is passed over and said so', async () => {
    const { kit, browser } = await signedIn([settingsOf('forms'), settingsOf('mute', { logoutService: undefined }), settingsOf('desk')])
    await using _kit = kit
    const run = await startLogout(browser)
    const paths = new Set<string>()
    for (const host of ['forms.test', 'desk.test']) {
      const hop = (await visit(browser, run)) ?? assert.fail('no hop')
      assert.equal(hop.url.host, host)
      paths.add(hop.path)
      assert.equal((await browser.get(hop.path)).headers.location, run)
    }
    assert.equal(paths.size, 2)
    assert.equal(await visit(browser, run), undefined)
    assert.deepEqual([...(await outcomes(kit, run))].sort(), [
      ['desk', 'ended'],
      ['forms', 'ended'],
      ['mute', 'unsupported']
    ])
    assert.doesNotMatch((await browser.get(run)).body, /safe to leave/)
  })

  test('AC-024 two sessions of one user, on two devices, each get their own visit in their own browser', async () => {
    const { kit, browser } = await signedIn([settingsOf('forms')])
    await using _kit = kit
    const other = kit.browser()
    await open(other, 'forms')
    const userKey = 'local:ana'
    await kit.ctx.engine.endSessions({
      scope: { kind: 'user', userKey },
      reason: 'admin',
      by: { kind: 'admin', id: 'test' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    const runs = (await kit.store.listRuns({ limit: 10 })).items
    assert.equal(runs.length, 2)
    const runFor = async (one: Browser): Promise<string> => String((await one.get('/')).headers.location)
    const [mine, theirs] = [await runFor(browser), await runFor(other)]
    assert.notEqual(mine, theirs)
    const [a, b] = [(await visit(browser, mine)) ?? assert.fail(), (await visit(other, theirs)) ?? assert.fail()]
    assert.notEqual(a.path, b.path)
    await browser.get(a.path)
    await other.get(b.path)
    for (const run of [mine, theirs]) assert.deepEqual(await outcomes(kit, run), [['forms', 'ended']])
  })

  test('AC-029 an application that never sends the browser back does not stop the others, and is not called signed out', async () => {
    const { kit, browser } = await signedIn([settingsOf('stuck'), settingsOf('forms')])
    await using _kit = kit
    const run = await startLogout(browser)
    const stuck = (await visit(browser, run)) ?? assert.fail()
    assert.equal(stuck.url.host, 'stuck.test')
    // The person closes the page and comes to the authority later.
    kit.clock.advance(9_000)
    assert.equal((await browser.get('/')).headers.location, run)
    const next = (await visit(browser, run)) ?? assert.fail()
    assert.equal(next.url.host, 'forms.test')
    await browser.get(next.path)
    assert.deepEqual(await outcomes(kit, run), [
      ['stuck', 'timed-out'],
      ['forms', 'ended']
    ])
    // It does come back at last: what it says still counts, and only upwards.
    assert.equal((await browser.get(stuck.path)).headers.location, run)
    assert.deepEqual((await outcomes(kit, run))[0], ['stuck', 'ended'])
  })

  test('AC-030 AC-031 by a form the token is posted with the resume path in the address; a cookie is deleted after the return', async () => {
    await using kit = await createAdapterKit([
      settingsOf('forms', { transport: 'form' }),
      settingsOf('crumbs', { transport: 'cookie', cookie: { domain: 'test' } })
    ])
    const browser = kit.browser()
    await signIn(browser, '/')
    for (const id of ['forms', 'crumbs']) {
      await browser.get(`/sp/startSSO.ping?SpSessionAuthnAdapterId=${id}`)
      kit.clock.advance(1_000)
    }
    const run = await startLogout(browser)
    const form = (await visit(browser, run)) ?? assert.fail()
    assert.equal(form.url.searchParams.get('opentoken'), null)
    assert.equal(readToken(kit, form.token).subject, 'ana')
    await browser.get(form.path)
    const crumbs = (await visit(browser, run)) ?? assert.fail()
    assert.equal(crumbs.url.searchParams.get('opentoken'), null)
    assert.equal(readToken(kit, crumbs.token).subject, 'ana')
    const back = await browser.get(crumbs.path)
    const cookie = back.cookies.find(({ name }) => name === 'opentoken')
    assert.deepEqual([cookie?.value, cookie?.maxAge, cookie?.domain], ['', 0, 'test'])
  })

  test('an answer token is a proof of its own; where the adapter asks for it, a bare return stays unconfirmed', async () => {
    const { kit, browser } = await signedIn([settingsOf('strict', { confirmation: 'answer' }), settingsOf('bare', { confirmation: 'answer' })])
    await using _kit = kit
    const run = await startLogout(browser)
    const strict = (await visit(browser, run)) ?? assert.fail()
    await browser.get(`${strict.path}?opentoken=${answerToken(kit, 'ana', strict.path, 'ended')}`)
    const bare = (await visit(browser, run)) ?? assert.fail()
    await browser.get(bare.path)
    const { deliveries } = await runOf(kit, run)
    assert.equal(deliveries[0]?.outcome?.kind === 'ended' && deliveries[0].outcome.proof.kind, 'keyed-answer')
    assert.deepEqual(deliveries[1]?.outcome, { kind: 'unconfirmed', code: 'CURFEW_OPENTOKEN_ANSWER_MISSING' })
  })

  test('the session has one name for each application, the same at the sign-in and at the logout', async () => {
    const named = { attributes: { 'session-index': 'sessionIndex' } }
    await using kit = await createAdapterKit([settingsOf('forms', named), settingsOf('desk', named)])
    const browser = kit.browser()
    const entered: string[] = []
    for (const id of ['forms', 'desk']) {
      entered.push(readToken(kit, (await open(browser, id)).searchParams.get('opentoken')).attributes['session-index']?.[0] ?? '')
      kit.clock.advance(1_000)
    }
    const run = await startLogout(browser)
    const left: string[] = []
    for (let hop = await visit(browser, run); hop !== undefined; hop = await visit(browser, run)) {
      left.push(readToken(kit, hop.token).attributes['session-index']?.[0] ?? '')
      await browser.get(hop.path)
    }
    assert.deepEqual(left, entered)
    assert.equal(new Set(left).size, 2)
  })

  test('an error marker, and an answer that says no, are refusals', async () => {
    const { kit, browser } = await signedIn([settingsOf('marker'), settingsOf('answer')])
    await using _kit = kit
    const run = await startLogout(browser)
    const marker = (await visit(browser, run)) ?? assert.fail()
    await browser.get(`${marker.path}?error=token-rejected`)
    const answer = (await visit(browser, run)) ?? assert.fail()
    await browser.get(`${answer.path}?opentoken=${answerToken(kit, 'ana', answer.path, 'failed')}`)
    const kinds = (await runOf(kit, run)).deliveries.map(({ outcome }) => outcome)
    assert.deepEqual(kinds, [
      { kind: 'refused', code: 'CURFEW_OPENTOKEN_LOGOUT_REFUSED', statusCode: 'token-rejected' },
      { kind: 'refused', code: 'CURFEW_OPENTOKEN_LOGOUT_REFUSED', statusCode: 'failed' }
    ])
  })

  test('a form that brings the browser back, without its cookies, is asked again with them', async () => {
    const { kit, browser } = await signedIn([settingsOf('forms')])
    await using _kit = kit
    const run = await startLogout(browser)
    const { path } = (await visit(browser, run)) ?? assert.fail()
    const cookies = new Map(browser.cookies)
    browser.cookies.clear()
    const again = await browser.post(path, { error: 'x' })
    assert.equal(again.headers.location, `${path}?error=x`)
    for (const [name, value] of cookies) browser.cookies.set(name, value)
    assert.equal((await browser.get(String(again.headers.location))).headers.location, run)
    assert.deepEqual(await outcomes(kit, run), [['forms', 'refused']])
  })
})

suite('Logout started by an application by OpenToken', () => {
  test('SpSessionAuthnAdapterId of an application means a session that it takes part in, and no other', async () => {
    const { kit, browser } = await signedIn([settingsOf('forms')])
    await using _kit = kit
    const other = kit.browser()
    await signIn(other, '/')
    const start = '/sp/startSLO.ping?SpSessionAuthnAdapterId=forms'
    assert.equal((await other.get(start, { 'sec-fetch-site': 'none' })).headers.location, '/signoff/done')
    assert.equal((await liveSessions(kit)).length, 2)
    const { headers } = await browser.get(start, { 'sec-fetch-site': 'cross-site', referer: 'http://forms.test/menu' })
    assert.match(String(headers.location), /^\/signoff\/run_/)
    assert.equal((await liveSessions(kit)).length, 1)
  })
})

suite('Single logout of OpenToken together with SAML', () => {
  test('AC-019 AC-026 AC-027 the application sees the same, whoever started: the authority, a SAML application, the identity provider; and who asked is answered', async () => {
    const shapes: string[] = []
    for (const starter of ['authority', 'payroll', 'campus'] as const) {
      const hub = await createHub({ partners: { payroll: {} }, adapters: { applications: [settingsOf('forms')] } })
      await using kit = hub.kit
      const browser = kit.browser()
      await signInAt(hub, browser)
      await open(browser, 'forms')
      const payroll = kit.partner('payroll')
      payroll.readResponse((await browser.get(await payroll.ssoRedirect())).body)
      const [session] = await liveSessions(kit)
      const own = (await kit.store.getParticipants(session?.id ?? 'ses_')).find(({ peerId }) => peerId === 'payroll') ?? assert.fail()
      const begin = {
        authority: () => startLogout(browser),
        payroll: async () => String((await browser.get(await payroll.logoutRedirect(payroll.logoutRequest(own.nameId, [own.sessionIndex])))).headers.location),
        campus: async () =>
          String((await browser.get(await hub.upstream.logoutRedirect(hub.upstream.logoutRequest(nameIdOf('ana'), ['index-1'])))).headers.location)
      }
      const run = await begin[starter]()
      let visits = 0
      for (let i = 0; i < 4; i++) {
        const location = String((await browser.get(`${run}/go`)).headers.location)
        if (location.startsWith('/')) break
        const url = new URL(location)
        if (url.host !== 'forms.test') {
          const side = url.host.startsWith('payroll') ? payroll : hub.upstream
          await browser.get(await side.logoutAnswer(side.readLogoutRequest(location)))
          continue
        }
        visits += 1
        const { subject, attributes, authnContext } = readToken(kit, url.searchParams.get('opentoken'))
        shapes.push(JSON.stringify([url.pathname, [...url.searchParams.keys()], subject, attributes, authnContext]))
        await browser.get(url.searchParams.get('resumePath') ?? '')
      }
      assert.equal(visits, 1)
      assert.ok(
        (await outcomes(kit, run)).every(([, kind]) => kind === 'ended'),
        starter
      )
      const end = String((await browser.get(`${run}/finish`)).headers.location)
      if (starter === 'authority') assert.match((await browser.get(run)).body, /safe to leave/)
      else {
        const response = (starter === 'payroll' ? payroll : hub.upstream).readLogoutResponse(end)
        assert.ok(status.isSuccess(response.status) && !status.isPartialLogout(response.status))
      }
    }
    assert.equal(new Set(shapes).size, 1)
    assert.equal(shapes.length, 3)
  })
})
