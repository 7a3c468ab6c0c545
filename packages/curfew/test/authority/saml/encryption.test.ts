import assert from 'node:assert/strict'
import { constants, createCipheriv, createPublicKey, publicEncrypt, randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import {
  createSeal,
  type Decryption,
  decodePost,
  decodeRedirect,
  decodeSoap,
  encodeRedirect,
  encodeSoap,
  type EntityDescriptor,
  makeDecryptionKey,
  parseMetadata,
  type PeerKeys,
  type Seal,
  serialiseLogoutRequest,
  signMessage,
  verificationKeyFromCertificate,
  verifyLogoutRequest,
  verifyResponse
} from '@curfew/codecs'
import { makeConnection, makeIdpConnection } from '../../../src/authority/saml/connection.ts'
import type { ConnectionSettings } from '../../../src/authority/saml/settings.ts'
import type { Browser } from '../browser.ts'
import { formOf } from '../browser.ts'
import { authorityPair, createKit, type Kit, type KitOptions, signInTo } from '../kit.ts'
import { type KeyPair, makeKeyPair, makeRsaKeyPair } from '../key-pairs.ts'
import { authorityUrl, sloUrl } from '../partner.ts'
import { begin, createHub, deliver, follow, lastRun, liveSessions, signInAt } from '../saml-sp/hub.ts'

const payrollKeys = makeRsaKeyPair('payroll encryption')
const ownPair = makeRsaKeyPair('curfew encryption')
const formerPair = makeRsaKeyPair('curfew encryption of last year')

/** What payroll reads with: the keys of the authority, and its own to decrypt. */
const reading: PeerKeys = {
  entityId: authorityUrl,
  keys: [verificationKeyFromCertificate(authorityPair.certificate)],
  decryption: { keys: [makeDecryptionKey(payrollKeys.key)], recipient: 'http://payroll.test/saml' }
}
const own: Decryption & { readonly certificate: string } = {
  keys: [makeDecryptionKey(ownPair.key), makeDecryptionKey(formerPair.key)],
  recipient: authorityUrl,
  certificate: ownPair.certificate
}

function sealTo(pair: KeyPair): Seal {
  return createSeal({ key: createPublicKey(pair.key), content: 'aes-128-gcm', transport: 'rsa-oaep', recipient: authorityUrl }, (count) => randomBytes(count))
}

function kitFor(settings: Partial<ConnectionSettings>, options: KitOptions = {}): Promise<Kit> {
  return createKit({ partners: { payroll: settings, intranet: {} }, encryptionPems: { payroll: payrollKeys.certificatePem }, ...options })
}

/** The Response that signs ana in at payroll, as text and as payroll reads it. */
async function openPayroll(kit: Kit, browser: Browser) {
  const page = await follow(browser, await browser.get(await kit.partner('payroll').ssoRedirect()))
  const { fields } = formOf(page.body)
  const xml = Buffer.from(fields['SAMLResponse'] ?? '', 'base64').toString()
  return { xml, response: verifyResponse(decodePost(Object.entries(fields)), reading) }
}

suite('Assertions and identifiers are encrypted for partners that ask for it', () => {
  for (const encrypt of ['assertions', 'nameId', 'both'] as const)
    test(`encrypt: ${encrypt}, in the assertion and in the LogoutRequest`, async () => {
      await using kit = await kitFor({ encrypt, slo: [{ binding: 'redirect', url: 'http://payroll.test/slo' }] })
      const browser = kit.browser()
      await signInTo(kit, browser, 'intranet')
      const { xml, response } = await openPayroll(kit, browser)
      const nameId = response.assertion?.subject.nameId
      assert.ok(nameId !== undefined && nameId.value.length > 20)
      assert.equal(xml.includes(nameId.value), false)
      assert.equal(xml.includes('ana@example.org'), encrypt === 'nameId')
      assert.equal(xml.includes('EncryptedAssertion'), encrypt !== 'nameId')
      await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
      const run = (await kit.store.listRuns({ limit: 1 })).items[0]
      const urls: string[] = []
      for (let i = 0; i < 2; i++) {
        const sent = await browser.get(`/signoff/${run?.id}/go`)
        urls.push(String(sent.headers.location))
        if (urls.at(-1)?.startsWith('http://intranet.test/')) {
          const intranet = kit.partner('intranet')
          await browser.get(await intranet.logoutAnswer(intranet.readLogoutRequest(urls.at(-1) ?? '')))
        }
      }
      const url = urls.find((one) => one.startsWith('http://payroll.test/slo?')) ?? ''
      const told = verifyLogoutRequest(decodeRedirect(url.slice(url.indexOf('?') + 1)), reading)
      assert.deepEqual(told.subject, nameId)
      const plain = (): unknown => kit.partner('payroll').readLogoutRequest(url)
      if (encrypt === 'assertions') assert.doesNotThrow(plain)
      else assert.throws(plain, { code: 'CURFEW_SAML_ENCRYPTED' })
      const answer = await kit.partner('payroll').logoutAnswer(told)
      await browser.get(answer)
      assert.deepEqual(
        (await kit.store.getRun(run?.id ?? 'run_'))?.deliveries.map(({ outcome }) => outcome?.kind),
        ['ended', 'ended']
      )
    })

  test('by SOAP, too', async () => {
    const bodies: Uint8Array[] = []
    await using kit = await kitFor(
      { encrypt: 'both', slo: [{ binding: 'soap', url: 'http://payroll.test/soap' }] },
      {
        network: async (request) => {
          bodies.push(Buffer.from(request.body ?? ''))
          return { status: 503 }
        }
      }
    )
    const browser = kit.browser()
    await signInTo(kit, browser, 'intranet')
    const { response } = await openPayroll(kit, browser)
    await browser.get('/idp/startSLO.ping', { 'sec-fetch-site': 'none' })
    for (let i = 0; i < 10_000 && bodies.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 1))
    const [body] = bodies
    assert.ok(body !== undefined && Buffer.from(body).includes('EncryptedID'))
    assert.deepEqual(verifyLogoutRequest(decodeSoap(body), reading).subject, response.assertion?.subject.nameId)
  })

  test('a connection that asks for it without a key to encrypt to can not be used', () => {
    const settings: ConnectionSettings = { id: 'payroll', entityId: 'urn:payroll', acs: [{ binding: 'post', url: 'http://payroll.test/acs' }], encrypt: 'both' }
    const parts = {
      settings,
      descriptor: undefined,
      certificates: [],
      nowMs: 0,
      ownKeys: [{ key: ownPair.key, algorithm: 'rsa-sha256' as const, certificate: '' }]
    }
    assert.throws(() => makeConnection(parts), { code: 'CURFEW_CONFIG_CONNECTION' })
    const elliptic = makeKeyPair('payroll')
    assert.throws(() => makeConnection({ ...parts, encryptionCertificate: elliptic.certificatePem }), { code: 'CURFEW_CONFIG_CONNECTION' })
    const made = makeConnection({ ...parts, encryptionCertificate: payrollKeys.certificatePem })
    assert.deepEqual([made.encryption?.target.content, made.encryption?.target.transport], ['aes-256-gcm', 'rsa-oaep'])
  })

  test('the key of the metadata is that for encryption, and AES-GCM the first that it lists', () => {
    const gcm = 'http://www.w3.org/2009/xmlenc11#aes'
    const descriptor: EntityDescriptor = {
      entityId: 'urn:campus',
      idp: {
        keys: [
          { certificates: [formerPair.certificate] },
          { use: 'signing', certificates: [ownPair.certificate] },
          {
            use: 'encryption',
            certificates: [payrollKeys.certificate],
            encryptionMethods: ['http://www.w3.org/2001/04/xmlenc#aes256-cbc', `${gcm}128-gcm`, `${gcm}256-gcm`]
          }
        ],
        nameIdFormats: [],
        singleLogoutServices: [],
        singleSignOnServices: [{ binding: 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect', location: 'http://campus.test/sso' }],
        wantAuthnRequestsSigned: false
      }
    }
    const made = makeIdpConnection({
      settings: { id: 'campus', encrypt: 'nameId' },
      descriptor,
      certificates: [],
      nowMs: 0,
      ownKeys: [{ key: ownPair.key, algorithm: 'rsa-sha256', certificate: '' }]
    })
    assert.equal(made.encryption?.fingerprint, verificationKeyFromCertificate(payrollKeys.certificate).fingerprint)
    assert.deepEqual([made.encryption?.target.content, made.encryption?.assertions, made.encryption?.nameIds], ['aes-128-gcm', false, true])
  })
})

suite('What partners encrypt is read', () => {
  test('an encrypted assertion signs the user in, with the key in use and with the one before', async () => {
    for (const pair of [ownPair, formerPair]) {
      const hub = await createHub({ decryption: own })
      await using _kit = hub.kit
      assert.match((await signInAt(hub, hub.kit.browser(), { seal: sealTo(pair) })).body, /Signed in as ana/)
    }
  })

  /** The same as AD FS, Entra ID and others write it by default: AES-CBC, which carries no proof of its own. */
  const byCbc = (encrypted: string, signed: string): string => {
    const contentKey = randomBytes(16)
    const iv = randomBytes(16)
    const plain = Buffer.from(signed)
    const count = 16 - (plain.length % 16)
    const cipher = createCipheriv('aes-128-cbc', contentKey, iv).setAutoPadding(false)
    const data = Buffer.concat([iv, cipher.update(Buffer.concat([plain, Buffer.alloc(count - 1), Buffer.of(count)])), cipher.final()])
    const key = publicEncrypt({ key: createPublicKey(ownPair.key), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, contentKey)
    const values = [key.toString('base64'), data.toString('base64')]
    return encrypted
      .replace('http://www.w3.org/2009/xmlenc11#aes128-gcm', 'http://www.w3.org/2001/04/xmlenc#aes128-cbc')
      .replaceAll(/(<xenc:CipherValue>)[^<]*/g, (_, tag: string) => tag + (values.shift() ?? ''))
  }
  const sealedByCbc = { seal: sealTo(ownPair), reseal: byCbc }

  test('AES-CBC is read where the connection allows it, and only with a signature around the cipher text', async () => {
    const hub = await createHub({ decryption: own }, { allowCbc: true })
    await using _kit = hub.kit
    const browser = hub.kit.browser()
    const request = await begin(hub, browser)
    const bare = await deliver(hub, browser, { requestId: request.id, ...sealedByCbc, unsignedResponse: true })
    assert.equal(bare.statusCode, 400)
    assert.match(bare.body, /CURFEW_SAML_ENCRYPTION_REFUSED/)
    assert.deepEqual(await liveSessions(hub.kit), [])
    assert.match((await signInAt(hub, hub.kit.browser(), sealedByCbc)).body, /Signed in as ana/)
  })

  test('AES-CBC is refused where the connection says nothing of it', async () => {
    const hub = await createHub({ decryption: own })
    await using _kit = hub.kit
    const refused = await signInAt(hub, hub.kit.browser(), sealedByCbc)
    assert.equal(refused.statusCode, 400)
    assert.match(refused.body, /CURFEW_SAML_ENCRYPTION_REFUSED/)
    assert.deepEqual(await liveSessions(hub.kit), [])
    assert.match((await signInAt(hub, hub.kit.browser(), { seal: sealTo(ownPair) })).body, /Signed in as ana/)
  })

  test('one for somebody else does not, and neither does any without keys here', async () => {
    const hub = await createHub({ decryption: own })
    await using _kit = hub.kit
    const browser = hub.kit.browser()
    const request = await begin(hub, browser)
    const refused = await deliver(hub, browser, { requestId: request.id, seal: sealTo(payrollKeys) })
    assert.equal(refused.statusCode, 400)
    assert.match(refused.body, /CURFEW_SAML_DECRYPTION/)
    assert.deepEqual(await liveSessions(hub.kit), [])
    const bare = await createHub()
    await using _bare = bare.kit
    assert.match((await signInAt(bare, bare.kit.browser(), { seal: sealTo(ownPair) })).body, /CURFEW_SAML_ENCRYPTED/)
  })

  test('a LogoutRequest with an encrypted identifier ends the session, by Redirect and by SOAP', async () => {
    for (const binding of ['redirect', 'soap'] as const) {
      await using kit = await createKit({ decryption: own })
      const browser = kit.browser()
      const { assertion } = await signInTo(kit, browser, 'payroll')
      assert.ok(assertion)
      const payroll = kit.partner('payroll')
      const index = assertion.authnStatement?.sessionIndex ?? ''
      const destination = binding === 'soap' ? `${authorityUrl}/idp/SLO.ssaml2` : sloUrl
      const parts = serialiseLogoutRequest(payroll.logoutRequest(assertion.subject.nameId, [index], { destination }), sealTo(ownPair))
      assert.equal((parts.head + parts.tail).includes(assertion.subject.nameId.value), false)
      if (binding === 'redirect')
        await follow(browser, await browser.get(await encodeRedirect(destination, { parameter: 'SAMLRequest', xml: parts.head + parts.tail }, payroll.signing)))
      else {
        const answer = await kit.app.inject({
          method: 'POST',
          url: '/idp/SLO.ssaml2',
          headers: { 'content-type': 'text/xml' },
          payload: encodeSoap(await signMessage(parts, payroll.signing))
        })
        assert.equal(payroll.readSoapResponse(answer.body).status.code, 'urn:oasis:names:tc:SAML:2.0:status:Success')
      }
      assert.deepEqual(await liveSessions(kit), [])
    }
  })

  test('what can not be decrypted ends nothing, and is answered by SOAP as any other refusal', async () => {
    await using kit = await createKit({ decryption: own })
    const { assertion } = await signInTo(kit, kit.browser(), 'payroll')
    assert.ok(assertion)
    const payroll = kit.partner('payroll')
    const destination = `${authorityUrl}/idp/SLO.ssaml2`
    const statusOf = async (seal: Seal | undefined, subject = assertion.subject.nameId): Promise<string> => {
      const parts = serialiseLogoutRequest(payroll.logoutRequest(subject, [], { destination: seal === undefined ? sloUrl : destination }), seal)
      const answer = await kit.app.inject({
        method: 'POST',
        url: '/idp/SLO.ssaml2',
        headers: { 'content-type': 'text/xml' },
        payload: encodeSoap(await signMessage(parts, payroll.signing))
      })
      return JSON.stringify(payroll.readSoapResponse(answer.body).status)
    }
    assert.equal(await statusOf(sealTo(payrollKeys)), await statusOf(undefined))
    assert.equal((await liveSessions(kit)).length, 1)
  })

  test('an upstream provider is asked with an encrypted identifier where its connection says so', async () => {
    const hub = await createHub({ decryption: own, encryptionPems: { campus: payrollKeys.certificatePem } }, { encrypt: 'nameId' })
    await using _kit = hub.kit
    const browser = hub.kit.browser()
    await signInAt(hub, browser)
    await browser.get('/sp/startSLO.ping', { 'sec-fetch-site': 'none' })
    const run = await lastRun(hub)
    const sent = String((await browser.get(`/signoff/${run.id}/go`)).headers.location)
    assert.throws(() => hub.upstream.readLogoutRequest(sent), { code: 'CURFEW_SAML_ENCRYPTED' })
    const keys = { ...reading, decryption: { keys: [makeDecryptionKey(payrollKeys.key)], recipient: hub.upstream.entityId } }
    const told = verifyLogoutRequest(decodeRedirect(sent.slice(sent.indexOf('?') + 1)), keys)
    assert.equal(told.subject.value, 'ana')
  })
})

suite('Metadata', () => {
  test('publishes the first decryption key, with what is accepted, and nothing without one', async () => {
    await using kit = await createKit({ decryption: own })
    const [entity] = parseMetadata((await kit.app.inject('/pf/federation_metadata.ping')).rawPayload)
    for (const role of [entity?.idp, entity?.sp]) {
      const keys = role?.keys.filter(({ use }) => use === 'encryption') ?? []
      assert.deepEqual(
        keys.map(({ certificates }) => certificates),
        [[ownPair.certificate]]
      )
      const methods = keys[0]?.encryptionMethods ?? []
      assert.ok(methods.includes('http://www.w3.org/2009/xmlenc11#aes256-gcm'))
      assert.equal(
        methods.some((uri) => /cbc|1_5/.test(uri)),
        false
      )
    }
    await using bare = await createKit()
    const [plain] = parseMetadata((await bare.app.inject('/pf/federation_metadata.ping')).rawPayload)
    assert.deepEqual(
      plain?.idp?.keys.map(({ use }) => use),
      ['signing']
    )
  })
})
