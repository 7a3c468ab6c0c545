import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { attribute, childElements, is, parseXml, text } from '../../src/index.ts'
import { codeOf } from '../support/messages.ts'

const root = (xml: string) => parseXml(Buffer.from(xml), 'message').root

suite('Access to what was read', () => {
  test('children of an element that holds elements, white space between them passed over', () => {
    assert.deepEqual(
      childElements(root('<r>\n <a/>\t<b/>\r\n</r>')).map((child) => child.name),
      ['a', 'b']
    )
    assert.deepEqual(childElements(root('<r></r>')), [])
  })

  test('text between elements is refused, even a single character', () => {
    for (const xml of ['<r>x<a/></r>', '<r><a/>.</r>', '<r><a/>&#160;<b/></r>', '<r>only text</r>'])
      assert.equal(
        codeOf(() => childElements(root(xml))),
        'CURFEW_XML_TEXT_UNEXPECTED'
      )
  })

  test('text of an element, exactly as written', () => {
    assert.equal(text(root('<r> a&amp;b\n</r>')), ' a&b\n')
    assert.equal(text(root('<r/>')), '')
  })

  test('an element inside text is refused, wherever it stands', () => {
    for (const xml of ['<r><a/></r>', '<r>x<a/></r>', '<r><a/>x</r>', '<r>x<a/>y</r>'])
      assert.equal(
        codeOf(() => text(root(xml))),
        'CURFEW_XML_ELEMENT_UNEXPECTED'
      )
  })

  test('an attribute is found by namespace and name, never by prefix', () => {
    const element = root('<r xmlns:a="urn:a" a:k="1" k="2" xml:lang="de"/>')
    assert.equal(attribute(element, 'k'), '2')
    assert.equal(attribute(element, 'k', 'urn:a'), '1')
    assert.equal(attribute(element, 'lang', 'http://www.w3.org/XML/1998/namespace'), 'de')
    assert.equal(attribute(element, 'a:k'), undefined)
    assert.equal(attribute(element, 'xmlns:a'), undefined)
  })

  test('an element is known by namespace and name, never by prefix', () => {
    const element = root('<x:r xmlns:x="urn:a"/>')
    assert.equal(is(element, 'urn:a', 'r'), true)
    assert.equal(is(element, '', 'r'), false)
    assert.equal(is(element, 'urn:a', 'x:r'), false)
    assert.equal(is(undefined, 'urn:a', 'r'), false)
  })

  test('every element knows its parent and the namespaces declared on it', () => {
    const outer = root('<r xmlns="urn:d" xmlns:p="urn:p"><a/></r>')
    const [inner] = childElements(outer)
    assert.equal(inner?.parent, outer)
    assert.equal(outer.parent, undefined)
    assert.deepEqual(outer.namespaces, [
      { prefix: '', uri: 'urn:d' },
      { prefix: 'p', uri: 'urn:p' }
    ])
    assert.deepEqual(inner?.namespaces, [])
  })
})
