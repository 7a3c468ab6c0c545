import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodePost, verifyLogoutRequest } from '../../src/index.ts'
import { codeOf, peer, signedRequest, signedResponse } from '../support/messages.ts'

const base64 = Buffer.from(signedRequest).toString('base64')
const outcome = (...fields: readonly (readonly [string, string])[]): string => codeOf(() => verifyLogoutRequest(decodePost(fields), peer))

suite('Fields of HTTP POST that two readers could see differently', () => {
  test('the plain form is accepted, with fields of others beside it', () => {
    assert.equal(outcome(['x', '1'], ['SAMLRequest', base64], ['x', '2'], ['samlrequest', 'y']), 'accepted')
  })

  const forged = Buffer.from(signedRequest.replace('ana', 'eve')).toString('base64')
  const cases: Readonly<Record<string, readonly [readonly (readonly [string, string])[], string]>> = {
    'the message twice': [
      [
        ['SAMLRequest', base64],
        ['SAMLRequest', forged]
      ],
      'CURFEW_SAML_QUERY'
    ],
    'RelayState twice': [
      [
        ['SAMLRequest', base64],
        ['RelayState', 'a'],
        ['RelayState', 'b']
      ],
      'CURFEW_SAML_QUERY'
    ],
    'request and response together': [
      [
        ['SAMLRequest', base64],
        ['SAMLResponse', Buffer.from(signedResponse).toString('base64')]
      ],
      'CURFEW_SAML_QUERY'
    ],
    'a request under the name of a response': [[['SAMLResponse', base64]], 'CURFEW_SAML_QUERY'],
    'no message': [[['RelayState', 'a']], 'CURFEW_SAML_QUERY'],
    'base64 of another alphabet': [[['SAMLRequest', base64.replace(/[A-Z]/, '-')]], 'CURFEW_SAML_BASE64'],
    'base64 with something after its padding': [[['SAMLRequest', `${base64.replace(/=*$/, '')}==AAAA`]], 'CURFEW_SAML_BASE64'],
    'base64 with letters that decoders pass over': [[['SAMLRequest', `${base64.slice(0, 40)}!*${base64.slice(40)}`]], 'CURFEW_SAML_BASE64'],
    'base64 that is still percent-encoded': [[['SAMLRequest', base64.replace(/[A-Z]/, '%41')]], 'CURFEW_SAML_BASE64'],
    'a long RelayState': [
      [
        ['SAMLRequest', base64],
        ['RelayState', 'a'.repeat(2_049)]
      ],
      'CURFEW_SAML_QUERY'
    ]
  }
  for (const [name, [fields, code]] of Object.entries(cases)) test(`by POST refuses ${name}`, () => assert.equal(outcome(...fields), code))
})
