import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodePost, decodeRedirect, parseMetadata, type PeerKeys, verificationKeyFromCertificate, verifyLogoutRequest, verifyResponse } from '@curfew/codecs'
import type { OwnKey } from '../../../src/authority/saml/settings.ts'
import { formOf } from '../browser.ts'
import { createKit, type Kit, signIn } from '../kit.ts'
import { makeKeyPair } from '../key-pairs.ts'
import { authorityUrl } from '../partner.ts'
import { follow } from '../saml-sp/hub.ts'

function ownKey(name: string): OwnKey {
  const pair = makeKeyPair(name)
  return { key: pair.key, algorithm: 'ecdsa-sha256', certificate: pair.certificate }
}

const old = ownKey('2026')
const next = ownKey('2027')

/** What a partner knows that reads metadata, as it is now. */
async function publishedBy(kit: Kit): Promise<PeerKeys> {
  const [entity] = parseMetadata((await kit.app.inject('/pf/federation_metadata.ping')).rawPayload)
  const keys = entity?.idp?.keys.filter(({ use }) => use === 'signing').flatMap(({ certificates }) => certificates) ?? []
  return { entityId: authorityUrl, keys: keys.map(verificationKeyFromCertificate) }
}

/** Signs a person in at payroll and out again; both messages have to be good for what the partner knows. */
async function signInAndOut(kit: Kit, known: PeerKeys): Promise<void> {
  const browser = kit.browser()
  await signIn(browser, '/')
  const page = await follow(browser, await browser.get(await kit.partner('payroll').ssoRedirect()))
  const response = verifyResponse(decodePost(Object.entries(formOf(page.body).fields)), known)
  await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
  const run = (await kit.store.listRuns({ limit: 1 })).items[0]
  const sent = String((await browser.get(`/signoff/${run?.id}/go`)).headers.location)
  const told = verifyLogoutRequest(decodeRedirect(sent.slice(sent.indexOf('?') + 1)), known)
  assert.deepEqual(told.subject, response.assertion?.subject.nameId)
}

suite('A signing key is rolled over with overlap', () => {
  test('the next key is published before it signs; partners with the former metadata notice nothing', async () => {
    await using before = await createKit({ ownKeys: [old] })
    const beforeRollOver = await publishedBy(before)
    await using announced = await createKit({ ownKeys: [old, next] })
    const duringRollOver = await publishedBy(announced)
    assert.equal(duringRollOver.keys.length, 2)
    for (const known of [beforeRollOver, duringRollOver]) await signInAndOut(announced, known)
  })

  test('partners that read the metadata meanwhile take messages of either key, in the order they were signed', async () => {
    await using announced = await createKit({ ownKeys: [old, next] })
    const known = await publishedBy(announced)
    await using switched = await createKit({ ownKeys: [next, old] })
    await signInAndOut(announced, known)
    await signInAndOut(switched, known)
    assert.deepEqual(new Set((await publishedBy(switched)).keys.map((key) => key.fingerprint)), new Set(known.keys.map((key) => key.fingerprint)))
    await using done = await createKit({ ownKeys: [next] })
    await signInAndOut(done, known)
    await using before = await createKit({ ownKeys: [old] })
    await assert.rejects(signInAndOut(done, await publishedBy(before)), { code: 'CURFEW_SAML_SIGNATURE_INVALID' })
  })
})
