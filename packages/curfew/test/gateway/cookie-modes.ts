import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { blockThirdParties, findChromium, launch, noChromium } from '../journeys/chromium.ts'
import { until } from '../support/until.ts'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions } from './kit.ts'
import { assertBackShowsNothing, hasCookie, isAskedToSignIn, isSignedIn, privateNotes, signedIn, untilRunIsDone } from './private-notes.ts'

type WebSession = NonNullable<GatewayKitOptions['webSession']>

/** Cookies of the gateway as they can be set, and where the picture of a sign-out page of another site takes them. */
const kinds: readonly { readonly name: string; readonly webSession: WebSession; readonly isTaken: (isRestricted: boolean) => boolean }[] = [
  { name: 'SameSite=Lax', webSession: {}, isTaken: () => false },
  { name: 'SameSite=None; Secure', webSession: { sameSite: 'none' }, isTaken: (isRestricted) => !isRestricted },
  // It lies in the jar of its own site, and the picture is asked for with that of the sign-out page.
  { name: 'SameSite=None; Secure; Partitioned', webSession: { sameSite: 'none', partitioned: true }, isTaken: () => false }
]

const oldBrowser = 'Mozilla/5.0 (iPhone; CPU iPhone OS 12_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1.2 Mobile/15E148 Safari/604.1'

/** Journeys of both ways to sign out in one cookie mode of the browser, with and without JavaScript, for every kind of cookie. */
export function cookieJourneys(isRestricted: boolean): void {
  const modeName = isRestricted ? 'third-party cookies restricted' : 'default'
  suite(`Cookies of the gateway in a browser (${modeName})`, { skip: findChromium() === undefined ? noChromium : false }, () => journeys(isRestricted))
}

function journeys(isRestricted: boolean): void {
  let browser: Browser
  before(async () => {
    browser = await launch()
  })
  after(() => browser.close())

  async function pageFor(javaScriptEnabled: boolean): Promise<Page> {
    const context = await browser.newContext({ javaScriptEnabled, ignoreHTTPSErrors: true })
    const page = await context.newPage()
    if (isRestricted) await blockThirdParties(page)
    return page
  }

  const cookiesOf = async (kit: GatewayKit, page: Page) => [await hasCookie(page.context(), kit.wiki), await hasCookie(page.context(), kit.shop)]

  /** Every host of the gateway by its picture alone. */
  async function signOutEverywhere(kit: GatewayKit, page: Page): Promise<void> {
    await page.goto(`${kit.issuer}/signoff`)
    await page.click('button[value=everywhere]')
    await untilRunIsDone(kit)
    await until('the page of the result', async () => {
      const html = await page.content().catch(() => '')
      return html.includes('did not confirm') && !html.includes('http-equiv="refresh"')
    })
  }

  for (const javaScriptEnabled of [true, false]) {
    for (const { name, webSession, isTaken } of kinds) {
      test(`partial logout takes the cookie of its host alone; global logout ends every host, whether its picture took the cookie or not, and "back" shows nothing private (${name}, JavaScript ${javaScriptEnabled ? 'on' : 'off'})`, async () => {
        await using kit = await createGatewayKit({ isHttps: true, isSameSite: false, upstream: privateNotes, webSession })
        const page = await signedIn(kit, await pageFor(javaScriptEnabled))
        assert.deepEqual(await cookiesOf(kit, page), [true, true])
        await page.goto(`${kit.wiki}/`)
        await page.click('a')
        await page.locator('h1', { hasText: 'signed out here' }).waitFor()
        assert.deepEqual(await cookiesOf(kit, page), [false, true])
        assert.deepEqual((await kit.authority.store.listRuns({ limit: 1 })).items, [])
        for (const host of [kit.shop, kit.wiki]) {
          await page.goto(`${host}/`)
          assert.ok(await isSignedIn(page), host)
        }
        await signOutEverywhere(kit, page)
        const stays = !isTaken(isRestricted)
        assert.deepEqual(await cookiesOf(kit, page), [stays, stays])
        const [run] = (await kit.authority.store.listRuns({ limit: 1 })).items
        const outcomes = run?.deliveries.map(({ outcome }) => [outcome?.kind, outcome !== undefined && 'code' in outcome ? outcome.code : undefined])
        // A picture proves nothing; that it failed is seen by the script of the page alone.
        const code = stays && javaScriptEnabled ? 'CURFEW_RUN_PICTURE_FAILED' : 'CURFEW_RUN_NO_ANSWER_POSSIBLE'
        assert.deepEqual(new Set(outcomes?.map(String)), new Set([`unconfirmed,${code}`]))
        await assertBackShowsNothing(kit, page)
        for (const host of [kit.shop, kit.wiki]) {
          await page.goto(`${host}/`)
          assert.ok(await isAskedToSignIn(page), host)
        }
        await page.context().close()
      })

      if (!isTaken(isRestricted) && webSession.sameSite === 'none')
        test(`AC-058 AC-059 a picture that comes without its cookie leaves it, and the application does not send the person to sign in (${name}, JavaScript ${javaScriptEnabled ? 'on' : 'off'})`, async () => {
          const gateway = { sessionCheck: { feed: false } }
          await using kit = await createGatewayKit({ isHttps: true, isSameSite: false, upstream: privateNotes, webSession, gateway })
          const page = await signedIn(kit, await pageFor(javaScriptEnabled))
          await signOutEverywhere(kit, page)
          assert.deepEqual(await cookiesOf(kit, page), [true, true])
          for (const host of [kit.wiki, kit.shop]) {
            await page.goto(`${host}/`)
            assert.ok(await isSignedIn(page), host)
          }
          await page.context().close()
        })
    }
  }

  if (!isRestricted)
    for (const [webSession, userAgent, attributes] of [
      [{}, undefined, ['Path=/', 'Secure', 'HttpOnly', 'SameSite=Lax']],
      [{ sameSite: 'none' }, undefined, ['Path=/', 'Secure', 'HttpOnly', 'SameSite=None']],
      [{ sameSite: 'none', partitioned: true }, undefined, ['Path=/', 'Secure', 'HttpOnly', 'SameSite=None', 'Partitioned']],
      [{ sameSite: 'none' }, oldBrowser, ['Path=/', 'Secure', 'HttpOnly']]
    ] as const)
      test(`AC-082 ${attributes.join('; ')} goes over the wire to ${userAgent === undefined ? 'this browser' : 'one of iOS 12'}, at the sign-in and at the sign-out`, async () => {
        await using kit = await createGatewayKit({ isHttps: true, upstream: privateNotes, webSession })
        const context = await browser.newContext({ ignoreHTTPSErrors: true, ...(userAgent === undefined ? {} : { userAgent }) })
        const page = await context.newPage()
        const linesAt = async (path: string): Promise<readonly string[]> => {
          const answer = await page.waitForResponse((response) => new URL(response.url()).pathname === path)
          const lines = (await answer.headersArray()).filter(({ name }) => name.toLowerCase() === 'set-cookie').map(({ value }) => value)
          return lines.filter((line) => line.startsWith('PA.ACE_ws='))
        }
        const [written] = await Promise.all([linesAt('/pa/oidc/cb'), signedIn(kit, page)])
        assert.deepEqual(
          written.map((line) => line.split('; ').slice(1)),
          [attributes]
        )
        const [cleared] = await Promise.all([linesAt('/pa/oidc/logout'), page.goto(`${kit.wiki}/pa/oidc/logout`)])
        const [first = '', ...rest] = cleared[0]?.split('; ') ?? []
        assert.deepEqual([first, rest.filter((part) => !/^(?:Expires|Max-Age)=/.test(part))], ['PA.ACE_ws=', attributes])
        await context.close()
      })

  for (const { name, webSession } of kinds) {
    test(`AC-064 below one domain the picture takes the cookie of every host (${name})`, async () => {
      await using kit = await createGatewayKit({ isHttps: true, isSameSite: true, upstream: privateNotes, webSession })
      const page = await signedIn(kit, await pageFor(true))
      await signOutEverywhere(kit, page)
      assert.deepEqual(await cookiesOf(kit, page), [false, false])
      await page.context().close()
    })
  }
}
