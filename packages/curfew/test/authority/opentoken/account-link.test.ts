import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type OpenTokenStatement, openTokenKey, writeOpenToken } from '@curfew/codecs'
import type { LightMyRequestResponse } from 'fastify'
import type { ApplicationSettings } from '../../../src/authority/opentoken/settings.ts'
import { linksOf, removeLink } from '../../../src/authority/upstream/account-link.ts'
import { type Browser, formOf } from '../browser.ts'
import { createKit, type Kit, signIn } from '../kit.ts'
import { follow, liveSessions } from '../saml-sp/hub.ts'
import { createAdapterKit, key, open, password, readToken, settingsOf, startLogout, visit } from './application.ts'

const ana = 'local:ana'
const service = 'http://forms.test/link?cmd=accountlink'

function createLinkKit(more: Partial<ApplicationSettings> = {}): Promise<Kit> {
  return createAdapterKit([settingsOf('forms', { accountLinkService: service, ...more }), settingsOf('other')])
}

let count = 100

/** What the application says of whoever signed in there. */
function said(kit: Kit, subject: string, change: Partial<OpenTokenStatement> = {}, with_ = key): string {
  const now = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
  count += 1
  return writeOpenToken({ subject, attributes: {}, notBefore: now, notOnOrAfter: now.add({ seconds: 300 }), ...change }, with_, Buffer.alloc(16, count))
}

/** The person opens the application and arrives at its Account Link Service; the path by which the browser comes back. */
async function asked(browser: Browser, username = 'ana'): Promise<string> {
  const url = await open(browser, 'forms', username)
  assert.equal(url.origin + url.pathname, 'http://forms.test/link', url.href)
  assert.equal(url.searchParams.get('cmd'), 'accountlink')
  assert.equal(url.searchParams.get('opentoken'), null)
  assert.equal(url.searchParams.get('resume'), url.searchParams.get('resumePath'))
  return url.searchParams.get('resumePath') ?? ''
}

function tokenAt(kit: Kit, answer: LightMyRequestResponse) {
  const url = new URL(String(answer.headers.location))
  assert.equal(url.origin + url.pathname, 'http://forms.test/open', url.href)
  return readToken(kit, url.searchParams.get('opentoken'))
}

suite('Account Link Service of an application', () => {
  test('the application says which account there is meant, once; it is the subject at sign-ins and at the logout', async () => {
    await using kit = await createLinkKit()
    const browser = kit.browser()
    const path = await asked(browser)
    assert.match(path, /^\/sp\/[\w-]{22}\/resume\/sp\/startSSO\.ping$/)
    assert.equal(tokenAt(kit, await browser.get(`${path}?opentoken=${said(kit, 'a-4711')}`)).subject, 'a-4711')
    const again = kit.browser()
    assert.equal(readToken(kit, (await open(again, 'forms')).searchParams.get('opentoken')).subject, 'a-4711')
    const hop = (await visit(again, await startLogout(again))) ?? assert.fail('no hop')
    assert.equal(readToken(kit, hop.token).subject, 'a-4711')
    const [link] = await linksOf(kit.ctx, ana)
    assert.deepEqual([link?.providerId, link?.role, link?.providerUser, link?.username], ['forms', 'application', 'a-4711', 'ana'])
    const audit = (await kit.store.listAudit({ limit: 100 })).filter(({ event }) => event === 'account.linked')
    assert.deepEqual(
      audit.map(({ userKey, peerId }) => [userKey, peerId]),
      [[ana, 'forms']]
    )
  })

  test('by form, cookie and reference as well; a form of another site shows its cookies only at the second request', async () => {
    for (const transport of ['form', 'cookie', 'reference'] as const) {
      await using kit = await createLinkKit({ transport, reference: { username: 'forms', password: 'pick me up' } })
      const browser = kit.browser()
      const path = await asked(browser)
      const answer = await bring(kit, browser, path, transport)
      assert.ok([200, 303].includes(answer.statusCode), `${transport}: ${answer.statusCode} ${answer.body.slice(0, 400)}`)
      assert.deepEqual(
        (await linksOf(kit.ctx, ana)).map(({ providerUser }) => providerUser),
        ['a-4711'],
        transport
      )
    }
  })

  async function bring(kit: Kit, browser: Browser, path: string, transport: 'form' | 'cookie' | 'reference'): Promise<LightMyRequestResponse> {
    switch (transport) {
      case 'form': {
        const bare = await kit.browser().post(path, { opentoken: said(kit, 'a-4711') })
        assert.deepEqual(await linksOf(kit.ctx, ana), [])
        return browser.get(String(bare.headers.location))
      }
      case 'cookie':
        browser.cookies.set('opentoken', said(kit, 'a-4711'))
        return browser.get(path)
      case 'reference': {
        const headers = { 'ping.uname': 'forms', 'ping.pwd': 'pick me up', 'ping.instanceid': 'forms' }
        const dropped = await kit.app.inject({ method: 'POST', url: '/ext/ref/dropoff', headers, payload: { subject: 'a-4711' } })
        return browser.get(`${path}?REF=${dropped.json<{ REF: string }>().REF}`)
      }
    }
  }

  test('every person is asked for the own account; an application without the service asks nobody', async () => {
    await using kit = await createLinkKit()
    const [first, second] = [kit.browser(), kit.browser()]
    await first.get(`${await asked(first)}?opentoken=${said(kit, 'a-4711')}`)
    assert.equal(tokenAt(kit, await second.get(`${await asked(second, 'ben')}?opentoken=${said(kit, 'b-1')}`)).subject, 'b-1')
    assert.equal((await open(kit.browser(), 'other')).host, 'other.test')
  })

  test('my sessions shows the account, and taking the link back makes the application ask again; /sp/defederate.ping leads there', async () => {
    await using kit = await createLinkKit()
    const browser = kit.browser()
    await browser.get(`${await asked(browser)}?opentoken=${said(kit, 'a-4711')}`)
    const page = await follow(browser, await browser.get('/sp/defederate.ping'))
    assert.match(page.body, /Linked accounts at applications/)
    assert.match(page.body, /a-4711/)
    assert.doesNotMatch(page.body, /Linked sign-ins/)
    const unlink = /name="unlink" value="([^"]+)"/.exec(page.body)?.[1] ?? assert.fail(page.body)
    await browser.post('/signoff/sessions', { ...formOf(page.body).fields, unlink, password: 'correct horse' })
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
    await asked(kit.browser())
  })

  test('an application that says no opens nothing and makes no link; the person may try again', async () => {
    await using kit = await createLinkKit()
    const browser = kit.browser()
    const path = await asked(browser)
    assert.match((await browser.get(`${path}?error=cancelled`)).body, /CURFEW_LINK_REQUIRED/)
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
    assert.equal(tokenAt(kit, await browser.get(`${path}?opentoken=${said(kit, 'a-4711')}`)).subject, 'a-4711')
  })
})

suite('Subject as a query parameter', () => {
  test('it stands beside the token in every transport, and only at the sign-in', async () => {
    await using kit = await createAdapterKit([
      settingsOf('forms', { subjectParameter: 'uid' }),
      settingsOf('posted', { transport: 'form', subjectParameter: 'uid' })
    ])
    const browser = kit.browser()
    const url = await open(browser, 'forms')
    assert.deepEqual([url.searchParams.get('uid'), readToken(kit, url.searchParams.get('opentoken')).subject], ['ana', 'ana'])
    const page = await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=posted')
    assert.equal(new URL(formOf(page.body).action).searchParams.get('uid'), 'ana')
    const hop = (await visit(browser, await startLogout(browser))) ?? assert.fail('no hop')
    assert.equal(hop.url.searchParams.get('uid'), null)
  })
})

suite('Account linking of people who sign in by OpenToken', () => {
  const portal = { id: 'portal', password, authenticationService: 'http://portal.test/login' }

  async function comeFromPortal(kit: Kit, browser: Browser, subject = 'zoe'): Promise<LightMyRequestResponse> {
    const form = String((await browser.get('/sp/startSSO.ping?SpSessionAuthnAdapterId=forms')).headers.location)
    const away = await browser.get(`${form}?identityProvider=portal`)
    const path = new URL(String(away.headers.location)).searchParams.get('resumePath') ?? assert.fail('no resume path')
    return follow(browser, await browser.get(`${path}?opentoken=${said(kit, subject)}`))
  }

  for (const accountLinking of ['offered', 'required'] as const)
    test(`${accountLinking}: the password of the account here makes the link, and the application gets that account`, async () => {
      await using kit = await createKit({ partners: {}, adapters: { logins: [{ ...portal, accountLinking }], applications: [settingsOf('forms')] } })
      const browser = kit.browser()
      const page = await comeFromPortal(kit, browser)
      assert.match(page.body, /Which account/)
      assert.deepEqual(await liveSessions(kit), [])
      const { action, fields } = formOf(page.body)
      const done = await follow(browser, await browser.post(action, { ...fields, choice: 'link', username: 'ana', password: 'correct horse' }))
      assert.equal(tokenAt(kit, done).subject, 'ana')
      assert.equal(tokenAt(kit, await comeFromPortal(kit, kit.browser())).subject, 'ana')
      const sessions = await liveSessions(kit)
      assert.deepEqual(new Set(sessions.map(({ userKey, sourceId }) => `${userKey} from ${sourceId}`)), new Set([`${ana} from portal`]))
      const [link] = await linksOf(kit.ctx, ana)
      assert.deepEqual([link?.providerId, link?.role, link?.providerUser], ['portal', 'upstream', 'zoe'])
      const peers = await kit.store.getParticipants(sessions[0]?.id ?? 'ses_')
      assert.deepEqual(new Set(peers.map(({ peerId, nameId }) => `${peerId} ${nameId.value}`)), new Set(['portal zoe', 'forms ana']))
    })

  test('left out: people of the portal stay people of the portal', async () => {
    await using kit = await createKit({ partners: {}, adapters: { logins: [portal], applications: [settingsOf('forms')] } })
    assert.equal(tokenAt(kit, await comeFromPortal(kit, kit.browser())).subject, 'zoe')
    assert.equal((await kit.browser().get('/sp/defederate.ping')).statusCode, 404)
  })
})

suite('Attacks on the Account Link Service', () => {
  test('forged, too old, of another key, replayed or missing: no link, and the path stays good for the real answer', async () => {
    await using kit = await createLinkKit()
    const browser = kit.browser()
    const now = Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs())
    const used = said(kit, 'mallory')
    const thief = kit.browser()
    await thief.get(`${await asked(thief, 'ben')}?opentoken=${used}`)
    const path = await asked(browser)
    const bad = [
      said(kit, 'mallory', {}, openTokenKey(2, 'another secret')),
      said(kit, 'mallory', { notBefore: now.subtract({ seconds: 600 }), notOnOrAfter: now }),
      `${said(kit, 'mallory')}A`,
      used,
      ''
    ]
    for (const token of bad) assert.equal((await browser.get(`${path}?opentoken=${token}`)).statusCode, 400)
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
    assert.equal(tokenAt(kit, await browser.get(`${path}?opentoken=${said(kit, 'a-4711')}`)).subject, 'a-4711')
  })

  test("the attacker's path is worth nothing in the victim's browser, signed in or not, and stays good for its own", async () => {
    await using kit = await createLinkKit()
    const [attacker, victim] = [kit.browser(), kit.browser()]
    const path = await asked(attacker, 'ben')
    const token = said(kit, 'mallory')
    assert.equal((await victim.get(`${path}?opentoken=${token}`)).statusCode, 400)
    await follow(victim, await signIn(victim, '/', 'ana'))
    assert.equal((await victim.get(`${path}?opentoken=${token}`)).statusCode, 400)
    assert.equal((await victim.post(path, { opentoken: token })).statusCode, 400)
    assert.deepEqual(await linksOf(kit.ctx, ana), [])
    assert.equal(tokenAt(kit, await attacker.get(`${path}?opentoken=${token}`)).subject, 'mallory')
  })

  test('raced 100 times exactly one answer counts, whatever account it names, and a second use changes nothing', async () => {
    await using kit = await createLinkKit()
    const browser = kit.browser()
    const path = await asked(browser)
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const urls = Array.from({ length: 100 }, (_, n) => `${path}?opentoken=${said(kit, `a-${n}`)}`)
    const answers = await Promise.all(urls.map((url) => kit.app.inject({ method: 'GET', url, headers: { cookie } })))
    assert.equal(answers.filter(({ statusCode }) => statusCode === 303).length, 1)
    const [link, ...others] = await linksOf(kit.ctx, ana)
    assert.deepEqual(others, [])
    assert.equal((await browser.get(`${path}?opentoken=${said(kit, 'late')}`)).statusCode, 400)
    assert.deepEqual(await linksOf(kit.ctx, ana), [link])
  })

  test('two questions at once: the account that was named first stays, the other is refused', async () => {
    await using kit = await createLinkKit()
    const browser = kit.browser()
    const [first, second] = [await asked(browser), await asked(browser)]
    await browser.get(`${first}?opentoken=${said(kit, 'a-1')}`)
    assert.match((await browser.get(`${second}?opentoken=${said(kit, 'a-2')}`)).body, /CURFEW_LINK_TAKEN/)
    assert.equal((await linksOf(kit.ctx, ana))[0]?.providerUser, 'a-1')
  })

  test('after the logout the path opens nothing, and nobody removes the link of somebody else', async () => {
    await using kit = await createLinkKit()
    const browser = kit.browser()
    const path = await asked(browser)
    await startLogout(browser)
    assert.equal((await browser.get(`${path}?opentoken=${said(kit, 'a-4711')}`)).statusCode, 400)
    const again = kit.browser()
    await again.get(`${await asked(again)}?opentoken=${said(kit, 'a-4711')}`)
    const [link] = await linksOf(kit.ctx, ana)
    assert.equal(await removeLink(kit.ctx, 'local:ben', link?.id ?? '', { kind: 'user', id: 'ben' }), false)
  })
})
