import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { suite, test } from 'node:test'
import { completion, completionsOf } from '../../src/cli/commands/completion.ts'
import { completionScript, type Shell } from '../../src/cli/completion.ts'
import { buildProgram } from '../../src/cli/main.ts'
import { contextOf } from './context.ts'

const program = buildProgram(async () => undefined)
const completions = completionsOf(program)
const { commands, everywhere } = completions

/** What a real bash offers behind these words. */
function offered(...words: readonly string[]): readonly string[] {
  const script = `${completionScript('bash', completions)}
COMP_WORDS=(curfew ${words.map((word) => `'${word}'`).join(' ')})
COMP_CWORD=${words.length}
_curfew
printf '%s\\n' "\${COMPREPLY[@]}"`
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''])
  return stdout.split('\n').filter((line) => line !== '')
}

function isHere(shell: Shell): boolean {
  return spawnSync(shell, ['-c', 'true']).error === undefined
}

suite('completion', () => {
  test('bash offers commands, those of a group, and the options of each', () => {
    assert.deepEqual(offered('ta'), ['tail'])
    const runs = commands.find(({ path }) => path === '/runs')?.words ?? []
    assert.ok(runs.length >= 6)
    assert.deepEqual(
      offered('runs', ''),
      [...runs, ...everywhere].map(({ word }) => word)
    )
    assert.deepEqual(offered('runs', 'op'), ['open'])
    assert.deepEqual(offered('logout', '--w'), ['--watch'])
    assert.deepEqual(offered('logout', '--user', 'ana', '--dr'), ['--dry-run'])
    assert.deepEqual(offered('--json', 'sessions', 'li'), ['list'])
    assert.deepEqual(offered('sessions', 'list', '--ndj'), ['--ndjson'])
    assert.deepEqual(offered('inspect', 'mess'), [])
  })

  for (const shell of ['bash', 'zsh', 'fish'] as const)
    test(`${shell} can read its script`, { skip: isHere(shell) ? false : `${shell} is not on this machine` }, () => {
      const { status, stderr } = spawnSync(shell, ['-n'], { input: completionScript(shell, completions), encoding: 'utf8' })
      assert.deepEqual([status, stderr], [0, ''])
    })

  test('every script has every command and every option, and nothing that ends its quotes', () => {
    for (const shell of ['bash', 'zsh', 'fish'] as const) {
      const text = completionScript(shell, completions)
      for (const { path, options } of commands) {
        assert.ok(text.includes(shell === 'fish' ? path : `'${path}'`), `${shell} ${path}`)
        for (const { word } of [...options, ...everywhere])
          assert.ok(text.includes(shell === 'fish' ? `-l ${word.slice(2)} ` : word), `${shell} ${path} ${word}`)
      }
    }
    const odd = { commands: [{ path: '', words: [{ word: 'x', description: "it's: a \\ `b` $(c)" }], options: [] }], everywhere: [] }
    assert.ok(completionScript('zsh', odd).includes(String.raw`('x:it'\''s\: a \ ` + '`b` $(c)' + `')`))
    assert.ok(completionScript('fish', odd).includes(String.raw`-d 'it'\''s: a \\ ` + '`b` $(c)' + `'`))
  })

  test('without a shell it is that of the person; another one is refused', () => {
    const asked = (shell: string | undefined, environment: Record<string, string>): readonly [number, string] => {
      const { context, lines, notes } = contextOf()
      return [completion({ ...context, environment }, program, shell), (lines[0] ?? '') + notes.join('')]
    }
    assert.match(asked(undefined, { SHELL: '/usr/bin/zsh' })[1], /^#compdef curfew\n/)
    assert.match(asked('bash', { SHELL: '/usr/bin/zsh' })[1], /^# eval/)
    assert.deepEqual(asked('tcsh', {}), [64, 'There is none for tcsh: curfew completion bash|zsh|fish'])
    assert.deepEqual(asked(undefined, {})[0], 64)
  })
})
