import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { findChromium, launch, noChromium } from '../journeys/chromium.ts'
import { type Channel, type ChannelId, channels } from './channels.ts'
import { writeTruth } from './hostile.ts'
import {
  type CellRecord,
  carryOut,
  flattery,
  type Go,
  lostAfterMs,
  possibleBehaviours,
  recordOf,
  type Row,
  runOf,
  signedIn,
  wrongOfBrowser,
  wrongOfOthers,
  wrongOfStarter
} from './hostile-row.ts'
import { createHostileWorld, type HostileWorld } from './hostile-world.ts'
import { createFairClock } from './shifted-clock.ts'

const kind = 'user at the authority'
/** Channels that go through the browser. */
const shown = ['saml-redirect', 'saml-post', 'saml-frame', 'oidc-front', 'picture', 'opentoken'] as const satisfies readonly ChannelId[]

/** Headings of pages that go nowhere by themselves. */
const resting = /^(Signed out|Not signed out everywhere|You are signed out|This is where it ends|Elsewhere|It broke)$/

function goIn(page: Page): Go {
  return async (url, referer) => {
    await page.goto(url, { waitUntil: 'commit', ...(referer === undefined ? {} : { referer }) })
    const heading = page.locator('h1').filter({ hasText: resting }).first()
    return heading.waitFor({ timeout: lostAfterMs }).then(
      async () => (await heading.innerText()).trim(),
      () => 'nowhere'
    )
  }
}

async function pageFor({ visitor }: Row, chromium: Browser): Promise<Page> {
  const context = await chromium.newContext()
  await context.addCookies(
    visitor.cookies().map(({ host, name, value, isEverywhere }) => ({
      name,
      value,
      domain: host.split(':')[0] ?? host,
      path: '/',
      secure: isEverywhere,
      sameSite: isEverywhere ? ('None' as const) : ('Lax' as const)
    }))
  )
  return context.newPage()
}

for (const id of shown) {
  const channel: Channel = channels[id]
  suite(`Truth of a hostile participant by ${channel.name}, in Chromium`, { skip: findChromium() === undefined ? noChromium : false }, () => {
    const clock = createFairClock()
    const records: CellRecord[] = []
    const rows: Row[] = []
    let around: HostileWorld
    let chromium: Browser

    before(async () => {
      around = await createHostileWorld(channel, clock)
      for (const behaviour of possibleBehaviours(channel))
        rows.push(await signedIn(around, channel, { behaviour, kind, user: `user${rows.length + 1}` }, clock))
      await around.goDown()
      chromium = await launch([`--host-resolver-rules=MAP curfew.test 127.0.0.1:${around.authorityPort}, MAP *.test 127.0.0.1`])
      clock.beFair()
    })
    after(async () => {
      await chromium.close()
      await around[Symbol.asyncDispose]()
      const name = `${channel.name}, in Chromium`
      writeTruth(`chromium-${id}`, { id: `chromium-${id}`, name, impossible: channel.impossible, starters: [kind], columns: [kind], records })
    })

    suite('the person at the authority', { concurrency: 3 }, () => {
      for (const [i, behaviour] of possibleBehaviours(channel).entries())
        test(`${channel.name} ${behaviour}, in Chromium`, async () => {
          const row = rows[i] ?? assert.fail(behaviour)
          const page = await pageFor(row, chromium)
          const walk = await carryOut(row, goIn(page), clock)
          const atMs = clock.nowMs()
          const run = await runOf(row)
          records.push(recordOf(row, run, walk))
          assert.deepEqual(
            [...wrongOfOthers(row, run, walk), ...wrongOfBrowser(run, walk, atMs), ...wrongOfStarter(row, run, walk, atMs), ...flattery(row, run)],
            []
          )
          await page.context().close()
        })
    })
  })
}
