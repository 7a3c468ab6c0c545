import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { checkSessionExample } from '../../../demo/examples/check-session.ts'
import { launch } from '../../curfew/test/journeys/chromium.ts'
import { freeRange } from '../../curfew/test/support/ports.ts'
import { startRealAuthority } from '../../curfew/test/support/real-authority.ts'
import { guardNode, type RelyingPartyEvent } from '../src/index.ts'
import { browserOf, setting, signIn } from './openid-provider.ts'

let browser: Browser
before(async () => {
  browser = await launch()
})
after(() => browser.close())

/** From the next document on, the time of this page passes only when the test says so. */
async function stopClock(page: Page): Promise<void> {
  await page.clock.install({ time: 0 })
  await page.clock.pauseAt(1_000)
}

const seenKey = 'app_session_state:unchanged'

suite('OpenID Connect Session Management 1.0 in a browser, with the authority', () => {
  interface World extends AsyncDisposable {
    readonly issuer: string
    /** The same application by two names: for the browser, of the site of the authority and of another. */
    readonly own: string
    readonly foreign: string
    readonly events: RelyingPartyEvent[]
    readonly context: BrowserContext
  }

  async function createWorld(name: '127.0.0.1' | 'localhost'): Promise<World> {
    const port = await freeRange(2)
    const issuer = `http://127.0.0.1:${port}`
    const [own, foreign] = [`http://127.0.0.1:${port + 1}`, `http://localhost:${port + 1}`]
    const clientSecret = 'a secret that is long enough'
    const redirectUris = [`${own}/oidc/cb`, `${foreign}/oidc/cb`]
    const authority = await startRealAuthority({
      issuer,
      port,
      usernames: ['ana'],
      connections: [{ id: 'app', protocol: 'oidc', clientSecret, redirectUris, logout: { modes: ['none'] } }]
    })
    const events: RelyingPartyEvent[] = []
    const baseUrl = name === 'localhost' ? foreign : own
    const { server } = checkSessionExample({ issuer, clientId: 'app', clientSecret, baseUrl, intervalMs: 50, onEvent: (event) => void events.push(event) })
    server.listen(port + 1, '127.0.0.1')
    await once(server, 'listening')
    const context = await browser.newContext()
    return {
      issuer,
      own,
      foreign,
      events,
      context,
      async [Symbol.asyncDispose]() {
        await context.close()
        server.close()
        server.closeAllConnections()
        await authority[Symbol.asyncDispose]()
      }
    }
  }

  async function signedIn({ context }: World, app: string): Promise<Page> {
    const page = await context.newPage()
    await page.goto(`${app}/`)
    await page.fill('input[name=username]', 'ana')
    await page.fill('input[name=password]', 'correct horse')
    await page.click('button.primary')
    await page.waitForURL(`${app}/`)
    return page
  }

  test('oidcc-client-test-session-management: asks the frame, hears changed, asks anew with prompt=none, and ends its session', async () => {
    await using world = await createWorld('127.0.0.1')
    const page = await signedIn(world, world.own)
    await page.waitForFunction(`(localStorage.getItem('${seenKey}') ?? '') !== ''`)
    const other = await world.context.newPage()
    await other.goto(`${world.own}/`)
    await other.waitForFunction(`frames.length === 1 && frames[0].document.readyState === 'complete'`)
    assert.deepEqual(
      world.events.map(({ kind }) => kind),
      ['signed-in']
    )
    // Nobody but the frame of the provider is believed, also not the page around.
    await page.evaluate(`void setInterval(() => frames[0].postMessage('error', '*'), 1)`)
    const asked: URLSearchParams[] = []
    world.context.on('request', (request) => {
      const url = new URL(request.url())
      if (url.pathname === '/as/authorization.oauth2' && url.searchParams.has('prompt')) asked.push(url.searchParams)
    })

    const tab = await world.context.newPage()
    await tab.goto(`${world.issuer}/idp/init_logout.openid`)
    await tab.click('button.primary')
    // Both pages ask for themselves again, and are led to the form of the provider.
    for (const one of [page, other]) await one.waitForSelector('input[name=password]')
    assert.deepEqual(
      world.events.map((event) => (event.kind === 'signed-out' ? event.by : event.kind)),
      ['signed-in', 'session-check']
    )
    assert.deepEqual(
      asked.map((query) => [query.get('prompt'), query.get('client_id'), query.has('id_token_hint')]),
      [['none', 'app', true]],
      'one re-check, though two pages were open'
    )
    const cookies = (await world.context.cookies(world.own)).map(({ name }) => name)
    assert.deepEqual(
      cookies.filter((name) => name === 'app_session' || name === 'app_session_state'),
      []
    )
  })

  test('where the browser keeps the cookie from frames of other sites, the answer is error: nothing is asked again, and nobody is signed out', async () => {
    await using world = await createWorld('localhost')
    const page = await signedIn(world, world.foreign)
    // From here on the clock stands still for every frame of the page.
    await stopClock(page)
    const answered = page.waitForEvent('console', { predicate: (message) => message.text() === 'heard error' })
    await page.addInitScript(`addEventListener('message', ({ data }) => console.log('heard ' + data))`)
    const heard: string[] = []
    page.on('console', (message) => void heard.push(message.text()))
    const again: string[] = []
    page.on('request', (request) => void (request.url().endsWith('/again') && again.push(request.url())))
    await page.reload()
    await answered
    await page.clock.runFor(3_600_000)
    // A turn through every frame: whatever the hour had started would have been heard by now.
    for (const frame of page.frames())
      await frame.evaluate('new Promise((resolve) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = resolve; port2.postMessage(0) })')
    assert.deepEqual([heard.filter((text) => text === 'heard error').length, again], [1, []])
    await page.reload()
    assert.match(await page.locator('p').innerText(), /^Hello /)
    assert.deepEqual(
      world.events.map(({ kind }) => kind),
      ['signed-in']
    )
  })
})

suite('OpenID Connect Session Management 1.0 in a browser, with a provider that does what it is told', () => {
  type Told = 'unchanged' | 'changed' | 'nothing'

  interface World extends AsyncDisposable {
    readonly app: string
    readonly page: Page
    /** Re-checks that were begun. */
    readonly rechecks: string[]
    readonly told: { answer: Told }
    /** The next question, when it was answered or is not going to be. */
    asked(): Promise<unknown>
    /** How often the frame was asked. */
    questions(): number
    /** The frame was loaded once more. */
    loaded(): Promise<unknown>
  }

  const listen = async (server: Server): Promise<string> => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** An application whose clock only moves when the test says so, and the frame of a provider that answers as told. */
  async function createWorld(answer: Told): Promise<World> {
    const told = { answer }
    const happened = new EventEmitter()
    let questions = 0
    const script = `
      addEventListener('message', async ({ origin, source, data }) => {
        const answer = await (await fetch('/asked', { method: 'POST', body: data })).text()
        if (answer !== 'nothing') source.postMessage(answer, origin)
        await fetch('/answered', { method: 'POST' })
      })
      fetch('/loaded', { method: 'POST' })`
    const frames = createServer((request, response) => {
      if (request.url === '/frame') return void response.setHeader('content-type', 'text/html').end(`<!doctype html><script>${script}</script>`)
      if (request.url === '/asked') questions += 1
      response.end(told.answer)
      happened.emit(request.url ?? '')
    })
    const frameOrigin = await listen(frames)
    const rechecks: string[] = []
    const server = createServer((request, response) => {
      if (request.url?.endsWith('/again') === true) rechecks.push(request.url)
      guardNode(made.party, request, response).then(
        ({ kind }) => kind === 'answered' || response.setHeader('content-type', 'text/html').end('<!doctype html><iframe src="/oidc/check-session"></iframe>'),
        () => response.destroy()
      )
    })
    const app = await listen(server)
    const made = setting({ baseUrl: app, sessionCheck: { intervalMs: 1_000 } }, { check_session_iframe: `${frameOrigin}/frame` })
    const visitor = browserOf(made)
    await signIn(made, visitor, { sessionState: 'state.1' })
    const context = await browser.newContext()
    await context.addCookies([...visitor.cookies].map(([name, value]) => ({ name, value, url: app })))
    const page = await context.newPage()
    await stopClock(page)
    return {
      app,
      page,
      rechecks,
      told,
      asked: () => once(happened, '/answered'),
      questions: () => questions,
      loaded: () => once(happened, '/loaded'),
      async [Symbol.asyncDispose]() {
        await context.close()
        for (const one of [server, frames]) one.close().closeAllConnections()
      }
    }
  }

  /** Lets the time pass until the frame is asked again; how long that took, and that it was not sooner. */
  async function waitsFor(world: World, ms: number): Promise<void> {
    const before = world.questions()
    await world.page.clock.runFor(ms - 1)
    assert.equal(world.questions(), before, `asked before ${ms} ms were over`)
    const asked = world.asked()
    await world.page.clock.runFor(1)
    await asked
  }

  test('unchanged: asked again after the interval', async () => {
    await using world = await createWorld('unchanged')
    const first = world.asked()
    await world.page.goto(world.app)
    await first
    for (let i = 0; i < 3; i++) await waitsFor(world, 1_000)
    assert.deepEqual([world.questions(), world.rechecks], [4, []])
  })

  test('changed without an unchanged before it is not believed: no re-check, and twice the time each time', async () => {
    await using world = await createWorld('changed')
    const first = world.asked()
    await world.page.goto(world.app)
    await first
    for (const ms of [2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000]) await waitsFor(world, ms)
    assert.deepEqual(world.rechecks, [])
  })

  test('silence: the frame is loaded again and asked again, after twice the time each time', async () => {
    await using world = await createWorld('nothing')
    const first = world.asked()
    await world.page.goto(world.app)
    await first
    for (const ms of [2_000, 4_000, 8_000]) {
      const loaded = world.loaded()
      await world.page.clock.runFor(3_000)
      await loaded
      await waitsFor(world, ms)
    }
    world.told.answer = 'unchanged'
    const loaded = world.loaded()
    await world.page.clock.runFor(3_000)
    await loaded
    await waitsFor(world, 16_000)
    await waitsFor(world, 1_000)
    assert.deepEqual(world.rechecks, [])
  })

  test('changed after an unchanged is believed once: a provider that does not answer is not asked for a re-check again', async () => {
    await using world = await createWorld('unchanged')
    const first = world.asked()
    await world.page.goto(world.app)
    await first
    world.told.answer = 'changed'
    // The re-check leads to a host that is not there, and the verdict is nothing.
    const recheck = world.page.waitForRequest((request) => request.url().endsWith('/again'))
    await waitsFor(world, 1_000)
    await recheck
    await world.page.waitForFunction('frames[0].document.querySelectorAll("iframe").length === 2')
    await world.page.clock.runFor(15_000)
    for (const ms of [2_000, 4_000, 8_000]) await waitsFor(world, ms)
    assert.equal(world.rechecks.length, 1)
  })

  test('a page of another origin can not hold the frame', async () => {
    await using world = await createWorld('unchanged')
    const stranger = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html').end(`<!doctype html><iframe src="${world.app}/oidc/check-session"></iframe>`)
    })
    const address = await listen(stranger)
    const refused = world.page.waitForEvent('console', { predicate: (message) => message.text().includes('frame-ancestors') })
    await world.page.goto(address)
    assert.match((await refused).text(), /frame-ancestors 'self'/)
    assert.equal(world.questions(), 0)
    stranger.close()
    stranger.closeAllConnections()
  })
})
