import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import type { Command } from 'commander'
import { parse } from 'yaml'
import { buildProgram } from '../../src/cli/main.ts'
import { configSchema } from '../../src/config/schema.ts'

const docs = new URL('../../../../docs/', import.meta.url)
const pages = [
  '../README.md',
  ...readdirSync(docs, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md') && !name.startsWith('reference/'))
]

function blocksOf(page: string, language: string): readonly string[] {
  const text = readFileSync(new URL(page, docs), 'utf8')
  return [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].filter(([, name]) => name === language).map(([, , block = '']) => block)
}

/** The command that a line calls with the options that it has; undefined where the line calls another program. */
function problemOf(line: string): string | undefined {
  const words = /(?:^|\s)(?:npx )?curfew (.*)$/.exec(line)?.[1]?.split(/\s+/)
  if (words === undefined) return undefined
  const program = buildProgram(async () => undefined)
  let command: Command = program
  while (command.commands.length > 0) {
    const next = command.commands.find((candidate) => candidate.name() === words[0])
    if (next === undefined) return `there is no command "${words[0]}" in: ${line}`
    command = next
    words.shift()
  }
  const known = [...command.options, ...program.options].map((option) => option.long)
  const unknown = words.filter((word) => word.startsWith('--') && !known.includes(word))
  return unknown.length === 0 ? undefined : `${unknown.join(', ')} is no option in: ${line}`
}

suite('commands and settings in the documentation', () => {
  for (const page of pages) {
    test(`${page} names commands and options that exist`, () => {
      const problems = blocksOf(page, 'sh').flatMap((block) => block.split('\n').flatMap((line) => problemOf(line) ?? []))
      assert.deepEqual(problems, [])
    })
  }

  test('the connection of the quickstart is one that the configuration accepts', () => {
    const [block = ''] = blocksOf('quickstart-new.md', 'yaml')
    const result = configSchema.shape.connections.safeParse((parse(block) as { connections: unknown }).connections)
    assert.ok(result.success, JSON.stringify(result.error?.issues))
  })
})
