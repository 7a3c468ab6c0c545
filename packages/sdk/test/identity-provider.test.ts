import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bindingUri, certificateBase64, serialiseMetadata, status } from '@curfew/codecs'
import { createSelfSigned } from '../../curfew/src/platform/certificate.ts'
import { systemRandom } from '../../curfew/src/platform/random.ts'
import { readIdentityProvider } from '../src/index.ts'
import { beginSignIn, createStage, idpEntity, postResponse, request, signIn } from './provider.ts'

const nowMs = Date.parse('2026-03-01T09:00:00Z')
const at = (minutes: number): Temporal.Instant => Temporal.Instant.fromEpochMilliseconds(nowMs).add({ minutes })
const { certificatePem } = await createSelfSigned('idp', { fromMs: Date.now(), days: 30 }, systemRandom)

interface Ends {
  readonly list?: Temporal.Instant
  readonly entity?: Temporal.Instant
  readonly role?: Temporal.Instant
}

/** One provider in a list, with an end at each of the places that may set one. */
function metadata({ list, entity, role }: Ends): Uint8Array {
  const { head, tail } = serialiseMetadata({
    id: '_m',
    entityId: idpEntity,
    ...(entity === undefined ? {} : { validUntil: entity }),
    idp: {
      ...(role === undefined ? {} : { validUntil: role }),
      keys: [{ use: 'signing', certificates: [certificateBase64(certificatePem)] }],
      nameIdFormats: [],
      wantAuthnRequestsSigned: true,
      singleSignOnServices: [{ binding: bindingUri('redirect'), location: `${idpEntity}/sso` }],
      singleLogoutServices: []
    }
  })
  const end = list === undefined ? '' : ` validUntil="${list.toString()}"`
  return Buffer.from(`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"${end}>${head}${tail}</md:EntitiesDescriptor>`)
}

suite('SAML Metadata 2.3.2: validUntil of an identity provider', () => {
  for (const place of ['list', 'entity', 'role'] as const) {
    test(`an end that the ${place} sets counts, to the millisecond`, () => {
      const later = { list: at(60), entity: at(60), role: at(60) }
      assert.equal(readIdentityProvider(metadata({ ...later, [place]: at(5) }), at(5).epochMilliseconds - 1).validUntilMs, at(5).epochMilliseconds)
      for (const minutes of [0, -1, -60 * 24 * 400])
        assert.throws(() => readIdentityProvider(metadata({ ...later, [place]: at(minutes) }), nowMs), { code: 'CURFEW_SAML_METADATA_EXPIRED' })
    })
  }

  test('metadata without an end has none', () => {
    assert.equal(readIdentityProvider(metadata({}), Number.MAX_SAFE_INTEGER).validUntilMs, undefined)
  })

  test('an application does not start on metadata that is over', () => {
    assert.throws(() => createStage({}, nowMs, {}, at(-1)), { code: 'CURFEW_SAML_METADATA_EXPIRED' })
  })

  test('metadata that ends while the application runs signs nobody in any more; who is in goes on, and is signed out', async () => {
    const stage = createStage({}, nowMs, {}, at(2))
    const { cookie } = await signIn(stage)
    const begun = await beginSignIn(stage)
    const before = stage.response({ inResponseTo: begun.inResponseTo, id: '_assertion2' })
    stage.nowMs = at(2).epochMilliseconds

    assert.equal((await stage.provider.handle(request('GET', '/saml/login?to=/')))?.status, 503)
    assert.equal((await postResponse(stage, before, { cookie: begun.cookie }))?.status, 503)
    assert.deepEqual(
      stage.events.slice(-2).map((event) => event.kind === 'refused' && event.code),
      ['CURFEW_SAML_METADATA_EXPIRED', 'CURFEW_SAML_METADATA_EXPIRED']
    )
    assert.notEqual(await stage.provider.session(cookie), undefined)

    const answer = await stage.provider.handle(request('POST', '/saml/slo/soap', { body: stage.soap(stage.logoutRequest()) }))
    assert.equal(answer?.status, 200)
    assert.ok(String(answer.body).includes(status.success().code))
    assert.equal(await stage.provider.session(cookie), undefined)
  })
})
