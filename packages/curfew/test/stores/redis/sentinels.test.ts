import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Dial, LinkLost } from '../../../src/stores/redis/link.ts'
import { sentinelFindings } from '../../../src/stores/redis/sentinel-checks.ts'
import { namedBy, openSentinels, type Vote } from '../../../src/stores/redis/sentinels.ts'
import { openTopology } from '../../../src/stores/redis/topology.ts'
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts'

const vote = (port: number, askedMs: number): Vote => ({ address: { host: 'server', port }, askedMs })
const named = (...args: Parameters<typeof namedBy>): readonly [string, number] | undefined => {
  const found = namedBy(...args)
  return found === undefined ? undefined : [found.name, found.askedMs]
}

suite('The primary that sentinels name', () => {
  test('is the one of a majority of all of them, not of those that answer', () => {
    assert.deepEqual(named([vote(1, 5)], 1), ['server:1', 5])
    assert.equal(named([vote(1, 5)], 2), undefined)
    assert.equal(named([vote(1, 5)], 3), undefined)
    assert.deepEqual(named([vote(1, 5), vote(1, 5)], 3), ['server:1', 5])
    assert.equal(named([vote(1, 5), vote(2, 5)], 3), undefined)
    assert.deepEqual(named([vote(1, 5), vote(2, 5), vote(2, 5)], 3), ['server:2', 5])
    assert.equal(named([vote(1, 5), vote(1, 5)], 4), undefined)
    assert.equal(named([], 0), undefined)
  })

  test('was named by a majority when the last one was asked that it takes: a later word of one of them makes it no younger', () => {
    assert.deepEqual(named([vote(1, 90), vote(1, 20), vote(1, 10)], 3), ['server:1', 20])
    assert.deepEqual(named([vote(1, 90), vote(1, 90), vote(1, 10)], 3), ['server:1', 90])
    assert.deepEqual(named([vote(1, 90), vote(2, 95), vote(1, 10)], 3), ['server:1', 10])
  })
})

/** What sentinels on a wire do, by their port. */
interface Played {
  readonly dial: Dial
  /** After how long each takes a connection, and answers. */
  readonly slowMs: Map<number, number>
  readonly isDown: Set<number>
  dialled: number
  open: number
}

function play(clock: FakeClock): Played {
  const played: Played = {
    slowMs: new Map(),
    isDown: new Set(),
    dialled: 0,
    open: 0,
    dial({ address: { port } }) {
      played.dialled += 1
      const after = async <T>(value: T): Promise<T> => {
        const ms = played.slowMs.get(port) ?? 0
        if (ms > 0) await new Promise<void>((resolve) => void clock.after(ms, resolve))
        if (played.isDown.has(port)) throw new LinkLost('it is down')
        return value
      }
      return {
        async connect() {
          await after(undefined)
          played.open += 1
        },
        sendCommand: ([, what]) => after(what === 'MASTER' ? ['num-other-sentinels', '2'] : ['server', '9']),
        onBroken: () => undefined,
        destroy() {
          played.open -= 1
        }
      }
    }
  }
  return played
}

suite('Sentinels that are asked', () => {
  test('take one connection each, though it is asked for twice while it is made, and none stays', async () => {
    const clock = createFakeClock()
    const played = play(clock)
    played.slowMs.set(1, 200)
    const nodes = [{ host: 'server', port: 1 }]
    const sentinels = openSentinels({ nodes, master: 'curfew', access: {}, dial: played.dial, clock, steadyMs: () => clock.nowMs(), label: 'test' })
    const both = Promise.all([sentinels.primary(), sentinels.told()])
    await clock.advance(1_000)
    const [primary, told] = await both
    assert.deepEqual(primary, { host: 'server', port: 9 })
    assert.equal(told.get('num-other-sentinels'), '2')
    assert.deepEqual([played.dialled, played.open], [1, 1])
    sentinels.close()
    assert.equal(played.open, 0)
  })

  test('raise no alarm by one round with a late answer; where none comes in time they do, while the primary is still read from', async () => {
    const clock = createFakeClock()
    const played = play(clock)
    const told: boolean[] = []
    const isRead: boolean[] = []
    const topology = await openTopology({
      topology: { kind: 'sentinel', master: 'curfew' },
      nodes: [1, 2, 3].map((port) => ({ host: 'server', port })),
      access: {},
      dial: played.dial,
      clock,
      steadyMs: () => clock.nowMs(),
      label: 'test',
      copies: 0,
      copyWaitMs: 150,
      isOnDisk: false,
      onConfirmed(isConfirmed) {
        told.push(isConfirmed)
        isRead.push(topology.primaryOf(0).name === 'server:9')
      }
    })
    played.slowMs.set(2, 1_400)
    await clock.advance(500)
    // The second still thinks about the question of the first round, and the next one gets that answer.
    played.slowMs.delete(2)
    played.isDown.add(3)
    await clock.advance(2_000)
    assert.deepEqual(told, [])
    assert.equal(topology.isConfirmed, true)
    played.isDown.add(2)
    await clock.advance(2_000)
    assert.deepEqual([told, isRead], [[false], [true]])
    assert.equal(topology.isConfirmed, false)
    await clock.advance(1_500)
    assert.throws(() => topology.primaryOf(0), { name: 'Unconfirmed' })
    played.isDown.delete(2)
    await clock.advance(1_000)
    assert.deepEqual([told, isRead, topology.isConfirmed], [[false, true], [true, true], true])
    topology.close()
  })
})

suite('What an operator hears of the sentinels', () => {
  const heard = async (listed: number, others: string | undefined): Promise<readonly string[]> => {
    const fields = others === undefined ? undefined : new Map([['num-other-sentinels', others]])
    const told = async (): Promise<ReadonlyMap<string, string>> => fields ?? Promise.reject(new LinkLost('it may not be asked'))
    const nodes = [1, 2, 3].slice(0, listed).map((port) => ({ host: 'server', port }))
    return (await sentinelFindings({ told }, nodes, 'gateway.shared.nodes')).map(({ what, fix }) => `${what}; ${fix}`)
  }

  test('is that those count which are listed, however many there are, and though they say nothing of each other', async () => {
    const [few = '', listed = '', ...more] = await heard(1, '2')
    assert.match(few, /^fewer than 3 sentinels are listed.*list them in gateway\.shared\.nodes$/)
    assert.match(listed, /^there are 3 sentinels, and 1 of them are listed.*in gateway\.shared\.nodes$/)
    assert.deepEqual(more, [])
    assert.deepEqual(await heard(2, '1'), [few])
    assert.deepEqual(await heard(2, undefined), [few])
    assert.deepEqual(await heard(3, '2'), [])
  })
})
