import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Command } from 'commander'
import { buildProgram } from '../../src/cli/main.ts'
import { sinceMs } from '../../src/cli/since.ts'

function all(command: Command, path: string): readonly (readonly [string, Command])[] {
  return [[path, command], ...command.commands.flatMap((inner) => all(inner, `${path} ${inner.name()}`))]
}

suite('help', () => {
  for (const [path, command] of all(
    buildProgram(async () => undefined),
    'curfew'
  )) {
    test(`${path} --help starts with examples of itself`, () => {
      let text = ''
      command.configureOutput({ writeOut: (part) => void (text += part) }).outputHelp()
      assert.match(text, new RegExp(`^Examples:\n {2}${path}`))
      assert.match(text, /^Usage: curfew/m)
    })
  }
})

suite('a point of time in the past', () => {
  const nowMs = Date.UTC(2026, 10, 27, 12)
  test('as so long ago, or as a date', () => {
    assert.equal(sinceMs('30m', nowMs), nowMs - 1_800_000)
    assert.equal(sinceMs('2h', nowMs), nowMs - 7_200_000)
    assert.equal(sinceMs('7d', nowMs), nowMs - 604_800_000)
    assert.equal(sinceMs('2026-11-27', nowMs), Date.UTC(2026, 10, 27))
    assert.equal(sinceMs('2026-11-27T10:00Z', nowMs), Date.UTC(2026, 10, 27, 10))
  })
  test('nothing else, and not the future', () => {
    for (const text of ['yesterday', '2', 'h', '-2h', '2w', '2026', '2026-13-01', '2027-01-01', '']) assert.equal(sinceMs(text, nowMs), undefined, text)
  })
})
