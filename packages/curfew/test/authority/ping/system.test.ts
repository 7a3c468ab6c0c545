import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, parseMetadata, verificationKeyFromCertificate, verifyMetadata } from '@curfew/codecs'
import { createKit, signIn } from '../kit.ts'

suite('/pf/heartbeat.ping', () => {
  test('AC-155 answers 200 OK', async () => {
    await using kit = await createKit()
    const beat = await kit.app.inject('/pf/heartbeat.ping')
    assert.deepEqual([beat.statusCode, beat.body], [200, 'OK'])
  })

  test('AC-155 shows figures as JSON when monitoring is on', async () => {
    await using kit = await createKit({ health: { monitoring: true } })
    await signIn(kit.browser(), '/')
    const beat = await kit.app.inject('/pf/heartbeat.ping')
    assert.equal(beat.json().items[0].live_sessions, 1)
  })

  test('AC-155 does not answer 200 while the server is not ready', async () => {
    for (const monitoring of [false, true]) {
      await using kit = await createKit({ health: { isReady: () => false, monitoring } })
      assert.equal((await kit.app.inject('/pf/heartbeat.ping')).statusCode, 503)
    }
  })
})

suite('/pf/federation_metadata.ping', () => {
  test('AC-156 publishes signed metadata with the endpoints of both roles', async () => {
    await using kit = await createKit()
    const answer = await kit.app.inject('/pf/federation_metadata.ping')
    assert.match(String(answer.headers['content-type']), /samlmetadata\+xml/)
    const [entity] = parseMetadata(answer.rawPayload)
    const certificate = entity?.idp?.keys[0]?.certificates[0] ?? ''
    assert.doesNotThrow(() => verifyMetadata(answer.rawPayload, [verificationKeyFromCertificate(certificate)]))
    assert.deepEqual(
      entity?.idp?.singleLogoutServices.map(({ binding, location }) => [binding, location]),
      [
        [bindingUri('redirect'), 'http://curfew.test/idp/SLO.saml2'],
        [bindingUri('post'), 'http://curfew.test/idp/SLO.saml2'],
        [bindingUri('artifact'), 'http://curfew.test/idp/SLO.saml2'],
        [bindingUri('soap'), 'http://curfew.test/idp/SLO.ssaml2']
      ]
    )
    assert.deepEqual(
      entity?.sp?.singleLogoutServices.map(({ binding, location }) => [binding, location]),
      [
        [bindingUri('redirect'), 'http://curfew.test/sp/SLO.saml2'],
        [bindingUri('post'), 'http://curfew.test/sp/SLO.saml2'],
        [bindingUri('artifact'), 'http://curfew.test/sp/SLO.saml2'],
        [bindingUri('soap'), 'http://curfew.test/sp/SLO.ssaml2']
      ]
    )
    assert.deepEqual(
      entity?.sp?.assertionConsumerServices.map(({ binding, location }) => [binding, location]),
      [
        [bindingUri('post'), 'http://curfew.test/sp/ACS.saml2'],
        [bindingUri('artifact'), 'http://curfew.test/sp/ACS.saml2']
      ]
    )
    const resolution = (own: string) => [{ binding: bindingUri('soap'), location: `http://curfew.test/${own}/ARS.ssaml2`, index: 0, isDefault: true }]
    assert.deepEqual(entity?.idp?.artifactResolutionServices, resolution('idp'))
    assert.deepEqual(entity?.sp?.artifactResolutionServices, resolution('sp'))
  })

  test('shows a partner only the role it works with', async () => {
    await using kit = await createKit()
    const roles = async (query: string): Promise<readonly [boolean, boolean]> => {
      const [entity] = parseMetadata((await kit.app.inject(`/pf/federation_metadata.ping${query}`)).rawPayload)
      return [entity?.idp !== undefined, entity?.sp !== undefined]
    }
    assert.deepEqual(await roles('?PartnerSpId=urn%3Apayroll'), [true, false])
    assert.deepEqual(await roles('?PartnerIdpId=urn%3Aupstream'), [false, true])
  })
})
