import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { ConnectionSettings } from '../../../src/authority/saml/settings.ts'
import type { Browser } from '../browser.ts'
import type { KitOptions } from '../kit.ts'
import { carry, type Hub, hubWithApps, lastRun, liveSessions } from '../saml-sp/hub.ts'

const typed = { 'sec-fetch-site': 'none' }
const endings = ['initslo', 'terminatesession'] as const

/** Home page, consumer and domains lie on hosts of their own, so that each rule shows by itself. */
const payroll: Partial<ConnectionSettings> = {
  homeUrl: 'https://pay.example:8443/start',
  acs: [{ binding: 'post', url: 'https://acs.pay.example/saml/acs', index: 0, default: true }],
  domains: ['partners.example', 'xn--bcher-kva.example']
}

function pingHub(options: KitOptions = {}, names = ['payroll']) {
  const partners = { payroll, intranet: { homeUrl: 'https://intranet.example/' } }
  return hubWithApps({ partners, ...options }, names, { sso: [{ binding: 'redirect', url: 'https://login.campus.example/sso' }] })
}

/** Starts an ending with a page, carries it through, and returns where the browser ends. */
async function landed(hub: Hub, browser: Browser, ending: (typeof endings)[number], page: string): Promise<string> {
  const started = await browser.get(`/sso/${ending}?page=${encodeURIComponent(page)}`, typed)
  assert.equal(started.statusCode, 303, started.body.slice(0, 500))
  if (ending === 'terminatesession') return String(started.headers.location)
  const run = await lastRun(hub)
  await carry(hub, browser, run.id)
  return String((await browser.get(`/signoff/${run.id}/finish`)).headers.location)
}

async function once(ending: (typeof endings)[number], page: string, options: KitOptions = {}): Promise<string> {
  const { hub, browser } = await pingHub(options)
  await using kit = hub.kit
  const location = await landed(hub, browser, ending, page)
  assert.deepEqual(await liveSessions(kit), [], 'the sign-out goes on whatever the page is')
  return location
}

suite('PingOne: the parameter page', () => {
  const accepted: Readonly<Record<string, readonly string[]>> = {
    'AC-205 the host of the sign-on address of the identity provider': ['https://login.campus.example/bye?x=1#y', 'HTTPS://LOGIN.Campus.EXAMPLE/'],
    'AC-206 the host of the address of an application in the session': ['https://pay.example/bye', 'https://pay.example:8443/other'],
    'AC-207 the host of the assertion consumer service of an application in the session': ['https://acs.pay.example/anything'],
    'AC-208 a domain in the list of an application in the session': [
      'https://partners.example/',
      'https://a.b.partners.example/x',
      'https://xn--bcher-kva.example/'
    ],
    'AC-209 an own origin': ['https://desktop.pingone.com/portal', 'https://sso.connect.pingidentity.com/sso/x', 'http://curfew.test/signoff/done']
  }
  for (const ending of endings) {
    for (const [rule, pages] of Object.entries(accepted)) {
      for (const page of pages) {
        test(`${rule}: ${ending} lands on ${page}`, async () => assert.equal(await once(ending, page), new URL(page).href))
      }
    }
  }

  test('AC-209 the own origins are those of the configuration', async () => {
    const pingOne = { ownOrigins: ['https://portal.example'] }
    assert.equal(await once('terminatesession', 'https://portal.example/a', { pingOne }), 'https://portal.example/a')
    assert.match(await once('terminatesession', 'https://desktop.pingone.com/', { pingOne }), /^\/signoff\/run_/)
  })

  const refused: Readonly<Record<string, string>> = {
    'another host': 'https://evil.example/',
    'a host with an allowed one in front': 'https://pay.example.evil.example/',
    'a host with an allowed one behind': 'https://evilpay.example/',
    'a sub-domain of an application host': 'https://x.pay.example/',
    'a domain that only ends alike': 'https://evilpartners.example/',
    'a hyphen where the dot belongs': 'https://x-partners.example/',
    'an own origin with something behind': 'https://desktop.pingone.com.evil.example/',
    'an own origin in the user-info': 'https://desktop.pingone.com@evil.example/',
    'user-info before an allowed host': 'https://evil.example@pay.example/',
    'user-info with an encoded at sign': 'https://evil.example%40pay.example/',
    'an empty user-info': 'https://@pay.example/',
    'a backslash for a slash': 'https:\\\\pay.example\\',
    'a backslash before the at sign': 'https://evil.example\\@pay.example/',
    'a backslash after the host': 'https://pay.example\\.evil.example/',
    'a tab in the host': 'https://pay\t.example/',
    'a line feed in the scheme': 'ht\ntps://pay.example/',
    'a carriage return and a header': 'https://pay.example/\r\nSet-Cookie: PF=x',
    'a null': 'https://pay.example/\0',
    'a space in front': ' https://pay.example/',
    'a letter of another script': 'https://p\u0430y.example/',
    'the punycode of such a letter': 'https://xn--py-7kc.example/',
    'full-width letters': 'https://\uff50ay.example/',
    'an ideographic full stop': 'https://pay\u3002example/',
    'an encoded dot in the host': 'https://pay%2eexample/',
    'a double-encoded dot': 'https://pay%252eexample/',
    'a trailing dot': 'https://pay.example./',
    'an IPv6 address': 'https://[::1]/',
    'an IPv4 address mapped into IPv6': 'https://[::ffff:10.0.0.1]/',
    'an IPv6 zone': 'https://[fe80::1%25eth0]/',
    'an IPv4 address as one number': 'https://2130706433/',
    'another port of an application host': 'https://pay.example:9443/',
    'the port of the home page at the consumer host': 'https://acs.pay.example:8443/',
    'a port at a listed domain': 'https://partners.example:444/',
    'a port at an own origin': 'https://desktop.pingone.com:8443/',
    'a port that is no number': 'https://pay.example:https/',
    'plain http': 'http://pay.example/',
    'plain http at a listed domain': 'http://partners.example/',
    'another scheme': 'javascript:alert(1)//pay.example/',
    'a data address': 'data:text/html,https://pay.example/',
    'a file address': 'file://pay.example/',
    'an application scheme': 'pay.example://out',
    'no scheme': '//pay.example/',
    'a path': '/signoff/done',
    'one slash': 'https:/pay.example/',
    'three slashes': 'https:///pay.example/',
    'a host in the query': 'https://evil.example/?https://pay.example/',
    'a host in the fragment': 'https://evil.example/#@pay.example/',
    'too long': `https://pay.example/${'a'.repeat(2100)}`
  }
  for (const ending of endings) {
    for (const [name, page] of Object.entries(refused)) {
      test(`AC-210 AC-211 ${ending} ignores ${name}, ends the session and shows the default page`, async () => {
        const { hub, browser } = await pingHub()
        await using kit = hub.kit
        const location = await landed(hub, browser, ending, page)
        assert.match(location, /^\/signoff\/run_\w+$/)
        assert.deepEqual(await liveSessions(kit), [])
        const shown = await browser.get(location)
        assert.equal(shown.statusCode, 200)
        assert.doesNotMatch(shown.body, /evil|http-equiv="refresh"|CURFEW_|no-rule|allow-list/)
      })
    }
  }

  test('AC-210 a configured default page is shown in its place', async () => {
    const pingOne = { landingUrl: 'https://www.example/out' }
    for (const ending of endings) assert.equal(await once(ending, 'https://evil.example/', { pingOne }), 'https://www.example/out')
  })

  test('AC-210 the administrator is told why, in the log, the audit record and the run', async () => {
    const { hub, browser } = await pingHub()
    await using kit = hub.kit
    await landed(hub, browser, 'initslo', 'https://evil.example/secret')
    const run = await lastRun(hub)
    assert.deepEqual(run.starter, { kind: 'user', ignored: [{ parameter: 'page', why: 'no-rule' }] })
    const audit = (await kit.store.listAudit({ limit: 100 })).find(({ event }) => event === 'redirect.ignored')
    assert.deepEqual([audit?.detail, audit?.sessionId], [{ parameter: 'page', why: 'no-rule' }, run.sessionId])
    const line = kit.logged.find(({ fields }) => fields['event'] === 'redirect.ignored')
    assert.deepEqual([line?.level, line?.fields['parameter'], line?.fields['why']], ['warn', 'page', 'no-rule'])
    assert.doesNotMatch(JSON.stringify([audit, line, run]), /secret/)
  })

  test('AC-212 an application that the session did not reach lends no host', async () => {
    for (const page of ['https://pay.example/', 'https://acs.pay.example/', 'https://partners.example/']) {
      const { hub, browser } = await pingHub({}, ['intranet'])
      await using _kit = hub.kit
      assert.match(await landed(hub, browser, 'terminatesession', page), /^\/signoff\//, page)
    }
  })

  test('AC-212 the identity provider that the session did not come from lends no host', async () => {
    const { hub, browser } = await pingHub()
    await using _kit = hub.kit
    assert.match(await landed(hub, browser, 'terminatesession', 'https://guests.test/bye'), /^\/signoff\//)
  })

  test('AC-212 with nobody signed in only identity providers and own origins count', async () => {
    const { hub } = await pingHub()
    await using kit = hub.kit
    const where = async (page: string): Promise<string> =>
      String((await kit.browser().get(`/sso/initslo/?page=${encodeURIComponent(page)}`, typed)).headers.location)
    assert.equal(await where('https://login.campus.example/bye'), 'https://login.campus.example/bye')
    assert.equal(await where('https://desktop.pingone.com/'), 'https://desktop.pingone.com/')
    assert.equal(await where('https://pay.example/'), '/signoff/done')
    assert.equal(await where('https://partners.example/'), '/signoff/done')
  })

  test('plain http counts for loopback hosts, and only where the authority is itself reached by http', async () => {
    const local = { homeUrl: 'http://app.localhost:4610/', acs: [{ binding: 'post' as const, url: 'http://plain.example/acs', index: 0, default: true }] }
    for (const [baseUrl, page, isFollowed] of [
      ['http://curfew.test', 'http://app.localhost:4610/bye', true],
      ['http://curfew.test', 'http://plain.example/bye', false],
      ['https://curfew.test', 'http://app.localhost:4610/bye', false],
      ['https://curfew.test', 'https://app.localhost:4610/bye', true]
    ] as const) {
      const { hub, browser } = await hubWithApps({ partners: { payroll: local } }, ['payroll'])
      await using kit = hub.kit
      const { judgePage } = await import('../../../src/authority/pingone/page-parameter.ts')
      const [session] = await liveSessions(kit)
      const request = { id: 'reference' } as Parameters<typeof judgePage>[3]
      const { url } = await judgePage({ ...kit.ctx, baseUrl }, session, { page }, request)
      assert.equal(url, isFollowed ? page : undefined, `${baseUrl} ${page}`)
      assert.ok(browser.cookies.size > 0)
    }
  })

  test('AC-215 terminatesession leads to the sign-out page of an identity provider without single logout', async () => {
    const google = { sso: [{ binding: 'redirect' as const, url: 'https://accounts.google.com/o/saml2/idp' }], slo: [] }
    const { hub, browser } = await hubWithApps({}, [], google)
    await using kit = hub.kit
    assert.equal(await landed(hub, browser, 'terminatesession', 'https://accounts.google.com/Logout'), 'https://accounts.google.com/Logout')
    assert.deepEqual(await liveSessions(kit), [])
  })
})
