import assert from 'node:assert/strict'
import { after, before, suite, test, type TestContext } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { LogoutRun } from '../../src/core/run.ts'
import type { Kit } from '../authority/kit.ts'
import { authorityUrl } from '../authority/partner.ts'
import { blockThirdParties, findChromium, launch, noChromium } from '../journeys/chromium.ts'
import { freeRange } from '../support/ports.ts'
import { type Doors, openDoors } from './doors.ts'
import type { KeptSession } from './journal.ts'
import { type Crowd, createReceivers, crowds, type Receivers, truths } from './receivers.ts'
import { createShiftedClock } from './shifted-clock.ts'
import { expiry, type Scene, type Starter, starters } from './starter.ts'
import { createVisitor, type Visitor } from './visitor.ts'
import { type Application, createWorld, enter, type World } from './world.ts'

const finalHeading = /^(Signed out|Not signed out everywhere|You are signed out|Bye|Out)$/
const finalMs = 10_000

/** A user who is signed in everywhere, and the browser in which that is. */
interface Row {
  readonly scene: Scene
  readonly crowd: Crowd
  readonly starter: Starter
  readonly applications: readonly Application[]
  readonly context: BrowserContext
  readonly page: Page
}

for (const mode of ['allowed', 'blocked'] as const) {
  suite(`AC-168 third-party cookies ${mode}`, { skip: findChromium() === undefined ? noChromium : false }, () => {
    const clock = createShiftedClock()
    let receivers: Receivers
    let world: World
    let doors: Doors
    let chromium: Browser
    let users = 0
    let entering: Promise<unknown> = Promise.resolve()

    before(async () => {
      const holder: { kit?: Kit } = {}
      receivers = await createReceivers(clock, () => holder.kit ?? assert.fail('not yet'))
      world = await createWorld(receivers, clock, (kit) => void (holder.kit = kit), { signOn: { hasForm: false } })
      doors = await openDoors(world, await freeRange(1))
      chromium = await launch(doors.switches)
    })
    after(async () => {
      await chromium.close()
      await doors[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    })

    /** One user after the other signs in: the providers ask nobody who they are. */
    function entered(
      visitor: Visitor,
      upstream: Scene['upstream'],
      user: string,
      applications: readonly Application[]
    ): Promise<ReadonlyMap<string, KeptSession>> {
      const turn = entering.then(() => enter(visitor, upstream, user, applications))
      entering = turn.catch(() => undefined)
      return turn
    }

    async function signedIn(starter: Starter, crowd: Crowd): Promise<Row> {
      users += 1
      const user = `user${users}`
      const ids = new Set([...crowd.applications, ...(starter.application === undefined ? [] : [starter.application])])
      const applications = [...receivers.saml, ...receivers.openId, ...receivers.openToken].filter(({ id }) => ids.has(id))
      const wanted = starter.upstream ?? crowd.upstream
      const upstream = [...receivers.samlUpstreams, ...receivers.openIdUpstreams].find(({ id }) => id === wanted) ?? assert.fail(wanted)
      const visitor = createVisitor(world.web, { blocksThirdParties: false })
      const sessions = await entered(visitor, upstream, user, applications)
      const context = await chromium.newContext()
      await context.addCookies(
        visitor.cookies().map(({ host, name, value, isEverywhere }) => ({
          name,
          value,
          domain: host,
          path: '/',
          secure: isEverywhere,
          sameSite: isEverywhere ? ('None' as const) : ('Lax' as const)
        }))
      )
      const page = await context.newPage()
      if (mode === 'blocked') await blockThirdParties(page)
      const saml = (id: string) => receivers.saml.find((one) => one.id === id) ?? assert.fail(id)
      const home = (id: string): string => `http://${[...applications, upstream].find((one) => one.id === id)?.host ?? assert.fail(id)}/`
      return { scene: { world, user, upstream, sessions, saml, home }, crowd, starter, applications, context, page }
    }

    suite('whoever starts', { concurrency: 3 }, () => {
      for (const crowd of crowds) {
        // Where no browser is needed, or no frame of it, its cookies in frames do not matter.
        if ((crowd.name === 'servers' || crowd.isOfUpstream === true) && mode === 'blocked') continue
        for (const starter of starters.filter(({ upstream }) => crowd.isOfUpstream !== true || upstream === undefined)) {
          test(`${starter.name} -> ${crowd.name}`, async (t) => {
            const row = await signedIn(starter, crowd)
            await carryOut(row)
            await everyCell(t, row)
            await row.context.close()
          })
        }
      }
    })

    // It ends every session there is, so that it comes last.
    test(expiry.name, async (t) => {
      const rows = await Promise.all(crowds.map((crowd) => signedIn(expiry, crowd)))
      clock.advance(61 * 60_000)
      await world.kit.ctx.engine.endExpired()
      for (const row of rows) {
        await comeBack(row)
        await t.test(`${expiry.name} -> ${row.crowd.name}`, (inner) => everyCell(inner, row))
        await row.context.close()
      }
    })

    /** Starts, and takes the browser along until it is at its last page. */
    async function carryOut(row: Row): Promise<void> {
      const { starter, scene, page } = row
      await starter.act?.(scene)
      const start = starter.address?.(scene)
      if (start !== undefined) {
        await page.goto(start.url, start.referer === undefined ? {} : { referer: start.referer })
        await atEnd(page)
      }
      if (start === undefined || starter.staysAway === true) await comeBack(row)
    }

    async function comeBack({ page }: Row): Promise<void> {
      await page.goto(`${authorityUrl}/signoff`)
      await atEnd(page)
    }

    async function atEnd(page: Page): Promise<void> {
      await page.locator('h1').filter({ hasText: finalHeading }).first().waitFor({ timeout: finalMs })
    }

    async function runOf({ scene }: Row): Promise<LogoutRun> {
      const { items } = await world.kit.store.listRuns({ limit: 200 })
      return items.find(({ username }) => username === scene.user) ?? assert.fail('no run')
    }

    async function everyCell(t: TestContext, row: Row): Promise<void> {
      const { scene, starter, applications } = row
      const run = await runOf(row)
      const told = [...applications.map(({ id }) => id), scene.upstream.id]
      assert.deepEqual(
        run.deliveries.map(({ peerId }) => peerId).sort(),
        told.filter((id) => !isStarter(starter, id)).sort(),
        'everybody but the starter, each once'
      )
      for (const id of told) {
        const kept = id === scene.upstream.id ? scene.upstream.journal.ofUser(scene.user) : scene.sessions.get(id)
        await t.test(`${id}${isStarter(starter, id) ? ' (starter)' : ''}`, () => {
          assert.deepEqual(cellOf(run, id, kept ?? assert.fail(id)), expectedOf(starter, id))
        })
      }
      await t.test('what the starter was told', async () => {
        assert.equal(starter.said?.(scene), starter.said === undefined ? undefined : expectedStatus(row, told))
        const heading = (await row.page.locator('h1').first().innerText()).trim()
        assert.match(heading, expectedHeading(row, told))
      })
    }

    interface Cell {
      readonly outcome: string | undefined
      readonly proof: string | undefined
      readonly isLive: boolean
      readonly timesHeard: number
    }

    function cellOf(run: LogoutRun, id: string, kept: KeptSession): Cell {
      const outcome = run.deliveries.find(({ peerId }) => peerId === id)?.outcome
      return {
        outcome: outcome?.kind,
        proof: outcome === undefined ? undefined : 'proof' in outcome ? outcome.proof.kind : 'none',
        isLive: kept.isLive,
        timesHeard: kept.heard.length
      }
    }

    function expectedOf(starter: Starter, id: string): Cell {
      if (isStarter(starter, id)) return { outcome: undefined, proof: undefined, isLive: false, timesHeard: 0 }
      if (starter.isLocal === true) return { outcome: 'not-asked', proof: 'none', isLive: true, timesHeard: 0 }
      const { outcome, proof, needsCookieInFrame } = truths[id] ?? assert.fail(id)
      const isReached = needsCookieInFrame !== true || mode === 'allowed'
      // A client that starts has ended its own session before it is told.
      return { outcome, proof, isLive: !isReached, timesHeard: isReached ? 1 : 0 }
    }

    /** The last page: the starter's own, or the authority's, which says no more than is true. */
    function expectedHeading({ starter }: Row, told: readonly string[]): RegExp {
      const others = told.filter((id) => !isStarter(starter, id))
      if (starter.said !== undefined && starter.isAnsweredAtOnce !== true) return /^Signed out$/
      if (others.some((id) => expectedOf(starter, id).outcome !== 'ended')) return /^Not signed out everywhere$/
      // Where no browser was needed nothing is left to show to one that comes later; one that comes meanwhile sees it end.
      const isOver = starter.address === undefined || starter.staysAway === true
      return isOver && others.every((id) => truths[id]?.byBrowser === false) ? /^(You are signed out|Signed out)$/ : /^(Signed out|Bye)$/
    }

    function expectedStatus({ starter }: Row, told: readonly string[]): string {
      const others = told.filter((id) => !isStarter(starter, id)).map((id) => truths[id] ?? assert.fail(id))
      const isTold = others.every(({ outcome, byBrowser }) => outcome === 'ended' && !(starter.isAnsweredAtOnce === true && byBrowser))
      return isTold ? 'Success' : 'PartialLogout'
    }
  })
}

function isStarter({ isNotTold, application, upstream }: Starter, id: string): boolean {
  return isNotTold === true && (id === application || id === upstream)
}
