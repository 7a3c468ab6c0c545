import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { decodeRedirect, encodeRedirect, serialiseLogoutRequest } from '../../src/index.ts'
import { partnerKey } from '../support/keys.ts'
import { codeOf, logoutRequest } from '../support/messages.ts'

const { head, tail } = serialiseLogoutRequest(logoutRequest)
const url = await encodeRedirect('https://login.example/idp/SLO.saml2', { parameter: 'SAMLRequest', xml: head + tail }, partnerKey.signing)
const query = url.slice(url.indexOf('?') + 1)
const relayed = (raw: string): string | undefined => decodeRedirect(`${query}&RelayState=${raw}`).relayState

suite('HTTP Redirect: percent-encoding', () => {
  test('any text comes back, whoever encoded it and in whatever case', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.oneof(fc.constantFrom('a', '%', '+', ' ', '&', '=', '/', '\0', 'é', '\u{1F600}'), fc.string({ minLength: 1, maxLength: 1 })),
          maxLength: 40
        }),
        (text) => {
          fc.pre(text.isWellFormed())
          const encoded = encodeURIComponent(text)
          assert.equal(relayed(encoded), text)
          assert.equal(relayed(encoded.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())), text)
          assert.equal(relayed([...Buffer.from(text)].map((octet) => `%${octet.toString(16).padStart(2, '0')}`).join('')), text)
        }
      )
    )
  })

  test('a plus stands for a space', () => assert.equal(relayed('a+b%2Bc+%C3%A9'), 'a b+c é'))

  test('broken encoding is refused', () => {
    for (const raw of ['%', '%4', '%4g', '%g4', '%-1', '%+1', '% 1', 'a%', '%C3', '%C3%', '%C3%28', '%FF', '%ED%A0%80', '%u0041', 'abc%2'])
      assert.equal(
        codeOf(() => relayed(raw)),
        'CURFEW_SAML_QUERY',
        raw
      )
  })

  test('parameters without value, without name and without anything are no reason to fail', () => {
    assert.equal(relayed(''), '')
    assert.equal(decodeRedirect(`&&=x&${query}&&y&z=&=&`).kind, 'LogoutRequest')
    assert.equal(decodeRedirect(`${query}&RelayState`).relayState, '')
    assert.equal(decodeRedirect(`${query}&RelayState=a=b==`).relayState, 'a=b==')
  })
})
