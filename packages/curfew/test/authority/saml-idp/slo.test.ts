import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CurfewError, logoutReason, type NameID, status, statusUri } from '@curfew/codecs'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import type { Store } from '../../../src/stores/store.ts'
import type { Browser } from '../browser.ts'
import { formOf } from '../browser.ts'
import { until } from '../../support/until.ts'
import { createKit, type Kit, type KitOptions, signInTo } from '../kit.ts'

/** A browser that is signed in at all partners, and what each partner was told. */
async function signedIn(kit: Kit, ids: readonly string[]) {
  const browser = kit.browser()
  const known: Record<string, { subject: NameID; index: string }> = {}
  for (const id of ids) {
    const { assertion } = await signInTo(kit, browser, id)
    assert.ok(assertion)
    known[id] = { subject: assertion.subject.nameId, index: assertion.authnStatement?.sessionIndex ?? '' }
  }
  return { browser, known: (id: string) => known[id] ?? assert.fail(id) }
}

/** Follows redirects and refreshes inside the authority until the browser is sent elsewhere or a page stays. */
async function follow(browser: Browser, from: string) {
  let url = from
  for (let i = 0; i < 12; i++) {
    const page = await browser.get(url)
    const next = page.statusCode === 303 ? String(page.headers.location) : /http-equiv="refresh" content="\d+;url=([^"]+)"/.exec(page.body)?.[1]
    if (next === undefined || (page.statusCode !== 303 && !/content="[01];/.test(page.body))) return { page, url }
    if (next.startsWith('http') && !next.startsWith('http://curfew.test')) return { page, url: next }
    url = next
  }
  return assert.fail('the browser went round and round')
}

const soapPartners: KitOptions['partners'] = {
  payroll: {},
  intranet: { slo: [{ binding: 'soap', url: 'http://intranet.test/soap' }] }
}

suite('SAML Core 3.7.3.2: the session authority on a LogoutRequest', () => {
  test('AC-004 logs out every other participant of the session through the browser and answers the starter', async () => {
    await using kit = await createKit()
    const other = await signedIn(kit, ['intranet'])
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
    const payroll = kit.partner('payroll')
    const intranet = kit.partner('intranet')
    const request = payroll.logoutRequest(known('payroll').subject, [known('payroll').index])
    const away = await follow(browser, await payroll.logoutRedirect(request, 'back'))
    assert.ok(away.url.startsWith('http://intranet.test/slo?'))
    const told = intranet.readLogoutRequest(away.url)
    assert.deepEqual(told.subject, known('intranet').subject)
    assert.deepEqual(told.sessionIndexes, [known('intranet').index])
    const home = await follow(browser, await intranet.logoutAnswer(told))
    const answer = payroll.readLogoutResponse(home.url)
    assert.deepEqual(answer.status, status.success())
    assert.equal(answer.inResponseTo, request.id)
    assert.equal(new URL(home.url).searchParams.get('RelayState'), 'back')
    const [left] = await kit.store.findByUser('local:ana')
    assert.deepEqual((await kit.store.getParticipants(left?.id ?? 'ses_'))[0]?.sessionIndex, other.known('intranet').index)
  })

  test('gives the partner a LogoutRequest that is valid as long as its assertion', async () => {
    await using kit = await createKit()
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
    const payroll = kit.partner('payroll')
    const away = await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    const told = kit.partner('intranet').readLogoutRequest(away.url)
    assert.equal(told.notOnOrAfter?.epochMilliseconds, kit.clock.nowMs() + 5 * 60_000)
    assert.equal(told.destination, 'http://intranet.test/slo')
    assert.equal(told.reason, logoutReason.user)
  })

  test('AC-146 goes on after a refusal and answers PartialLogout', async () => {
    await using kit = await createKit({ partners: { payroll: {}, intranet: {}, legacy: {} } })
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet', 'legacy'])
    const payroll = kit.partner('payroll')
    const first = await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    const told = kit.partner('intranet').readLogoutRequest(first.url)
    const second = await follow(browser, await kit.partner('intranet').logoutAnswer(told, status.responder()))
    const toldLegacy = kit.partner('legacy').readLogoutRequest(second.url)
    const home = await follow(browser, await kit.partner('legacy').logoutAnswer(toldLegacy))
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.partialLogout())
  })

  test('AC-146 an application that keeps the browser: back at the sign-off page the others are told, and the starter hears PartialLogout', async () => {
    await using kit = await createKit({ partners: { payroll: {}, intranet: {}, legacy: {} } })
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet', 'legacy'])
    const payroll = kit.partner('payroll')
    const kept = await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    assert.ok(kept.url.startsWith('http://intranet.test/slo?'))
    // Nothing comes back from there; the person presses Back, or opens the authority again.
    await kit.clock.advance(10_000)
    const next = await follow(browser, '/')
    const toldLegacy = kit.partner('legacy').readLogoutRequest(next.url)
    const home = await follow(browser, await kit.partner('legacy').logoutAnswer(toldLegacy))
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.partialLogout())
    const run = (await kit.store.listRuns({ limit: 1 })).items[0]
    const outcome = (id: string): string | undefined => run?.deliveries.find((d) => d.peerId === id)?.outcome?.kind
    assert.deepEqual([outcome('intranet'), outcome('legacy')], ['timed-out', 'ended'])
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
  })

  test('counts an application that knows nobody of that name as signed out', async () => {
    await using kit = await createKit()
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
    const payroll = kit.partner('payroll')
    const away = await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    const told = kit.partner('intranet').readLogoutRequest(away.url)
    const home = await follow(browser, await kit.partner('intranet').logoutAnswer(told, status.requester(statusUri.unknownPrincipal)))
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.success())
  })

  test('AC-003 answers PartialLogout when a participant has no logout service, shown as unsupported', async () => {
    await using kit = await createKit({ partners: { payroll: {}, silent: { slo: [] } } })
    const { browser, known } = await signedIn(kit, ['payroll', 'silent'])
    const payroll = kit.partner('payroll')
    const home = await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.partialLogout())
    const { items } = await kit.store.listRuns({ limit: 5 })
    assert.deepEqual(
      items[0]?.deliveries.map((d) => [d.peerId, d.outcome?.kind]),
      [['silent', 'unsupported']]
    )
  })

  test('AC-144 sends nothing to a partner whose profile excludes it; the local session ends', async () => {
    await using kit = await createKit({ partners: { payroll: {}, intranet: { profiles: { idpInitiatedSlo: false } } } })
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
    const payroll = kit.partner('payroll')
    const home = await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    assert.ok(home.url.startsWith('http://payroll.test/slo?'))
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.partialLogout())
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
    assert.deepEqual(kit.probed, [])
  })

  test('AC-144 denies a LogoutRequest where the profile excludes logout by this partner', async () => {
    await using kit = await createKit({ partners: { payroll: { profiles: { spInitiatedSlo: false } } } })
    const { browser, known } = await signedIn(kit, ['payroll'])
    const payroll = kit.partner('payroll')
    const page = await browser.get(await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    assert.deepEqual(payroll.readLogoutResponse(String(page.headers.location)).status, status.requester(statusUri.requestDenied))
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })

  test('AC-143 answers through the browser a partner that requests go to by SOAP only: the two are not the same', async () => {
    const way = {
      slo: [
        { binding: 'soap', url: 'http://payroll.test/soap' },
        { binding: 'redirect', url: 'http://payroll.test/slo' }
      ],
      outgoingBindings: ['soap']
    } as const
    await using kit = await createKit({ partners: { payroll: way } })
    const { browser, known } = await signedIn(kit, ['payroll'])
    assert.deepEqual(
      kit.ctx.connections.byId('payroll')?.peer.channels.map(({ kind, binding }) => `${kind} ${binding}`),
      ['server soap']
    )
    const payroll = kit.partner('payroll')
    const request = payroll.logoutRequest(known('payroll').subject, [known('payroll').index])
    const home = await follow(browser, await payroll.logoutRedirect(request))
    assert.ok(home.url.startsWith('http://payroll.test/slo?'), home.url)
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.success())
    // The same where the session is long gone and the answer is known at once.
    const again = await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, ['another'])))
    assert.ok(status.isUnknownPrincipal(payroll.readLogoutResponse(again.url).status))
  })

  test('AC-141 answers at the response address where the partner has one', async () => {
    await using kit = await createKit({
      partners: { payroll: { slo: [{ binding: 'redirect', url: 'http://payroll.test/slo', responseUrl: 'http://payroll.test/slo-done' }] } }
    })
    const { browser, known } = await signedIn(kit, ['payroll'])
    const payroll = kit.partner('payroll')
    const home = await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    assert.ok(home.url.startsWith('http://payroll.test/slo-done?'))
    assert.equal(payroll.readLogoutResponse(home.url).destination, 'http://payroll.test/slo-done')
  })

  test('AC-142 resolves relative logout addresses against the base address of the connection', async () => {
    await using kit = await createKit({
      partners: { payroll: {}, intranet: { baseUrl: 'http://apps.test/intranet/', slo: [{ binding: 'redirect', url: 'saml/slo' }] } }
    })
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
    const payroll = kit.partner('payroll')
    const away = await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    assert.ok(away.url.startsWith('http://apps.test/intranet/saml/slo?'))
  })

  test('takes a LogoutRequest by POST without cookies and still finds the way back to the sign-off page', async () => {
    await using kit = await createKit()
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
    const payroll = kit.partner('payroll')
    const fields = await payroll.logoutPost(payroll.logoutRequest(known('payroll').subject, [known('payroll').index]))
    const posted = await kit.browser().post('/idp/SLO.saml2', fields)
    assert.match(String(posted.headers.location), /^\/idp\/[\w-]{22}\/resume\/idp\/SLO\.saml2$/)
    const seenAtMs = async () => (await kit.store.listRuns({ limit: 1 })).items[0]?.browserSeenAtMs
    assert.equal(await seenAtMs(), undefined, 'a browser without the cookie of the session can visit nobody')
    assert.equal((await browser.get(String(posted.headers.location))).headers.location, `/signoff/${(await kit.store.listRuns({ limit: 1 })).items[0]?.id}`)
    assert.equal(await seenAtMs(), kit.clock.nowMs())
    const away = await follow(browser, `/signoff/${(await kit.store.listRuns({ limit: 1 })).items[0]?.id}`)
    assert.ok(away.url.startsWith('http://intranet.test/slo?'))
  })

  test('does not wait for the browser of a session that another browser ends: who failed to answer by SOAP is tried again', async () => {
    const { intranet } = soapPartners
    const slo = [...(intranet?.slo ?? []), { binding: 'redirect', url: 'http://intranet.test/slo' } as const]
    await using kit = await createKit({ partners: { payroll: {}, intranet: { slo } }, network: async () => ({ status: 503 }) })
    for (const isOwner of [true, false]) {
      const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
      const payroll = kit.partner('payroll')
      const url = await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index]))
      await (isOwner ? browser : kit.browser()).get(url)
      await kit.clock.advance(100)
      const state = async () => {
        const runs = (await kit.store.listRuns({ limit: 5 })).items
        return runs.find(({ startedAtMs }) => startedAtMs === Math.max(...runs.map((one) => one.startedAtMs)))?.deliveries[0]?.state
      }
      await until('the server has answered', async () => !['pending', 'sent'].includes((await state()) ?? ''))
      assert.equal(await state(), isOwner ? 'waiting-for-browser' : 'retrying')
    }
  })

  test('answers the starter once, also where two requests for the answer come at once', async () => {
    await using kit = await createKit()
    const { browser, known } = await signedIn(kit, ['payroll'])
    const payroll = kit.partner('payroll')
    const page = await browser.get(await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    const path = String(page.headers.location)
    const places = (await Promise.all([1, 2, 3].map(async () => browser.get(`${path}/finish`)))).map(({ headers }) => String(headers.location))
    assert.equal(places.filter((place) => place.startsWith('http://payroll.test/')).length, 1, places.join(' '))
    assert.equal(places.filter((place) => place === path).length, 2, places.join(' '))
    assert.equal((await browser.get(path)).statusCode, 200)
  })

  test('answers the starter also when the browser of the session is gone', async () => {
    await using kit = await createKit()
    const { known } = await signedIn(kit, ['payroll', 'intranet'])
    const payroll = kit.partner('payroll')
    const stranger = kit.browser()
    const home = await follow(stranger, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.partialLogout())
  })

  test('ends all sessions of the subject at this partner when no SessionIndex is named', async () => {
    await using kit = await createKit()
    const one = await signedIn(kit, ['payroll'])
    const two = await signedIn(kit, ['payroll'])
    const payroll = kit.partner('payroll')
    assert.notEqual(one.known('payroll').index, two.known('payroll').index)
    const home = await follow(one.browser, await payroll.logoutRedirect(payroll.logoutRequest(one.known('payroll').subject, [])))
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.success())
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
  })

  test('answers UnknownPrincipal for a subject it never knew, Success when the session has ended already', async () => {
    await using kit = await createKit()
    const { browser, known } = await signedIn(kit, ['payroll'])
    const payroll = kit.partner('payroll')
    const nobody = await browser.get(
      await payroll.logoutRedirect(payroll.logoutRequest({ ...known('payroll').subject, value: 'nobody' }, [known('payroll').index]))
    )
    assert.deepEqual(payroll.readLogoutResponse(String(nobody.headers.location)).status, status.requester(statusUri.unknownPrincipal))
    await follow(browser, await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    const again = await browser.get(await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    assert.deepEqual(payroll.readLogoutResponse(String(again.headers.location)).status, status.success())
  })

  test('sends no LogoutResponse to an asynchronous request', async () => {
    await using kit = await createKit({ partners: { payroll: {} } })
    const { browser, known } = await signedIn(kit, ['payroll'])
    const payroll = kit.partner('payroll')
    const request = payroll.logoutRequest(known('payroll').subject, [known('payroll').index], { asynchronous: true })
    const stay = await follow(browser, await payroll.logoutRedirect(request))
    assert.equal(stay.page.statusCode, 200)
    assert.match(stay.url, /^\/signoff\/run_/)
  })

  test('logs out through a hidden frame of the sign-off page without leaving it', async () => {
    await using kit = await createKit({ partners: { payroll: {}, intranet: { frames: true } } })
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
    const payroll = kit.partner('payroll')
    const started = await browser.get(await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index])))
    const run = String(started.headers.location)
    const { items } = await kit.store.listRuns({ limit: 1 })
    const frame = await browser.get(`${run}/frame/${items[0]?.deliveries[0]?.id}`)
    const told = kit.partner('intranet').readLogoutRequest(String(frame.headers.location))
    const done = await browser.get(await kit.partner('intranet').logoutAnswer(told))
    assert.equal(done.statusCode, 200)
    assert.match(String(done.headers['content-security-policy']), /frame-ancestors 'self'/)
    const home = await follow(browser, run)
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.success())
  })

  test('answers by POST with a form when the partner asked by POST', async () => {
    await using kit = await createKit({ partners: { payroll: { slo: [{ binding: 'post', url: 'http://payroll.test/slo' }] } } })
    const { browser, known } = await signedIn(kit, ['payroll'])
    const payroll = kit.partner('payroll')
    const posted = await browser.post(
      '/idp/SLO.saml2',
      await payroll.logoutPost(payroll.logoutRequest(known('payroll').subject, [known('payroll').index]), 'x')
    )
    const { page } = await follow(browser, String(posted.headers.location))
    const form = formOf(page.body)
    assert.equal(form.action, 'http://payroll.test/slo')
    assert.equal(form.fields['RelayState'], 'x')
    assert.ok(form.fields['SAMLResponse'])
  })
})

/** A store that is busy at the first endings. */
function busyAtEnds(times: number): Store {
  const store = createMemoryStore({ capacity: 100 })
  let left = times
  return {
    ...store,
    async endSession(commit) {
      left -= 1
      if (left >= 0) throw new CurfewError('CURFEW_STORE_BUSY', {})
      return store.endSession(commit)
    }
  }
}

suite('a LogoutRequest that was received and not carried out', () => {
  test('is carried out when it comes again, once', async () => {
    await using kit = await createKit({ store: busyAtEnds(1) })
    const { browser, known } = await signedIn(kit, ['payroll', 'intranet'])
    const payroll = kit.partner('payroll')
    const url = await payroll.logoutRedirect(payroll.logoutRequest(known('payroll').subject, [known('payroll').index]))
    assert.match((await browser.get(url)).body, /CURFEW_STORE_BUSY/)
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
    assert.ok((await follow(browser, url)).url.startsWith('http://intranet.test/slo?'))
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
    assert.match((await browser.get(url)).body, /CURFEW_SAML_REPLAYED/)
    assert.equal((await kit.store.listRuns({ limit: 5 })).items.length, 1)
  })

  test('by SOAP as well, of a hundred at once by one only', async () => {
    await using kit = await createKit({ partners: soapPartners, store: busyAtEnds(1) })
    const { known } = await signedIn(kit, ['payroll'])
    const payroll = kit.partner('payroll')
    const { subject, index } = known('payroll')
    const message = await payroll.logoutSoap(payroll.logoutRequest(subject, [index], { destination: 'http://curfew.test/idp/SLO.ssaml2' }))
    const isRefused = async () => payroll.readSoapResponse((await postSoap(kit, message)).body).status.subcodes.includes(statusUri.requestDenied)
    assert.equal(await isRefused(), true)
    const refused = await Promise.all(Array.from({ length: 100 }, isRefused))
    assert.equal(refused.filter((one) => !one).length, 1)
    assert.equal((await kit.store.listRuns({ limit: 5 })).items.length, 1)
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
  })

  test('goes on with the sessions that are left, and ends none that began since', async () => {
    const holder = { endings: 0 }
    const store = createMemoryStore({ capacity: 100 })
    const endSession: Store['endSession'] = async (commit) => {
      holder.endings += 1
      if (holder.endings === 2) throw new CurfewError('CURFEW_STORE_BUSY', {})
      return store.endSession(commit)
    }
    await using kit = await createKit({ store: { ...store, endSession } })
    const one = await signedIn(kit, ['payroll'])
    await signedIn(kit, ['payroll', 'intranet'])
    await kit.clock.advance(5 * 60_000)
    const payroll = kit.partner('payroll')
    const url = await payroll.logoutRedirect(payroll.logoutRequest(one.known('payroll').subject, []))
    assert.match((await one.browser.get(url)).body, /CURFEW_STORE_BUSY/)
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
    const later = await signedIn(kit, ['payroll'])
    const home = await follow(one.browser, url)
    // The application of the session that had ended before has not confirmed: this answer speaks of it too.
    assert.deepEqual(payroll.readLogoutResponse(home.url).status, status.partialLogout())
    const left = await kit.store.findByUser('local:ana')
    assert.equal(left.length, 1)
    assert.deepEqual((await kit.store.getParticipants(left[0]?.id ?? 'ses_'))[0]?.sessionIndex, later.known('payroll').index)
    assert.match((await one.browser.get(url)).body, /CURFEW_SAML_REPLAYED/)
  })
})

suite('SAML Bindings 3.2: SOAP', () => {
  test('AC-138 answers a SOAP LogoutRequest in the same exchange and tells a SOAP partner meanwhile', async () => {
    let asked = 0
    const holder: { kit?: Kit } = {}
    await using kit = await createKit({
      partners: soapPartners,
      network: async ({ body }) => {
        asked += 1
        return { body: Buffer.from((await holder.kit?.partner('intranet').soapAnswer(body ?? '')) ?? '') }
      }
    })
    holder.kit = kit
    const { known } = await signedIn(kit, ['payroll', 'intranet'])
    const answered = await soap(kit, 'payroll', known('payroll'))
    assert.equal(answered.statusCode, 200)
    assert.equal(asked, 1)
    assert.deepEqual(kit.partner('payroll').readSoapResponse(answered.body).status, status.success())
  })

  test('AC-138 answers PartialLogout at once when a participant needs the browser', async () => {
    await using kit = await createKit()
    const { known } = await signedIn(kit, ['payroll', 'intranet'])
    const answered = await soap(kit, 'payroll', known('payroll'))
    assert.deepEqual(kit.partner('payroll').readSoapResponse(answered.body).status, status.partialLogout())
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
  })

  for (const [name, answer, outcome] of [
    ['HTML with status 200', { headers: { 'content-type': 'text/html' }, body: Buffer.from('<html>ok</html>') }, 'unconfirmed'],
    ['an empty XML body', { body: Buffer.from('<x/>') }, 'unconfirmed'],
    ['HTTP 404', { status: 404, headers: { 'content-type': 'text/html' } }, 'unconfirmed']
  ] as const) {
    test(`never counts ${name} as signed out`, async () => {
      await using kit = await createKit({ partners: soapPartners, network: async () => answer })
      const { known } = await signedIn(kit, ['payroll', 'intranet'])
      const answered = await soap(kit, 'payroll', known('payroll'))
      assert.deepEqual(kit.partner('payroll').readSoapResponse(answered.body).status, status.partialLogout())
      const { items } = await kit.store.listRuns({ limit: 5 })
      assert.equal(items[0]?.deliveries[0]?.outcome?.kind, outcome)
    })
  }

  test('tries again later when the partner answers 500', async () => {
    await using kit = await createKit({ partners: soapPartners, network: async () => ({ status: 500, headers: { 'content-type': 'text/html' } }) })
    const { known } = await signedIn(kit, ['payroll', 'intranet'])
    const answered = await soap(kit, 'payroll', known('payroll'))
    assert.deepEqual(kit.partner('payroll').readSoapResponse(answered.body).status, status.partialLogout())
    const { items } = await kit.store.listRuns({ limit: 5 })
    assert.equal(items[0]?.deliveries[0]?.state, 'retrying')
  })

  test('answers a fault to a body that is no SAML message, and a signed denial to a forged one', async () => {
    await using kit = await createKit()
    const { known } = await signedIn(kit, ['payroll'])
    const fault = await postSoap(kit, '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body/></soap:Envelope>')
    assert.equal(fault.statusCode, 500)
    assert.match(fault.body, /faultcode/)
    const payroll = kit.partner('payroll')
    const request = payroll.logoutRequest(known('payroll').subject, [known('payroll').index], { destination: 'http://curfew.test/idp/SLO.ssaml2' })
    const forged = (await payroll.logoutSoap(request)).replace(known('payroll').index, `${known('payroll').index.slice(0, -1)}A`)
    const denied = await postSoap(kit, forged)
    assert.equal(denied.statusCode, 200)
    assert.deepEqual(payroll.readSoapResponse(denied.body).status, status.requester(statusUri.requestDenied))
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })
})

async function soap(kit: Kit, id: string, who: { subject: NameID; index: string }) {
  const partner = kit.partner(id)
  return postSoap(kit, await partner.logoutSoap(partner.logoutRequest(who.subject, [who.index], { destination: 'http://curfew.test/idp/SLO.ssaml2' })))
}

function postSoap(kit: Kit, payload: string) {
  return kit.app.inject({ method: 'POST', url: '/idp/SLO.ssaml2', headers: { 'content-type': 'text/xml' }, payload })
}
