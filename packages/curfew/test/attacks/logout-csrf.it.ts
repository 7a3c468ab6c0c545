import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { after, before, suite, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Kit } from '../authority/kit.ts'
import { createOidcKit } from '../authority/oidc/relying-party.ts'
import { findChromium, launch, noChromium } from '../journeys/chromium.ts'
import { inside, type Inside } from '../support/inside.ts'
import { freeRange } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { doors } from './logout-doors.ts'

const port = await freeRange(1)
const authority = `http://localhost:${port}`

/** A request to one of the doors, as a browser sent it. */
interface Heard {
  readonly door: string
  readonly purpose: string
  readonly hasSession: boolean
}

/** A way in which a page asks for an address of ours without anybody going there. */
interface Way {
  readonly html: (urls: readonly string[]) => string
  /** The browser asks it of another site as well, without cookies. */
  readonly reachesOtherSites: boolean
  /** What the browser says that it is for, where it loads ahead. */
  readonly purpose?: string
}

/** After so long nothing comes any more. */
const quietMs = 1_000
const submitsAll = '<script>for (const form of document.forms) form.submit()</script>'
const each =
  (tag: (url: string) => string): Way['html'] =>
  (urls) =>
    urls.map(tag).join('\n')
const script = (call: string): Way => ({ html: each((url) => `<script>${call.replace('URL', JSON.stringify(url))}</script>`), reachesOtherSites: true })
const rules = (kind: 'prefetch' | 'prerender', purpose: string): Way => ({
  purpose,
  html: (urls) => `<script type="speculationrules">${JSON.stringify({ [kind]: [{ source: 'list', urls, eagerness: 'immediate' }] })}</script>`,
  // It would have to leave out the cookies that are there, and does not ask at all.
  reachesOtherSites: false
})

const ways: Readonly<Record<string, Way>> = {
  'a picture': { html: each((url) => `<img src="${url}">`), reachesOtherSites: true },
  'a script': { html: each((url) => `<script src="${url}"></script>`), reachesOtherSites: true },
  'a style sheet': { html: each((url) => `<link rel="stylesheet" href="${url}">`), reachesOtherSites: true },
  'a frame': { html: each((url) => `<iframe src="${url}"></iframe>`), reachesOtherSites: true },
  'an object': { html: each((url) => `<object data="${url}"></object>`), reachesOtherSites: true },
  'a link that is fetched ahead': { html: each((url) => `<link rel="prefetch" href="${url}">`), reachesOtherSites: true, purpose: 'prefetch' },
  'rules to fetch ahead': rules('prefetch', 'prefetch'),
  'rules to show ahead': rules('prerender', 'prefetch;prerender'),
  'a fetch without CORS': script(`fetch(URL, { mode: 'no-cors', credentials: 'include' })`),
  'a fetch by POST': script(`fetch(URL, { method: 'POST', mode: 'no-cors', credentials: 'include', body: new URLSearchParams({ choice: 'everywhere' }) })`),
  'a beacon': script(`navigator.sendBeacon(URL, new URLSearchParams({ consentGiven: 'true' }))`),
  'a form in a frame': {
    html: (urls) =>
      urls
        .map((url) => `<iframe name="${url}"></iframe><form method="post" target="${url}" action="${url}"><input name="choice" value="everywhere"></form>`)
        .join('') + submitsAll,
    reachesOtherSites: true
  }
}

/** Forms and addresses that take the whole browser there. */
const journeys: Readonly<Record<string, (url: string) => string>> = {
  'a form by GET': (url) => formTo(url, 'get'),
  'a form by POST': (url) => formTo(url, 'post'),
  'a script that goes there': (url) => `<script>location.href = ${JSON.stringify(url)}</script>`
}

function formTo(url: string, method: 'get' | 'post'): string {
  const fields = '<input name="choice" value="everywhere"><input name="consentGiven" value="true">'
  return `<form method="${method}" action="${url}">${fields}</form>${submitsAll}`
}

const sites = { 'another site': '127.0.0.1', 'another origin of the same site': 'localhost' } as const

suite('Requests of a page of a stranger that would sign somebody out, in Chromium', { skip: findChromium() === undefined ? noChromium : false }, () => {
  let kit: Kit
  let server: Server
  let stranger: Inside
  let chromium: Browser
  let shown = ''
  let heard: Heard[] = []

  before(async () => {
    kit = await createOidcKit({ baseUrl: authority, network: async () => ({ status: 200 }), adapterLogouts: [{ sourceId: 'form', path: '/logout' }] })
    server = createServer((request, response) => void answer(request, response)).listen(port, '127.0.0.1')
    await once(server, 'listening')
    stranger = await inside((_, response) => void response.setHeader('content-type', 'text/html').end(`<!doctype html><title>-</title><body>${shown}`))
    chromium = await launch()
  })
  after(async () => {
    await chromium?.close()
    await stranger?.[Symbol.asyncDispose]()
    server?.closeAllConnections()
    server?.close()
    await kit?.[Symbol.asyncDispose]()
  })

  /** The authority, with somebody who writes down what comes to its doors and has been answered. */
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { url = '', headers } = request
    const method = request.method === 'POST' ? 'POST' : 'GET'
    const { statusCode, headers: own, rawPayload } = await kit.app.inject({ method, url, headers, payload: await buffer(request) })
    const door = doors.find((one) => url === one || url.startsWith(`${one}?`))
    if (door !== undefined) heard.push({ door: url, purpose: String(headers['sec-purpose'] ?? ''), hasSession: /\bPF=/.test(headers.cookie ?? '') })
    for (const [name, value] of Object.entries(own)) if (value !== undefined) response.setHeader(name, value)
    response.writeHead(statusCode, { connection: 'close' }).end(rawPayload)
  }

  async function live(): Promise<number> {
    return (await kit.store.listSessions({ state: 'live', limit: 5, nowMs: kit.clock.nowMs() })).items.length
  }

  async function signIn(page: Page): Promise<void> {
    await page.goto(`${authority}/`)
    await page.fill('input[name=username]', 'ana')
    await page.fill('input[name=password]', 'correct horse')
    await page.click('button.primary')
    await page.getByText('Signed in as ana').waitFor()
  }

  /** Somebody who is signed in here comes to the page of the stranger. */
  async function lure(page: Page, host: string, html: string): Promise<void> {
    heard = []
    shown = html
    await page.goto(`http://${host}:${stranger.port}/`, { waitUntil: 'commit' })
  }

  for (const [site, host] of Object.entries(sites))
    suite(site, () => {
      let context: BrowserContext
      let page: Page

      before(async () => {
        context = await chromium.newContext()
        page = await context.newPage()
        await signIn(page)
        assert.equal(await live(), 1)
      })
      after(() => context?.close())

      const isSame = host === 'localhost'
      for (const [name, way] of Object.entries(ways))
        test(`${name} of ${site} ends nothing`, async () => {
          await lure(page, host, way.html(doors.map((door) => authority + door)))
          if (isSame || way.reachesOtherSites) await until('every door was asked', () => doors.every((door) => heard.some((one) => one.door === door)))
          else await sleep(quietMs)
          assert.ok(
            heard.every(({ hasSession }) => hasSession === isSame),
            'with the cookie of the session where the site is the same'
          )
          assert.ok(
            heard.every(({ purpose }) => purpose === (way.purpose ?? '')),
            'loaded ahead where that is the way'
          )
          assert.equal(await live(), 1)
        })

      // An application of the same site may start a sign-out.
      for (const [name, html] of Object.entries(isSame ? {} : journeys))
        test(`${name} of ${site} ends nothing`, async () => {
          for (const door of doors) {
            const tab = await context.newPage()
            // It is led on before it has arrived.
            await lure(tab, host, html(authority + door)).catch(() => undefined)
            await until(`${door} was asked`, () => heard.some((one) => one.door.startsWith(door.split('?')[0] ?? door)))
            assert.equal(await live(), 1, door)
            await tab.close()
          }
        })

      test(`whoever goes there from ${site} by an own wish is signed out: what ends nothing above is held back for what it is`, async () => {
        await page.goto(`${authority}/idp/startSLO.ping`)
        assert.equal(await live(), 0)
      })
    })
})
