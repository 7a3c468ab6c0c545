import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { suite, test } from 'node:test'
import { findingText } from '../../src/config/finding.ts'
import { loadConfig, parseConfig } from '../../src/config/load.ts'

const folder = new URL('./findings/', import.meta.url)
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => name.replace('.yaml', ''))

/** What a person reads for one file; the expected text stands beside it. */
function textOf(name: string): string {
  const result = parseConfig(readFileSync(new URL(`${name}.yaml`, folder), 'utf8'), `/etc/curfew/${name}.yaml`, { environment: {} })
  if (result.ok) return 'no findings\n'
  return `${result.findings.map((finding) => findingText({ ...finding, file: `${name}.yaml` })).join('\n')}\n`
}

suite('findings of a configuration', () => {
  for (const name of names) {
    test(`reports everything that is wrong with ${name}.yaml at once, in the order of the file`, () => {
      assert.equal(textOf(name), readFileSync(new URL(`${name}.txt`, folder), 'utf8'))
    })
  }

  test('says how to make a file that is not there', () => {
    const result = loadConfig('/nowhere/curfew.yaml', { environment: {} })
    assert.ok(!result.ok)
    assert.deepEqual(
      result.findings.map(({ code, fix }) => [code, fix]),
      [['CURFEW_CONFIG_FILE', 'Make one with: curfew init']]
    )
  })
})
