import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, posix } from 'node:path'
import { after, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { layerProblems, layers } from '../layers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'curfew-lint-'))

after(() => rmSync(folder, { recursive: true, force: true }))

/** Lints planted files with the rules of this repository; returns `path:line rule` for each finding. */
function lint(name: string, files: ReadonlyMap<string, string>): ReadonlySet<string> {
  const at = join(folder, name)
  mkdirSync(at)
  copyFileSync(join(root, '.oxlintrc.json'), join(at, '.oxlintrc.json'))
  copyFileSync(join(root, 'tsconfig.json'), join(at, 'tsconfig.json'))
  symlinkSync(join(root, 'node_modules'), join(at, 'node_modules'))
  for (const [path, text] of files) {
    mkdirSync(dirname(join(at, path)), { recursive: true })
    writeFileSync(join(at, path), text)
  }
  const result = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['--type-aware', '-f', 'unix'], { cwd: at, encoding: 'utf8' })
  const lines = [...result.stdout.matchAll(/^(\S+?):(\d+):\d+: .*\[\w+\/\w+\((?<rule>[^)]+)\)\]$/gm)]
  return new Set(lines.map(([, path = '', line = '', rule = '']) => `${path}:${line} ${rule}`))
}

suite('Lint finds what is planted', () => {
  const rules: readonly (readonly [rule: string, path: string, text: string])[] = [
    ['no-floating-promises', 'packages/curfew/src/engine/floating.ts', `async function save(): Promise<void> {}\nexport function end(): void {\n  save()\n}\n`],
    [
      'no-floating-promises',
      'packages/curfew/test/forgotten.test.ts',
      `import assert from 'node:assert/strict'\nimport { test } from 'node:test'\ntest('a', async () => {\n  assert.rejects(async () => Promise.reject(new Error('x')))\n})\n`
    ],
    [
      'no-misused-promises',
      'packages/curfew/src/engine/misused.ts',
      `async function isEnded(): Promise<boolean> {\n  return true\n}\nexport const answer = isEnded() ? 1 : 2\n`
    ],
    [
      'switch-exhaustiveness-check',
      'packages/curfew/src/core/missing-case.ts',
      `export function f(x: 'a' | 'b'): number {\n  switch (x) {\n    case 'a':\n      return 1\n  }\n  return 2\n}\n`
    ],
    [
      'switch-exhaustiveness-check',
      'packages/curfew/src/core/needless-default.ts',
      `export function f(x: 'a'): number {\n  switch (x) {\n    case 'a':\n      return 1\n    default:\n      return 2\n  }\n}\n`
    ],
    [
      'no-unsafe-assignment',
      'packages/curfew/src/admin/unsafe.ts',
      `export function f(text: string): string {\n  const value = JSON.parse(text)\n  return String(value)\n}\n`
    ],
    ['no-unsafe-member-access', 'packages/curfew/src/admin/member.ts', `export const f = (x: any): unknown => x.y\n`],
    ['no-console', 'packages/curfew/src/admin/console.ts', `export const f = (): void => console.log('x')\n`],
    ['no-process-env', 'packages/curfew/src/engine/environment.ts', `export const home = process.env['HOME']\n`],
    ['no-cycle', 'packages/curfew/src/engine/round.ts', `import { b } from './trip.ts'\nexport const a = (): number => b()\n`]
  ]

  test('the rules of the house', () => {
    const files = new Map(rules.map(([, path, text]) => [path, text] as const))
    files.set('packages/curfew/src/engine/trip.ts', `import { a } from './round.ts'\nexport const b = (): number => a()\n`)
    const found = [...lint('rules', files)]
    for (const [rule, path] of rules)
      assert.ok(
        found.some((finding) => finding.startsWith(`${path}:`) && finding.endsWith(` ${rule}`)),
        `${rule} in ${path}\n${found.join('\n')}`
      )
  })

  test('no import that the table of layers refuses, and none that it allows', () => {
    const files = new Map<string, string>()
    const places = Object.entries(layers).filter(([name]) => name !== 'entry' && name !== 'locales')
    for (const [, { folder: at }] of places) files.set(`${at}/thing.ts`, `export const x = 1\nexport type X = string\n`)
    for (const [, { folder: at }] of places) {
      for (const deep of ['', '/inner']) {
        const path = `${at}${deep}/plant.ts`
        const targets = places.filter(([, other]) => other.folder !== at).map(([, other]) => `${posix.relative(posix.dirname(path), other.folder)}/thing.ts`)
        const values = targets.map((target, i) => `export { x as x${i} } from '${target}'\n`)
        const types = targets.map((target, i) => `export type { X as X${i} } from '${target}'\n`)
        files.set(path, [...values, ...types].filter((line) => line.includes("'../")).join(''))
      }
    }
    const wanted = layerProblems(files).map((problem) => `${problem.split(' ')[0]} no-restricted-imports`)
    assert.ok(wanted.length > 200, `${wanted.length} planted`)
    const found = [...lint('layers', files)].filter((finding) => finding.endsWith(' no-restricted-imports'))
    assert.deepEqual(found.toSorted(), wanted.toSorted())
  })

  test('no library where it does not belong', () => {
    const refused: readonly (readonly [string, string])[] = [
      ['packages/curfew/src/core', 'node:fs'],
      ['packages/curfew/src/core', 'zod'],
      ['packages/curfew/src/core', '@curfew/codecs'],
      ['packages/curfew/src/engine', 'fastify'],
      ['packages/curfew/src/engine', 'node:crypto'],
      ['packages/curfew/src/authority', 'undici'],
      ['packages/curfew/src/admin', 'node:https'],
      ['packages/codecs/src/saml', 'node:fs/promises'],
      ['packages/codecs/src/saml', 'zod'],
      ['packages/codecs/src/saml', '@curfew/sdk'],
      ['packages/sdk/src', 'fastify'],
      ['packages/sdk/src', 'node:crypto'],
      ['demo/payroll', 'curfew']
    ]
    const allowed: readonly (readonly [string, string])[] = [
      ['packages/curfew/src/platform', 'undici'],
      ['packages/curfew/src/authority', 'fastify'],
      ['packages/curfew/src/engine', 'jose'],
      ['packages/codecs/src/saml', 'jose'],
      ['packages/codecs/src/saml', 'node:crypto'],
      ['packages/codecs/src/saml', 'node:zlib'],
      ['packages/sdk/src', '@curfew/codecs'],
      ['demo/payroll', '@curfew/sdk']
    ]
    const plant = ([at, library]: readonly [string, string], i: number): readonly [string, string] => [
      `${at}/plant-${i}.ts`,
      `import * as thing from '${library}'\nexport const keys = Object.keys(thing)\n`
    ]
    const bad = new Map(refused.map(plant))
    const good = new Map(allowed.map(([at, library], i) => plant([at, library], i + 100)))
    const found = [...lint('libraries', new Map([...bad, ...good]))].filter((finding) => finding.endsWith(' no-restricted-imports'))
    assert.deepEqual(found.toSorted(), [...bad.keys()].map((path) => `${path}:1 no-restricted-imports`).toSorted())
    assert.equal(layerProblems(bad).length, bad.size)
    assert.deepEqual(layerProblems(good), [])
  })
})
