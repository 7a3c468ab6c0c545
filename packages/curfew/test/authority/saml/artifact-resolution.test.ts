import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  bindingUri,
  decodeArtifact,
  decodeSoap,
  encodeArtifact,
  type PeerKeys,
  parseMetadata,
  verificationKeyFromCertificate,
  verifyResponse
} from '@curfew/codecs'
import { createMemoryStore } from '../../../src/stores/memory/memory-store.ts'
import { type ArtifactPeer, carriedTo, createArtifactPeer } from '../artifact-peer.ts'
import { createFakeClock } from '../fake-clock.ts'
import { authorityPair, createKit, type Kit, signIn } from '../kit.ts'
import { authorityUrl } from '../partner.ts'
import { artifactSettings, createArtifactKit } from './artifact-kit.ts'

const ars = '/idp/ARS.ssaml2'
const authority: PeerKeys = { entityId: authorityUrl, keys: [verificationKeyFromCertificate(authorityPair.certificate)] }
const unresolved = { code: 'CURFEW_SAML_ARTIFACT_UNRESOLVED' }

/** An artifact that stands for a Response to one partner. */
async function issue(kit: Kit, id: string): Promise<string> {
  const browser = kit.browser()
  await signIn(browser, '/')
  return carriedTo(await browser.get(await kit.partner(id).ssoRedirect({ protocolBinding: bindingUri('artifact') }))).artifact
}

async function isGood(kit: Kit, peer: ArtifactPeer, artifact: string): Promise<boolean> {
  const response = verifyResponse(await peer.resolve(kit.app, ars, artifact), authority)
  return response.assertion !== undefined
}

suite('/idp/ARS.ssaml2: SAML Core 3.5.3', () => {
  test('AC-140 an artifact is resolved once', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const artifact = await issue(kit, 'payroll')
    assert.ok(await isGood(kit, peer('payroll'), artifact))
    for (let i = 0; i < 3; i++) await assert.rejects(peer('payroll').resolve(kit.app, ars, artifact), unresolved)
  })

  test('AC-140 of a hundred who ask at once exactly one gets the message', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const artifact = await issue(kit, 'payroll')
    const answers = await Promise.allSettled(Array.from({ length: 100 }, () => peer('payroll').resolve(kit.app, ars, artifact)))
    assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const answer of answers) if (answer.status === 'rejected') assert.equal((answer.reason as { code: string }).code, unresolved.code)
  })

  test('another partner gets nothing, and uses nothing up', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {}, intranet: {} })
    await using _kit = kit
    const artifact = await issue(kit, 'payroll')
    for (let i = 0; i < 3; i++) await assert.rejects(peer('intranet').resolve(kit.app, ars, artifact), unresolved)
    assert.ok(await isGood(kit, peer('payroll'), artifact))
  })

  test('who can not prove to be the partner gets nothing, and uses nothing up', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {}, intranet: {} })
    await using _kit = kit
    const artifact = await issue(kit, 'payroll')
    const foreign = { key: kit.partner('intranet').pair.key, algorithm: 'ecdsa-sha256' as const }
    const attempts = [
      { unsigned: true },
      { signing: foreign },
      { issuer: kit.partner('payroll').entityId, signing: foreign },
      { destination: 'http://elsewhere.test/idp/ARS.ssaml2' },
      { issueInstant: Temporal.Instant.fromEpochMilliseconds(kit.clock.nowMs() - 3_600_000) }
    ]
    for (const change of attempts) await assert.rejects(peer('payroll').resolve(kit.app, ars, artifact, change), unresolved)
    const codes = kit.logged.filter(({ fields }) => fields['event'] === 'artifact.refused').map(({ fields }) => fields['code'])
    assert.deepEqual(codes, [
      'CURFEW_SAML_SIGNATURE_MISSING',
      'CURFEW_SAML_SIGNATURE_INVALID',
      'CURFEW_SAML_SIGNATURE_INVALID',
      'CURFEW_SAML_DESTINATION_WRONG',
      'CURFEW_SAML_EXPIRED'
    ])
    assert.ok(await isGood(kit, peer('payroll'), artifact))
  })

  test('a partner of the other role is nobody here: a fault', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const artifact = await issue(kit, 'payroll')
    const send = async (url: string, payload: string) => kit.app.inject({ method: 'POST', url, headers: { 'content-type': 'text/xml' }, payload })
    for (const [url, payload] of [
      ['/sp/ARS.ssaml2', await peer('payroll').resolveXml(artifact)],
      [ars, await peer('payroll').resolveXml(artifact, { issuer: 'urn:nobody' })],
      [ars, '<x/>'],
      [ars, '']
    ] as const) {
      const answer = await send(url, payload)
      assert.equal(answer.statusCode, 500)
      assert.match(answer.body, /<soap:Fault>/)
      assert.doesNotMatch(answer.body, /Assertion/)
    }
    assert.ok(await isGood(kit, peer('payroll'), artifact))
  })

  test('a message waits for a minute, and not longer', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const first = await issue(kit, 'payroll')
    kit.clock.advance(59_999)
    assert.ok(await isGood(kit, peer('payroll'), first))
    const second = await issue(kit, 'payroll')
    kit.clock.advance(60_000)
    await assert.rejects(peer('payroll').resolve(kit.app, ars, second), unresolved)
  })

  test('an artifact that was made up, changed or issued by somebody else stands for nothing', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const artifact = await issue(kit, 'payroll')
    const octets = Buffer.from(artifact, 'base64')
    const flipped = Buffer.from(octets)
    flipped.writeUInt8((octets[43] ?? 0) ^ 1, 43)
    for (const wrong of [
      encodeArtifact(authorityUrl, 0, Buffer.alloc(20)),
      encodeArtifact('http://other.test', 0, octets.subarray(24)),
      flipped.toString('base64'),
      `${artifact} `.trim().slice(0, -1),
      '',
      'x'.repeat(4000)
    ])
      await assert.rejects(peer('payroll').resolve(kit.app, ars, wrong), unresolved)
    assert.ok(await isGood(kit, peer('payroll'), artifact))
  })

  test('handles are 160 random bits each, and the store keeps no artifact that is still good', async () => {
    const store = createMemoryStore({ capacity: 100 })
    const keys: string[] = []
    const watched = { ...store, txCreate: (key: string, value: unknown, untilMs: number) => (keys.push(key), store.txCreate(key, value, untilMs)) }
    const { kit } = await createArtifactKit({ payroll: {} }, { store: watched })
    await using _kit = kit
    const handles = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const artifact = await issue(kit, 'payroll')
      const { messageHandle } = decodeArtifact(artifact)
      assert.equal(messageHandle.length, 40)
      handles.add(messageHandle)
      assert.ok(keys.every((key) => !key.includes(artifact) && !key.includes(messageHandle)))
    }
    assert.equal(handles.size, 20)
    assert.equal(keys.filter((key) => key.startsWith('saml-artifact:')).length, 20)
  })

  test('an answer without a message is signed, has status Success and names the question', async () => {
    const { kit, peer } = await createArtifactKit({ payroll: {} })
    await using _kit = kit
    const payload = await peer('payroll').resolveXml(encodeArtifact(authorityUrl, 0, Buffer.alloc(20)))
    const answer = await kit.app.inject({ method: 'POST', url: ars, headers: { 'content-type': 'text/xml' }, payload })
    assert.equal(answer.statusCode, 200)
    const received = decodeSoap(answer.rawPayload)
    assert.equal(received.kind, 'ArtifactResponse')
    assert.equal(received.isSigned, true)
    assert.equal(received.claimed.inResponseTo, '_resolve1')
    assert.match(answer.body, /status:Success/)
    assert.match(String(answer.headers['cache-control']), /no-store/)
  })
})

suite('Artifacts of several nodes', () => {
  test('AC-194 the index is that of the node; an artifact that one node issued is resolved at the other', async () => {
    const store = createMemoryStore({ capacity: 100 })
    const clock = createFakeClock()
    const node = async (index: number, like?: Kit): Promise<Kit> =>
      createKit({
        store,
        clock,
        saml: { artifacts: { index, indexes: [3, 7], lifetimeMs: 60_000 } },
        partners: like === undefined ? { payroll: artifactSettings('payroll') } : {},
        ...(like === undefined
          ? {}
          : { connections: [{ settings: like.partner('payroll').settings, certificatePem: like.partner('payroll').pair.certificatePem }] })
      })
    await using a = await node(3)
    await using b = await node(7, a)
    const peer = createArtifactPeer(a.partner('payroll'), clock, authorityPair)
    const first = await issue(a, 'payroll')
    assert.equal(decodeArtifact(first).endpointIndex, 3)
    assert.ok(await isGood(b, peer, first))
    await assert.rejects(peer.resolve(a.app, ars, first), unresolved)
    const browser = b.browser()
    await signIn(browser, '/')
    const second = carriedTo(await browser.get(await a.partner('payroll').ssoRedirect({ protocolBinding: bindingUri('artifact') }))).artifact
    assert.equal(decodeArtifact(second).endpointIndex, 7)
    assert.ok(await isGood(a, peer, second))
    for (const kit of [a, b]) {
      const [entity] = parseMetadata((await kit.app.inject('/pf/federation_metadata.ping')).rawPayload)
      assert.deepEqual(
        entity?.idp?.artifactResolutionServices?.map(({ index, location, isDefault }) => [index, location, isDefault]),
        [
          [3, 'http://curfew.test/idp/ARS.ssaml2', true],
          [7, 'http://curfew.test/idp/ARS.ssaml2', false]
        ]
      )
    }
  })
})
