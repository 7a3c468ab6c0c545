import assert from 'node:assert/strict'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { suite, test } from 'node:test'
import type { RunEvent } from '../../../src/core/run.ts'
import { createKit, type Kit } from '../kit.ts'
import { newest } from '../moving.ts'
import { clientOf, tokensFor } from '../oidc/relying-party.ts'

/** Who began the sign-out: a person, who looks at the page, or an application, whose user is on the way back to it. */
type Starter = 'person' | 'application'

interface Opened extends AsyncDisposable {
  readonly kit: Kit
  /** The sign-off page, which is read to its end once the browser may go on. */
  readonly page: Promise<string>
  isOver(): boolean
  /** What the script of the page says. */
  says(how: 'loaded' | 'failed' | 'not-loaded'): Promise<void>
  outcome(): Promise<string | undefined>
}

/** A sign-out with the picture of one application, which the browser has asked for; its clock stands still at the opening of the page. */
async function opened(starter: Starter, hasScripts = true): Promise<Opened> {
  const kit = await createKit({
    startMs: Temporal.Now.instant().epochMilliseconds,
    policy: { frameTimeoutMs: 5_000 },
    partners: { payroll: { slo: [{ binding: 'redirect', url: 'http://payroll.test/slo' }] } },
    clients: [clientOf('chat', { logout: { modes: ['pingFrontChannel'], frontChannelUris: ['http://chat.test/front'] } })]
  })
  const browser = kit.browser()
  await tokensFor(kit, browser, 'chat')
  const start = starter === 'person' ? '/idp/startSLO.ping' : await fromPayroll(kit, browser)
  const path = String((await browser.get(start, { 'sec-fetch-site': 'none' })).headers.location)
  assert.match(path, /^\/signoff\/run_\w+$/)
  let isOver = false
  const page = browser.get(path).then(({ body }) => {
    isOver = true
    return body
  })
  const picture = async () => (await newest(kit)).deliveries.find(({ peerId }) => peerId === 'chat') ?? assert.fail('no picture')
  while ((await picture()).offeredAtMs === undefined) await setImmediate()
  const { id } = await picture()
  assert.equal((await browser.get(`${path}/frame/${id}`)).headers.location, 'http://chat.test/front')
  const tell = async (event: RunEvent): Promise<void> => void (await kit.ctx.engine.apply((await newest(kit)).id, event))
  if (hasScripts) await tell({ kind: 'frames-watched', atMs: kit.clock.nowMs() })
  return {
    kit,
    page,
    isOver: () => isOver,
    says: (how) => tell({ kind: 'frame-over', deliveryId: id, how, atMs: kit.clock.nowMs() }),
    async outcome() {
      const { outcome } = await picture()
      return outcome !== undefined && 'code' in outcome ? outcome.code : outcome?.kind
    },
    [Symbol.asyncDispose]: () => kit[Symbol.asyncDispose]()
  }
}

/** Signs in to payroll; the address that payroll sends the browser to when its user signs out there. */
async function fromPayroll(kit: Kit, browser: ReturnType<Kit['browser']>): Promise<string> {
  const payroll = kit.partner('payroll')
  payroll.readResponse((await browser.get(await payroll.ssoRedirect())).body)
  const [session] = await kit.store.findByUser('local:ana')
  const participants = await kit.store.getParticipants(session?.id ?? assert.fail('not signed in'))
  const own = participants.find(({ peerId }) => peerId === 'payroll') ?? assert.fail('not signed in to payroll')
  return payroll.logoutRedirect(payroll.logoutRequest(own.nameId, [own.sessionIndex]))
}

/** The page stays for all of this time but its last millisecond, and goes on with that one: nothing else moves the clock. */
async function staysFor({ kit, page, isOver }: Opened, ms: number): Promise<string> {
  await kit.clock.advance(ms - 1)
  for (let turn = 0; turn < 50; turn++) await setImmediate()
  assert.equal(isOver(), false, `it went on sooner than ${ms} ms`)
  await kit.clock.advance(1)
  return goesOn({ page, isOver })
}

/** The page goes on without any move of the clock, however long this machine takes for it. */
async function goesOn({ page, isOver }: Pick<Opened, 'page' | 'isOver'>): Promise<string> {
  for (let i = 0; i < 12_000 && !isOver(); i++) await sleep(5)
  assert.ok(isOver(), 'it stays for longer')
  return page
}

/** When the script of a page speaks at the latest, in milliseconds. */
function lastWordOf(page: string): number {
  return Number(/setTimeout\(tell, (\d+)\)/.exec(page)?.[1] ?? assert.fail('no script'))
}

const shownMs = { least: 2_000, most: 5_000 }
const passingMs = { least: 1_000, most: 3_000 }
const lastWordAheadMs = 300

suite('AC-162 A picture that fails', () => {
  test('AC-162 is known at once, and holds the page no longer than one that loads', async () => {
    await using it = await opened('person')
    await it.says('failed')
    await staysFor(it, shownMs.least)
    assert.equal(await it.outcome(), 'CURFEW_RUN_PICTURE_FAILED')
  })
})

for (const [row, starter, { least, most }] of [
  ['AC-162', 'person', shownMs],
  ['AC-163', 'application', passingMs]
] as const)
  suite(`${row} How long the sign-off page that ${starter === 'person' ? 'a person looks at' : 'is on the way back to an application'} stays, to the millisecond`, () => {
    test(`${row} ${least} ms where the picture has loaded before`, async () => {
      await using it = await opened(starter)
      await it.says('loaded')
      const page = await staysFor(it, least)
      assert.match(page, /\/finish/)
      assert.equal(await it.outcome(), 'CURFEW_RUN_NO_ANSWER_POSSIBLE')
    })

    test(`${row} ${most} ms where scripts are off, and nobody can say what became of the picture`, async () => {
      await using it = await opened(starter, false)
      assert.match(await staysFor(it, most), /\/finish/)
      assert.equal(await it.outcome(), 'CURFEW_RUN_NO_ANSWER_POSSIBLE')
    })

    test(`${row} until the picture has loaded, where that takes longer`, async () => {
      await using it = await opened(starter)
      await it.kit.clock.advance(least + 500)
      assert.equal(it.isOver(), false)
      await it.says('loaded')
      assert.match(await goesOn(it), /\/finish/)
    })

    test(`${row} ${most} ms at the most, where the picture hangs: its script says so before that`, async () => {
      await using it = await opened(starter)
      await it.kit.clock.advance(most - lastWordAheadMs)
      assert.equal(it.isOver(), false)
      await it.says('not-loaded')
      // Without a move of the clock: the page goes on at once.
      assert.equal(lastWordOf(await goesOn(it)), most - lastWordAheadMs)
      assert.equal(await it.outcome(), 'CURFEW_RUN_FRAME_NOT_LOADED')
    })
  })
