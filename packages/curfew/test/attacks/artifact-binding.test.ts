import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { artifactUrl, CurfewError, encodeArtifact, messageLimits, serialiseLogoutRequest, serialiseLogoutResponse, signMessage, status } from '@curfew/codecs'
import { randomBytes } from 'node:crypto'
import type { Answering } from '../authority/artifact-peer.ts'
import type { Browser } from '../authority/browser.ts'
import { signInTo } from '../authority/kit.ts'
import { sloUrl } from '../authority/partner.ts'
import { type ArtifactKit, createArtifactKit } from '../authority/saml/artifact-kit.ts'

/** A user who is signed in at payroll, and a LogoutRequest that payroll could make. */
async function begin(
  world: ArtifactKit
): Promise<{ readonly browser: Browser; xml(change?: { readonly issuer?: string; readonly signer?: string }): Promise<string> }> {
  const { kit } = world
  const browser = kit.browser()
  const { assertion } = await signInTo(kit, browser, 'payroll')
  assert.ok(assertion)
  const index = assertion.authnStatement?.sessionIndex ?? ''
  return {
    browser,
    xml: ({ issuer, signer = 'payroll' } = {}) => {
      const request = kit.partner('payroll').logoutRequest(assertion.subject.nameId, [index], issuer === undefined ? {} : { issuer })
      return signMessage(serialiseLogoutRequest(request), kit.partner(signer).signing)
    }
  }
}

async function sessions({ kit }: ArtifactKit): Promise<number> {
  return (await kit.store.findByUser('local:ana')).length
}

suite('Attacks on HTTP Artifact: what comes for an artifact', () => {
  const answers: Readonly<Record<string, readonly [(world: ArtifactKit, xml: (change?: object) => Promise<string>) => Promise<Answering>, string]>> = {
    'a message of another partner, signed by that partner': [
      async ({ kit }, xml) => ({ message: await xml({ issuer: kit.partner('intranet').entityId, signer: 'intranet' }) }),
      'CURFEW_SAML_ISSUER_WRONG'
    ],
    'a message in the name of the partner, signed by another': [
      async (_world, xml) => ({ message: await xml({ signer: 'intranet' }) }),
      'CURFEW_SAML_SIGNATURE_INVALID'
    ],
    'an answer that another partner signed': [
      async ({ kit }, xml) => ({ message: await xml(), signing: kit.partner('intranet').signing }),
      'CURFEW_SAML_SIGNATURE_INVALID'
    ],
    'an answer of another issuer': [async ({ kit }, xml) => ({ message: await xml(), issuer: kit.partner('intranet').entityId }), 'CURFEW_SAML_ISSUER_WRONG'],
    'the answer to another question': [async (_world, xml) => ({ message: await xml(), inResponseTo: '_other' }), 'CURFEW_SAML_IN_RESPONSE_TO'],
    'nothing signed at all': [
      async ({ kit }) => {
        const { head, tail } = serialiseLogoutRequest(kit.partner('payroll').logoutRequest({ value: 'ana' }, []))
        return { message: head + tail, unsigned: true }
      },
      'CURFEW_SAML_SIGNATURE_MISSING'
    ],
    'a redirect elsewhere': [async () => ({ instead: { status: 302, headers: { location: 'http://169.254.169.254/' } } }), 'CURFEW_SAML_PEER_HTTP'],
    'a page': [async () => ({ instead: { headers: { 'content-type': 'text/html' }, body: Buffer.from('<html></html>') } }), 'CURFEW_SAML_ANSWER_NOT_SAML'],
    'a fault': [
      async () => ({
        instead: {
          status: 500,
          body: Buffer.from('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault></s:Fault></s:Body></s:Envelope>')
        }
      }),
      'CURFEW_SAML_SOAP'
    ],
    'more than is read': [async () => ({ instead: { body: Buffer.alloc(messageLimits.documentBytesMax + 1, 0x20) } }), 'CURFEW_XML_LIMIT']
  }
  for (const [name, [answering, code]] of Object.entries(answers)) {
    test(`${name} ends nothing`, async () => {
      const world = await createArtifactKit({ payroll: {}, intranet: {} })
      await using _kit = world.kit
      const { browser, xml } = await begin(world)
      const peer = world.peer('payroll')
      peer.answering = await answering(world, xml)
      const page = await browser.get(artifactUrl(sloUrl, peer.put(await xml())))
      assert.ok(page.statusCode >= 400, String(page.statusCode))
      assert.match(page.body, new RegExp(code))
      assert.equal(await sessions(world), 1)
      assert.equal(peer.asked.length, 1)
      peer.answering = {}
      assert.match(String((await browser.get(artifactUrl(sloUrl, peer.put(await xml())))).headers.location), /^\/signoff\/run_/)
      assert.equal(await sessions(world), 0)
    })
  }
})

suite('Attacks on HTTP Artifact: what a browser brings', () => {
  test('an artifact of somebody unknown asks nobody; one of a known partner asks at the address of its connection alone', async () => {
    const world = await createArtifactKit({ payroll: {}, intranet: {} })
    await using _kit = world.kit
    const { browser } = await begin(world)
    const handle = randomBytes(20)
    for (const entityId of ['http://evil.test/saml', world.kit.ctx.saml.entityId]) {
      const page = await browser.get(artifactUrl(sloUrl, encodeArtifact(entityId, 0, handle)))
      assert.match(page.body, /CURFEW_SAML_PEER_UNKNOWN/)
    }
    const wrongIndex = await browser.get(artifactUrl(sloUrl, encodeArtifact(world.kit.partner('payroll').entityId, 1, handle)))
    assert.match(wrongIndex.body, /CURFEW_SAML_ARTIFACT_ENDPOINT/)
    assert.equal(world.peer('payroll').asked.length + world.peer('intranet').asked.length, 0)
    const guessed = await browser.get(artifactUrl(sloUrl, encodeArtifact(world.kit.partner('payroll').entityId, 0, handle)))
    assert.match(guessed.body, /CURFEW_SAML_ARTIFACT_UNRESOLVED/)
    assert.deepEqual(
      world.peer('payroll').asked.map(({ url }) => url),
      ['http://payroll.test/ars']
    )
    assert.equal(world.peer('intranet').asked.length, 0)
    assert.equal(await sessions(world), 1)
  })

  test('made-up artifacts take none of the places that logout messages to the partner have', async () => {
    const world = await createArtifactKit({ payroll: {} })
    await using _kit = world.kit
    const { browser } = await begin(world)
    await browser.get(artifactUrl(sloUrl, encodeArtifact(world.kit.partner('payroll').entityId, 0, randomBytes(20))))
    assert.equal(world.peer('payroll').asked[0]?.peerId, 'payroll:artifact')
    assert.equal(world.peer('payroll').asked[0]?.responseBytesMax, messageLimits.documentBytesMax)
    assert.equal(world.peer('payroll').asked[0]?.timeoutMs, 5_000)
  })

  test('an address of our own that is forbidden is refused by the outbound door, and the browser hears of it', async () => {
    const world = await createArtifactKit({ payroll: { artifactResolution: [{ url: 'http://169.254.169.254/ars' }] } })
    await using _kit = world.kit
    const { browser, xml } = await begin(world)
    const peer = world.peer('payroll')
    const outbound = { request: () => Promise.reject(new CurfewError('CURFEW_OUTBOUND_ADDRESS_FORBIDDEN', { host: '169.254.169.254' })) }
    Object.assign(world.kit.ctx.outbound, outbound)
    const page = await browser.get(artifactUrl(sloUrl, peer.put(await xml())))
    assert.match(page.body, /CURFEW_OUTBOUND_ADDRESS_FORBIDDEN/)
    assert.equal(await sessions(world), 1)
  })

  test('the same message behind a second artifact is a replay', async () => {
    const world = await createArtifactKit({ payroll: {} })
    await using _kit = world.kit
    const { browser, xml } = await begin(world)
    const same = await xml()
    const peer = world.peer('payroll')
    assert.equal((await browser.get(artifactUrl(sloUrl, peer.put(same)))).statusCode, 303)
    assert.match((await browser.get(artifactUrl(sloUrl, peer.put(same)))).body, /CURFEW_SAML_REPLAYED/)
  })

  test('an artifact beside a message, twice, or of another type is refused before anybody is asked', async () => {
    const world = await createArtifactKit({ payroll: {} })
    await using _kit = world.kit
    const { browser, xml } = await begin(world)
    const artifact = encodeURIComponent(world.peer('payroll').put(await xml()))
    for (const query of [`SAMLart=${artifact}&SAMLart=${artifact}`, `SAMLart=${artifact}&SAMLRequest=x`, 'SAMLart=AAEAAA', 'SAMLart='])
      assert.equal((await browser.get(`${sloUrl}?${query}`)).statusCode, 400, query)
    assert.equal(world.peer('payroll').asked.length, 0)
    assert.equal(await sessions(world), 1)
  })

  test('an answer for another request behind an artifact ends no delivery', async () => {
    const world = await createArtifactKit({ payroll: {} })
    const { kit } = world
    await using _kit = kit
    const { browser } = await begin(world)
    await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'same-origin' })
    const run = (await kit.store.listRuns({ limit: 1 })).items[0]
    await browser.get(`/signoff/${run?.id ?? ''}/go`)
    const parts = serialiseLogoutResponse({
      kind: 'LogoutResponse',
      id: '_wrong1',
      issuer: kit.partner('payroll').entityId,
      issueInstant: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs()),
      destination: sloUrl,
      inResponseTo: '_never',
      status: status.success()
    })
    const artifact = world.peer('payroll').put(await signMessage(parts, kit.partner('payroll').signing))
    assert.equal((await browser.get(artifactUrl(sloUrl, artifact))).headers.location, `/signoff/${run?.id ?? ''}`)
    const [delivery] = (await kit.store.getRun(run?.id ?? 'run_'))?.deliveries ?? []
    assert.deepEqual(delivery?.outcome, { kind: 'unconfirmed', code: 'CURFEW_SAML_IN_RESPONSE_TO' })
  })
})
