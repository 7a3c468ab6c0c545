import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { status, statusUri } from '@curfew/codecs'
import type { Browser } from '../browser.ts'
import { formOf } from '../browser.ts'
import { createKit, type Kit, type KitOptions, signIn } from '../kit.ts'

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
