import { encodePost, serialiseLogoutResponse, signMessage, status } from '@curfew/codecs'
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Browser } from '../browser.ts'
import { createKit, type Kit, signInTo } from '../kit.ts'
import { sloUrl } from '../partner.ts'

const partners = { payroll: { slo: [{ binding: 'post' as const, url: 'http://payroll.test/slo' }] } }
const fromForm = { origin: 'http://payroll.test' }

/** A user whose browser is out at payroll for an answer. */
async function out(kit: Kit): Promise<Browser> {
  const browser = kit.browser()
  await signInTo(kit, browser, 'payroll')
  const started = await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' })
  await browser.get(`${String(started.headers.location)}/go`)
  assert.equal((await delivery(kit)).state, 'sent')
  return browser
}

async function delivery(kit: Kit) {
  return (await kit.store.listRuns({ limit: 1 })).items[0]?.deliveries[0] ?? assert.fail('no run')
}

/** An answer by a form of payroll's site that belongs to no request: the browser keeps its cookies back. */
async function post(kit: Kit, headers: Readonly<Record<string, string>>) {
  const { entityId, signing } = kit.partner('payroll')
  const xml = serialiseLogoutResponse({
    kind: 'LogoutResponse',
    id: '_answer1',
    issuer: entityId,
    issueInstant: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs()),
    destination: sloUrl,
    inResponseTo: '_of-somebody-else',
    status: status.success()
  })
  const { fields } = encodePost(await signMessage(xml, signing), { parameter: 'SAMLResponse' })
  const payload = new URLSearchParams(fields).toString()
  return kit.app.inject({ method: 'POST', url: '/idp/SLO.saml2', headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, payload })
}

suite('An answer to nothing by a form of another site', () => {
  test('sends the browser to where its cookies show, and its run goes on without a word of this partner', async () => {
    await using kit = await createKit({ partners })
    const browser = await out(kit)
    const posted = await post(kit, fromForm)
    assert.equal(posted.headers.location, '/idp/SLO.saml2?refused=CURFEW_SAML_IN_RESPONSE_TO')
    const back = await browser.get(String(posted.headers.location))
    assert.match(String(back.headers.location), /^\/signoff\/run_/)
    assert.deepEqual((await delivery(kit)).outcome, { kind: 'unconfirmed', code: 'CURFEW_SAML_IN_RESPONSE_TO' })
  })

  test('shows a browser of no run what was wrong', async () => {
    await using kit = await createKit({ partners })
    await out(kit)
    const posted = await post(kit, fromForm)
    const stranger = await kit.browser().get(String(posted.headers.location))
    assert.equal(stranger.statusCode, 400)
    assert.equal((await delivery(kit)).state, 'sent')
  })

  test('is refused at once where no browser brings it', async () => {
    await using kit = await createKit({ partners })
    await out(kit)
    assert.equal((await post(kit, {})).statusCode, 400)
    assert.equal((await post(kit, { ...fromForm, 'sec-fetch-dest': 'iframe' })).statusCode, 400)
  })

  for (const query of ['refused=CURFEW_API_FAILED', 'refused=toString', 'refused=', 'refused=CURFEW_SAML_IN_RESPONSE_TO&refused=x'])
    test(`?${query} is no reason that a partner can give, and is not taken up`, async () => {
      await using kit = await createKit({ partners })
      const browser = await out(kit)
      assert.equal((await browser.get(`/idp/SLO.saml2?${query}`)).statusCode, 400)
      assert.equal((await delivery(kit)).state, 'sent')
    })
})
