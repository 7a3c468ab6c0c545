import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { attack, edit, edited } from '../attack.ts'
import { attackClasses } from '../classes/index.ts'
import { indexPage } from '../index-page.ts'
import { registerProblems } from '../named-test.ts'
import { problemWithout } from '../without-problem.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

suite('Classes of attack', () => {
  test('each has tests, and each test a file and a defence that can be taken away', () => {
    for (const { name, defences } of attackClasses) {
      assert.ok(defences.length > 0, name)
      for (const { file, test: tested, edits } of defences) {
        assert.ok(existsSync(join(root, file)), file)
        assert.ok(edits.length > 0, tested)
        const sources = new Map<string, string>()
        for (const one of edits) {
          const before = sources.get(one.file) ?? read(one.file)
          const after = edited(before, one)
          assert.notEqual(after, before, `${tested}: the edit of ${one.file} changes nothing`)
          sources.set(one.file, after)
        }
      }
    }
  })

  test('each names a test that stands in its file', () => {
    assert.deepEqual(
      registerProblems(attackClasses, (file) => (existsSync(join(root, file)) ? read(file) : undefined)),
      []
    )
  })

  test('a test that was renamed, removed or never written is found', () => {
    const files = new Map([
      [
        'test/a.test.ts',
        "import { bad } from './support/bad.ts'\ntest('refuses \\'x\\'', () => 0)\nfor (const [what] of bad) test(`refuses ${what} twice`, () => 0)\ntest(name, () => 0)"
      ],
      ['test/support/bad.ts', "export const bad = [['a key'], ['an id']]"]
    ])
    const problems = (tested: string, file = 'test/a.test.ts'): readonly string[] =>
      registerProblems([attack('Class', file, [{ test: tested, without: 'x', edits: [] }])], (path) => files.get(path))
    for (const good of ["refuses 'x'", 'refuses a key twice', 'refuses an id twice', 'an id']) assert.deepEqual(problems(good), [], good)
    for (const gone of ['refuses x', 'refuses a key', 'refuses a lock twice', 'refuses a ke twice', 'refuses  twice', 'something else', ''])
      assert.deepEqual(problems(gone), [`attacks/classes: Class: test/a.test.ts has no test "${gone}"`])
    assert.deepEqual(problems('an id', 'test/b.test.ts'), ['attacks/classes: Class: there is no file test/b.test.ts'])
  })

  test('no two have one name, and no class names a test twice', () => {
    const names = attackClasses.map(({ name }) => name)
    assert.deepEqual(names, [...new Set(names)])
    for (const { name, defences } of attackClasses) {
      const tests = defences.map(({ file, test: tested }) => `${file} ${tested}`)
      assert.deepEqual(tests, [...new Set(tests)], name)
    }
  })

  test('an edit whose text is gone, or stands there twice, is refused', () => {
    for (const source of ['', 'throw x', 'if (bad) throw\nif (bad) throw'])
      assert.throws(() => edited(source, edit('src/a.ts', 'if (bad) throw', '')), /src\/a\.ts holds (no|2) "if \(bad\) throw"/)
    assert.equal(edited('if (bad) throw x', edit('src/a.ts', 'bad', '$&')), 'if ($&) throw x')
  })

  test('a test shows that it needs its defence by what it asserts, not by an error on the way or by waiting', () => {
    const failed = (kind: 'assertion' | 'error' | 'timeout') => [
      { name: 'x', file: 'a.test.ts', outcome: 'failed' as const, failure: { kind, text: 'it says so' }, ms: 1 }
    ]
    const passed = { name: 'x', file: 'a.test.ts', outcome: 'passed' as const, ms: 1 }
    assert.equal(problemWithout({ test: 'x' }, failed('assertion')), undefined)
    assert.equal(problemWithout({ test: 'x' }, failed('error')), 'fails by error and not by assertion: it says so')
    assert.equal(problemWithout({ test: 'x' }, failed('timeout')), 'fails by timeout and not by assertion: it says so')
    assert.equal(problemWithout({ test: 'x', failsBy: 'timeout' }, failed('timeout')), undefined)
    assert.equal(problemWithout({ test: 'x' }, [passed]), 'passes without the defence')
    assert.equal(problemWithout({ test: 'x' }, [{ ...passed, name: 'y' }]), 'the file can not be loaded without the defence')
  })

  test('the index leads from the class to the test and to what defends, and names are no markup', () => {
    const one = attack('By <script>', 'packages/x/test/a.test.ts', [
      { test: 'a | b [c] <d>', without: 'the *check*', edits: [edit('packages/x/src/a.ts', 'check', '')] }
    ])
    const page = indexPage([one], () => 'check')
    assert.match(page, /## By <script>/)
    assert.ok(page.includes(String.raw`| [a \| b \[c\] \<d\>](../packages/x/test/a.test.ts) | the \*check\* | [` + '`x a.ts`](../packages/x/src/a.ts) |'))
    assert.throws(() => indexPage([one], () => 'nothing'), TypeError)
  })
})
