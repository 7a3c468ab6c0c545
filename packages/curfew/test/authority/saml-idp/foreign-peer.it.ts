import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SAML, type Profile } from '@node-saml/node-saml'
import { formOf } from '../browser.ts'
import { makeRsaKeyPair } from '../key-pairs.ts'
import { createKit, signIn } from '../kit.ts'
import { authorityUrl, sloUrl, ssoUrl } from '../partner.ts'

/** Messages of this project judged by, and taken from, a service provider library that it did not write. */
suite('a service provider built on node-saml', () => {
  test('takes our assertion, starts a logout that we take, and takes our answer', async () => {
    const own = makeRsaKeyPair('curfew')
    const pair = makeRsaKeyPair('foreign')
    const privateKey = pair.key.export({ type: 'pkcs8', format: 'pem' }).toString()
    const entityId = 'https://foreign.test/saml'
    const acsUrl = 'https://foreign.test/acs'
    const provider = new SAML({
      callbackUrl: acsUrl,
      entryPoint: ssoUrl,
      logoutUrl: sloUrl,
      issuer: entityId,
      audience: entityId,
      idpIssuer: authorityUrl,
      idpCert: own.certificate,
      privateKey,
      signatureAlgorithm: 'sha256',
      wantAssertionsSigned: true,
      wantAuthnResponseSigned: false,
      identifierFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
      disableRequestedAuthnContext: false
    })
    await using kit = await createKit({
      partners: {},
      startMs: Date.now(),
      ownKey: { key: own.key, algorithm: 'rsa-sha256', certificate: own.certificate },
      connections: [
        {
          settings: {
            id: 'foreign',
            entityId,
            acs: [{ binding: 'post', url: acsUrl, default: true }],
            slo: [{ binding: 'redirect', url: 'https://foreign.test/slo' }],
            requireSignedAuthnRequests: true,
            attributes: { mail: 'mail' }
          },
          certificatePem: pair.certificatePem
        }
      ]
    })
    const browser = kit.browser()
    const page = await signIn(browser, await provider.getAuthorizeUrlAsync('', undefined, {}))
    const { profile } = await provider.validatePostResponseAsync({ SAMLResponse: formOf(page.body).fields['SAMLResponse'] ?? '' })
    assert.equal(profile?.['mail'], 'ana@example.org')
    assert.equal(profile?.issuer, authorityUrl)

    const started = await browser.get(await provider.getLogoutUrlAsync(profile as Profile, 'r', {}))
    const settled = await browser.get(String(started.headers.location))
    const home = await browser.get(String(settled.headers.location))
    const answer = new URL(String(home.headers.location))
    assert.equal(answer.origin + answer.pathname, 'https://foreign.test/slo')
    const query = Object.fromEntries(answer.searchParams)
    const { loggedOut } = await provider.validateRedirectAsync(query, answer.search.slice(1))
    assert.equal(loggedOut, true)
    assert.deepEqual(await kit.store.findByUser('local:ana'), [])
  })
})
