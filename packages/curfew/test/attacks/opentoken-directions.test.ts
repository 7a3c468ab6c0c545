import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { writeOpenToken } from '@curfew/codecs'
import type { LoginSettings, OpenTokenTransport } from '../../src/authority/opentoken/settings.ts'
import { createLoginKit, sent } from '../authority/opentoken/login-application.ts'
import { answerToken, key, open, settingsOf, startLogout, visit } from '../authority/opentoken/application.ts'
import type { Browser } from '../authority/browser.ts'
import type { Kit } from '../authority/kit.ts'

const reference = { username: 'portal', password: 'portal secret' }

/** The portal says who is here, by the transport of the kit, and the session is open. */
async function signInAt(kit: Kit, browser: Browser, subject: string): Promise<void> {
  const path = await sent(browser)
  const { transport } = kit.ctx.adapters.logins()[0] ?? assert.fail()
  const now = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
  const token = writeOpenToken({ subject, attributes: {}, notBefore: now, notOnOrAfter: now.add({ seconds: 300 }) }, key, Buffer.alloc(16, 7))
  const parked = transport === 'reference' ? await browser.get(`${path}?REF=${await drop(kit, subject)}`) : await present(browser, transport, path, token)
  assert.equal((await browser.get(String(parked.headers.location))).statusCode, 303)
}

async function drop(kit: Kit, subject: string): Promise<string> {
  const headers = { 'ping.uname': reference.username, 'ping.pwd': reference.password, 'ping.instanceid': 'portal' }
  const { body } = await kit.app.inject({ method: 'POST', url: '/ext/ref/dropoff', headers, payload: { subject } })
  return (JSON.parse(body) as { readonly REF: string }).REF
}

/** Brings what somebody saw to a path. */
function present(browser: Browser, transport: OpenTokenTransport, path: string, seen: string) {
  if (transport === 'form') return browser.post(path, { opentoken: seen })
  if (transport === 'cookie') browser.cookies.set('opentoken', seen)
  return browser.get(transport === 'cookie' ? path : `${path}?${transport === 'reference' ? 'REF' : 'opentoken'}=${seen}`)
}

async function sessionsOf(kit: Kit, username: string): Promise<number> {
  const { items } = await kit.store.listSessions({ state: 'live', limit: 10, nowMs: kit.clock.nowMs() })
  return items.filter(({ session }) => session.username === username).length
}

/** What whoever watches the browser of a logout sees at the portal. */
async function seenAtLogout(kit: Kit, browser: Browser, transport: OpenTokenTransport): Promise<string> {
  const run = await startLogout(browser)
  for (let hop = await visit(browser, run); hop !== undefined; hop = await visit(browser, run)) {
    if (hop.url.host === 'portal.test') return transport === 'reference' ? (hop.url.searchParams.get('REF') ?? '') : hop.token
    await browser.get(hop.path)
  }
  return assert.fail('nobody was sent to the portal')
}

suite('Attacks with what an application was told', () => {
  for (const transport of ['query', 'form', 'cookie', 'reference'] as const)
    test(`what the login application is told at a logout signs nobody in again: ${transport}`, async () => {
      const login: Partial<LoginSettings> = { transport, ...(transport === 'reference' ? { reference } : {}) }
      await using kit = await createLoginKit(login)
      const victim = kit.browser()
      await signInAt(kit, victim, 'zoe')
      assert.equal(await sessionsOf(kit, 'zoe'), 1)
      const seen = await seenAtLogout(kit, victim, transport)
      assert.match(seen, /^[\w*=-]{40,}$/)
      const attacker = kit.browser()
      assert.equal((await present(attacker, transport, await sent(attacker), seen)).statusCode, 400)
      assert.equal(await sessionsOf(kit, 'zoe'), 0)
    })

  test('the token with which an application was opened signs nobody in at a login application of the same password', async () => {
    await using kit = await createLoginKit({}, { signOn: { hasForm: true } })
    const victim = kit.browser()
    const token = (await open(victim, 'forms')).searchParams.get('opentoken') ?? assert.fail()
    const attacker = kit.browser()
    const path = await sent(attacker, '/pf/adapter2adapter.ping?SpSessionAuthnAdapterId=forms&IdpAdapterId=portal')
    assert.equal((await present(attacker, 'query', path, token)).statusCode, 400)
  })

  test('the answer of an application to a logout signs nobody in', async () => {
    await using kit = await createLoginKit()
    const victim = kit.browser()
    await signInAt(kit, victim, 'zoe')
    const run = await startLogout(victim)
    const hop = (await visit(victim, run)) ?? assert.fail()
    const attacker = kit.browser()
    const answer = answerToken(kit, 'zoe', hop.path, 'ended')
    const refused = await present(attacker, 'query', await sent(attacker), answer)
    assert.equal(refused.statusCode, 400)
    assert.match(refused.body, /CURFEW_OPENTOKEN_ANSWER_FOREIGN/)
  })

  test('the token with which one person opened an application is no account of another', async () => {
    const linked = settingsOf('desk', { transport: 'query', accountLinkService: 'http://desk.test/link' })
    await using kit = await createLoginKit({}, { signOn: { hasForm: true }, adapters: { applications: [settingsOf('forms'), linked] } })
    const victim = kit.browser()
    const token = (await open(victim, 'forms')).searchParams.get('opentoken') ?? assert.fail()
    const attacker = kit.browser()
    const asked = await open(attacker, 'desk', 'ben')
    const path = asked.searchParams.get('resumePath') ?? assert.fail(asked.href)
    assert.equal((await attacker.get(`${path}?opentoken=${token}`)).statusCode, 400)
  })
})
