import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { serialiseLogoutRequest, signEnvelopedSync, verifyLogoutRequest } from '../../src/index.ts'
import { partnerKey } from '../support/keys.ts'
import { codeOf, logoutRequest, peer, posted, signedRequest } from '../support/messages.ts'

const outcome = (xml: string): string => codeOf(() => verifyLogoutRequest(posted(xml), peer))
const named = (name: string): string => signedRequest.replace('ana &amp; co', name)

suite('Document types and what they bring', () => {
  const cases: Readonly<Record<string, readonly [string, string]>> = {
    'a document type': [`<!DOCTYPE x>${signedRequest}`, 'CURFEW_XML_FORBIDDEN'],
    'a document type of another file': [`<!DOCTYPE x SYSTEM "https://evil.example/x.dtd">${signedRequest}`, 'CURFEW_XML_FORBIDDEN'],
    'an entity of its own': [`<!DOCTYPE x [<!ENTITY who "admin">]>${named('&who;')}`, 'CURFEW_XML_FORBIDDEN'],
    'an entity that is a file': [`<!DOCTYPE x [<!ENTITY who SYSTEM "file:///etc/passwd">]>${named('&who;')}`, 'CURFEW_XML_FORBIDDEN'],
    'a parameter entity that is an address': [`<!DOCTYPE x [<!ENTITY % p SYSTEM "https://evil.example/p"> %p;]>${signedRequest}`, 'CURFEW_XML_FORBIDDEN'],
    'default values of attributes': [`<!DOCTYPE x [<!ATTLIST samlp:LogoutRequest Reason CDATA "x">]>${signedRequest}`, 'CURFEW_XML_FORBIDDEN'],
    'an entity that nothing declares': [named('&who;'), 'CURFEW_XML_FORBIDDEN']
  }
  for (const [name, [xml, code]] of Object.entries(cases)) test(`refuses ${name}`, () => assert.equal(outcome(xml), code))
})

suite('Entities that grow', () => {
  test('a billion laughs are refused at their first character, in no time', () => {
    const laughs = Array.from({ length: 20 }, (_, i) => `<!ENTITY l${i + 1} "${`&l${i};`.repeat(10)}">`).join('')
    const before = process.threadCpuUsage()
    assert.equal(outcome(`<!DOCTYPE x [<!ENTITY l0 "ha">${laughs}]>${named('&l20;')}`), 'CURFEW_XML_FORBIDDEN')
    const { user, system } = process.threadCpuUsage(before)
    assert.ok(user + system < 100_000, `${user + system} us`)
  })

  test('references to characters are as long as they are written: none grows', () => {
    assert.equal(outcome(named('&#65;'.repeat(20_000))), 'CURFEW_XML_LIMIT')
  })
})

suite('XInclude', () => {
  /** Signed by the partner itself, so that only the reading of the name stands in the way. */
  const including = (what: string): string => {
    const { head, tail, id } = serialiseLogoutRequest(logoutRequest)
    return signEnvelopedSync({ head, tail: tail.replace('ana &amp; co', what), id }, partnerKey.signing)
  }
  const element = (more: string): string => `<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" ${more}></xi:include>`

  test('a name that is to be included from a file is no name', () => {
    assert.equal(outcome(including(element('href="file:///etc/hostname" parse="text"'))), 'CURFEW_XML_ELEMENT_UNEXPECTED')
    assert.equal(outcome(including(`ana${element('href="https://evil.example/x"')}`)), 'CURFEW_XML_ELEMENT_UNEXPECTED')
  })

  test('put into a signed message it breaks the signature like any other element', () => {
    assert.equal(
      outcome(signedRequest.replace('<saml:NameID', `<samlp:Extensions>${element('href="file:///etc/hostname"')}</samlp:Extensions><saml:NameID`)),
      'CURFEW_SAML_SIGNATURE_INVALID'
    )
  })
})

suite('Names that are no names', () => {
  for (const id of ['a"b', "a'b", "x' or '1'='1", '"]|//*["', 'a b', '#_request1', '_request1\u00a0', ''])
    test(`refuses the id ${JSON.stringify(id)}`, () => {
      const written = id.replaceAll('"', '&quot;')
      assert.equal(outcome(signedRequest.replace('ID="_request1"', `ID="${written}"`).replace('URI="#_request1"', `URI="#${written}"`)), 'CURFEW_XML_ID')
    })

  for (const uri of ['protocol', './protocol', '../protocol', '//host/protocol', '?x', '#x'])
    test(`refuses the relative namespace ${uri}`, () => {
      assert.equal(outcome(signedRequest.replace('<samlp:LogoutRequest ', `<samlp:LogoutRequest xmlns:r="${uri}" `)), 'CURFEW_XML_NAMESPACE')
    })
})
