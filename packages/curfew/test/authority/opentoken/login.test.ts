import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { openTokenKey, type OpenTokenStatement, writeOpenToken } from '@curfew/codecs'
import type { Browser } from '../browser.ts'
import type { Kit } from '../kit.ts'
import { key, outcomes, readToken, startLogout, visit } from './application.ts'
import { createLoginKit, sent } from './login-application.ts'

let count = 0

function tokenOf(kit: Kit, subject = 'zoe', change: Partial<OpenTokenStatement> = {}, with_ = key): string {
  const now = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
  const statement = { subject, attributes: { mail: ['zoe@example.org'] }, notBefore: now, notOnOrAfter: now.add({ seconds: 300 }), ...change }
  count += 1
  return writeOpenToken(statement, with_, Buffer.alloc(16, count))
}

suite('Sign-in at an application by OpenToken', () => {
  test('the browser goes to the Authentication Service, comes back with a token, and the application it wanted is opened', async () => {
    await using kit = await createLoginKit()
    const browser = kit.browser()
    const path = await sent(browser)
    const parked = await browser.get(`${path}?opentoken=${tokenOf(kit)}`)
    const done = await browser.get(String(parked.headers.location))
    const url = new URL(String(done.headers.location))
    assert.equal(url.host, 'forms.test')
    const token = readToken(kit, url.searchParams.get('opentoken'))
    assert.deepEqual([token.subject, token.attributes['mail']], ['zoe', ['zoe@example.org']])
    const { session } = (await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items[0] ?? assert.fail()
    assert.deepEqual([session.userKey, session.sourceId], ['portal:zoe', 'portal'])
  })

  test('AC-030 a token by form or cookie counts as well, each only by the transport of the adapter', async () => {
    for (const transport of ['form', 'cookie'] as const) {
      await using kit = await createLoginKit({ transport })
      const browser = kit.browser()
      const path = await sent(browser)
      assert.equal((await browser.get(`${path}?opentoken=${tokenOf(kit)}`)).statusCode, 400)
      if (transport === 'cookie') browser.cookies.set('opentoken', tokenOf(kit))
      const parked = transport === 'form' ? await browser.post(path, { opentoken: tokenOf(kit) }) : await browser.get(path)
      const done = await browser.get(String(parked.headers.location))
      assert.match(String(done.headers.location), /^http:\/\/forms\.test\//)
      if (transport === 'cookie') assert.equal(browser.cookies.get('opentoken'), undefined)
    }
  })

  test('AC-032 at the end the applications are visited first, the login application last', async () => {
    await using kit = await createLoginKit()
    const browser = kit.browser()
    const path = await sent(browser)
    await browser.get(String((await browser.get(`${path}?opentoken=${tokenOf(kit)}`)).headers.location))
    const run = await startLogout(browser)
    for (const [host, role] of [
      ['forms.test', 'sp'],
      ['portal.test', 'idp']
    ] as const) {
      const hop = (await visit(browser, run)) ?? assert.fail('no hop')
      assert.equal(hop.url.host, host)
      assert.ok(hop.path.startsWith(`/${role}/`))
      assert.equal(readToken(kit, hop.token).subject, 'zoe')
      await browser.get(hop.path)
    }
    assert.deepEqual(await outcomes(kit, run), [
      ['forms', 'ended'],
      ['portal', 'ended']
    ])
    assert.match((await browser.get(run)).body, /safe to leave/)
  })

  test('somebody else is signed in: that session is signed out first, then the new one opens', async () => {
    await using kit = await createLoginKit()
    const browser = kit.browser()
    const first = await sent(browser)
    await browser.get(String((await browser.get(`${first}?opentoken=${tokenOf(kit, 'yan')}`)).headers.location))
    // A wish that only the login application can answer.
    const again = kit.browser()
    const path = await sent(again)
    for (const [name, value] of browser.cookies) if (name === 'PF') again.cookies.set(name, value)
    const parked = await again.get(`${path}?opentoken=${tokenOf(kit, 'zoe')}`)
    const run = String((await again.get(String(parked.headers.location))).headers.location)
    assert.match(run, /^\/signoff\/run_/)
    for (let hop = await visit(again, run); hop !== undefined; hop = await visit(again, run)) await again.get(hop.path)
    const landing = String((await again.get(`${run}/finish`)).headers.location)
    const done = await again.get(landing)
    assert.match(String(done.headers.location), /^http:\/\/forms\.test\//)
    const live = (await kit.store.listSessions({ state: 'live', limit: 10, nowMs: kit.clock.nowMs() })).items
    assert.deepEqual(
      live.map(({ session }) => session.username),
      ['zoe']
    )
  })
})

suite('Attacks on the sign-in by OpenToken', () => {
  test('a token that was used, at any node and for any wish, is refused', async () => {
    await using kit = await createLoginKit()
    const token = tokenOf(kit)
    const use = async (browser: Browser): Promise<number> => {
      const parked = await browser.get(`${await sent(browser)}?opentoken=${token}`)
      return parked.statusCode === 303 ? (await browser.get(String(parked.headers.location))).statusCode : parked.statusCode
    }
    assert.equal(await use(kit.browser()), 303)
    assert.equal(await use(kit.browser()), 400)
  })

  test('a token that is forged, too old, not valid yet or of another adapter signs nobody in', async () => {
    await using kit = await createLoginKit()
    const browser = kit.browser()
    const now = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
    const tokens = [
      tokenOf(kit, 'zoe', {}, openTokenKey(2, 'another secret')),
      tokenOf(kit, 'zoe', { notBefore: now.subtract({ seconds: 600 }), notOnOrAfter: now }),
      tokenOf(kit, 'zoe', { notBefore: now.add({ seconds: 1 }) }),
      `${tokenOf(kit)}A`,
      ''
    ]
    const path = await sent(browser)
    for (const token of tokens) assert.equal((await browser.get(`${path}?opentoken=${token}`)).statusCode, 400)
    assert.equal((await kit.store.listSessions({ limit: 1, nowMs: kit.clock.nowMs() })).items.length, 0)
  })

  test('nobody is signed in as somebody else: a token brought to the path of another browser opens no session there', async () => {
    await using kit = await createLoginKit()
    const [attacker, victim] = [kit.browser(), kit.browser()]
    const parked = String((await attacker.get(`${await sent(attacker)}?opentoken=${tokenOf(kit, 'mallory')}`)).headers.location)
    const path = await sent(attacker)
    const token = tokenOf(kit, 'mallory')
    for (const url of [parked, `${path}?opentoken=${token}`]) assert.equal((await victim.get(url)).statusCode, 403)
    assert.equal(victim.cookies.get('PF'), undefined)
    for (const url of [parked, `${path}?opentoken=${token}`]) assert.equal((await attacker.get(url)).statusCode, 303, 'another browser used nothing up')
  })

  test('the same by form, which comes without cookies: the way on belongs to the browser that was sent', async () => {
    await using kit = await createLoginKit({ transport: 'form' })
    const [attacker, victim] = [kit.browser(), kit.browser()]
    const parked = String((await kit.browser().post(await sent(attacker), { opentoken: tokenOf(kit, 'mallory') })).headers.location)
    assert.equal((await victim.get(parked)).statusCode, 403)
    assert.equal(victim.cookies.get('PF'), undefined)
    assert.equal((await attacker.get(parked)).statusCode, 303)
  })

  test('the parked arrival is taken once, raced 100 times', async () => {
    await using kit = await createLoginKit()
    const browser = kit.browser()
    const parked = String((await browser.get(`${await sent(browser)}?opentoken=${tokenOf(kit)}`)).headers.location)
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answers = await Promise.all(Array.from({ length: 100 }, () => kit.app.inject({ method: 'GET', url: parked, headers: { cookie } })))
    assert.equal(answers.filter(({ statusCode }) => statusCode === 303).length, 1)
    assert.equal((await kit.store.listSessions({ limit: 10, nowMs: kit.clock.nowMs() })).items.length, 1)
  })
})
