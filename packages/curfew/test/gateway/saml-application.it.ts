import assert from 'node:assert/strict'
import { createServer, type IncomingMessage } from 'node:http'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { after, before, suite, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { Application } from '../../../../demo/application.ts'
import { startIntranet } from '../../../../demo/intranet/app.ts'
import { createJournal } from '../../../../demo/journal.ts'
import { closeServer } from '../../../../demo/listen.ts'
import { startPayroll } from '../../../../demo/payroll/app.ts'
import { makeRsaKeyPair } from '../authority/key-pairs.ts'
import { blockThirdParties, carryOn, findChromium, launch, noChromium, open } from '../journeys/chromium.ts'
import { freeRange } from '../support/ports.ts'
import { until } from '../support/until.ts'
import { createGatewayKit, type GatewayKit } from './kit.ts'
import { hasCookie, isAskedToSignIn, privateNotes, signedIn, untilRunIsDone } from './private-notes.ts'
import { Visitor } from './visitor.ts'
import { openAt } from './web-socket-client.ts'
import { acceptWebSocket } from './web-socket-server.ts'

/** The gateway with two hosts, two SAML applications that write down what becomes of their sessions, and a page to land on. */
interface World extends AsyncDisposable {
  readonly kit: GatewayKit
  /** Told by the browser. */
  readonly payroll: Application
  /** Told by its server. */
  readonly intranet: Application
  readonly landing: string
}

const names = ['payroll', 'intranet'] as const

async function startWorld(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-saml-application-'))
  const port = await freeRange(3)
  const own = names.map((id, i) => ({ id, port: port + i, baseUrl: `http://${id}.localhost:${port + i}`, pair: makeRsaKeyPair(id), journal: createJournal() }))
  for (const { id, pair } of own) await writeFile(join(folder, `${id}.pem`), pair.certificatePem)
  const landing = `http://www.localhost:${port + 2}/bye`
  const kit = await createGatewayKit({
    upstream: privateNotes,
    provider: { useSingleLogout: true, logoutRedirectUri: landing },
    configuration: (config) => ({
      ...config,
      logout: { targets: [{ domain: `www.localhost:${port + 2}`, requireHttps: false }] },
      connections: [
        ...(config.connections ?? []),
        ...own.map(({ id, baseUrl }) => ({
          id,
          protocol: 'saml' as const,
          entityId: `${baseUrl}/saml/metadata`,
          acs: [{ binding: 'post' as const, url: `${baseUrl}/saml/acs` }],
          slo: [
            id === 'payroll' ? { binding: 'redirect' as const, url: `${baseUrl}/saml/slo` } : { binding: 'soap' as const, url: `${baseUrl}/saml/slo/soap` }
          ],
          certificates: [join(folder, `${id}.pem`)]
        }))
      ]
    })
  })
  kit.upstream.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    acceptWebSocket(request, socket)
    socket.on('error', () => undefined)
  })
  const page = createServer((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>-</title><h1>Bye</h1>'))
  page.listen(port + 2, '127.0.0.1')
  await once(page, 'listening')
  const metadata = Buffer.from((await new Visitor().ask(`${kit.issuer}/pf/federation_metadata.ping`)).body)
  const [payroll, intranet] = await Promise.all(
    own.map(({ id, pair, ...place }) =>
      (id === 'payroll' ? startPayroll : startIntranet)({
        ...place,
        identityProviderMetadata: metadata,
        keyPem: pair.key.export({ type: 'pkcs8', format: 'pem' }).toString(),
        certificatePem: pair.certificatePem
      })
    )
  )
  if (payroll === undefined || intranet === undefined) throw new TypeError('both were started')
  return {
    kit,
    payroll,
    intranet,
    landing,
    async [Symbol.asyncDispose]() {
      await Promise.all([page, ...payroll.servers, ...intranet.servers].map(closeServer))
      await kit[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    }
  }
}

const lastEvent = ({ journal }: Application): string | undefined => journal.entries().at(-1)?.event

suite('A gateway and SAML applications in one browser session', { skip: findChromium() === undefined ? noChromium : false }, () => {
  let browser: Browser
  before(async () => {
    browser = await launch()
  })
  after(() => browser.close())

  for (const isRestricted of [false, true])
    for (const javaScriptEnabled of [true, false]) {
      const mode = `${isRestricted ? 'third-party cookies restricted' : 'default'}, JavaScript ${javaScriptEnabled ? 'on' : 'off'}`

      async function everywhere({ kit, payroll, intranet }: World): Promise<Page> {
        const page = await (await browser.newContext({ javaScriptEnabled })).newPage()
        if (isRestricted) await blockThirdParties(page)
        await signedIn(kit, page)
        for (const application of [payroll, intranet]) {
          await open(page, `${application.url}/`)
          assert.equal(lastEvent(application), 'signed-in', `${application.id} opens without a password`)
        }
        return page
      }

      async function askedEverywhere({ kit, payroll, intranet }: World, page: Page): Promise<void> {
        for (const url of [kit.wiki, kit.shop, payroll.url, intranet.url]) {
          await open(page, `${url}/`)
          assert.ok(await isAskedToSignIn(page), url)
        }
      }

      test(`AC-061 AC-071 AC-072 a logout that starts at the gateway ends the SAML applications, their own journals say so, and lands where it was told (${mode})`, async () => {
        await using world = await startWorld()
        const { kit, payroll, intranet, landing } = world
        const page = await everywhere(world)
        await page.goto(`${kit.wiki}/`)
        await page.click('a', { noWaitAfter: true })
        await page.waitForURL((url) => url.origin === kit.issuer)
        // An authority of another site asks whether everything is meant.
        await page.locator('button[value=everywhere]').click({ noWaitAfter: true })
        // What a picture did nobody proves: the page says so, stays to be read, and leads on.
        const onward = page.locator('a.button.primary')
        await onward.waitFor({ timeout: 60_000 })
        await page.getByText('did not confirm').first().waitFor()
        assert.equal(await onward.getAttribute('href'), landing)
        await onward.click()
        await page.locator('h1', { hasText: 'Bye' }).waitFor()
        assert.equal(page.url(), landing)
        await untilRunIsDone(kit)
        for (const application of [payroll, intranet]) assert.equal(lastEvent(application), 'signed-out', application.id)
        const [run] = (await kit.authority.store.listRuns({ limit: 1 })).items
        const outcomes = run?.deliveries.map(({ peerId, outcome }) => `${peerId} ${outcome?.kind}`) ?? []
        assert.deepEqual(new Set(outcomes), new Set(['gate unconfirmed', 'intranet ended', 'payroll ended']))
        assert.equal(await hasCookie(page.context(), kit.wiki), false)
        await askedEverywhere(world, page)
        await page.context().close()
      })

      test(`AC-085 a logout that starts at a SAML application makes the gateway refuse within a second, and close what is open (${mode})`, async () => {
        await using world = await startWorld()
        const { kit, payroll, intranet } = world
        const page = await everywhere(world)
        const cookies = await page.context().cookies(kit.shop)
        const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join('; ')
        const live = await openAt(kit.shop, { host: new URL(kit.shop).host, cookie })
        const seen: { closed?: { readonly code: number; readonly atMs: number }; refusedAtMs?: number } = {}
        void live.code.then((code) => (seen.closed = { code, atMs: Date.now() }))
        await open(page, `${payroll.url}/`)
        await page.click('button', { noWaitAfter: true })
        await until('closed and refused', async () => {
          const { status } = await new Visitor().ask(`${kit.shop}/`, { headers: { cookie } })
          if (status === 303) seen.refusedAtMs ??= Date.now()
          return seen.closed !== undefined && seen.refusedAtMs !== undefined
        })
        const { closed = assert.fail(), refusedAtMs = assert.fail() } = seen
        const endedAtMs = (await kit.authority.store.listRuns({ limit: 1 })).items[0]?.startedAtMs ?? assert.fail('no run')
        assert.equal(closed.code, 4001)
        for (const [what, ms] of Object.entries({ closed: closed.atMs - endedAtMs, refused: refusedAtMs - endedAtMs }))
          assert.ok(ms < 1_000, `${what} after ${ms} ms`)
        await until('the answer to payroll', async () => {
          await carryOn(page)
          return /signout=/.test(page.url())
        })
        // Nobody proves what a picture did: the SAML application hears that it is not all certain.
        assert.match(page.url(), /signout=partial/)
        assert.deepEqual([lastEvent(payroll), lastEvent(intranet)], ['logout-finished', 'signed-out'])
        await askedEverywhere(world, page)
        await page.context().close()
      })
    }
})
