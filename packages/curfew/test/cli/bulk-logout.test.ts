import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { EndedView, LogoutRequestBody } from '../../src/admin/schemas.ts'
import { endInBatches } from '../../src/cli/bulk-logout.ts'
import type { CommandContext } from '../../src/cli/context.ts'
import { createProgress } from '../../src/cli/progress.ts'
import type { Terminal } from '../../src/cli/terminal.ts'

function world(canRewrite = false): { readonly context: CommandContext; readonly lines: string[] } {
  const lines: string[] = []
  const terminal: Terminal = {
    out: (line) => void lines.push(line),
    note: (line) => void lines.push(line),
    error: (line) => void lines.push(line),
    rewrite: (line) => void lines.push(line),
    canRewrite,
    style: (_, text) => text,
    isInteractive: false,
    isQuiet: false,
    columns: 100
  }
  return { context: { terminal, options: { color: false, input: false }, environment: {} }, lines }
}

const never = new AbortController().signal
const ended = (n: number): EndedView['ended'][number] => ({ session: `ses_${n}`, run: `run_${n}` })

suite('sessions ended call by call', () => {
  test('goes on for as long as there are more, and shows how far it is', async () => {
    const bodies: LogoutRequestBody[] = []
    const parts: EndedView[] = [
      { ended: [ended(1), ended(2)], already: [], unknown: [], more: true, unreached: ['east'] },
      { ended: [ended(3)], already: [ended(4)], unknown: [], more: true },
      { ended: [ended(5)], already: [], unknown: ['ses_6'] }
    ]
    const { context, lines } = world(true)
    const logout = async (body: LogoutRequestBody): Promise<EndedView> => {
      bodies.push(body)
      return parts[bodies.length - 1] ?? assert.fail('one call too many')
    }
    const result = await endInBatches(context, { logout }, { all: true, beforeMs: 7 }, { expected: 5, stop: never })
    assert.deepEqual(result, { ended: [1, 2, 3, 5].map(ended), already: [ended(4)], unknown: ['ses_6'], unreached: ['east'], isStopped: false })
    assert.ok(bodies.every(({ all, beforeMs, max = 0 }) => all === true && beforeMs === 7 && max > 0))
    assert.deepEqual(
      lines.map((line) => line.split(',')[0]),
      ['2 of 5 sessions ended', '3 of 5 sessions ended', '']
    )
  })

  test('stops after the call under way when it is told to, and says so', async () => {
    const stop = new AbortController()
    const logout = async (): Promise<EndedView> => {
      stop.abort()
      return { ended: [ended(1)], already: [], unknown: [], more: true }
    }
    const result = await endInBatches(world().context, { logout }, { all: true }, { expected: 5, stop: stop.signal })
    assert.deepEqual([result.isStopped, result.ended.length], [true, 1])
  })

  test('does not ask for ever when what is left can not be ended', async () => {
    const logout = async (): Promise<EndedView> => ({ ended: [], already: [], unknown: ['ses_1'], more: true })
    const result = await endInBatches(world().context, { logout }, { all: true }, { expected: 5, stop: never })
    assert.deepEqual([result.ended.length, result.isStopped], [0, true])
    const same = async (): Promise<EndedView> => ({ ended: [], already: [ended(1)], unknown: [], more: true })
    assert.equal((await endInBatches(world().context, { logout: same }, { all: true }, { expected: 5, stop: never })).isStopped, true)
  })

  test('goes on where somebody else ended the sessions of a call meanwhile', async () => {
    const parts: EndedView[] = [
      { ended: [], already: [ended(1), ended(2)], unknown: [], more: true },
      { ended: [ended(3)], already: [], unknown: [], more: true },
      { ended: [], already: [ended(4)], unknown: [], more: true },
      { ended: [ended(5)], already: [], unknown: [] }
    ]
    let calls = 0
    const logout = async (): Promise<EndedView> => parts[(calls += 1) - 1] ?? assert.fail('one call too many')
    const result = await endInBatches(world().context, { logout }, { all: true }, { expected: 5, stop: never })
    assert.deepEqual([result.ended, result.already, result.isStopped], [[3, 5].map(ended), [1, 2, 4].map(ended), false])
  })
})

suite('progress', () => {
  test('without a terminal one line in ten seconds, with the time that is left', () => {
    let nowMs = 0
    const { context, lines } = world()
    const progress = createProgress(context.terminal, () => nowMs)
    for (const count of [1_000, 2_000, 12_000]) {
      nowMs += 4_000
      progress.show(count, 100_000, 'sessions ended')
    }
    progress.done()
    assert.deepEqual(lines, ['12,000 of 100,000 sessions ended, about 88 s left'])
  })
})
