import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status } from '@curfew/codecs'
import type { Browser } from '../authority/browser.ts'
import { signInTo } from '../authority/kit.ts'
import { call, makeStream, receiver } from '../authority/shared-signals/support.ts'
import { createTwoRegions, type TwoRegions } from './groups-kit.ts'

/** A browser that payroll sent to sign out stands before the visit to intranet, in the region `berlin`. */
async function signingOut(groups: TwoRegions): Promise<{ readonly browser: Browser; readonly path: string; readonly requestId: string }> {
  const browser = groups.berlin.browser()
  const known = await signInTo(groups.berlin, browser, 'payroll')
  await signInTo(groups.berlin, browser, 'intranet')
  const payroll = groups.berlin.partner('payroll')
  const { subject, authnStatement } = known.assertion ?? assert.fail()
  const request = payroll.logoutRequest(subject.nameId, [authnStatement?.sessionIndex ?? ''])
  const started = await browser.get(await payroll.logoutRedirect(request, 'back'))
  return { browser, path: String(started.headers.location), requestId: request.id }
}

/** The same browser, sent to the other region. */
function movedTo({ paris }: TwoRegions, { cookies }: Browser): Browser {
  const moved = paris.browser()
  for (const [name, value] of cookies) moved.cookies.set(name, value)
  return moved
}

suite('a region is away', () => {
  test('a receiver hears that its stream can not be reached, never that it has none', async () => {
    await using groups = await createTwoRegions({ clients: [receiver()] })
    const id = await makeStream(groups.berlin)
    const ask = async (path: string): Promise<number> => (await call(groups.paris, { method: 'GET', url: `${path}?stream_id=${id}` })).status
    assert.deepEqual([await ask('/ssf/stream'), await ask('/ssf/status')], [200, 200])
    groups.cutBerlin()
    assert.deepEqual([await ask('/ssf/stream'), await ask('/ssf/status')], [503, 503])
  })

  test('a browser in the middle of a sign-out sees what is known here, and does no step of it', async () => {
    await using groups = await createTwoRegions()
    const { browser, path } = await signingOut(groups)
    groups.berlin.partner('intranet').readLogoutRequest(String((await browser.get(`${path}/go`)).headers.location))
    await groups.settle()
    const moved = movedTo(groups, browser)
    groups.cutBerlin()
    const page = await groups.while(moved.get(path))
    assert.equal(page.statusCode, 200)
    assert.match(page.body, /Intranet/)
    assert.match(page.body, new RegExp(`http-equiv="refresh" content="5;url=${path}"`), 'it is asked for again')
    assert.doesNotMatch(page.body, /\/go"/)
    for (const step of ['/go', '/frame/dlv_1']) {
      const answer = await groups.while(moved.get(path + step))
      assert.equal(answer.statusCode, 503)
      assert.match(answer.body, /CURFEW_GROUP_UNREACHABLE/)
    }
  })

  test('a browser in the middle of a sign-out does not wait long for a region that takes its request and falls silent', async () => {
    await using groups = await createTwoRegions()
    const { browser, path } = await signingOut(groups)
    groups.berlin.partner('intranet').readLogoutRequest(String((await browser.get(`${path}/go`)).headers.location))
    await groups.settle()
    const moved = movedTo(groups, browser)
    groups.wire.hang(({ url }) => url.includes('berlin'), groups.clock)
    const startedMs = groups.clock.nowMs()
    const page = await groups.while(moved.get(path))
    assert.match(page.body, new RegExp(`http-equiv="refresh" content="5;url=${path}"`))
    const step = await groups.while(moved.get(`${path}/go`))
    assert.equal(step.statusCode, 503)
    assert.match(step.body, /CURFEW_GROUP_UNREACHABLE/)
    assert.ok(groups.clock.nowMs() - startedMs < 20_000, 'noticed, not waited out')
  })

  test('who started a sign-out that is finished gets the answer', async () => {
    await using groups = await createTwoRegions()
    const { browser, path, requestId } = await signingOut(groups)
    const [payroll, intranet] = [groups.berlin.partner('payroll'), groups.berlin.partner('intranet')]
    const asked = intranet.readLogoutRequest(String((await browser.get(`${path}/go`)).headers.location))
    await browser.get(await intranet.logoutAnswer(asked))
    await groups.settle()
    const moved = movedTo(groups, browser)
    groups.cutBerlin()
    assert.equal((await groups.while(moved.get(path))).headers.location, `${path}/finish`)
    const answer = payroll.readLogoutResponse(String((await groups.while(moved.get(`${path}/finish`))).headers.location))
    assert.deepEqual([answer.status, answer.inResponseTo], [status.success(), requestId])
  })
})
