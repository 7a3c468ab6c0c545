import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { suite, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { createGatewayKit, type GatewayKit, type GatewayKitOptions } from '../gateway/kit.ts'
import { Visitor } from '../gateway/visitor.ts'
import { findChromium, launch, noChromium } from '../journeys/chromium.ts'

const cookieName = 'PA.ACE_ws'
const patienceMs = 60_000

/** The application shows who it was told to be asked by. */
const upstream: NonNullable<GatewayKitOptions['upstream']> = (request, response) =>
  void response
    .writeHead(200, { 'content-type': 'text/html' })
    .end(`<!doctype html><title>${request.url}</title><h1>Notes of ${String(request.headers['x-user'])}</h1>`)

async function refused(visitor: Visitor, url: string): Promise<boolean> {
  const untilMs = performance.now() + patienceMs
  do {
    // A request that is under way when its session ends may be cut.
    const status = await visitor.ask(url).then(
      (answer) => answer.status,
      () => 0
    )
    if (status === 303) return true
    await sleep(20)
  } while (performance.now() < untilMs)
  return false
}

suite('A cookie of the gateway that is used again after a sign-out', () => {
  test('at the authority: a copy is refused, and by a gateway that was started after it, too', async () => {
    await using kit = await createGatewayKit()
    const ana = new Visitor()
    await ana.open(`${kit.wiki}/`)
    await ana.open(`${kit.shop}/`)
    const thief = ana.copy()
    assert.equal((await thief.ask(`${kit.wiki}/`)).status, 200)
    await kit.endAll()
    for (const host of [kit.wiki, kit.shop]) assert.ok(await refused(thief, `${host}/`), host)
    await kit.restartGateway()
    // Whoever comes first after the start: the list is read before anything is answered.
    for (const host of [kit.wiki, kit.shop]) assert.equal((await thief.ask(`${host}/`)).status, 303, host)
  })
})

/** The session cookie of a browser that is signed in at the wiki. */
async function cookieOf(kit: GatewayKit, username: string): Promise<string> {
  const visitor = new Visitor()
  await visitor.fillIn(await visitor.follow(`${kit.wiki}/`), username)
  return visitor.jar(kit.wiki).get(cookieName) ?? assert.fail('not signed in')
}

suite('A session cookie of somebody else that has ended, beside the own one', () => {
  const both = (...values: readonly string[]) => ({ headers: { cookie: values.map((value) => `${cookieName}=${value}`).join('; ') } })

  test('counts for nothing, in front and behind', async () => {
    await using kit = await createGatewayKit({ isSameSite: true })
    const [ana, mallory] = [await cookieOf(kit, 'ana'), await cookieOf(kit, 'mallory')]
    const status = async (...values: readonly string[]) => (await new Visitor().ask(`${kit.wiki}/`, both(...values))).status
    assert.equal(await status(ana, mallory), 400)
    await new Visitor().ask(`${kit.wiki}/pa/oidc/logout`, both(mallory))
    assert.deepEqual([await status(mallory, ana), await status(ana, mallory), await status(mallory, mallory)], [200, 200, 303])
  })

  test('is left behind by no sign-out that sees it: both end, and cookies of the domains above the host go', async () => {
    await using kit = await createGatewayKit({ isSameSite: true })
    const [ana, mallory] = [await cookieOf(kit, 'ana'), await cookieOf(kit, 'mallory')]
    const answer = await new Visitor().ask(`${kit.wiki}/pa/oidc/logout`, both(mallory, ana))
    const cleared = (answer.headers['set-cookie'] ?? []).filter((line) => line.startsWith(`${cookieName}=; Path=/;`))
    assert.deepEqual(
      cleared.map((line) => /Domain=([^;]+)/.exec(line)?.[1]),
      [undefined, 'wiki.example.localhost', 'example.localhost']
    )
    // Whoever signs in then goes on, also where a cookie stayed that the sign-out did not see.
    const again = await cookieOf(kit, 'ana')
    assert.equal((await new Visitor().ask(`${kit.wiki}/`, both(mallory, again))).status, 200)
  })
})

async function fillIn(page: Page, username: string): Promise<void> {
  await page.fill('input[name=username]', username)
  await page.fill('input[name=password]', 'correct horse')
  await page.click('button.primary')
}

async function valuesAt(context: BrowserContext, url: string): Promise<readonly string[]> {
  return (await context.cookies(url)).flatMap(({ name, value }) => (name === cookieName ? [value] : []))
}

suite('A good session cookie of somebody else, planted beside the own one', { skip: findChromium() === undefined ? noChromium : false }, () => {
  for (const [from, path] of [
    ['a page of the application, for a part of it', '/app'],
    ['a page of the application, for a part of it with a slash', '/app/notes/'],
    ['another host of the domain', '/'],
    ['another host of the domain, for a part of it', '/app']
  ] as const)
    test(`by ${from} (${path}): nobody is shown as somebody else, and after one refusal the browser goes on`, async () => {
      await using kit = await createGatewayKit({ isSameSite: true, upstream })
      const browser = await launch()
      try {
        const context = await browser.newContext()
        const page = await context.newPage()
        const [deep, notes] = [`${kit.wiki}/app/notes/today`, page.locator('h1', { hasText: 'Notes of' })]
        await page.goto(deep)
        await fillIn(page, 'ana')
        await notes.waitFor()
        const value = await cookieOf(kit, 'mallory')
        // A leading dot makes it one of the whole domain.
        const domain = from.startsWith('another host') ? '.example.localhost' : new URL(kit.wiki).hostname
        await context.addCookies([{ name: cookieName, value, domain, path }])
        assert.equal((await valuesAt(context, deep)).length, 2, 'the browser sends both')
        await page.goto(deep)
        assert.match(await page.content(), /CURFEW_GATEWAY_COOKIE_AMBIGUOUS/)
        assert.deepEqual(await valuesAt(context, deep), [])
        await page.goto(deep)
        await notes.waitFor()
        assert.equal(await notes.innerText(), 'Notes of ana')
        assert.equal((await valuesAt(context, deep)).length, 1)
      } finally {
        await browser.close()
      }
    })
})
