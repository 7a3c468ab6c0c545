import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { docs } from '../../src/cli/commands/docs.ts'
import { docsFolder, docTopics, findTopics } from '../../src/cli/doc-topics.ts'
import { contextOf } from './context.ts'

interface Printed {
  readonly code: number
  readonly lines: readonly string[]
  readonly notes: string
}

function asked(word?: string, options: { readonly json?: boolean } = {}): Printed {
  const { context, lines, notes } = contextOf(options)
  return { code: docs(context, word), lines, notes: notes.join('\n') }
}

suite('curfew docs', () => {
  test('lists every page with its title', () => {
    const { code, lines } = asked()
    assert.equal(code, 0)
    assert.ok(lines.some((line) => /^how-to\/tls +\S/.test(line)))
    for (const line of lines) assert.ok(line.length <= 80, line)
    for (const { name, title } of docTopics(docsFolder())) assert.ok(title !== '', `${name} has no title`)
  })

  test('prints a page by its name, by the last part of it, or by an error code', () => {
    const text = readFileSync(`${docsFolder()}/how-to/tls.md`, 'utf8').trimEnd().split('\n')
    for (const word of ['how-to/tls', 'tls', 'TLS', 'docs/how-to/tls.md']) assert.deepEqual(asked(word).lines, text, word)
    assert.match(asked('CURFEW_RUN_DEADLINE').lines[0] ?? '', /^# CURFEW_RUN_DEADLINE$/)
    const json = JSON.parse(asked('tls', { json: true }).lines.join('\n')) as { topic: string; text: string }
    assert.deepEqual([json.topic, json.text.trimEnd().split('\n').length], ['how-to/tls', text.length])
  })

  test('a name of several pages asks which one, an unknown one says what may be meant', () => {
    const several = asked('gateway')
    assert.deepEqual([several.code, several.lines.length], [4, 0])
    assert.match(several.notes, /concepts\/gateway, how-to\/gateway/)
    const unknown = asked('paswords')
    assert.deepEqual([unknown.code, /Did you mean passwords\?/.test(unknown.notes)], [3, true])
    assert.match(asked('CURFEW_RUN_DEADLIN').notes, /Did you mean CURFEW_RUN_DEADLINE\?/)
  })

  test('opens nothing but pages', () => {
    for (const word of ['../docs/how-to/tls', '../package.json', '../README', 'how-to/../../README', 'CURFEW_/../../cli', '/etc/passwd', '', '.', 'how-to'])
      assert.deepEqual(findTopics(docsFolder(), word), [], word)
  })
})
