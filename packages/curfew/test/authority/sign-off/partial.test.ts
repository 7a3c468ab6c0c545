import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status, statusUri } from '@curfew/codecs'
import type { Browser } from '../browser.ts'
import { formOf } from '../browser.ts'
import type { RunId } from '../../../src/core/ids.ts'
import { createKit, type Kit, type KitOptions, signIn } from '../kit.ts'
import { moving } from '../moving.ts'
import { createOidcKit, refresh, tokensFor } from '../oidc/relying-party.ts'

/** `ana` is signed in at payroll and intranet. */
async function inBoth(options: KitOptions = {}): Promise<{ readonly kit: Kit; readonly browser: Browser }> {
  const kit = await createKit(options)
  const browser = kit.browser()
  await signIn(browser, '/')
  for (const id of Object.keys(kit.partners)) {
    kit.partner(id).readResponse((await browser.get(await kit.partner(id).ssoRedirect())).body)
    kit.clock.advance(1_000)
  }
  return { kit, browser }
}

async function leave(browser: Browser, app: string, more: Readonly<Record<string, string>> = {}) {
  const { fields } = formOf((await browser.get('/signoff')).body)
  return browser.post('/signoff', { ...fields, choice: `only:${app}`, ...more })
}

suite('Signing out of one application only', () => {
  test('the application is asked, nobody else is, and the session goes on', async () => {
    const { kit, browser } = await inBoth()
    await using _kit = kit
    const page = await browser.get('/signoff')
    assert.match(page.body, /Only Payroll/)
    const answer = await leave(browser, 'payroll')
    const path = String(answer.headers.location)
    const away = await browser.get(`${path}/go`)
    const payroll = kit.partner('payroll')
    const request = payroll.readLogoutRequest(String(away.headers.location))
    await browser.get(await payroll.logoutAnswer(request))
    assert.equal((await browser.get(`${path}/go`)).headers.location, path)
    const result = await browser.get(path)
    assert.match(result.body, /Payroll: signed out/)
    assert.match(result.body, /Stays signed in/)
    assert.doesNotMatch(result.body, /safe to leave/)
    assert.match((await browser.get('/')).body, /Signed in as ana/)
    const run = await kit.store.getRun(path.split('/').at(-1) as `run_${string}`)
    assert.deepEqual(
      run?.deliveries.map(({ peerId, outcome }) => [peerId, outcome?.kind]),
      [
        ['payroll', 'ended'],
        ['intranet', 'not-asked']
      ]
    )
  })

  test('a later logout everywhere asks it again, so that what was opened meanwhile ends too', async () => {
    const { kit, browser } = await inBoth({ partners: { payroll: {} } })
    await using _kit = kit
    const payroll = kit.partner('payroll')
    const path = String((await leave(browser, 'payroll')).headers.location)
    await browser.get(await payroll.logoutAnswer(payroll.readLogoutRequest(String((await browser.get(`${path}/go`)).headers.location))))
    const { fields } = formOf((await browser.get('/signoff')).body)
    const everywhere = String((await browser.post('/signoff', { ...fields, choice: 'everywhere' })).headers.location)
    const again = payroll.readLogoutRequest(String((await browser.get(`${everywhere}/go`)).headers.location))
    await browser.get(await payroll.logoutAnswer(again, status.requester(statusUri.unknownPrincipal)))
    const run = await kit.store.getRun(everywhere.split('/').at(-1) as `run_${string}`)
    assert.deepEqual(
      run?.deliveries.map(({ outcome }) => outcome?.kind),
      ['already-ended']
    )
  })

  test('an application that refuses is told as such, and the sign-in is not called ended', async () => {
    const { kit, browser } = await inBoth()
    await using _kit = kit
    const path = String((await leave(browser, 'payroll')).headers.location)
    const payroll = kit.partner('payroll')
    const request = payroll.readLogoutRequest(String((await browser.get(`${path}/go`)).headers.location))
    await browser.get(await payroll.logoutAnswer(request, status.responder()))
    const result = await browser.get(path)
    assert.match(result.body, /Payroll did not confirm/)
    assert.match(result.body, /Not signed out/)
    assert.match((await browser.get('/')).body, /Signed in as ana/)
  })

  test('an application that is not part of the session is nothing to sign out of, and a foreign form does nothing', async () => {
    const { kit, browser } = await inBoth({ partners: { payroll: {}, intranet: {} } })
    await using _kit = kit
    assert.equal((await leave(browser, 'wiki')).headers.location, '/signoff')
    assert.equal((await leave(browser, 'payroll', { csrfToken: 'x' })).statusCode, 403)
    assert.equal((await kit.store.listRuns({ limit: 5 })).items.length, 0)
  })

  test('is offered for an application that can be asked, and for no other', async () => {
    const { kit, browser } = await inBoth({ partners: { payroll: { slo: [] }, intranet: { profiles: { idpInitiatedSlo: false } }, wiki: {} } })
    await using _kit = kit
    const { body } = await browser.get('/signoff')
    assert.match(body, /Only Wiki/)
    assert.doesNotMatch(body, /Only (Payroll|Intranet)/)
  })
})

/** `ana` is signed in at the wiki, and signs out of it while it is down. */
async function leftWhileDown() {
  const told: string[] = []
  const wiki = { isDown: true }
  const kit = await createOidcKit({
    network: async ({ url }) => {
      told.push(url)
      return { status: wiki.isDown ? 503 : 200 }
    }
  })
  const browser = kit.browser()
  const tokens = await tokensFor(kit, browser, 'wiki')
  kit.clock.advance(1_000)
  const path = String((await leave(browser, 'wiki')).headers.location)
  const id = path.split('/').at(-1) as RunId
  const delivery = async () => (await kit.store.getRun(id))?.deliveries[0] ?? assert.fail('no delivery')
  await moving(kit, async () => (await delivery()).state === 'retrying')
  wiki.isDown = false
  kit.clock.advance(1)
  return { kit, browser, told, tokens, path, delivery }
}

suite('Opening an application again after signing out of it', () => {
  test('a message that is tried again does not end the newer sign-in: none is sent, and the run says so', async () => {
    const { kit, browser, told, path, delivery } = await leftWhileDown()
    await using _kit = kit
    const before = told.length
    await tokensFor(kit, browser, 'wiki')
    await moving(kit, async () => (await delivery()).state === 'final')
    assert.equal(told.length, before)
    assert.deepEqual((await delivery()).outcome, { kind: 'unconfirmed', code: 'CURFEW_RUN_OPENED_AGAIN' })
    const page = (await browser.get(path)).body
    assert.match(page, /Opened again, not signed out/)
    assert.doesNotMatch(page, /\/retry"/)
    // Nor is it by somebody who asks for it: the run is older all the same.
    const { id } = await delivery()
    await kit.ctx.engine.retry(path.split('/').at(-1) as RunId, id, { kind: 'admin', id: 'test' })
    assert.equal((await kit.store.getRun(path.split('/').at(-1) as RunId))?.deliveries.length, 1)
    // A new one tells it.
    await leave(browser, 'wiki')
    await moving(kit, async () => told.length > before)
  })

  test('tokens that are renewed are no newer sign-in', async () => {
    const { kit, told, tokens, delivery } = await leftWhileDown()
    await using _kit = kit
    const before = told.length
    assert.equal((await refresh(kit, 'wiki', tokens.refresh_token ?? '')).statusCode, 200)
    await moving(kit, async () => (await delivery()).state === 'final')
    assert.deepEqual([told.length, (await delivery()).outcome?.kind], [before + 1, 'ended'])
  })

  test('nor is a code that a page fetches in the background: nobody opened anything', async () => {
    const { kit, browser, told, delivery } = await leftWhileDown()
    await using _kit = kit
    const before = told.length
    await tokensFor(kit, browser, 'wiki', { prompt: 'none' })
    await moving(kit, async () => (await delivery()).state === 'final')
    assert.deepEqual([told.length, (await delivery()).outcome?.kind], [before + 1, 'ended'])
  })

  test('a browser that goes on with the sign-out later is not sent there', async () => {
    const { kit, browser } = await inBoth({ partners: { payroll: {} } })
    await using _kit = kit
    const payroll = kit.partner('payroll')
    const path = String((await leave(browser, 'payroll')).headers.location)
    kit.clock.advance(1_000)
    payroll.readResponse((await browser.get(await payroll.ssoRedirect())).body)
    assert.equal((await browser.get(`${path}/go`)).headers.location, path)
    const run = await kit.store.getRun(path.split('/').at(-1) as RunId)
    assert.deepEqual(
      run?.deliveries.map(({ outcome }) => outcome),
      [{ kind: 'not-asked', code: 'CURFEW_RUN_OPENED_AGAIN' }]
    )
    assert.match((await browser.get(path)).body, /Opened again, not signed out/)
  })
})
