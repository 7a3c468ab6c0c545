import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formOf } from '../browser.ts'
import { signIn } from '../kit.ts'
import { createAdapterKit, open, readToken, settingsOf } from './application.ts'

suite('Opening an application by OpenToken', () => {
  test('AC-056 after the sign-in the browser goes to it with a token of the user, its attributes and its window of time', async () => {
    await using kit = await createAdapterKit()
    const url = await open(kit.browser(), 'forms')
    assert.equal(url.origin + url.pathname, 'http://forms.test/open')
    const token = readToken(kit, url.searchParams.get('opentoken'))
    assert.equal(token.subject, 'ana')
    assert.deepEqual(token.attributes, { mail: ['ana@example.org'], login: ['ana'] })
    assert.equal(token.authnContext, 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport')
    const seconds = (token.notOnOrAfter.epochMilliseconds - token.notBefore.epochMilliseconds) / 1000
    assert.equal(seconds, 300)
    assert.ok(token.renewUntil !== undefined)
    assert.equal((token.renewUntil.epochMilliseconds - token.notBefore.epochMilliseconds) / 1000, 8 * 3600, 'no longer than the session')
  })

  test('it takes part in the session from before the token leaves, and a second one opens without a question', async () => {
    await using kit = await createAdapterKit([settingsOf('forms'), settingsOf('desk', { tokenName: 'desk' })])
    const browser = kit.browser()
    await open(browser, 'forms')
    const second = await browser.get('/pf/adapter2adapter.ping?SpSessionAuthnAdapterId=desk')
    assert.equal(second.statusCode, 303)
    assert.equal(readToken(kit, new URL(String(second.headers.location)).searchParams.get('desk')).subject, 'ana')
    const { session, participants } = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0] ?? assert.fail()
    assert.deepEqual(participants.map(({ peerId }) => peerId).sort(), ['desk', 'forms'])
    const [participant] = await kit.store.getParticipants(session.id)
    assert.equal(participant?.protocol, 'opentoken')
    assert.match((await browser.get('/')).body, /SpSessionAuthnAdapterId=forms/)
  })

  test('the token goes to an origin of the application only, wherever TargetResource wants it', async () => {
    await using kit = await createAdapterKit([settingsOf('forms', { origins: ['https://other.test'] })])
    const browser = kit.browser()
    await signIn(browser, '/')
    const openAt = async (target: string): Promise<string> => {
      const answer = await browser.get(`/sp/startSSO.ping?SpSessionAuthnAdapterId=forms&TargetResource=${encodeURIComponent(target)}`)
      const url = new URL(String(answer.headers.location))
      url.searchParams.delete('opentoken')
      return url.href
    }
    assert.equal(await openAt('http://forms.test/deep?a=1'), 'http://forms.test/deep?a=1')
    assert.equal(await openAt('https://other.test/x'), 'https://other.test/x')
    for (const stranger of [
      'http://evil.test/',
      'https://forms.test.evil.test/',
      'http://forms.test@evil.test/',
      '//evil.test',
      'http://other.test/',
      'javascript:alert(1)',
      'http://forms.test:81/'
    ])
      assert.equal(await openAt(stranger), 'http://forms.test/open', stranger)
  })

  test('AC-030 a form or a cookie carries the token as well as the query', async () => {
    await using kit = await createAdapterKit([
      settingsOf('forms', { transport: 'form' }),
      settingsOf('crumbs', { transport: 'cookie', tokenName: 'crumb', cookie: { domain: 'test', path: '/in' } })
    ])
    const browser = kit.browser()
    await signIn(browser, '/')
    const page = await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')
    const form = formOf(page.body)
    assert.equal(form.action, 'http://forms.test/open')
    assert.equal(readToken(kit, form.fields['opentoken'] ?? '').subject, 'ana')
    const answer = await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=crumbs')
    assert.equal(answer.headers.location, 'http://crumbs.test/open')
    const cookie = answer.cookies.find(({ name }) => name === 'crumb')
    assert.deepEqual([cookie?.domain, cookie?.path, cookie?.httpOnly, cookie?.secure, cookie?.sameSite], ['test', '/in', true, true, 'Lax'])
    assert.equal(readToken(kit, cookie?.value ?? '').subject, 'ana')
  })

  test('AC-030 the cookie says what the adapter says of it', async () => {
    const settings = (['lax', 'strict', 'none'] as const).map((sameSite) =>
      settingsOf(sameSite, { transport: 'cookie', tokenName: sameSite, cookie: { sameSite } })
    )
    await using kit = await createAdapterKit(settings)
    const browser = kit.browser()
    await signIn(browser, '/')
    for (const [name, said] of [
      ['lax', 'Lax'],
      ['strict', 'Strict'],
      ['none', 'None']
    ] as const) {
      const answer = await browser.get(`/sp/startSSO.ping?SpSessionAuthnAdapterId=${name}`)
      assert.equal(answer.cookies.find((cookie) => cookie.name === name)?.sameSite, said)
    }
  })

  test('an adapter that is not there, and a user without the attribute of the subject, are told apart', async () => {
    await using kit = await createAdapterKit([settingsOf('forms', { subject: 'mail' }), settingsOf('staff', { subject: 'number' })])
    const browser = kit.browser()
    await signIn(browser, '/')
    const url = new URL(String((await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')).headers.location))
    assert.equal(readToken(kit, url.searchParams.get('opentoken')).subject, 'ana@example.org')
    assert.equal((await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=staff')).statusCode, 500)
    assert.equal((await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=nobody')).statusCode, 400)
  })

  test('no token leaves for a session that ended in the middle of the sign-in', async () => {
    await using kit = await createAdapterKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const session = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0]?.session ?? assert.fail()
    await kit.ctx.engine.endSessions({
      scope: { kind: 'session', sessionId: session.id },
      reason: 'admin',
      by: { kind: 'admin', id: 'test' },
      starter: { kind: 'none' },
      browser: 'absent'
    })
    const answer = await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')
    assert.match(String(answer.headers.location), /^\/idp\/[\w-]+\/resume\/idp\/SSO\.ping$/)
  })
})
