import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { canonicalise, parseXml, type XmlElement } from '../../src/index.ts'
import { canonicalByLibxml } from '../support/oracle.ts'

const uris = ['urn:a', 'urn:b', 'http://c.example/x'] as const
const prefixes = ['a', 'b', 'c'] as const

/** An element as its start tag may really be written: declarations at will, used or not. */
interface Sketch {
  readonly prefix: '' | (typeof prefixes)[number]
  readonly declares: Readonly<Partial<Record<(typeof prefixes)[number], (typeof uris)[number]>>>
  readonly byDefault: '' | (typeof uris)[number] | undefined
  readonly attributes: readonly (readonly [string, string])[]
  readonly children: readonly (Sketch | string)[]
}

const words = fc.string({
  unit: fc.constantFrom('x', 'é', '&amp;', '&lt;', '>', '&quot;', '&#13;', '&#9;', '&#10;', '\r\n', '\t', ' ', '\u{1F600}'),
  maxLength: 5
})
const sketch: fc.Arbitrary<Sketch> = fc.letrec<{ element: Sketch }>((tie) => ({
  element: fc.record({
    prefix: fc.constantFrom('' as const, ...prefixes),
    declares: fc.dictionary(fc.constantFrom(...prefixes), fc.constantFrom(...uris), { maxKeys: 3 }),
    byDefault: fc.option(fc.constantFrom('' as const, ...uris), { nil: undefined, freq: 2 }),
    attributes: fc.uniqueArray(fc.tuple(fc.constantFrom('one', 'two', 'a:one', 'b:two', 'c:one', 'xml:lang'), words), {
      selector: ([name]) => name,
      maxLength: 4
    }),
    children: fc.array(fc.oneof({ depthSize: 'medium', withCrossShrink: true }, words, tie('element')), { maxLength: 3 })
  })
})).element

/** Writes a sketch; prefixes that are not declared around it are declared on the spot. Undefined for a name twice. */
function xmlOf(s: Sketch, outer: Readonly<Record<string, string>> = {}, depth = 0): string | undefined {
  const scope: Record<string, string> = { ...outer, ...s.declares }
  const declared = new Map<string, string>(Object.entries(s.declares))
  for (const prefix of [s.prefix, ...s.attributes.map(([name]) => name.split(':')[0] ?? '')]) {
    if (!(prefixes as readonly string[]).includes(prefix) || scope[prefix] !== undefined) continue
    scope[prefix] = 'urn:late'
    declared.set(prefix, 'urn:late')
  }
  const expanded = s.attributes.map(([name]) => (name.includes(':') ? `${scope[name.split(':')[0] ?? ''] ?? 'xml'} ${name.split(':')[1] ?? ''}` : name))
  if (new Set(expanded).size !== expanded.length) return undefined
  const name = `${s.prefix === '' ? '' : `${s.prefix}:`}e${depth}`
  const parts = s.children.map((child) => (typeof child === 'string' ? child : xmlOf(child, scope, depth + 1)))
  if (parts.includes(undefined)) return undefined
  const start = [
    name,
    ...s.attributes.map(([key, value]) => `${key}="${value}"`),
    ...[...declared].map(([prefix, uri]) => `xmlns:${prefix}="${uri}"`),
    ...(s.byDefault === undefined ? [] : [`xmlns="${s.byDefault}"`])
  ].join(' ')
  return `<${start}>${parts.join('')}</${name}>`
}

function elementsOf(root: XmlElement): readonly XmlElement[] {
  return [root, ...root.children.flatMap((child) => (typeof child === 'string' ? [] : elementsOf(child)))]
}

const lists = fc.subarray(['', 'a', 'b', 'c', 'unknown', 'xml'])

suite('Exclusive canonicalisation against libxml2', () => {
  test('of any document', () => {
    fc.assert(
      fc.property(sketch, (s) => {
        const xml = xmlOf(s)
        fc.pre(xml !== undefined)
        assert.equal(canonicalise(parseXml(Buffer.from(xml), 'message').root), canonicalByLibxml(xml))
      }),
      { numRuns: 3_000 }
    )
  })

  test('of any element inside a document, with any PrefixList', () => {
    fc.assert(
      fc.property(sketch, fc.nat(), lists, (s, at, list) => {
        const xml = xmlOf(s)
        fc.pre(xml !== undefined)
        const elements = elementsOf(parseXml(Buffer.from(xml), 'message').root)
        const index = at % elements.length
        const element = elements[index]
        assert.ok(element !== undefined)
        assert.equal(canonicalise(element, { inclusivePrefixes: list }), canonicalByLibxml(xml, { path: `(//*)[${index + 1}]`, prefixes: list }))
      }),
      { numRuns: 3_000 }
    )
  })

  test('the canonical form of an element is a document with the same canonical form', () => {
    fc.assert(
      fc.property(sketch, fc.nat(), (s, at) => {
        const xml = xmlOf(s)
        fc.pre(xml !== undefined)
        const elements = elementsOf(parseXml(Buffer.from(xml), 'message').root)
        const element = elements[at % elements.length]
        assert.ok(element !== undefined)
        const canonical = canonicalise(element)
        assert.equal(canonicalise(parseXml(Buffer.from(canonical), 'message').root), canonical)
      }),
      { numRuns: 1_000 }
    )
  })
})

suite('Exclusive canonicalisation: single rules', () => {
  const canonical = (xml: string): string => canonicalise(parseXml(Buffer.from(xml), 'message').root)

  test('the prefix xml is never declared', () => {
    assert.equal(canonical('<xml:a xml:lang="de"></xml:a>'), '<xml:a xml:lang="de"></xml:a>')
  })

  test('a declaration that is in force is not repeated, one that changes is', () => {
    assert.equal(
      canonical('<a:r xmlns:a="urn:1"><a:x xmlns:a="urn:1"/><a:y xmlns:a="urn:2"/><a:z/></a:r>'),
      '<a:r xmlns:a="urn:1"><a:x></a:x><a:y xmlns:a="urn:2"></a:y><a:z></a:z></a:r>'
    )
  })

  test('only the given child of the apex is left out', () => {
    const { root } = parseXml(Buffer.from('<r><s>1</s><t><s>2</s></t><s>3</s></r>'), 'message')
    const [first] = root.children
    assert.ok(typeof first === 'object')
    assert.equal(canonicalise(root, { omit: first }), '<r><t><s>2</s></t><s>3</s></r>')
  })
})
