import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formOf } from '../authority/browser.ts'
import { createKit, signIn, signInTo } from '../authority/kit.ts'

/** What would run, or lead elsewhere, were it written into a page as it stands. */
const hostile: readonly string[] = [
  '"><script>alert(1)</script>',
  "'><img src=x onerror=alert(1)>",
  '</form><form action="https://evil.example/">',
  'javascript:alert(1)',
  'a" autofocus onfocus="alert(1)',
  '\u0000<svg/onload=alert(1)>',
  '&quot;&gt;&lt;script&gt;',
  'x\r\nset-cookie: PF=AAAAAAAAAAAAAAAAAAAAAA'
]

suite('RelayState with markup', () => {
  for (const relayState of hostile) {
    test(`${JSON.stringify(relayState)} comes back with an assertion to the letter, as text`, async () => {
      await using kit = await createKit()
      const payroll = kit.partner('payroll')
      const browser = kit.browser()
      const first = await browser.get(await payroll.ssoRedirect({}, relayState))
      const page = await signIn(browser, String(first.headers.location))
      const { action, relayState: returned } = payroll.readResponse(page.body)
      assert.deepEqual([action, returned], [payroll.acsUrl, relayState])
      assert.equal(page.body.match(/<script/g)?.length, 1, 'the page has its own script alone')
      assert.equal(page.body.match(/<form/g)?.length, 1)
      assert.doesNotMatch(page.body, /<img|<svg|onfocus="/)
      const nonce = /script-src 'nonce-([^']+)'/.exec(String(page.headers['content-security-policy']))?.[1]
      assert.ok(page.body.includes(`<script nonce="${nonce}">`))
    })

    test(`${JSON.stringify(relayState)} comes back with a LogoutResponse by POST the same way`, async () => {
      await using kit = await createKit({ partners: { payroll: { slo: [{ binding: 'post', url: 'http://payroll.test/slo' }] } } })
      const payroll = kit.partner('payroll')
      const browser = kit.browser()
      const { assertion } = await signInTo(kit, browser, 'payroll')
      assert.ok(assertion)
      const request = payroll.logoutRequest(assertion.subject.nameId, [assertion.authnStatement?.sessionIndex ?? ''])
      let page = await browser.post('/idp/SLO.saml2', await payroll.logoutPost(request, relayState))
      for (let i = 0; i < 5 && page.statusCode === 303; i++) page = await browser.get(String(page.headers.location))
      for (let i = 0; i < 5 && !page.body.includes('SAMLResponse'); i++) page = await browser.get(`${/signoff\/run_\w+/.exec(page.body)?.[0] ?? ''}/finish`)
      const { action, fields } = formOf(page.body)
      assert.deepEqual([action, fields['RelayState']], ['http://payroll.test/slo', relayState])
      assert.equal(page.body.match(/<form/g)?.length, 1)
      assert.doesNotMatch(page.body, /<img|<svg|onfocus="/)
    })
  }

  test('in an address it stays one parameter: no header, no second parameter', async () => {
    await using kit = await createKit()
    const payroll = kit.partner('payroll')
    const browser = kit.browser()
    const { assertion } = await signInTo(kit, browser, 'payroll')
    assert.ok(assertion)
    const relayState = 'x&SAMLResponse=y#z\r\nlocation: https://evil.example/'
    const request = payroll.logoutRequest(assertion.subject.nameId, [assertion.authnStatement?.sessionIndex ?? ''])
    let answer = await browser.get(await payroll.logoutRedirect(request, relayState))
    for (let i = 0; i < 5 && !String(answer.headers.location).startsWith('http://payroll.test/'); i++) {
      const run = String(answer.headers.location ?? '')
      answer = await browser.get(run.startsWith('/signoff/run_') && !run.endsWith('/finish') ? `${run}/finish` : run)
    }
    const away = String(answer.headers.location)
    assert.ok(URL.canParse(away), `the browser is sent back: ${away}`)
    const back = new URL(away)
    assert.equal(back.origin, 'http://payroll.test')
    assert.deepEqual(back.searchParams.getAll('RelayState'), [relayState])
    assert.equal(back.searchParams.getAll('SAMLResponse').length, 1)
    assert.equal(back.hash, '')
  })

  test('as a page to land on it passes the redirect decision like any other address', async () => {
    await using kit = await createKit()
    const browser = kit.browser()
    await signIn(browser, '/')
    for (const target of ['javascript:alert(1)', 'data:text/html,<script>alert(1)</script>', '"><script>', 'https://evil.example/']) {
      const answer = await browser.get(
        `/idp/startSSO.ping?PartnerSpId=${encodeURIComponent(kit.partner('payroll').entityId)}&InErrorResource=${encodeURIComponent(target)}&x=1`
      )
      // The page in another language is at its own address again, with all that was asked.
      const body = answer.body.replaceAll(/<a href="\/idp\/startSSO\.ping\?[^"]*" hreflang="\w\w"/g, '')
      assert.doesNotMatch(`${String(answer.headers.location)}${body}`, /evil\.example|alert\(1\)/)
    }
  })
})
