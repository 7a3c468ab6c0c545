import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  artifactUrl,
  encodeArtifact,
  encodeSoap,
  serialiseArtifactResolve,
  serialiseArtifactResponse,
  serialiseLogoutRequest,
  signMessage,
  status
} from '@curfew/codecs'
import { makeConnection } from '../../src/authority/saml/connection.ts'
import { artifactFields, judgeArtifact } from '../../src/cli/inspect-artifact.ts'
import { recognise } from '../../src/cli/inspect-input.ts'
import { readMessage } from '../../src/cli/inspect-message.ts'
import { judgeMessage } from '../../src/cli/inspect-saml.ts'
import { shortened } from '../../src/cli/inspect-shorten.ts'
import { authorityUrl } from '../authority/partner.ts'
import { makeKeyPair } from '../authority/key-pairs.ts'
import { authorityPair, nowMs, sample, surroundings } from './inspect-samples.ts'

const { partner, request } = await sample()
const base = surroundings(partner)
const ownKeys = [{ key: authorityPair.key, algorithm: 'ecdsa-sha256' as const, certificate: authorityPair.certificate }]
const settings = { ...partner.settings, artifactResolution: [{ url: 'http://payroll.test/ars', index: 2 }] }
const known = { ...base, partners: [makeConnection({ settings, descriptor: undefined, certificates: [partner.pair.certificatePem], ownKeys, nowMs })] }
const handle = Buffer.alloc(20, 0xab)
const at = Temporal.Instant.fromEpochMilliseconds(nowMs)

function judged(entityId: string, index: number, where: 'configured' | 'nowhere' = 'configured') {
  const found = recognise(artifactUrl('http://curfew.test/idp/SLO.saml2', encodeArtifact(entityId, index, handle), 'deep link'))
  assert.ok(found.kind === 'artifact')
  return Object.fromEntries(
    judgeArtifact(found.carried, where === 'configured' ? known : undefined).map(({ what, verdict, why }) => [what, `${verdict}: ${why}`])
  )
}

suite('curfew inspect: artifacts', () => {
  test('says whose an artifact is and where it is exchanged', () => {
    assert.deepEqual(judged(partner.entityId, 2), { issuer: 'ok: payroll', resolution: 'ok: exchanged at http://payroll.test/ars' })
    assert.match(judged(partner.entityId, 0)['resolution'] ?? '', /^fail: CURFEW_SAML_ARTIFACT_ENDPOINT/)
    assert.match(judged(authorityUrl, 0)['issuer'] ?? '', /^ok: this authority/)
    assert.match(judged('urn:nobody', 0)['issuer'] ?? '', /^fail/)
    assert.match(judged(partner.entityId, 2, 'nowhere')['issuer'] ?? '', /^unknown/)
  })

  test('shows its parts; the handle is worth as much as the message and is shortened', () => {
    const found = recognise(`SAMLart=${encodeURIComponent(encodeArtifact(partner.entityId, 2, handle))}&RelayState=secret-relay-state-of-somebody`)
    assert.ok(found.kind === 'artifact')
    const fields = artifactFields(found.carried, shortened)
    assert.equal(fields['EndpointIndex'], '2')
    assert.equal(fields['SourceID']?.length, 40)
    assert.doesNotMatch(JSON.stringify(fields), new RegExp(`${handle.toString('hex')}|secret-relay-state-of-somebody`))
  })

  test('says what is wrong with one', () => {
    assert.throws(() => recognise('http://curfew.test/sp/ACS.saml2?SAMLart=AAEAAA'), { code: 'CURFEW_SAML_ARTIFACT' })
  })
})

suite('curfew inspect: the exchange of an artifact', () => {
  const head = { issuer: partner.entityId, issueInstant: at }
  const judge = async (xml: string): Promise<Readonly<Record<string, string>>> => {
    const found = recognise(encodeSoap(xml))
    assert.ok(found.kind === 'saml')
    const { description, ...read } = readMessage(found.received, found.message, shortened)
    const judgements = await judgeMessage({ ...read, received: found.received }, known, undefined, nowMs)
    return Object.fromEntries([...Object.entries(description.fields).map(([k, v]) => [k, String(v)]), ...judgements.map((j) => [j.what, j.verdict])])
  }

  test('judges an ArtifactResolve by signature and address', async () => {
    const artifact = encodeArtifact(authorityUrl, 0, handle)
    const parts = (destination: string) => serialiseArtifactResolve({ kind: 'ArtifactResolve', ...head, id: '_r1', destination, artifact })
    const good = await judge(await signMessage(parts('http://curfew.test/idp/ARS.ssaml2'), partner.signing))
    assert.deepEqual([good['signature'], good['destination']], ['ok', 'ok'])
    assert.doesNotMatch(JSON.stringify(good), new RegExp(artifact.slice(-20)))
    const wrong = await judge(await signMessage(parts('http://curfew.test/idp/SLO.ssaml2'), { ...partner.signing, key: makeKeyPair('other').key }))
    assert.deepEqual([wrong['signature'], wrong['destination']], ['fail', 'fail'])
  })

  test('judges the message inside an ArtifactResponse, too', async () => {
    const parts = (message: string) =>
      serialiseArtifactResponse({ kind: 'ArtifactResponse', ...head, id: '_a1', inResponseTo: '_r1', status: status.success() }, message)
    const inner = await signMessage(serialiseLogoutRequest(request), partner.signing)
    const good = await judge(await signMessage(parts(inner), partner.signing))
    assert.equal(good['signature'], 'ok')
    assert.equal(good['Message'], `LogoutRequest ${request.id}`)
    const spoiled = parts(inner.replace('index-of-no-session', 'index-of-another'))
    assert.equal((await judge(await signMessage(spoiled, partner.signing)))['signature'], 'fail')
    assert.equal((await judge(spoiled.head + spoiled.tail))['signature'], 'fail')
  })
})
