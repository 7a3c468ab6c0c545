import { attack, type AttackClass, edit } from '../attack.ts'

const enveloped = 'packages/codecs/src/dsig/enveloped.ts'
const algorithms = 'packages/codecs/src/dsig/algorithms.ts'
const sign = 'packages/codecs/src/dsig/sign.ts'
const verify = 'packages/codecs/src/saml/verify.ts'
const decrypt = 'packages/codecs/src/xmlenc/decrypt.ts'
const assertion = 'packages/codecs/src/saml/assertion.ts'
const response = 'packages/codecs/src/saml/response.ts'
const tests = 'packages/codecs/test/attacks'

const looksInside = edit(verify, 'const queue: XmlElement[] = childElements(element).slice()', 'const queue: XmlElement[] = []')
const countsAssertions = edit(response, 'if (more.length > 0 || (assertion !== undefined && !isAssertion))', 'if (assertion !== undefined && !isAssertion)')

/** What careless verifiers do: any signature of the document that is good by itself vouches for what is read. */
const anySignatureVouches = [
  edit(
    enveloped,
    '  const signature = signatureOf(element)\n  if (signature === undefined) throw',
    `  const find = (at: XmlElement): XmlElement | undefined =>
    is(at, dsNamespace, 'Signature') ? at : at.children.flatMap((child) => (typeof child === 'string' ? [] : (find(child) ?? [])))[0]
  const signature = find(element) ?? find(document.root)
  if (signature === undefined) throw`
  ),
  edit(enveloped, 'rest.length > 1 ||', ''),
  edit(enveloped, "(rest[0] !== undefined && !is(rest[0], dsNamespace, 'KeyInfo'))", 'false'),
  edit(enveloped, '  requireReference(document, element, signed.uri)\n', ''),
  edit(enveloped, 'canonicalise(element, { omit', "canonicalise(document.ids.get((signed.uri ?? '').slice(1)) ?? element, { omit"),
  edit(verify, 'return signatureOf(plain.element) === undefined ? undefined : verifyEnveloped(plain.document', 'return verifyEnveloped(plain.document'),
  looksInside,
  countsAssertions,
  edit(assertion, "if (statements.some((child) => child.namespace !== ns.saml || !statementNames.has(child.name))) throw broken('Assertion')", '')
]

/** What can be done to the signature of a message. */
export const signatureAttacks: readonly AttackClass[] = [
  attack(
    'Signature wrapping',
    `${tests}/wrapping.test.ts`,
    [
      '1 the signed Response in an Object of its signature in a forged one',
      '2 the signed Response beside its signature in a forged one',
      '3 a forged assertion before the signed one',
      '4 the signed assertion inside a forged one',
      '5 a forged assertion that carries the signature, the signed one behind',
      '6 the signed assertion inside the signature of the forged one',
      '7 a forged assertion in Extensions',
      '8 the signed assertion in an Object of the forged one',
      '9 the signed assertion in Advice of the forged one'
    ].map((permutation) => ({
      test: `refuses ${permutation}`,
      without: 'the rule that a signature is of the very element that is read, and that no other message stands in it',
      edits: anySignatureVouches
    }))
  ),
  attack('Unsigned messages', `${tests}/partly-signed.test.ts`, [
    ...['LogoutRequest', 'LogoutResponse'].map((message) => ({
      test: `an unsigned ${message} is refused`,
      without: 'the demand for a signature: a message without one is read as it is',
      edits: [
        edit(
          verify,
          '  const signed = verifyEnveloped(document, element, peer.keys, peer.policy ?? {})\n  return { view: signed.view',
          "  if (signatureOf(element) === undefined) return { view: element, proof: { peer: peer.entityId, binding: received.binding, messageHash: '' } }\n  const signed = verifyEnveloped(document, element, peer.keys, peer.policy ?? {})\n  return { view: signed.view"
        )
      ]
    })),
    {
      test: 'an unsigned assertion in an unsigned Response is refused',
      without: 'the demand for a signature on the assertion or around it',
      edits: [
        edit(
          verify,
          '  const best = inner ?? outer\n',
          "  const best = inner ?? outer ?? ({ signedBy: { fingerprint: '' }, algorithm: '', canonicalHash: '', view: element } as unknown as SignedView)\n"
        )
      ]
    },
    {
      file: 'packages/curfew/test/attacks/logout-messages.test.ts',
      test: 'AC-145 an unsigned LogoutRequest by Redirect and by POST',
      without: 'the demand for a signature in the query',
      edits: [
        edit(
          verify,
          "if (query === undefined) throw new CurfewError('CURFEW_SAML_SIGNATURE_MISSING')",
          "if (query === undefined) return { view: element, proof: { peer: peer.entityId, binding: received.binding, messageHash: '' } }"
        )
      ]
    }
  ]),
  attack('Partly signed messages', `${tests}/partly-signed.test.ts`, [
    {
      test: 'a signature over a child proves nothing about the message around it',
      without: 'the rule that the Reference names the element that holds the Signature',
      edits: anySignatureVouches
    },
    {
      test: 'of a Response whose assertion alone is signed, a second assertion is not read',
      without: 'the rule that there is one assertion: the first is read, and any good signature vouches for it',
      edits: anySignatureVouches
    },
    {
      test: 'a signature that is there must be good even where another one would do',
      without: 'the look at the signature inside of a signed Response',
      edits: [edit(verify, ': insideOf(plain, peer, isHidden)', ': own === undefined ? insideOf(plain, peer, isHidden) : undefined')]
    },
    {
      test: 'attributes and text around what is signed are not read',
      without: 'the comparison of the digest',
      edits: [edit(enveloped, "if (digest !== strictBase64(text(signed.digestValue), 'whitespace').toString('hex'))", "if (digest === '')")]
    }
  ]),
  attack(
    'Two SignedInfo',
    `${tests}/partly-signed.test.ts`,
    ['before the one that is signed', 'behind the one that is signed'].map((place) => ({
      test: `a second one ${place} is refused`,
      without: 'the exact shape of a Signature: one SignedInfo, then one SignatureValue',
      edits: [
        edit(
          enveloped,
          '  const [info, value, ...rest] = childElements(signature)\n',
          "  const all = childElements(signature)\n  const info = all.findLast((one) => is(one, dsNamespace, 'SignedInfo'))\n  const value = all.find((one) => is(one, dsNamespace, 'SignatureValue'))\n  const rest: XmlElement[] = []\n"
        )
      ]
    }))
  ),
  attack('Transforms and canonicalisations other than the allowed', `${tests}/signature.test.ts`, [
    ...['http://www.w3.org/TR/1999/REC-xpath-19991116', 'http://www.w3.org/TR/1999/REC-xslt-19991116', 'http://www.w3.org/2000/09/xmldsig#base64'].map(
      (uri) => ({
        test: `refuses the transform ${uri}`,
        without: 'the comparison of both transforms: others are passed over',
        edits: [edit(enveloped, "attribute(enveloped, 'Algorithm') === envelopedUri &&\n    attribute(exclusive, 'Algorithm') === exclusiveC14nUri &&", '')]
      })
    ),
    {
      test: 'refuses three transforms',
      without: 'the rule that there are two transforms',
      edits: [edit(enveloped, 'others.length === 0 &&', '')]
    },
    {
      test: 'refuses the canonicalisation http://www.w3.org/2001/10/xml-exc-c14n#WithComments',
      without: 'the comparison of the canonicalisation',
      edits: [edit(enveloped, "if (attribute(c14n, 'Algorithm') !== exclusiveC14nUri)", 'if (c14n === undefined)')]
    },
    {
      test: 'refuses two References',
      without: 'the rule that there is one Reference: the first is taken',
      edits: [
        edit(enveloped, "!is(reference, dsNamespace, 'Reference') ||\n    more.length > 0", "!is(reference, dsNamespace, 'Reference') ||\n    more.length > 9")
      ]
    },
    {
      test: 'refuses a Reference to the whole document',
      without: 'the rule that the Reference names the element by its id',
      edits: [edit(enveloped, 'const isOwn = id !== undefined && uri === `#${id}`', "const isOwn = id !== undefined && (uri === '' || uri === `#${id}`)")]
    }
  ]),
  attack('Key from KeyInfo', `${tests}/signature.test.ts`, [
    {
      test: 'another key in it changes nothing',
      without: 'the rule that keys come from metadata alone',
      edits: [
        edit(enveloped, "import type { VerificationKey } from './keys.ts'", "import { type VerificationKey, verificationKeyFromPublicKey } from './keys.ts'"),
        edit(enveloped, "import { hash } from 'node:crypto'", "import { createPublicKey, hash } from 'node:crypto'"),
        edit(
          enveloped,
          'signed.signatureMethod, keys, policy)',
          "signed.signatureMethod, [...keys, ...(rest[0] === undefined ? [] : childElements(rest[0]).flatMap((one) => (one.name === 'KeyValue' ? childElements(one) : [])).map((one) => {\n    const [n, e] = childElements(one).map((part) => Buffer.from(text(part), 'base64').toString('base64url'))\n    return verificationKeyFromPublicKey(createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' }))\n  }))], policy)"
        )
      ]
    }
  ]),
  attack('Parts of a message that no signature covers', `${tests}/uncovered.test.ts`, [
    ...['an id of XML on the Signature', 'an assertion in something unknown'].map((what) => ({
      test: `${what} is refused`,
      without: 'the schema of what stands in a Signature beside SignedInfo',
      edits: [edit(enveloped, '  requireUncovered(signature, value, rest[0])\n', '')]
    })),
    {
      test: 'an attribute on EncryptedData is refused',
      without: 'the schema of EncryptedData',
      edits: [edit(decrypt, "if (!hasOnly(wrapper, []) || !hasOnly(data, typeAttributes)) throw shape('attributes of EncryptedData')", '')]
    },
    {
      test: 'an attribute on the name of a key is refused',
      without: 'the schema of the KeyInfo of an encrypted key',
      edits: [edit(decrypt, '(info === undefined || isKeyInfo(info)) &&', '')]
    },
    {
      test: 'a language on the Response is refused',
      without: 'the schema of a Response whose assertion alone is signed',
      edits: [edit(verify, '  if (outer === undefined) requireUncovered(element)\n', '')]
    },
    {
      test: 'an attribute on an ArtifactResponse that is not signed is refused',
      without: 'the schema of an unsigned answer around a message',
      edits: [edit(verify, '  if (signed === undefined) requireUncovered(element)\n', '')]
    },
    {
      test: 'an attribute without a namespace on the Envelope is refused',
      without: 'the rule of SOAP that attributes of an envelope have a namespace',
      edits: [edit('packages/codecs/src/saml/soap-binding.ts', '!qualified.every(isQualified)', 'qualified.length > 99')]
    }
  ]),
  attack('SHA-1 downgrade', `${tests}/signature.test.ts`, [
    {
      test: 'a SHA-1 digest needs the symbol; the hash in the proof is SHA-256 all the same',
      without: 'the refusal of SHA-1 digests',
      edits: [edit(algorithms, "|| (hash === 'sha1' && policy.sha1 !== unsafeAllowSha1)", '')]
    },
    {
      file: 'packages/codecs/test/saml/redirect.test.ts',
      test: 'refuses SHA-1',
      without: 'the refusal of SHA-1 signatures',
      edits: [edit(algorithms, "method.algorithm === 'rsa-sha1' ? policy.sha1 === unsafeAllowSha1 :", "method.algorithm === 'rsa-sha1' ? true :")]
    },
    {
      file: 'packages/codecs/test/dsig/keys.test.ts',
      test: 'RSA of 1024 bits verifies with the symbol only',
      without: 'the least size of a key',
      edits: [edit('packages/codecs/src/dsig/keys.ts', 'const rsaBitsMin = 2048', 'const rsaBitsMin = 1024')]
    }
  ]),
  attack('HMAC downgrade', `${tests}/signature.test.ts`, [
    {
      test: 'an HMAC keyed with the public key is refused',
      without: 'the allow-list of algorithms: an HMAC is checked with the key of the partner',
      edits: [
        edit(sign, 'import { sign as cryptoSign', 'import { createHmac, sign as cryptoSign'),
        edit(
          sign,
          '  const method = acceptedMethod(algorithmUri, policy)\n',
          "  const [first] = keys\n  if (algorithmUri?.endsWith('#hmac-sha256') === true && first !== undefined)\n    if (createHmac('sha256', first.key.export({ type: 'spki', format: 'pem' })).update(data).digest().equals(signature)) return first\n  const method = acceptedMethod(algorithmUri, policy)\n"
        )
      ]
    }
  ])
]
