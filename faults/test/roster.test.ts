import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Acknowledged, Event } from '../events.ts'
import type { Node } from '../crew.ts'
import { createRoster, longestWait, type Shift } from '../roster.ts'

function success(toMs: number, lane = 0): Acknowledged {
  const ticket = { id: 'ses_1', sri: 'sri', tokenHash: 'token' } as const
  return { kind: 'acknowledged', what: 'opened', lane, ticket, durability: 'local', fromMs: toMs - 1, toMs }
}

const shift = (events: Shift['events'], lanes = 1): Shift => ({ name: 'a', lanes, fromMs: 1_000, untilMs: 10_000, events })

const node = (name: string): Node => ({ name, events: [] as Event[] }) as unknown as Node

suite('faults: callers of a node', () => {
  test('are those of whoever has its name after it died, and new ones after it left', () => {
    const roster = createRoster(1)
    const [first, second, third] = [node('a'), node('a'), node('a')]
    const tell = (one: Node, at: number): number => (one.events as Event[]).push(success(at))
    tell(first, 1)
    roster.came(first)
    tell(first, 2)
    roster.came(second)
    tell(second, 3)
    const times = (): readonly (readonly number[])[] => roster.shifts().map(({ events }) => events.map((event) => ('toMs' in event ? event.toMs : 0)))
    assert.deepEqual(times(), [[2, 3]], 'what was told before it came does not count')
    roster.left('a')
    roster.came(third)
    tell(third, 4)
    assert.deepEqual(times(), [[2, 3], [4]])
    const [before, after] = roster.shifts()
    assert.ok((before?.untilMs ?? 0) <= (after?.fromMs ?? 0))
    roster.clear()
    assert.deepEqual(times(), [])
  })
})

suite('faults: the longest wait of a caller', () => {
  test('is that between two successes, of one process or of two with one name', () => {
    assert.equal(longestWait(shift([success(2_000), success(5_500), success(9_000)])), 3_500)
  })

  test('begins with the first call and ends with the round', () => {
    assert.equal(longestWait(shift([success(8_000), success(9_900)])), 7_000)
    assert.equal(longestWait(shift([success(1_100), success(2_000)])), 8_000, 'who has no success any more still waits')
    assert.equal(longestWait(shift([])), 9_000)
  })

  test('is that of the caller who waited longest', () => {
    const steady = [2_000, 4_000, 6_000, 8_000, 9_900].map((atMs) => success(atMs))
    assert.equal(longestWait(shift(steady)), 2_000)
    assert.equal(longestWait(shift([...steady, success(3_000, 1)], 2)), 7_000)
    assert.equal(longestWait(shift(steady, 2)), 9_000, 'one who never had any')
  })

  test('does not count what was ordered by name', () => {
    assert.equal(longestWait(shift([success(2_000), success(5_000, -1), success(9_000)])), 7_000)
  })
})
