import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { LightMyRequestResponse } from 'fastify'
import { type Browser, formOf } from '../browser.ts'
import { createKit, type Kit, signIn, signInTo } from '../kit.ts'

const asked = ({ headers }: LightMyRequestResponse): unknown => headers['clear-site-data']

async function everywhere(browser: Browser): Promise<string> {
  const { fields } = formOf((await browser.get('/signoff')).body)
  return String((await browser.post('/signoff', { ...fields, choice: 'everywhere' })).headers.location)
}

/** Carries the hop to payroll, which answers. */
async function payrollAnswers(kit: Kit, browser: Browser, path: string): Promise<void> {
  const payroll = kit.partner('payroll')
  const away = await browser.get(`${path}/go`)
  assert.equal(asked(away), undefined, 'a hop')
  await browser.get(await payroll.logoutAnswer(payroll.readLogoutRequest(String(away.headers.location))))
}

suite('What a browser is asked to drop after a sign-out', () => {
  test('its cache, by the result alone: the language that was chosen stays, nothing before and nobody else is asked', async () => {
    await using kit = await createKit({ partners: { payroll: {} } })
    const [browser, stranger] = [kit.browser(), kit.browser()]
    await signInTo(kit, browser, 'payroll')
    assert.equal(asked(await browser.get('/signoff?lang=de')), undefined, 'the question')
    const path = await everywhere(browser)
    const session = browser.cookies.get('PF')
    assert.ok(session !== undefined, 'the browser is known until its run is through')
    await payrollAnswers(kit, browser, path)
    assert.equal(asked(await stranger.get(path)), undefined, 'another browser')
    const result = await browser.get(path)
    assert.match(result.body, /<html lang="de">/)
    assert.equal(asked(result), '"cache"')
    assert.deepEqual([...browser.cookies.keys()].toSorted(), ['PF.FORM', 'PF.LANGUAGE'])
  })

  test('after a result that is not all good the cookie stays, by which the browser is known again', async () => {
    await using kit = await createKit({ partners: { payroll: { slo: [] } } })
    const browser = kit.browser()
    await signInTo(kit, browser, 'payroll')
    const path = await everywhere(browser)
    const result = await browser.get(path)
    assert.match(result.body, /Not signed out everywhere/)
    assert.equal(asked(result), '"cache"')
    assert.ok(browser.cookies.has('PF'))
    assert.equal((await browser.get('/signoff')).headers.location, path)
  })

  test('not after a sign-out of one application, nor with an error or where nobody was signed in', async () => {
    await using kit = await createKit({ partners: { payroll: {} } })
    const browser = kit.browser()
    for (const path of ['/signoff/done', '/nothing-here']) assert.equal(asked(await browser.get(path)), undefined, path)
    await signInTo(kit, browser, 'payroll')
    const { fields } = formOf((await browser.get('/signoff')).body)
    const path = String((await browser.post('/signoff', { ...fields, choice: 'only:payroll' })).headers.location)
    await payrollAnswers(kit, browser, path)
    const result = await browser.get(path)
    assert.match(result.body, /You are still signed in/)
    assert.equal(asked(result), undefined)
  })

  test('by the page of a session that is over, too', async () => {
    await using kit = await createKit({ partners: {} })
    const [browser, other] = [kit.browser(), kit.browser()]
    await signIn(browser, '/')
    for (const [name, value] of browser.cookies) other.cookies.set(name, value)
    await everywhere(browser)
    assert.equal(asked(await other.get('/signoff/done')), '"cache"')
  })
})
