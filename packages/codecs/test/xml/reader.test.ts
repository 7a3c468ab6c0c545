import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { childElements, messageLimits, parseXml, text } from '../../src/index.ts'
import { codeOf } from '../support/messages.ts'

const read = (xml: string | Uint8Array, profile: 'message' | 'metadata' = 'message') => parseXml(typeof xml === 'string' ? Buffer.from(xml) : xml, profile)

suite('XML reader: what it reads', () => {
  test('elements, attributes, text and namespaces', () => {
    const { root, ids } = read('<a:r xmlns:a="urn:a" xmlns="urn:d" ID="x1" a:k="v"><c>t</c></a:r>')
    assert.equal(root.namespace, 'urn:a')
    assert.deepEqual(
      root.attributes.map((a) => [a.namespace, a.name, a.value]),
      [
        ['', 'ID', 'x1'],
        ['urn:a', 'k', 'v']
      ]
    )
    assert.equal(childElements(root)[0]?.namespace, 'urn:d')
    assert.equal(ids.get('x1'), root)
  })

  test('the five entities and character references', () => {
    assert.equal(text(read('<r>&amp;&lt;&gt;&quot;&apos;&#65;&#x42;&#x1F600;</r>').root), `&<>"'AB\u{1F600}`)
  })

  test('line ends and white space in attributes as XML 1.0 says', () => {
    const { root } = read('<r a="x\ty\r\nz">1\r\n2\r3</r>')
    assert.equal(root.attributes[0]?.value, 'x y z')
    assert.equal(text(root), '1\n2\n3')
  })

  test('an XML declaration that says nothing or UTF-8', () => {
    for (const declaration of ['<?xml version="1.0"?>', "<?xml version='1.0' encoding='utf-8'?>", '<?xml version="1.0" encoding="UTF-8" standalone="no"?>'])
      assert.equal(read(`${declaration}<r></r>`).root.name, 'r')
  })

  test('a prefix declared inside is gone outside', () => {
    assert.equal(
      codeOf(() => read('<r><a xmlns:p="urn:p"></a><p:b></p:b></r>')),
      'CURFEW_XML_NAMESPACE'
    )
  })

  test('comments of metadata are dropped and the text on both sides joined', () => {
    assert.equal(text(read('<r>ab<!-- c -->cd</r>', 'metadata').root), 'abcd')
  })
})

suite('XML reader: what it refuses', () => {
  const refused: Readonly<Record<string, readonly [string, string]>> = {
    'a document type': ['<!DOCTYPE r><r></r>', 'CURFEW_XML_FORBIDDEN'],
    'a document type with entities': ['<!DOCTYPE r [<!ENTITY x "y">]><r>&x;</r>', 'CURFEW_XML_FORBIDDEN'],
    'an unknown entity': ['<r>&x;</r>', 'CURFEW_XML_FORBIDDEN'],
    'an entity with a name of Object': ['<r>&constructor;</r>', 'CURFEW_XML_FORBIDDEN'],
    'a comment': ['<r>a<!-- b -->c</r>', 'CURFEW_XML_FORBIDDEN'],
    'a processing instruction': ['<r><?php x?></r>', 'CURFEW_XML_FORBIDDEN'],
    CDATA: ['<r><![CDATA[x]]></r>', 'CURFEW_XML_FORBIDDEN'],
    'another encoding': ['<?xml version="1.0" encoding="ISO-8859-1"?><r></r>', 'CURFEW_XML_FORBIDDEN'],
    'XML 1.1': ['<?xml version="1.1"?><r></r>', 'CURFEW_XML_FORBIDDEN'],
    'a declaration that is not first': [' <?xml version="1.0"?><r></r>', 'CURFEW_XML_FORBIDDEN'],
    ']]> in text': ['<r>a]]>b</r>', 'CURFEW_XML_SYNTAX'],
    'two roots': ['<r></r><r></r>', 'CURFEW_XML_SYNTAX'],
    'text after the root': ['<r></r>x', 'CURFEW_XML_SYNTAX'],
    'text before the root': ['x<r></r>', 'CURFEW_XML_SYNTAX'],
    nothing: ['', 'CURFEW_XML_SYNTAX'],
    'an open element': ['<r><a></r>', 'CURFEW_XML_SYNTAX'],
    'an end tag that only begins alike': ['<r><ab></a></r>', 'CURFEW_XML_SYNTAX'],
    'an attribute twice': ['<r a="1" a="2"></r>', 'CURFEW_XML_SYNTAX'],
    'an attribute twice by namespace': ['<r xmlns:a="urn:x" xmlns:b="urn:x" a:k="1" b:k="2"></r>', 'CURFEW_XML_SYNTAX'],
    'attributes that touch': ['<r a="1"b="2"></r>', 'CURFEW_XML_SYNTAX'],
    'an unquoted attribute': ['<r a=1></r>', 'CURFEW_XML_SYNTAX'],
    '< in an attribute': ['<r a="<"></r>', 'CURFEW_XML_SYNTAX'],
    '& alone': ['<r>a & b</r>', 'CURFEW_XML_SYNTAX'],
    'an undeclared prefix': ['<p:r></p:r>', 'CURFEW_XML_NAMESPACE'],
    'an undeclared attribute prefix': ['<r p:a="1"></r>', 'CURFEW_XML_NAMESPACE'],
    'a prefix that is undeclared': ['<r xmlns:p=""></r>', 'CURFEW_XML_NAMESPACE'],
    'xml redeclared': ['<r xmlns:xml="urn:x"></r>', 'CURFEW_XML_NAMESPACE'],
    'xmlns declared': ['<r xmlns:xmlns="urn:x"></r>', 'CURFEW_XML_NAMESPACE'],
    'a relative namespace': ['<r xmlns="x"></r>', 'CURFEW_XML_NAMESPACE'],
    'a namespace with &': ['<r xmlns="urn:a&amp;b"></r>', 'CURFEW_XML_NAMESPACE'],
    'an id twice': ['<r ID="a"><x Id="a"></x></r>', 'CURFEW_XML_ID'],
    'an id twice with xml:id': ['<r ID="a"><x xml:id="a"></x></r>', 'CURFEW_XML_ID'],
    'an id that is no name': ['<r ID="1a"></r>', 'CURFEW_XML_ID'],
    'a forbidden character': ['<r>\u0001</r>', 'CURFEW_XML_CHARACTER'],
    'a reference to a forbidden character': ['<r>&#1;</r>', 'CURFEW_XML_CHARACTER'],
    'a reference to a surrogate': ['<r>&#xD800;</r>', 'CURFEW_XML_CHARACTER'],
    'a reference beyond Unicode': ['<r>&#x110000;</r>', 'CURFEW_XML_CHARACTER'],
    'U+FFFE': ['<r>\ufffe</r>', 'CURFEW_XML_CHARACTER'],
    'a byte order mark': ['\ufeff<r></r>', 'CURFEW_XML_SYNTAX']
  }
  for (const [name, [xml, code]] of Object.entries(refused))
    test(`refuses ${name}`, () =>
      assert.equal(
        codeOf(() => read(xml)),
        code
      ))

  test('refuses octets that are not UTF-8', () => {
    assert.equal(
      codeOf(() => read(Buffer.from([0x3c, 0x72, 0x3e, 0xff, 0x3c, 0x2f, 0x72, 0x3e]))),
      'CURFEW_XML_UTF8'
    )
  })
})

suite('XML reader: limits', () => {
  const nested = (depth: number): string => '<a>'.repeat(depth) + '</a>'.repeat(depth)
  const wide = (count: number): string => `<r>${'<a></a>'.repeat(count - 1)}</r>`
  const attributes = (count: number): string => `<r ${Array.from({ length: count }, (_, i) => `a${i}="1"`).join(' ')}></r>`
  const namespaces = (count: number): string => `<r ${Array.from({ length: count }, (_, i) => `xmlns:p${i}="urn:x"`).join(' ')}></r>`
  const cases: Readonly<Record<string, readonly [number, (n: number) => string]>> = {
    depth: [messageLimits.depthMax, nested],
    elements: [messageLimits.elementsMax, wide],
    attributes: [messageLimits.attributesMax, attributes],
    'namespace declarations': [messageLimits.namespacesMax, namespaces],
    'name characters': [messageLimits.nameCharactersMax, (n) => `<${'n'.repeat(n)}></${'n'.repeat(n)}>`],
    'attribute characters': [messageLimits.attributeCharactersMax, (n) => `<r a="${'x'.repeat(n)}"></r>`],
    'text characters': [messageLimits.textCharactersMax, (n) => `<r>${'x'.repeat(n)}</r>`],
    'document bytes': [messageLimits.documentBytesMax, (n) => `<r>${'<a></a>'.repeat(10)}${' '.repeat(0)}</r>`.padEnd(n, '\n')]
  }
  for (const [name, [limit, make]] of Object.entries(cases)) {
    test(`${name}: ${limit} is accepted, one more is refused`, () => {
      if (name !== 'document bytes')
        assert.equal(
          codeOf(() => read(make(limit))),
          'accepted'
        )
      assert.equal(
        codeOf(() => read(make(limit + 1))),
        'CURFEW_XML_LIMIT'
      )
    })
  }

  test('hostile documents of 256 KiB are refused without quadratic work', () => {
    const size = messageLimits.documentBytesMax
    const hostile = [
      '<a>'.repeat(size / 3),
      `<r ${'a="1" '.repeat(size / 7)}`,
      `<r>${'&amp;'.repeat(size / 6)}`,
      '<'.repeat(size),
      `<r a="${'&#65;'.repeat(size / 6)}`,
      `<r>${'<a></a>'.repeat(size / 8)}`,
      `<r ${Array.from({ length: 20_000 }, (_, i) => `xmlns:p${i}="urn:x"`).join(' ')}`
    ]
    for (const xml of hostile) {
      const bytes = Buffer.from(xml.slice(0, size))
      const before = process.threadCpuUsage()
      assert.notEqual(
        codeOf(() => read(bytes)),
        'accepted'
      )
      const { user, system } = process.threadCpuUsage(before)
      assert.ok(user + system < 100_000, `${xml.slice(0, 12)}... took ${user + system} us`)
    }
  })
})
