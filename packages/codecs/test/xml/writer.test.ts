import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { XmlC14NMode, XmlDocument } from 'libxml2-wasm'
import { canonicalise, node, parseXml, write, writeAround, type XmlNode } from '../../src/index.ts'
import { codeOf } from '../support/messages.ts'

const namespaces = { a: 'urn:a', b: 'urn:b', c: 'urn:c' }
const characters = fc.string({ unit: fc.constantFrom('x', 'é', '<', '>', '&', '"', "'", '\t', '\n', '\r', ' ', ']', '\u{1F600}', '\u2028') })
const tree: fc.Arbitrary<XmlNode> = fc.letrec<{ node: XmlNode }>((tie) => ({
  node: fc
    .record({
      name: fc.constantFrom('a:x', 'b:y', 'c:z', 'plain'),
      attributes: fc.dictionary(fc.constantFrom('one', 'two', 'a:three', 'b:four', 'xml:lang'), characters, { maxKeys: 4 }),
      children: fc.array(
        fc.oneof(
          { depthSize: 'small', withCrossShrink: true },
          characters.filter((s) => s !== ''),
          tie('node')
        ),
        { maxLength: 4 }
      )
    })
    .map(({ name, attributes, children }) => node(name, attributes, children))
})).node

function byLibxml(xml: string): string {
  const document = XmlDocument.fromString(xml)
  try {
    return document.canonicalizeToString({ mode: XmlC14NMode.XML_C14N_EXCLUSIVE_1_0 })
  } finally {
    document.dispose()
  }
}

suite('XML writer: signing by construction', () => {
  test('what it writes is its own exclusive canonical form, says libxml2', () => {
    fc.assert(
      fc.property(tree, (root) => {
        const xml = write(root, namespaces)
        assert.equal(byLibxml(xml), xml)
      }),
      { numRuns: 500 }
    )
  })

  test('what it writes is its own exclusive canonical form, says our own canonicaliser', () => {
    fc.assert(
      fc.property(tree, (root) => {
        const xml = write(root, namespaces)
        assert.equal(canonicalise(parseXml(Buffer.from(xml), 'metadata').root), xml)
      }),
      { numRuns: 500 }
    )
  })

  test('in two parts it is the same text', () => {
    fc.assert(
      fc.property(tree, fc.nat(4), (root, at) => {
        const { head, tail } = writeAround(root, namespaces, Math.min(at, root.children.length))
        assert.equal(head + tail, write(root, namespaces))
      }),
      { numRuns: 300 }
    )
  })

  test('refuses what XML can not carry instead of dropping it', () => {
    for (const bad of ['\u0000', '\u000b', '\ufffe', '\ud800']) {
      assert.equal(
        codeOf(() => write(node('plain', {}, [bad]), namespaces)),
        'CURFEW_XML_WRITE'
      )
      assert.equal(
        codeOf(() => write(node('plain', { k: bad }), namespaces)),
        'CURFEW_XML_WRITE'
      )
    }
  })

  test('refuses names that are none and prefixes without namespace', () => {
    assert.equal(
      codeOf(() => write(node('a b'), namespaces)),
      'CURFEW_XML_WRITE'
    )
    assert.equal(
      codeOf(() => write(node('q:x'), namespaces)),
      'CURFEW_XML_WRITE'
    )
  })
})

suite('Exclusive canonicalisation', () => {
  const documents = [
    '<r xmlns="urn:d" xmlns:u="urn:u" b="2" a="1"><u:c u:z="1" a="&quot;&#9;&#10;"/>t&gt;&#13;</r>',
    '<p:r xmlns:p="urn:p" xmlns:q="urn:q"><q:a xmlns:q="urn:other"><q:b/></q:a><q:c/></p:r>',
    '<r xmlns="urn:d"><a xmlns=""><b xmlns="urn:d"/></a></r>',
    '<r xmlns:z="urn:z" xmlns:a="urn:a" z:k="1" a:k="2" k="3"/>'
  ]
  for (const xml of documents)
    test(`agrees with libxml2 about ${xml.slice(0, 40)}`, () => assert.equal(canonicalise(parseXml(Buffer.from(xml), 'message').root), byLibxml(xml)))

  test('an inner element declares what it uses of its ancestors', () => {
    const { root } = parseXml(Buffer.from('<r xmlns="urn:d" xmlns:u="urn:u"><u:c><d/></u:c></r>'), 'message')
    const inner = root.children[0]
    assert.ok(inner !== undefined && typeof inner !== 'string')
    assert.equal(canonicalise(inner), '<u:c xmlns:u="urn:u"><d xmlns="urn:d"></d></u:c>')
  })

  test('a PrefixList renders prefixes that are in scope and not used', () => {
    const { root } = parseXml(Buffer.from('<r xmlns:xs="urn:xs"><c>xs:string</c></r>'), 'message')
    assert.equal(canonicalise(root, { inclusivePrefixes: ['xs'] }), '<r xmlns:xs="urn:xs"><c>xs:string</c></r>')
  })
})
