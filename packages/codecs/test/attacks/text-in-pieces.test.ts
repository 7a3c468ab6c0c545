import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { verifyLogoutRequest, verifyResponse } from '../../src/index.ts'
import { codeOf, partner, peer, posted, responseXml, signedAssertion, signedRequest } from '../support/messages.ts'

/** Where two readers that join text differently would see two values, both under a signature that is good. */
const places: Readonly<Record<string, readonly [tag: string, value: string]>> = {
  NameID: ['saml:NameID', 'ana &amp; co'],
  Issuer: ['saml:Issuer', partner],
  SessionIndex: ['samlp:SessionIndex', 'index-1']
}
/** What canonicalisation drops, or turns into plain text; the last one it keeps, and no message needs it. */
const pieces: Readonly<Record<string, (text: string) => string>> = {
  'a comment': (text) => `${text.slice(0, 3)}<!-- -->${text.slice(3)}`,
  CDATA: (text) => `${text.slice(0, 3)}<![CDATA[${text.slice(3).replaceAll('&amp;', '&')}]]>`,
  'a processing instruction': (text) => `${text.slice(0, 3)}<?x y?>${text.slice(3)}`
}

suite('Text that two readers could join differently', () => {
  for (const [piece, cut] of Object.entries(pieces))
    for (const [name, [tag, value]] of Object.entries(places))
      test(`${piece} in ${name} is refused`, () => {
        const xml = signedRequest.replace(new RegExp(`(<${tag}[^>]*>)${value}<`), (_, start: string) => `${start}${cut(value)}<`)
        assert.notEqual(xml, signedRequest)
        assert.equal(
          codeOf(() => verifyLogoutRequest(posted(xml), peer)),
          'CURFEW_XML_FORBIDDEN'
        )
      })

  test('a comment in the NameID of an assertion signs nobody in, under whatever name', () => {
    for (const name of ['an<!-- -->a', 'ana<!-- -->', '<!-- -->ana', 'a<!---->na'])
      assert.equal(
        codeOf(() => verifyResponse(posted(responseXml(signedAssertion.replace('>ana<', `>${name}<`)), 'SAMLResponse'), peer)),
        'CURFEW_XML_FORBIDDEN'
      )
  })
})
