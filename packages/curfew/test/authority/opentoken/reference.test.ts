import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createKit, type Kit, signIn } from '../kit.ts'
import { outcomes, password, settingsOf, startLogout } from './application.ts'

const reference = { username: 'app', password: 'app secret' }
const forms = settingsOf('forms', { transport: 'reference', reference })
const desk = settingsOf('desk', { transport: 'reference', reference: { username: 'desk', password: 'desk secret' } })
const portal = {
  id: 'portal',
  password,
  authenticationService: 'http://portal.test/login',
  transport: 'reference' as const,
  reference,
  attributes: { mail: 'mail' }
}

function createReferenceKit(): Promise<Kit> {
  return createKit({ partners: {}, adapters: { applications: [forms, desk], logins: [portal] } })
}

const headers = { 'ping.uname': 'app', 'ping.pwd': 'app secret', 'ping.instanceid': 'forms' }

function pickUp(kit: Kit, ref: string, as: Readonly<Record<string, string>> = headers) {
  return kit.app.inject({ method: 'GET', url: `/ext/ref/pickup?REF=${ref}`, headers: { accept: 'application/json', ...as } })
}

function refOf(location: unknown): string {
  return new URL(String(location)).searchParams.get('REF') ?? ''
}

suite('Agentless variant: references', () => {
  test('an application picks up who opened it, once', async () => {
    await using kit = await createReferenceKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const { headers: answer } = await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')
    const ref = refOf(answer.location)
    const picked = await pickUp(kit, ref)
    assert.deepEqual(JSON.parse(picked.body), {
      subject: 'ana',
      mail: 'ana@example.org',
      login: 'ana',
      authnCtx: 'urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport'
    })
    assert.equal((await pickUp(kit, ref)).statusCode, 400)
  })

  test('an application picks up, once, what a node of a former version left while nodes are replaced one after the other', async () => {
    await using kit = await createReferenceKit()
    const ref = 'r'.repeat(40)
    await kit.ctx.store.txCreate(`reference:application:forms:${ref}`, { subject: 'ana' }, kit.clock.nowMs() + 60_000)
    assert.deepEqual(JSON.parse((await pickUp(kit, ref)).body), { subject: 'ana' })
    assert.equal((await pickUp(kit, ref)).statusCode, 400)
  })

  test('AC-033 in a logout it arrives with REF, finds resumePath in the answer, and comes back with REF', async () => {
    await using kit = await createReferenceKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')
    const run = await startLogout(browser)
    const hop = new URL(String((await browser.get(`${run}/go`)).headers.location))
    assert.equal(hop.searchParams.get('opentoken'), null)
    const { resumePath, subject } = JSON.parse((await pickUp(kit, refOf(hop))).body) as { resumePath: string; subject: string }
    assert.equal(subject, 'ana')
    assert.equal((await browser.get(`${resumePath}?REF=${refOf(hop)}`)).headers.location, run)
    assert.deepEqual(await outcomes(kit, run), [['forms', 'ended']])
  })

  test('a login application drops attributes off and sends the browser back with the reference', async () => {
    await using kit = await createReferenceKit()
    const dropped = await kit.app.inject({
      method: 'POST',
      url: '/ext/ref/dropoff',
      headers: { ...headers, 'ping.instanceid': 'portal' },
      payload: { subject: 'zoe', mail: 'zoe@example.org', group: ['a', 'b'] }
    })
    const { REF } = JSON.parse(dropped.body) as { REF: string }
    const browser = kit.browser()
    const start = await browser.get('/pf/adapter2adapter.ping?SpSessionAuthnAdapterId=forms&IdpAdapterId=portal')
    const away = new URL(String((await browser.get(String(start.headers.location))).headers.location))
    const parked = await browser.get(`${away.searchParams.get('resumePath')}?REF=${REF}`)
    const done = await browser.get(String(parked.headers.location))
    const picked = JSON.parse((await pickUp(kit, refOf(done.headers.location))).body) as Readonly<Record<string, string>>
    assert.deepEqual([picked['subject'], picked['mail']], ['zoe', 'zoe@example.org'])
  })

  test('without the right instance, name and password there is nothing, and the reference stays for its owner', async () => {
    await using kit = await createReferenceKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const ref = refOf((await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')).headers.location)
    const others: readonly Readonly<Record<string, string>>[] = [
      {},
      { ...headers, 'ping.pwd': 'wrong' },
      { ...headers, 'ping.uname': 'wrong' },
      { ...headers, 'ping.instanceid': 'nobody' },
      { ...headers, 'ping.instanceid': 'desk' },
      { 'ping.instanceid': 'nobody', 'ping.uname': '', 'ping.pwd': '' }
    ]
    for (const other of others) assert.equal((await pickUp(kit, ref, other)).statusCode, 401)
    assert.equal((await pickUp(kit, ref, { 'ping.uname': 'desk', 'ping.pwd': 'desk secret', 'ping.instanceid': 'desk' })).statusCode, 400)
    const basic = `Basic ${Buffer.from('app:app secret').toString('base64')}`
    assert.equal((await pickUp(kit, ref, { authorization: basic, 'ping.instanceid': 'forms' })).statusCode, 200)
  })

  test('a reference lives a minute, and a drop-off needs a subject', async () => {
    await using kit = await createReferenceKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    const ref = refOf((await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')).headers.location)
    kit.clock.advance(60_001)
    assert.equal((await pickUp(kit, ref)).statusCode, 400)
    for (const payload of [{}, { subject: '' }, { subject: 'a', x: 1 }, ['subject']])
      assert.equal(
        (await kit.app.inject({ method: 'POST', url: '/ext/ref/dropoff', headers: { ...headers, 'ping.instanceid': 'portal' }, payload })).statusCode,
        400
      )
  })
})
