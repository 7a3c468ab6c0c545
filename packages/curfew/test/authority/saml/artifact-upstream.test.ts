import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  artifactUrl,
  bindingUri,
  decodePost,
  decodeRedirect,
  type PeerKeys,
  type Received,
  serialiseLogoutRequest,
  serialiseLogoutResponse,
  status,
  verificationKeyFromCertificate,
  verifyAuthnRequest,
  verifyLogoutRequest,
  verifyLogoutResponse
} from '@curfew/codecs'
import type { LightMyRequestResponse } from 'fastify'
import type { IdentityProviderSettings } from '../../../src/authority/saml/settings.ts'
import { type ArtifactPeer, carriedTo, createArtifactPeer } from '../artifact-peer.ts'
import { type Browser, formOf } from '../browser.ts'
import { consumerUrl, nameIdOf, spSloUrl } from '../identity-provider.ts'
import { authorityPair } from '../kit.ts'
import { authorityUrl } from '../partner.ts'
import { createHub, follow, type Hub, lastRun, liveSessions } from '../saml-sp/hub.ts'

const authority: PeerKeys = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authorityPair.certificate)] }
const ars = '/sp/ARS.ssaml2'
const here = { 'sec-fetch-site': 'same-origin' }

interface World {
  readonly hub: Hub
  readonly campus: ArtifactPeer
  readonly guests: ArtifactPeer
}

/** The authority behind `campus`, which can do HTTP Artifact in every place. */
async function createWorld(settings: Partial<IdentityProviderSettings> = {}): Promise<World> {
  const peers: Record<string, ArtifactPeer> = {}
  const hub = await createHub(
    { network: (request) => (peers[new URL(request.url).hostname] ?? assert.fail(request.url)).network(request) },
    { artifactResolution: [{ url: 'http://campus.test/ars' }], responseBinding: 'artifact', ...settings }
  )
  const campus = createArtifactPeer(hub.upstream, hub.kit.clock, authorityPair)
  const guests = createArtifactPeer(hub.other, hub.kit.clock, authorityPair)
  Object.assign(peers, { 'campus.test': campus, 'guests.test': guests })
  return { hub, campus, guests }
}

/** Starts a sign-in and gives where the browser goes with the AuthnRequest. */
async function begin({ hub }: World, browser: Browser): Promise<LightMyRequestResponse> {
  return follow(browser, await browser.get(`/sp/startSSO.ping?PartnerIdpId=${encodeURIComponent(hub.upstream.entityId)}`))
}

/** XML of the answer of campus to a request. */
async function responseXml({ hub }: World, requestId: string): Promise<string> {
  const fields = await hub.upstream.respond({ requestId, sessionIndex: 'index-1' })
  return Buffer.from(fields['SAMLResponse'] ?? '', 'base64').toString()
}

/** `ana` is signed in by an artifact of campus. */
async function signedIn(world: World): Promise<Browser> {
  const browser = world.hub.kit.browser()
  const request = world.hub.upstream.readAuthnRequest(String((await begin(world, browser)).headers.location))
  const artifact = world.campus.put(await responseXml(world, request.id))
  await follow(browser, await browser.get(artifactUrl(consumerUrl, artifact)))
  assert.equal((await liveSessions(world.hub.kit)).length, 1)
  return browser
}

async function received({ hub, campus }: World, answer: LightMyRequestResponse): Promise<Received> {
  if (answer.statusCode === 200) return decodePost(Object.entries(formOf(answer.body).fields))
  const location = String(answer.headers.location)
  if (!location.includes('SAMLart=')) return decodeRedirect(location.slice(location.indexOf('?') + 1))
  return campus.resolve(hub.kit.app, ars, carriedTo(answer).artifact)
}

suite('/sp/ACS.saml2 by HTTP Artifact', () => {
  for (const byForm of [false, true]) {
    test(`a Response that was asked for by artifact signs the user in, brought by ${byForm ? 'POST' : 'GET'}`, async () => {
      const world = await createWorld()
      const { kit, upstream } = world.hub
      await using _kit = kit
      const browser = kit.browser()
      const request = upstream.readAuthnRequest(String((await begin(world, browser)).headers.location))
      assert.equal(request.protocolBinding, bindingUri('artifact'))
      const artifact = world.campus.put(await responseXml(world, request.id))
      const url = new URL(consumerUrl).pathname
      const brought = byForm ? await kit.browser().post(url, { SAMLart: artifact }) : await browser.get(artifactUrl(url, artifact))
      assert.match((await follow(browser, brought)).body, /Signed in as ana/)
      assert.equal(world.campus.asked[0]?.url, 'http://campus.test/ars')
    })
  }

  test('AC-140 an AuthnRequest of ours waits behind an artifact at /sp/ARS.ssaml2, once, and not at the address of the other role', async () => {
    const world = await createWorld({ sso: [{ binding: 'artifact', url: 'http://campus.test/sso' }] })
    const { kit } = world.hub
    await using _kit = kit
    const sent = carriedTo(await begin(world, kit.browser()))
    assert.equal(sent.address, 'http://campus.test/sso')
    await assert.rejects(world.guests.resolve(kit.app, ars, sent.artifact), { code: 'CURFEW_SAML_ARTIFACT_UNRESOLVED' })
    const other = await kit.app.inject({
      method: 'POST',
      url: '/idp/ARS.ssaml2',
      headers: { 'content-type': 'text/xml' },
      payload: await world.campus.resolveXml(sent.artifact)
    })
    assert.equal(other.statusCode, 500)
    const request = verifyAuthnRequest(await world.campus.resolve(kit.app, ars, sent.artifact), authority, { signature: 'required' })
    assert.equal(request.destination, 'http://campus.test/sso')
    await assert.rejects(world.campus.resolve(kit.app, ars, sent.artifact), { code: 'CURFEW_SAML_ARTIFACT_UNRESOLVED' })
  })
})

suite('/sp/SLO.saml2 by every binding', () => {
  for (const binding of ['redirect', 'post', 'artifact'] as const) {
    test(`AC-139 takes a LogoutRequest by ${binding} and answers by it`, async () => {
      const world = await createWorld({ slo: [{ binding, url: 'http://campus.test/slo' }] })
      const { kit, upstream } = world.hub
      await using _kit = kit
      const browser = await signedIn(world)
      const request = upstream.logoutRequest(nameIdOf('ana'), ['index-1'])
      const parts = serialiseLogoutRequest(request)
      const brought = await world.campus.bring(browser, spSloUrl, { binding, parameter: 'SAMLRequest', parts })
      const answer = verifyLogoutResponse(await received(world, await follow(browser, brought)), authority)
      assert.equal(answer.inResponseTo, request.id)
      assert.deepEqual(answer.status, status.success())
      assert.deepEqual(await liveSessions(kit), [])
    })

    test(`AC-139 sends a LogoutRequest by ${binding} and takes the answer by it`, async () => {
      const world = await createWorld({ slo: [{ binding, url: 'http://campus.test/slo' }] })
      const { kit, upstream } = world.hub
      await using _kit = kit
      const browser = await signedIn(world)
      await browser.get('/sp/startSLO.ping', here)
      const run = await lastRun(world.hub)
      const told = verifyLogoutRequest(await received(world, await browser.get(`/signoff/${run.id}/go`)), authority)
      assert.equal(told.subject.value, 'ana')
      const parts = serialiseLogoutResponse({
        kind: 'LogoutResponse',
        id: '_campus1',
        issuer: upstream.entityId,
        issueInstant: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs()),
        destination: spSloUrl,
        inResponseTo: told.id,
        status: status.success()
      })
      await world.campus.bring(browser, spSloUrl, { binding, parameter: 'SAMLResponse', parts })
      assert.equal((await lastRun(world.hub)).deliveries[0]?.outcome?.kind, 'ended')
    })
  }

  test('an artifact of an identity provider finds its issuer at /sso/SLO.saml2, too', async () => {
    const world = await createWorld()
    const { kit, upstream } = world.hub
    await using _kit = kit
    const browser = await signedIn(world)
    const address = `${authorityUrl}/sso/SLO.saml2`
    const parts = serialiseLogoutRequest(upstream.logoutRequest(nameIdOf('ana'), ['index-1'], { destination: address }))
    const brought = await world.campus.bring(browser, address, { binding: 'artifact', parameter: 'SAMLRequest', parts })
    assert.match(String(brought.headers.location), /^\/signoff\/run_/)
    assert.deepEqual(await liveSessions(kit), [])
  })
})
