import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { messageLimits, metadataLimits, parseXml, text } from '../../src/index.ts'
import { codeOf } from '../support/messages.ts'

const read = (xml: string, profile: 'message' | 'metadata' = 'message') => parseXml(Buffer.from(xml), profile)
const spread = (perElement: number, count: number): string => `<a${Array.from({ length: perElement }, (_, i) => ` b${i}="1"`).join('')}/>`.repeat(count)

suite('Limits of messages, at the limit and one over', () => {
  test('octets of the document', () => {
    const at = (bytes: number): string => `<r${' '.repeat(bytes - '<r></r>'.length)}></r>`
    assert.equal(
      codeOf(() => read(at(messageLimits.documentBytesMax))),
      'accepted'
    )
    assert.equal(
      codeOf(() => read(at(messageLimits.documentBytesMax + 1))),
      'CURFEW_XML_LIMIT'
    )
  })

  test('attributes of the whole document, declarations counted', () => {
    const at = (rest: number): string => `<r>${spread(20, messageLimits.documentAttributesMax / 20 - 1)}${spread(20 + rest, 1)}</r>`
    assert.equal(
      codeOf(() => read(at(0))),
      'accepted'
    )
    assert.equal(
      codeOf(() => read(at(1))),
      'CURFEW_XML_LIMIT'
    )
    assert.equal(
      codeOf(() => read(at(0).replace('<r>', '<r xmlns:p="urn:p">'))),
      'CURFEW_XML_LIMIT'
    )
  })

  test('characters of text count as written: a reference is as long as it is', () => {
    const at = (count: number): string => `<r>${'&#65;'.repeat(count)}</r>`
    assert.equal(
      codeOf(() => read(at(Math.floor(messageLimits.textCharactersMax / 5)))),
      'accepted'
    )
    assert.equal(
      codeOf(() => read(at(Math.floor(messageLimits.textCharactersMax / 5) + 1))),
      'CURFEW_XML_LIMIT'
    )
  })

  test('the prefix and the local part of a name each have the limit', () => {
    const long = 'n'.repeat(messageLimits.nameCharactersMax)
    assert.equal(
      codeOf(() => read(`<${long}:${long} xmlns:${long}="urn:x" ${long}:${long}=""/>`)),
      'accepted'
    )
    assert.equal(
      codeOf(() => read(`<a xmlns:n${long}="urn:x"/>`)),
      'CURFEW_XML_LIMIT'
    )
    assert.equal(
      codeOf(() => read(`<a n${long}=""/>`)),
      'CURFEW_XML_LIMIT'
    )
  })
})

suite('Limits of metadata', () => {
  const cases: Readonly<Record<string, readonly [number, (n: number) => string]>> = {
    depth: [metadataLimits.depthMax, (n) => '<a>'.repeat(n) + '</a>'.repeat(n)],
    elements: [metadataLimits.elementsMax, (n) => `<r>${'<a/>'.repeat(n - 1)}</r>`],
    attributes: [metadataLimits.attributesMax, (n) => spread(n, 1)],
    namespaces: [metadataLimits.namespacesMax, (n) => `<r${Array.from({ length: n }, (_, i) => ` xmlns:p${i}="urn:x"`).join('')}/>`],
    'name characters': [metadataLimits.nameCharactersMax, (n) => `<${'n'.repeat(n)}/>`],
    'attribute characters': [metadataLimits.attributeCharactersMax, (n) => `<r a="${'x'.repeat(n)}"/>`],
    'text characters': [metadataLimits.textCharactersMax, (n) => `<r>${'x'.repeat(n)}</r>`],
    'text characters around comments': [metadataLimits.textCharactersMax, (n) => `<r>${'x'.repeat(n - 10)}<!-- c -->${'y'.repeat(10)}</r>`],
    'document octets': [metadataLimits.documentBytesMax, (n) => `<r${' '.repeat(n - '<r></r>'.length)}></r>`]
  }
  for (const [name, [limit, make]] of Object.entries(cases)) {
    test(`${name}: ${limit} is accepted, one more is refused`, () => {
      assert.equal(
        codeOf(() => read(make(limit), 'metadata')),
        'accepted'
      )
      assert.equal(
        codeOf(() => read(make(limit + 1), 'metadata')),
        'CURFEW_XML_LIMIT'
      )
    })
  }

  test('comments are dropped between elements too, and only real ones', () => {
    const { root } = read('<!-- a --><r><!----><b/><!-- - --></r><!-- z -->', 'metadata')
    assert.equal(root.children.length, 1)
    assert.equal(text(read('<r>]]<!-- -->></r>', 'metadata').root), ']]>')
    for (const xml of ['<r><!-- a -- b --></r>', '<r><!-- a ---></r>', '<r><!-- a </r>', '<r a="<!-- -->"/>'])
      assert.equal(
        codeOf(() => read(xml, 'metadata')),
        'CURFEW_XML_SYNTAX'
      )
    assert.equal(
      codeOf(() => read('<r><!-- \u0001 --></r>', 'metadata')),
      'CURFEW_XML_CHARACTER'
    )
  })
})
