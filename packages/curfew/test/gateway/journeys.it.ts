import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, before, suite, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { findChromium, launch, noChromium } from '../journeys/chromium.ts'
import { until } from '../support/until.ts'
import { createGatewayKit, type GatewayKit } from './kit.ts'
import { assertBackShowsNothing, hasCookie, isSignedIn, privateNotes, signedIn, untilRunIsDone } from './private-notes.ts'

/** Pages of one person, each kept by a browser that may. */
const privatePaths = ['/', '/notes?page=2', '/report']

suite('Signing out of applications behind the gateway', { skip: findChromium() === undefined ? noChromium : false }, () => {
  let browser: Browser
  before(async () => {
    browser = await launch()
  })
  after(() => browser.close())

  for (const isSameSite of [true, false]) {
    for (const javaScriptEnabled of [true, false]) {
      const mode = `${isSameSite ? 'one site' : 'a site each'}, JavaScript ${javaScriptEnabled ? 'on' : 'off'}`

      test(`partial logout leaves the other hosts signed in (${mode})`, async () => {
        await using kit = await createGatewayKit({ isSameSite, upstream: privateNotes })
        const context = await browser.newContext({ javaScriptEnabled })
        const page = await signedIn(kit, await context.newPage())
        await page.goto(`${kit.wiki}/`)
        await page.click('a')
        await page.locator('h1', { hasText: 'signed out here' }).waitFor()
        assert.deepEqual([await hasCookie(context, kit.wiki), await hasCookie(context, kit.shop)], [false, true])
        const before = kit.seen.length
        await page.goto(`${kit.shop}/`)
        assert.ok(await isSignedIn(page))
        assert.equal(kit.seen.length, before + 1)
        await context.close()
      })

      test(`AC-070 a logout of the adapter signs out of one host and leaves the others signed in (${mode})`, async () => {
        const adapterLogout = { path: '/logout', redirectUrl: 'WIKI/pa/oidc/logout' }
        await using kit = await createGatewayKit({
          isSameSite,
          upstream: privateNotes,
          configuration: (config) => ({ ...config, signOn: { ...config.signOn, adapterLogout } })
        })
        const context = await browser.newContext({ javaScriptEnabled })
        const page = await signedIn(kit, await context.newPage())
        await page.goto(`${kit.wiki}/`)
        await page.goto(`${kit.issuer}/ext/logout`)
        await page.locator('h1', { hasText: 'signed out here' }).waitFor()
        await page.goBack()
        await page.locator('input[name=password]').waitFor()
        assert.equal(new URL(page.url()).origin, kit.issuer, '"back" leads to the sign-in')
        assert.ok(!(await page.content()).includes('Private notes'))
        assert.deepEqual([await hasCookie(context, kit.wiki), await hasCookie(context, kit.shop)], [false, true])
        // The gateway has read all that there is on the list since then.
        const endedAtMs = (await kit.authority.store.listRuns({ limit: 1 })).items[0]?.startedAtMs ?? assert.fail('the session did not end')
        await until('the list is read', async () => (kit.gateway.context.revocations.completeAtMs ?? 0) > endedAtMs + 1_000)
        await page.goto(`${kit.shop}/`)
        assert.ok(await isSignedIn(page))
        await page.goto(`${kit.wiki}/`)
        assert.equal(await page.locator('input[name=password]').count(), 1)
        await context.close()
      })

      test(`global logout ends every host, and "back" shows nothing private (${mode})`, async () => {
        await using kit = await createGatewayKit({ isSameSite, upstream: privateNotes, provider: { useSingleLogout: true } })
        const context = await browser.newContext({ javaScriptEnabled })
        const page = await signedIn(kit, await context.newPage())
        await page.goto(`${kit.wiki}/`)
        await page.click('a')
        // An authority of another site asks first; one of the same site knows that no stranger sent the browser.
        const ask = page.locator('button[value=everywhere]')
        await page.waitForURL((url) => url.origin === kit.issuer)
        if ((await ask.count()) > 0) await ask.click()
        await page.waitForURL(/\/signoff\/run_/)
        await page.locator('main', { hasText: /sign|Sign/ }).waitFor()
        await untilRunIsDone(kit)
        // Pictures of another site come without the cookie: it stays in the browser, and is worth nothing.
        if (isSameSite) assert.deepEqual([await hasCookie(context, kit.wiki), await hasCookie(context, kit.shop)], [false, false])
        await assertBackShowsNothing(kit, page)
        for (const host of [kit.shop, kit.wiki]) {
          await page.goto(`${host}/`)
          assert.equal(await page.locator('input[name=password]').count(), 1, host)
        }
        await context.close()
      })
    }
  }

  for (const [how, options] of [
    ['kept whole (bfcache)', { keepsPages: true }],
    ['taken from the cache', {}]
  ] as const) {
    const walk = async (act: (kit: GatewayKit, page: Page) => Promise<void>): Promise<void> => {
      const keeping = await launch([], options)
      try {
        await using kit = await createGatewayKit({ isSameSite: true, upstream: privateNotes })
        const page = await signedIn(kit, await (await keeping.newContext()).newPage())
        for (const path of privatePaths) {
          await page.goto(kit.wiki + path)
          assert.ok(await isSignedIn(page))
        }
        await page.goto(`${kit.wiki}/pa/oidc/logout`)
        await page.locator('h1', { hasText: 'signed out here' }).waitFor()
        await act(kit, page)
      } finally {
        await keeping.close()
      }
    }

    test(`after /pa/oidc/logout alone, "back" and "forward" have nothing private to show, with pages ${how}`, () =>
      walk(async (kit, page) => {
        // Nobody can be signed in again now: what shows is what the browser has.
        await kit.stopAuthority()
        const closed = createServer(
          (_request, response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>-</title><h1>Closed</h1>')
        )
        closed.listen(Number(new URL(kit.issuer).port), '127.0.0.1')
        await once(closed, 'listening')
        try {
          const before = kit.seen.length
          for (const go of [...privatePaths.map(() => 'goBack' as const), ...privatePaths.map(() => 'goForward' as const)]) {
            await page[go]()
            await page.locator('h1', { hasText: /Closed|signed out here|Private notes/ }).waitFor()
            assert.ok(!(await page.content()).includes('Private notes'), `${go}: ${page.url()}`)
          }
          assert.equal(kit.seen.length, before, 'the application was not asked')
        } finally {
          closed.closeAllConnections()
          closed.close()
        }
      }))

    test(`after /pa/oidc/logout alone, "back" signs in anew where the authority still knows the person, with pages ${how}`, () =>
      walk(async (kit, page) => {
        const before = kit.seen.length
        assert.equal(await hasCookie(page.context(), kit.wiki), false)
        await page.goBack()
        await page.locator('h1', { hasText: 'Private notes of ana' }).waitFor()
        assert.deepEqual([kit.seen.length, await hasCookie(page.context(), kit.wiki)], [before + 1, true], 'asked again, in another session')
      }))
  }

  test('what was private does not come out of the cache after the end of the session; what was public does', async () => {
    const bodies: Readonly<Record<string, readonly [string, string]>> = {
      '/data.json': ['application/json', 'max-age=600'],
      '/report.pdf': ['application/pdf', 'private, max-age=600'],
      '/photo.svg': ['image/svg+xml', 'max-age=600'],
      '/logo.svg': ['image/svg+xml', 'public, max-age=600'],
      '/app.css': ['text/css', 'max-age=600']
    }
    await using kit = await createGatewayKit({
      isSameSite: true,
      applications: [{ id: 'wiki', urls: ['WIKI'], anonymous: ['/public'] }],
      upstream(request, response) {
        const found = bodies[request.url ?? '']
        if (found === undefined) return privateNotes(request, response)
        response.writeHead(200, { 'content-type': found[0], 'cache-control': found[1] }).end('private data of ana')
      }
    })
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(`${kit.wiki}/`)
    await page.fill('input[name=username]', 'ana')
    await page.fill('input[name=password]', 'correct horse')
    await page.click('button.primary')
    await page.locator('h1', { hasText: 'Private notes of ana' }).waitFor()
    // From the cache where the browser has it, whatever its age.
    const read = (path: string) =>
      page.evaluate(async (url) => (await fetch(url, { cache: 'force-cache', headers: { accept: 'application/json' } })).text(), path)
    for (const path of Object.keys(bodies)) assert.equal(await read(path), 'private data of ana')
    await kit.endAll()
    await until(
      'the session is over',
      async () => (await page.evaluate(async () => (await fetch('/x', { headers: { accept: 'application/json' } })).status)) === 401
    )
    await page.goto(`${kit.wiki}/public`)
    const known = await Promise.all(Object.keys(bodies).map(async (path) => ((await read(path)).includes('private data') ? [path] : [])))
    assert.deepEqual(known.flat(), ['/logo.svg', '/app.css'])
    await context.close()
  })

  for (const cookieType of ['encrypted', 'signed'] as const) {
    for (const javaScriptEnabled of [true, false]) {
      const mode = `${cookieType} cookie, JavaScript ${javaScriptEnabled ? 'on' : 'off'}`

      test(`AC-058 AC-059 a picture that fails leaves the cookie, and the application does not send the person to sign in (${mode})`, async () => {
        await using kit = await createGatewayKit({
          isSameSite: false,
          upstream: privateNotes,
          webSession: { cookieType },
          gateway: { sessionCheck: { feed: false } }
        })
        const context = await browser.newContext({ javaScriptEnabled })
        await signedOutByPicturesThatFail(kit, context)
        const again = await context.newPage()
        await again.goto(`${kit.wiki}/`)
        assert.ok(await isSignedIn(again))
        await context.close()
      })
    }

    test(`AC-067 with the feed, as it is by default, a session whose picture failed is refused all the same (${cookieType} cookie)`, async () => {
      await using kit = await createGatewayKit({ isSameSite: false, upstream: privateNotes, webSession: { cookieType } })
      const context = await browser.newContext()
      await signedOutByPicturesThatFail(kit, context)
      const again = await context.newPage()
      await again.goto(`${kit.wiki}/`)
      assert.equal(await again.locator('input[name=password]').count(), 1)
      await context.close()
    })
  }

  test('AC-091 a form that is filled in when the session is over arrives once the person has signed in again', async () => {
    const posted: string[] = []
    await using kit = await createGatewayKit({
      // Nothing of the sign-out is left for the browser to do.
      client: { logout: { modes: [], pingAccessLogoutCapable: false } },
      upstream(request, response) {
        if (request.method !== 'POST') {
          response
            .writeHead(200, { 'content-type': 'text/html' })
            .end('<!doctype html><title>wiki</title><h1>Write</h1><form method="post" action="/comments"><input name="comment"><button>Send</button></form>')
          return
        }
        const chunks: Buffer[] = []
        request.on('data', (chunk: Buffer) => chunks.push(chunk))
        request.on('end', () => {
          posted.push(Buffer.concat(chunks).toString())
          response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>wiki</title><h1>Written</h1>')
        })
      }
    })
    const context = await browser.newContext()
    const page = await context.newPage()
    const signIn = async (): Promise<void> => {
      await page.fill('input[name=username]', 'ana')
      await page.fill('input[name=password]', 'correct horse')
      await page.click('button.primary')
    }
    await page.goto(`${kit.wiki}/write`)
    await signIn()
    await page.fill('input[name=comment]', 'hello & good bye')
    await kit.endAll()
    await until('the gateway knows', () => kit.gateway.context.revocations.size > 0)
    await page.click('button')
    await signIn()
    await page.locator('h1', { hasText: 'Written' }).waitFor()
    assert.deepEqual([posted, page.url()], [['comment=hello+%26+good+bye'], `${kit.wiki}/comments`])
    await context.close()
  })
})

/** A global sign-out at the authority, where the pictures of the gateway come without its cookie: those are of another site. */
async function signedOutByPicturesThatFail(kit: GatewayKit, context: BrowserContext): Promise<void> {
  const page = await signedIn(kit, await context.newPage())
  await page.goto(`${kit.issuer}/signoff`)
  await page.click('button[value=everywhere]')
  await untilRunIsDone(kit)
  const [run] = (await kit.authority.store.listRuns({ limit: 1 })).items
  const outcomes = new Set(run?.deliveries.map(({ outcome }) => outcome?.kind))
  assert.deepEqual(outcomes, new Set(['unconfirmed']), 'nothing is called signed out')
  assert.ok((await hasCookie(context, kit.wiki)) && (await hasCookie(context, kit.shop)))
}
