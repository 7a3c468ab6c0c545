import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { blockThirdParties, findChromium, launch, noChromium } from '../journeys/chromium.ts'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions } from './kit.ts'
import { hasCookie, isAskedToSignIn, isSignedIn, privateNotes, signedIn, untilRunIsDone } from './private-notes.ts'
import { Visitor } from './visitor.ts'

const cookieName = 'PA.ACE_ws'
const cookieDomain = 'example.localhost'
const shared: GatewayKitOptions = { isSameSite: true, webSession: { cookieDomain } }

async function statusAt(visitor: Visitor, url: string): Promise<number> {
  return (await visitor.ask(`${url}/`)).status
}

suite('A session cookie that the hosts of a domain share', () => {
  test('AC-083 one sign-in is one at every host of the domain', async () => {
    await using kit = await createGatewayKit(shared)
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    assert.deepEqual([ana.domainJar(cookieDomain).has(cookieName), ana.jar(kit.wiki).has(cookieName)], [true, false])
    assert.equal(await statusAt(ana, kit.shop), 200, 'without a visit to the authority')
    // One of a host alone is none at another: each asks the authority.
    await using own = await createGatewayKit({ isSameSite: true })
    const ben = new Visitor()
    await ben.open(`${own.wiki}/`)
    assert.equal(await statusAt(ben, own.shop), 303)
  })

  for (const path of ['/pa/oidc/logout', '/pa/oidc/logout.png'])
    test(`AC-060 AC-083 ${path} at one of them takes it from all, and copies of it are worth nothing anywhere`, async () => {
      await using kit = await createGatewayKit(shared)
      const ana = new Visitor()
      await ana.open(`${kit.wiki}/`)
      const thief = ana.copy()
      const answer = await ana.ask(kit.shop + path)
      assert.equal(answer.status, 200)
      assert.ok(answer.headers['set-cookie']?.some((line) => line.startsWith(`${cookieName}=;`) && line.includes(`Domain=${cookieDomain}`)))
      assert.equal(ana.cookieFor(kit.wiki).includes(cookieName), false)
      for (const visitor of [ana, thief]) for (const host of [kit.wiki, kit.shop]) assert.equal(await statusAt(visitor, host), 303, host)
      assert.deepEqual((await kit.authority.store.listRuns({ limit: 1 })).items, [], 'the session at the authority goes on')
    })

  test('AC-058 a picture without it leaves it to every host', async () => {
    await using kit = await createGatewayKit(shared)
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    const answer = await new Visitor().ask(`${kit.shop}/pa/oidc/logout.png`)
    assert.deepEqual([answer.status, answer.headers['set-cookie']], [404, undefined])
    for (const host of [kit.wiki, kit.shop]) assert.equal(await statusAt(ana, host), 200, host)
  })

  test('AC-060 AC-062 a host of the domain with a web session of its own stays signed in', async () => {
    await using kit = await createGatewayKit({
      isSameSite: true,
      gateway: {
        webSessions: [
          { name: 'main', audience: 'ACE_ws', cookieDomain },
          { name: 'own', audience: 'own' }
        ]
      },
      applications: [
        { id: 'wiki', urls: ['WIKI'] },
        { id: 'shop', urls: ['SHOP'], webSession: 'own' }
      ]
    })
    const ana = new Visitor()
    for (const host of [kit.wiki, kit.shop]) assert.equal((await ana.open(`${host}/`)).status, 200)
    await ana.ask(`${kit.wiki}/pa/oidc/logout`)
    assert.deepEqual([await statusAt(ana, kit.wiki), await statusAt(ana, kit.shop)], [303, 200])
  })

  test('takes the one along that a host wrote before it came to share it', async () => {
    for (const path of ['/pa/oidc/logout', '/pa/oidc/logout.png']) {
      await using kit = await createGatewayKit(shared)
      const ana = new Visitor()
      await ana.open(`${kit.wiki}/`)
      ana.jar(kit.wiki).set(cookieName, formerOf(kit, ana.domainJar(cookieDomain).get(cookieName) ?? assert.fail()))
      assert.equal(await statusAt(ana, kit.wiki), 200)
      await ana.ask(kit.wiki + path)
      assert.equal(ana.cookieFor(kit.wiki).includes(cookieName), false)
      // What ended here only is forgotten with the process: nothing may be left that would count then.
      await kit.restartGateway()
      assert.equal(await statusAt(ana, kit.wiki), 303)
    }
  })
})

/** The cookie of the same session as the host had it for itself. */
function formerOf(kit: GatewayKit, value: string): string {
  const { cookies, settings, clock } = kit.gateway.context
  const webSession = settings.applications[0]?.webSession ?? assert.fail()
  const { host } = new URL(kit.wiki)
  const { session } = cookies.read(webSession, `${cookieName}=${value}`, host, clock.nowMs()) ?? assert.fail()
  return (
    cookies
      .write(webSession, { ...session, host }, { isSecure: false }, clock.nowMs())
      .split(';')[0]
      ?.slice(cookieName.length + 1) ?? ''
  )
}

suite('The same in a browser', { skip: findChromium() === undefined ? noChromium : false }, () => {
  let browser: Browser
  before(async () => {
    browser = await launch()
  })
  after(() => browser.close())

  for (const isRestricted of [false, true])
    for (const javaScriptEnabled of [true, false]) {
      const mode = `${isRestricted ? 'third-party cookies restricted' : 'default'}, JavaScript ${javaScriptEnabled ? 'on' : 'off'}`

      test(`AC-064 AC-083 one sign-in and one cookie; partial logout at one host and the one picture of a global logout take it from all (${mode})`, async () => {
        await using kit = await createGatewayKit({ ...shared, upstream: privateNotes })
        const context = await browser.newContext({ javaScriptEnabled })
        const page = await context.newPage()
        if (isRestricted) await blockThirdParties(page)
        await signedIn(kit, page)
        const ofDomain = (await context.cookies([kit.wiki, kit.shop])).filter(({ name }) => name === cookieName)
        assert.deepEqual(
          ofDomain.map(({ domain }) => domain),
          [`.${cookieDomain}`]
        )
        await page.click('a')
        await page.locator('h1', { hasText: 'signed out here' }).waitFor()
        for (const host of [kit.wiki, kit.shop]) assert.equal(await hasCookie(context, host), false, host)
        // The authority still knows the person: another web session, for both again.
        await page.goto(`${kit.wiki}/`)
        assert.ok(await isSignedIn(page))
        await page.goto(`${kit.issuer}/signoff`)
        await page.click('button[value=everywhere]', { noWaitAfter: true })
        await untilRunIsDone(kit)
        for (const host of [kit.wiki, kit.shop]) assert.equal(await hasCookie(context, host), false, host)
        const later = await context.newPage()
        for (const host of [kit.wiki, kit.shop]) {
          await later.goto(`${host}/`)
          assert.ok(await isAskedToSignIn(later), host)
        }
        await context.close()
      })
    }
})
