import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formOf } from '../browser.ts'
import { createKit, type Kit, signIn, signInTo } from '../kit.ts'

const sameOrigin = { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'document' }
const crossSite = { 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'document' }
const targets = [{ domain: 'www.test', requireHttps: false, allowQueryAndFragment: true }]
const bye = 'http://www.test/bye'

suite('/idp/startSLO.ping', () => {
  for (const method of ['get', 'post'] as const) {
    test(`AC-132 ends the session by ${method.toUpperCase()}`, async () => {
      await using kit = await createKit()
      const browser = kit.browser()
      await signIn(browser, '/')
      const started = method === 'get' ? await browser.get('/idp/startSLO.ping', sameOrigin) : await browser.post('/idp/startSLO.ping', {}, sameOrigin)
      assert.match(String(started.headers.location), /^\/signoff\/run_/)
      assert.deepEqual(await kit.store.findByUser('local:ana'), [])
    })
  }

  for (const side of ['idp', 'sp'])
    test(`AC-132 by POST at /${side}/startSLO.ping lands on TargetResource after success and offers InErrorResource after failure`, async () => {
      await using kit = await createKit({ partners: { silent: { slo: [] } }, logout: { targets } })
      const browser = kit.browser()
      const landings = { TargetResource: bye, InErrorResource: 'http://www.test/oops' }
      await signIn(browser, '/')
      const started = await browser.post(`/${side}/startSLO.ping`, landings, sameOrigin)
      assert.equal((await browser.get(String(started.headers.location))).headers.location, bye)
      await signInTo(kit, browser, 'silent')
      const failed = await browser.post(`/${side}/startSLO.ping`, landings, sameOrigin)
      const run = String((await browser.get(String(failed.headers.location))).headers.location)
      assert.match((await browser.get(run)).body, /url=http:\/\/www\.test\/oops/)
    })

  for (const side of ['idp', 'sp'])
    test(`AC-132 a form of another site to /${side}/startSLO.ping, which comes without cookies, is asked about and then ends the session`, async () => {
      await using kit = await createKit({ logout: { targets } })
      const browser = kit.browser()
      await signIn(browser, '/')
      const fields = { TargetResource: bye, InErrorResource: 'http://www.test/oops', Binding: 'urn:oasis:names:tc:SAML:2.0:bindings:SOAP' }
      // What SameSite=Lax keeps back.
      const posted = await kit.browser().post(`/${side}/startSLO.ping`, fields, crossSite)
      const again = new URL(String(posted.headers.location), 'http://curfew.test')
      assert.equal(again.pathname, `/${side}/startSLO.ping`)
      assert.deepEqual(Object.fromEntries(again.searchParams), fields)
      const asked = formOf((await browser.get(String(posted.headers.location), crossSite)).body)
      assert.equal((await kit.store.findByUser('local:ana')).length, 1)
      const given = await browser.post(asked.action, { ...asked.fields, choice: 'everywhere' }, sameOrigin)
      assert.match(String(given.headers.location), /^\/signoff\/run_/)
      assert.deepEqual(await kit.store.findByUser('local:ana'), [])
    })

  test('a form of a configured application is not asked about', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const fromPayroll = { ...crossSite, referer: 'http://payroll.test/' }
    const posted = await kit.browser().post('/idp/startSLO.ping', {}, { ...fromPayroll, origin: 'http://payroll.test' })
    const started = await browser.get(String(posted.headers.location), fromPayroll)
    assert.match(String(started.headers.location), /^\/signoff\/run_/)
  })

  test('every spelling of the address of the SP side has the settings of the SP side', async () => {
    for (const path of ['/sp/startSLO.ping', '/%73p/startSLO.ping', '/s%70/startSLO%2Eping']) {
      await using kit = await createKit({ logout: { confirm: false, sp: { confirm: true, successUrl: 'http://www.test/sp' } } })
      const browser = kit.browser()
      assert.equal((await browser.get(path, sameOrigin)).headers.location, 'http://www.test/sp')
      await signIn(browser, '/')
      const asked = await kit.app.inject({ url: path, headers: { ...sameOrigin, cookie: [...browser.cookies].map((pair) => pair.join('=')).join('; ') } })
      assert.equal(formOf(asked.body).action, '/sp/startSLO.ping')
      assert.equal((await kit.store.findByUser('local:ana')).length, 1)
    }
  })

  test('AC-132 reads parameter names case-sensitively', async () => {
    await using kit = await createKit({ logout: { targets } })
    const browser = kit.browser()
    await signIn(browser, '/')
    await browser.get(`/idp/startSLO.ping?targetresource=${encodeURIComponent(bye)}`, sameOrigin)
    assert.deepEqual((await kit.store.listRuns({ limit: 1 })).items[0]?.starter, { kind: 'user' })
  })

  test('AC-133 lands on TargetResource after success, else on the configured address, else on our page', async () => {
    for (const [successUrl, query, expected] of [
      ['http://www.test/default', `?TargetResource=${encodeURIComponent(bye)}`, bye],
      ['http://www.test/default', '', 'http://www.test/default'],
      [undefined, '', undefined]
    ] as const) {
      await using kit = await createKit({ logout: { targets, ...(successUrl === undefined ? {} : { successUrl }) } })
      const browser = kit.browser()
      await signIn(browser, '/')
      const started = await browser.get(`/idp/startSLO.ping${query}`, sameOrigin)
      const next = await browser.get(String(started.headers.location))
      if (expected === undefined) assert.match(next.body, /Signed out/)
      else assert.equal(next.headers.location, expected)
    }
  })

  test('AC-134 offers InErrorResource after failure, else our page says what failed', async () => {
    await using kit = await createKit({ partners: { silent: { slo: [] } }, logout: { targets } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'silent')
    const started = await browser.get('/idp/startSLO.ping?InErrorResource=http://www.test/oops', sameOrigin)
    const page = await browser.get(String(started.headers.location))
    assert.match(page.body, /url=http:\/\/www\.test\/oops/)
    assert.match(page.body, /Silent/)
    await signInTo(kit, browser, 'silent')
    const plain = await browser.get('/idp/startSLO.ping', sameOrigin)
    const own = await browser.get(String(plain.headers.location))
    assert.doesNotMatch(own.body, /http-equiv="refresh"/)
    assert.match(own.body, /Not signed out everywhere/)
  })

  test('a result that is complete before the page is asked for goes on at once, unless it is to stay', async () => {
    await using kit = await createKit({ logout: { targets } })
    const browser = kit.browser()
    const signOut = async (): Promise<string> => {
      await signIn(browser, '/')
      const started = await browser.get(`/idp/startSLO.ping?TargetResource=${encodeURIComponent(bye)}`, sameOrigin)
      return String(started.headers.location).replace('/finish', '')
    }
    const run = await signOut()
    assert.equal((await browser.get(run)).headers.location, `${run}/finish`)
    assert.equal((await browser.get(`${run}/finish`)).headers.location, bye)
    assert.match((await browser.get(run)).body, /signed out everywhere/)
    assert.match((await browser.get(`${await signOut()}?stay=1`)).body, /signed out everywhere/)
  })

  test('AC-160 never follows a rejected target; the logout goes on', async () => {
    for (const target of ['http://evil.test/', '//evil.test', 'http://www.test@evil.test/', 'javascript:alert(1)', 'http://www.test.evil.test/']) {
      await using kit = await createKit({ logout: { targets } })
      const browser = kit.browser()
      await signIn(browser, '/')
      const started = await browser.get(`/idp/startSLO.ping?TargetResource=${encodeURIComponent(target)}`, sameOrigin)
      const run = String(started.headers.location)
      assert.match(run, /^\/signoff\/run_/)
      assert.equal((await browser.get(`${run}/finish`)).headers.location, run)
      assert.doesNotMatch((await browser.get(run)).body, /evil|javascript/)
      assert.deepEqual(await kit.store.findByUser('local:ana'), [])
      const gone = await kit.browser().get(`/idp/startSLO.ping?TargetResource=${encodeURIComponent(target)}`, sameOrigin)
      assert.equal(gone.headers.location, '/signoff/done')
    }
  })

  test('AC-147 asks first when confirmation is configured; the answer needs token and consent', async () => {
    await using kit = await createKit({ logout: { confirm: true, targets } })
    const browser = kit.browser()
    await signIn(browser, '/')
    const asked = await browser.get(`/idp/startSLO.ping?TargetResource=${encodeURIComponent(bye)}`, sameOrigin)
    assert.equal(asked.statusCode, 200)
    const form = formOf(asked.body)
    assert.equal(form.action, '/idp/startSLO.ping')
    assert.equal(form.fields['TargetResource'], bye)
    assert.equal((await browser.post(form.action, { ...form.fields, csrfToken: 'forged', consentGiven: 'true' })).statusCode, 403)
    const cancelled = await browser.post(form.action, { ...form.fields, consentGiven: 'false' })
    assert.match(cancelled.body, /Nothing was signed out/)
    const anew = formOf((await browser.get('/idp/startSLO.ping', sameOrigin)).body)
    const unclear = await browser.post(form.action, { ...anew.fields, consentGiven: 'perhaps' })
    const last = formOf(unclear.body)
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
    const given = await browser.post(form.action, { ...last.fields, choice: 'everywhere' })
    assert.match(String(given.headers.location), /^\/signoff\/run_/)
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
  })

  test('a page of another site can not sign a user out silently', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const attacks: readonly Record<string, string>[] = [
      crossSite,
      { ...crossSite, referer: 'http://evil.test/' },
      { 'sec-fetch-site': 'same-origin', 'sec-fetch-dest': 'iframe' },
      { 'sec-fetch-site': 'none', 'sec-fetch-dest': 'image' },
      {},
      { origin: 'http://evil.test' },
      { origin: 'null' },
      { referer: 'http://payroll.test.evil.test/' }
    ]
    for (const headers of attacks) {
      assert.match((await browser.get('/idp/startSLO.ping', headers)).body, /csrfToken/)
      assert.match((await browser.post('/idp/startSLO.ping', {}, headers)).body, /csrfToken/)
    }
    assert.equal((await kit.store.findByUser('local:ana')).length, 1)
  })

  test('shows the same logout again when the link is pressed twice', async () => {
    await using kit = await createKit({ partners: { payroll: {} } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const first = await browser.get('/idp/startSLO.ping', sameOrigin)
    const second = await browser.get('/idp/startSLO.ping', sameOrigin)
    assert.equal(second.headers.location, first.headers.location)
    assert.equal((await kit.store.listRuns({ limit: 5 })).items.length, 1)
  })

  test('a sign-out link in a configured application needs no second question', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const started = await browser.get('/idp/startSLO.ping', { ...crossSite, referer: 'http://payroll.test/' })
    assert.match(String(started.headers.location), /^\/signoff\/run_/)
  })

  const all = [
    { binding: 'soap' as const, url: 'http://payroll.test/slo/soap' },
    { binding: 'redirect' as const, url: 'http://payroll.test/slo' },
    { binding: 'post' as const, url: 'http://payroll.test/slo/post' },
    { binding: 'artifact' as const, url: 'http://payroll.test/slo/artifact' }
  ]
  const uris = { redirect: 'HTTP-Redirect', post: 'HTTP-POST', artifact: 'HTTP-Artifact', soap: 'SOAP' } as const
  for (const [binding, name] of Object.entries(uris)) {
    test(`AC-135 Binding ${name} is what participants that support it are asked by first, the others as ever`, async () => {
      await using kit = await createKit({ partners: { payroll: { slo: all }, intranet: {} } })
      const browser = kit.browser()
      await signIn(browser, '/')
      for (const id of ['payroll', 'intranet']) kit.partner(id).readResponse((await browser.get(await kit.partner(id).ssoRedirect())).body)
      await browser.get(`/idp/startSLO.ping?Binding=${encodeURIComponent(`urn:oasis:names:tc:SAML:2.0:bindings:${name}`)}`, { 'sec-fetch-site': 'none' })
      const run = (await kit.store.listRuns({ limit: 1 })).items[0]
      const first = (peerId: string): string | undefined => run?.deliveries.find((d) => d.peerId === peerId)?.channels[0]?.binding
      assert.equal(first('payroll'), binding)
      assert.equal(first('intranet'), 'redirect')
      assert.equal(run?.deliveries.find((d) => d.peerId === 'payroll')?.channels.length, 4)
    })
  }

  test('an application that is wanted through a browser which was closed is asked by SOAP', async () => {
    const holder: { kit?: Kit } = {}
    await using kit = await createKit({
      partners: { payroll: { slo: all } },
      network: async ({ body }) => ({ body: Buffer.from((await holder.kit?.partner('payroll').soapAnswer(body ?? '')) ?? '') })
    })
    holder.kit = kit
    const browser = kit.browser()
    await signIn(browser, '/')
    kit.partner('payroll').readResponse((await browser.get(await kit.partner('payroll').ssoRedirect())).body)
    await browser.get(`/idp/startSLO.ping?Binding=${encodeURIComponent('urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect')}`, { 'sec-fetch-site': 'none' })
    const delivery = async () => (await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries[0]
    assert.equal((await delivery())?.state, 'waiting-for-browser')
    const { hopTimeoutMs, patienceMs } = (await kit.store.listRuns({ limit: 1 })).items[0]?.policy ?? assert.fail('no run')
    const passes = async (ms: number): Promise<void> => {
      kit.clock.advance(ms)
      for (let turn = 0; turn < 200 && (await delivery())?.outcome === undefined; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    await passes(hopTimeoutMs + patienceMs - 1_000)
    assert.equal((await delivery())?.state, 'waiting-for-browser')
    await passes(2_000)
    assert.deepEqual([(await delivery())?.outcome?.kind, (await delivery())?.attempts.map(({ channel }) => channel.binding)], ['ended', ['soap']])
  })

  test('an application that is asked by POST gets a form, and a binding that nobody speaks changes nothing', async () => {
    await using kit = await createKit({ partners: { payroll: { slo: all } } })
    const started = async (uri: string) => {
      const browser = kit.browser()
      await signIn(browser, '/')
      kit.partner('payroll').readResponse((await browser.get(await kit.partner('payroll').ssoRedirect())).body)
      const { headers } = await browser.get(`/idp/startSLO.ping?Binding=${encodeURIComponent(uri)}`, { 'sec-fetch-site': 'none' })
      return browser.get(`${String(headers.location)}/go`)
    }
    const form = formOf((await started('urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST')).body)
    assert.equal(form.action, 'http://payroll.test/slo/post')
    kit.clock.advance(1_000)
    await started('urn:oasis:names:tc:SAML:2.0:bindings:PAOS')
    const run = (await kit.store.listRuns({ limit: 1 })).items[0]
    assert.equal(run?.deliveries[0]?.channels[0]?.binding, 'soap')
  })
})
