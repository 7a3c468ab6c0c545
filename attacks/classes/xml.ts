import { attack, type AttackClass, edit } from '../attack.ts'

const reader = 'packages/codecs/src/xml/reader.ts'
const reference = 'packages/codecs/src/xml/reference.ts'
const limits = 'packages/codecs/src/xml/limits.ts'
const element = 'packages/codecs/src/xml/element.ts'
const tests = 'packages/codecs/test/attacks'

const refusesDoctype = edit(
  reader,
  "if (!source.startsWith('<!--', this.at)) throw",
  "if (source.startsWith('<!DOCTYPE', this.at)) return void (this.at = (source.indexOf(']>', this.at) + 2 || source.indexOf('>', this.at) + 1))\n    if (!source.startsWith('<!--', this.at)) throw"
)
const knowsFiveEntities = edit(reference, '  throw entity(at)\n}\n\nfunction numbered', '  return 0x41\n}\n\nfunction numbered')
const dropsComments = edit(limits, 'textCharactersMax: 64 * 1024,\n  dropsComments: false', 'textCharactersMax: 64 * 1024,\n  dropsComments: true')
const readsCdata = edit(
  reader,
  "if (!source.startsWith('<!--', this.at)) throw",
  "if (source.startsWith('<![CDATA[', this.at)) {\n      const stop = source.indexOf(']]>', this.at)\n      this.text += source.slice(this.at + 9, stop)\n      this.at = stop + 3\n      return\n    }\n    if (!source.startsWith('<!--', this.at)) throw"
)
const skipsInstructions = edit(reader, "throw this.forbidden('a processing instruction')", "this.at = source.indexOf('?>', this.at) + 2")

const pieces = [
  ['a comment', 'the refusal of comments: they are dropped and the text is joined', [dropsComments]],
  ['CDATA', 'the refusal of CDATA: it is read as text', [readsCdata]],
  ['a processing instruction', 'the refusal of processing instructions: they are passed over', [skipsInstructions]]
] as const

/** What the XML itself can do to a reader. */
export const xmlAttacks: readonly AttackClass[] = [
  ...pieces.map(([piece, without, edits]) =>
    attack(
      `${piece[0]?.toUpperCase()}${piece.slice(1)} in NameID, Issuer, SessionIndex`,
      `${tests}/text-in-pieces.test.ts`,
      ['NameID', 'Issuer', 'SessionIndex'].map((place) => ({ test: `${piece} in ${place} is refused`, without, edits }))
    )
  ),
  attack('DTD', `${tests}/document-type.test.ts`, [
    { test: 'refuses a document type', without: 'the refusal of document types: they are passed over', edits: [refusesDoctype] },
    { test: 'refuses a document type of another file', without: 'the refusal of document types: they are passed over', edits: [refusesDoctype] },
    { test: 'refuses default values of attributes', without: 'the refusal of document types: they are passed over', edits: [refusesDoctype] }
  ]),
  attack('Entity expansion', `${tests}/document-type.test.ts`, [
    {
      test: 'refuses an entity of its own',
      without: 'the refusal of document types and of unknown entities',
      edits: [refusesDoctype, knowsFiveEntities]
    },
    {
      test: 'refuses an entity that is a file',
      without: 'the refusal of document types and of unknown entities',
      edits: [refusesDoctype, knowsFiveEntities]
    },
    { test: 'refuses an entity that nothing declares', without: 'the refusal of entities other than the five', edits: [knowsFiveEntities] },
    {
      test: 'a billion laughs are refused at their first character, in no time',
      without: 'the refusal of document types and of unknown entities',
      edits: [refusesDoctype, knowsFiveEntities]
    },
    {
      test: 'references to characters are as long as they are written: none grows',
      without: 'the limit of text as written',
      edits: [edit(limits, 'textCharactersMax: 64 * 1024,\n  dropsComments: false', 'textCharactersMax: 1024 * 1024,\n  dropsComments: false')]
    }
  ]),
  attack('XInclude', `${tests}/document-type.test.ts`, [
    {
      test: 'a name that is to be included from a file is no name',
      without: 'the rule that a name holds text and nothing else',
      edits: [
        edit(
          element,
          "if (children.length > 1 || typeof only !== 'string') throw",
          "if (typeof only !== 'string') return 'admin'\n  if (children.length === 0) throw"
        )
      ]
    }
  ]),
  attack('Relative namespaces', `${tests}/document-type.test.ts`, [
    {
      test: 'refuses the relative namespace ../protocol',
      without: 'the rule that a namespace is an absolute URI',
      edits: [edit(reader, "!isUsual && uri !== '' && !isNamespaceName(uri)", 'false')]
    }
  ]),
  attack('IDs with quotes', `${tests}/document-type.test.ts`, [
    {
      test: String.raw`refuses the id "a\"b"`,
      without: 'the rule that an id is a name',
      edits: [edit(reader, "if (!isName(value)) throw this.badId('not a name')", '')]
    },
    {
      test: `refuses the id "x' or '1'='1"`,
      without: 'the rule that an id is a name',
      edits: [edit(reader, "if (!isName(value)) throw this.badId('not a name')", '')]
    }
  ])
]
