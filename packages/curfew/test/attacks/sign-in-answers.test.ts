import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bearerMethod } from '@curfew/codecs'
import { consumerUrl, nameIdOf } from '../authority/identity-provider.ts'
import { begin, createHub, deliver, follow, type Hub, hubWithApps, lastRun, liveSessions, signInAt } from '../authority/saml-sp/hub.ts'

async function nobody({ kit }: Hub): Promise<void> {
  assert.deepEqual(await liveSessions(kit), [])
}

suite('What an identity provider, or somebody in its name, can not do', () => {
  test('the answer that one browser asked for signs no other browser in', async () => {
    const hub = await createHub()
    await using _kit = hub.kit
    const request = await begin(hub, hub.kit.browser())
    const victim = await deliver(hub, hub.kit.browser(), { requestId: request.id })
    assert.equal(victim.statusCode, 403)
    assert.match(victim.body, /CURFEW_SESSION_FORM_FOREIGN/)
    await nobody(hub)
  })

  test('an answer nobody asked for is refused, unless the connection takes it', async () => {
    const hub = await createHub()
    await using _kit = hub.kit
    const refused = await deliver(hub, hub.kit.browser(), {})
    assert.equal(refused.statusCode, 403)
    assert.match(refused.body, /CURFEW_SAML_PROFILE_OFF/)
    await nobody(hub)
    const open = await createHub(
      { signOn: { targets: [{ domain: 'apps.test', requireHttps: false, allowQueryAndFragment: false }] } },
      { profiles: { idpInitiatedSso: true } }
    )
    await using _open = open.kit
    const landed = await deliver(open, open.kit.browser(), { relayState: 'http://apps.test/start' })
    assert.equal(landed.headers.location, 'http://apps.test/start')
    const elsewhere = await deliver(open, open.kit.browser(), { relayState: 'http://evil.test/start' })
    assert.match(elsewhere.body, /Signed in as ana/)
  })

  test('AC-143 a Response by a binding that the connection does not list signs nobody in', async () => {
    const hub = await createHub({}, { incomingBindings: ['artifact', 'redirect'] })
    await using kit = hub.kit
    const browser = kit.browser()
    const request = await begin(hub, browser)
    const refused = await deliver(hub, browser, { requestId: request.id })
    assert.equal(refused.statusCode, 400)
    assert.match(refused.body, /CURFEW_SAML_BINDING_REFUSED/)
    await nobody(hub)
    const open = await createHub({}, { incomingBindings: ['post'] })
    await using _open = open.kit
    await signInAt(open, open.kit.browser())
    assert.equal((await liveSessions(open.kit)).length, 1)
  })

  test('an unsolicited answer into the session of somebody else changes nothing there (login CSRF)', async () => {
    const { hub, browser } = await hubWithApps()
    await using kit = hub.kit
    const [before] = await liveSessions(kit)
    const participants = await kit.store.getParticipants(before?.id ?? 'ses_')
    const answer = await deliver(hub, browser, { sessionIndex: 'attacker', username: 'mallory' })
    assert.match(answer.body, /CURFEW_SAML_PROFILE_OFF/)
    assert.deepEqual(await liveSessions(kit), [before])
    assert.deepEqual(await kit.store.getParticipants(before?.id ?? 'ses_'), participants)
    assert.match((await browser.get('/')).body, /Signed in as ana/)
  })

  test('where the connection takes it, nobody is slipped into that session: it is signed out before the other one opens', async () => {
    const { hub, browser } = await hubWithApps({}, ['payroll'], { profiles: { idpInitiatedSso: true } })
    await using kit = hub.kit
    const [before] = await liveSessions(kit)
    const away = await deliver(hub, browser, { sessionIndex: 'attacker', username: 'mallory' })
    assert.deepEqual(await liveSessions(kit), [])
    const run = await lastRun(hub)
    assert.deepEqual(
      [run.reason, run.sessionId, run.deliveries.some(({ peerId }) => peerId === 'payroll')],
      ['replaced', before?.id, true],
      away.body.slice(0, 300)
    )
  })

  test('the way on after an answer is open once, raced 100 times, and another browser uses nothing up', async () => {
    const hub = await createHub()
    await using kit = hub.kit
    const browser = kit.browser()
    const request = await begin(hub, browser)
    const posted = await kit.browser().post(new URL(consumerUrl).pathname, await hub.upstream.respond({ requestId: request.id }))
    const url = String(posted.headers.location)
    assert.match(url, /^\/sp\/[\w-]{22}\/resume\/sp\/ACS\.saml2$/)
    assert.match((await kit.browser().get(url)).body, /CURFEW_SESSION_FORM_FOREIGN/)
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answers = await Promise.all(Array.from({ length: 100 }, () => kit.app.inject({ method: 'GET', url, headers: { cookie } })))
    assert.equal(answers.filter(({ statusCode }) => statusCode === 303).length, 1)
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('the same answer works once, the same assertion in another answer not at all', async () => {
    const hub = await createHub({}, { profiles: { idpInitiatedSso: true } })
    await using kit = hub.kit
    const browser = kit.browser()
    const request = await begin(hub, browser)
    const answer = { requestId: request.id, assertion: { id: '_same' } }
    assert.match((await deliver(hub, browser, answer)).body, /Signed in as ana/)
    assert.match((await deliver(hub, browser, answer)).body, /CURFEW_SAML_IN_RESPONSE_TO/)
    assert.match((await deliver(hub, kit.browser(), { assertion: { id: '_twice' } })).body, /Signed in as ana/)
    assert.match((await deliver(hub, kit.browser(), { assertion: { id: '_twice' } })).body, /CURFEW_SAML_REPLAYED/)
  })

  test('a forged answer does not use the request up', async () => {
    const hub = await createHub()
    await using _kit = hub.kit
    const browser = hub.kit.browser()
    const request = await begin(hub, browser)
    const forged = await deliver(hub, browser, { requestId: request.id, signing: { key: hub.other.pair.key, algorithm: 'ecdsa-sha256' } })
    assert.equal(forged.statusCode, 400)
    await nobody(hub)
    assert.match((await deliver(hub, browser, { requestId: request.id })).body, /Signed in as ana/)
  })

  test('one identity provider can not answer for another', async () => {
    const hub = await createHub()
    await using _kit = hub.kit
    const browser = hub.kit.browser()
    const request = await begin(hub, browser)
    const answer = await deliver(hub, browser, { requestId: request.id }, hub.other)
    assert.match(answer.body, /CURFEW_SAML_IN_RESPONSE_TO/)
    await nobody(hub)
  })

  const early = Temporal.Instant.from('2020-01-01T00:00:00Z')
  const wrong: Readonly<Record<string, readonly [Parameters<typeof deliver>[2], string]>> = {
    'meant for another service provider': [{ audience: 'http://elsewhere.test' }, 'CURFEW_SAML_AUDIENCE_WRONG'],
    'sent to another address': [{ recipient: 'http://elsewhere.test/acs' }, 'CURFEW_SAML_DESTINATION_WRONG'],
    'past its conditions': [{ assertion: { conditions: { notOnOrAfter: early, audienceRestrictions: [['http://curfew.test']] } } }, 'CURFEW_SAML_CONDITIONS'],
    'without an audience': [{ assertion: { conditions: { audienceRestrictions: [] } } }, 'CURFEW_SAML_AUDIENCE_WRONG'],
    'confirmed for another request': [
      {
        assertion: {
          subject: {
            nameId: nameIdOf('ana'),
            confirmations: [
              { method: bearerMethod, recipient: consumerUrl, notOnOrAfter: Temporal.Instant.from('2099-01-01T00:00:00Z'), inResponseTo: '_other' }
            ]
          }
        }
      },
      'CURFEW_SAML_SUBJECT_CONFIRMATION'
    ],
    'confirmed without an end': [
      { assertion: { subject: { nameId: nameIdOf('ana'), confirmations: [{ method: bearerMethod, recipient: consumerUrl }] } } },
      'CURFEW_SAML_SUBJECT_CONFIRMATION'
    ]
  }
  for (const [name, [answer, code]] of Object.entries(wrong)) {
    test(`an assertion ${name} is refused`, async () => {
      const hub = await createHub()
      await using _kit = hub.kit
      const browser = hub.kit.browser()
      const request = await begin(hub, browser)
      const page = await deliver(hub, browser, { requestId: request.id, ...answer })
      assert.equal(page.statusCode, 400)
      assert.match(page.body, new RegExp(code))
      await nobody(hub)
    })
  }

  test('a signed answer that names no Destination signs nobody in', async () => {
    const hub = await createHub()
    await using _kit = hub.kit
    const browser = hub.kit.browser()
    const request = await begin(hub, browser)
    const page = await deliver(hub, browser, { requestId: request.id, response: { destination: '' } })
    assert.equal(page.statusCode, 400)
    assert.match(page.body, /CURFEW_SAML_DESTINATION_WRONG/)
    await nobody(hub)
    await deliver(hub, browser, { requestId: request.id, response: { destination: '' }, unsignedResponse: true })
    assert.equal((await liveSessions(hub.kit)).length, 1)
  })

  test('a Response by HTTP Redirect has no endpoint', async () => {
    const hub = await createHub()
    await using kit = hub.kit
    assert.equal((await kit.browser().get('/sp/ACS.saml2?SAMLResponse=x')).statusCode, 404)
  })

  test('an assertion that comes after its logout signs nobody in; one issued later does', async () => {
    const hub = await createHub()
    await using kit = hub.kit
    const browser = kit.browser()
    const late = await begin(hub, browser)
    const fields = await hub.upstream.respond({ requestId: late.id, sessionIndex: 'index-1' })
    kit.clock.advance(1_000)
    const logout = await kit.browser().get(await hub.upstream.logoutRedirect(hub.upstream.logoutRequest(nameIdOf('ana'), ['index-1'])))
    assert.match(String(logout.headers.location), /campus\.test\/slo/)
    const posted = await browser.post('/sp/ACS.saml2', fields)
    const refused = await follow(browser, posted)
    assert.match(refused.body, /CURFEW_SAML_SESSION_ENDED/)
    await nobody(hub)
    kit.clock.advance(1_000)
    assert.match((await signInAt(hub, kit.browser(), { sessionIndex: 'index-1' })).body, /Signed in as ana/)
  })

  test('a logout without SessionIndex overtakes every assertion of the user, and of no other user', async () => {
    const hub = await createHub({}, { profiles: { idpInitiatedSso: true } })
    await using kit = hub.kit
    const ana = await hub.upstream.respond({ username: 'ana', sessionIndex: 'a' })
    const ben = await hub.upstream.respond({ username: 'ben', sessionIndex: 'b' })
    kit.clock.advance(1_000)
    await kit.browser().get(await hub.upstream.logoutRedirect(hub.upstream.logoutRequest(nameIdOf('ana'), [])))
    const arrive = async (fields: Readonly<Record<string, string>>): Promise<string> => {
      const browser = kit.browser()
      return (await follow(browser, await browser.post('/sp/ACS.saml2', fields))).body
    }
    assert.match(await arrive(ana), /CURFEW_SAML_SESSION_ENDED/)
    assert.match(await arrive(ben), /Signed in as ben/)
  })

  test('startSSO follows no address that is not allowed, and no unknown provider', async () => {
    const hub = await createHub()
    await using kit = hub.kit
    const unknown = await kit.browser().get('/sp/startSSO.ping?PartnerIdpId=urn%3Anobody&InErrorResource=http%3A%2F%2Fevil.test%2F')
    assert.equal(unknown.statusCode, 400)
    assert.equal((await kit.browser().get('/sp/startSSO.ping')).statusCode, 400)
  })

  test('a provider that the page does not offer is not asked', async () => {
    const hub = await createHub({ signOn: { hasForm: true } })
    await using kit = hub.kit
    const browser = kit.browser()
    const page = await follow(browser, await browser.get('/'))
    const action = /action="([^"]+)"/.exec(page.body)?.[1] ?? ''
    const answer = await browser.get(`${action}?identityProvider=payroll`)
    assert.equal(answer.statusCode, 200)
    assert.match(answer.body, /type="password"/)
  })
})
