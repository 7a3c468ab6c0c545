import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { canonicalise, isCurfewError, parseXml } from '../../src/index.ts'
import { responseXml, signedRequest, signedResponse } from '../support/messages.ts'
import { mutate } from '../support/mutate.ts'
import { canonicalByLibxml } from '../support/oracle.ts'
import { seeded, seedOfRun } from '../support/seeded.ts'

/** Short, so that changes hit markup; with everything that namespaces and white space can do. */
const dense = [
  '<a:r xmlns:a="urn:a" xmlns="urn:d" ID="x1" a:k="v&lt;"><c xmlns="">t &amp; u</c><a:c xmlns:a="urn:b" a:z="1" z="2">\r\n</a:c>]</a:r>',
  '<r><a b="1" c=\'2\' xml:lang="en"/><x:y xmlns:x="urn:x" x:b="1" b="&#10;&quot;">&gt;</x:y>\t</r>\n',
  `<?xml version="1.0" encoding="UTF-8"?>\n<p:r xmlns:p="urn:p" xmlns:q="urn:p" p:a="1" q:b="2"><q:r>\u00e9\u{1f600}</q:r></p:r>`
]
const sources = [signedRequest, signedResponse, responseXml(), ...dense, ...dense, ...dense].map((xml) => Buffer.from(xml))
/** `CURFEW_FUZZ_CASES` makes a long night of it. */
const casesMax = Number(process.env['CURFEW_FUZZ_CASES'] ?? 150_000)

type Reading = { readonly kind: 'read'; readonly canonical: string } | { readonly kind: 'refused' }

function byUs(bytes: Buffer): Reading {
  try {
    return { kind: 'read', canonical: canonicalise(parseXml(bytes, 'message').root) }
  } catch (error) {
    if (!isCurfewError(error)) throw error
    return { kind: 'refused' }
  }
}

/** What libxml2 says about a document that we read: nothing, or how it differs. */
function difference(bytes: Buffer, canonical: string): string | undefined {
  try {
    const other = canonicalByLibxml(bytes)
    return other === canonical ? undefined : `libxml2 reads ${JSON.stringify(other)}\nwe read ${JSON.stringify(canonical)}`
  } catch (error) {
    return `libxml2 refuses: ${error instanceof Error ? error.message : String(error)}`
  }
}

suite('XML reader against libxml2', () => {
  test('whatever we read of a changed message, libxml2 reads the same', (t) => {
    const seed = seedOfRun()
    t.diagnostic(`CURFEW_SEED=${seed}`)
    const random = seeded(seed)
    let readCount = 0
    for (let i = 0; i < casesMax; i++) {
      const bytes = mutate(random.one(sources), random)
      const reading = byUs(bytes)
      if (reading.kind === 'refused') continue
      readCount += 1
      const found = difference(bytes, reading.canonical)
      assert.equal(found, undefined, `CURFEW_SEED=${seed}, case ${i}: ${JSON.stringify(bytes.toString('latin1'))}\n${found ?? ''}`)
    }
    assert.ok(readCount > casesMax / 50, `too few changed messages were readable at all: ${readCount}`)
    t.diagnostic(`${readCount} of ${casesMax} changed messages were readable`)
  })

  test('what is read again from its canonical form is the same', () => {
    for (const bytes of sources) {
      const canonical = canonicalise(parseXml(bytes, 'message').root)
      assert.equal(canonicalise(parseXml(Buffer.from(canonical), 'message').root), canonical)
    }
  })
})
