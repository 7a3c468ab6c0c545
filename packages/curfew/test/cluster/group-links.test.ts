import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { z } from 'zod'
import { answerBytesMax, bodyBytesMax, callMs, windowMs } from '../../src/cluster/call.ts'
import { createNonces } from '../../src/cluster/nonces.ts'
import type { OutboundRequest } from '../../src/platform/outbound.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { Store } from '../../src/stores/store.ts'
import { createFakeClock } from '../support/fake-clock.ts'
import { berlin, nodeOf, paris, secret, type TestNode, Wire } from './link-kit.ts'

const text = z.strictObject({ text: z.string() })

function pair(options: { readonly keys?: Parameters<typeof nodeOf>[3] } = {}): {
  readonly wire: Wire
  readonly asking: TestNode
  readonly asked: TestNode
  readonly taken: string[]
} {
  const wire = new Wire()
  const asking = nodeOf(wire, berlin, [paris], options.keys)
  const asked = nodeOf(wire, paris, [berlin])
  const taken: string[] = []
  asked.links.serve('test.echo', text, async (body, { group }) => {
    taken.push(body.text)
    return { text: `${body.text} for ${group.id}` }
  })
  return { wire, asking, asked, taken }
}

const echo = (node: TestNode, value: string): Promise<{ text: string }> => node.links.call('paris', 'test.echo', { text: value }, { answer: text })

/** How long calls may take, by the shortest of each kind. */
const realLimits = [
  ['artifacts.take', 300],
  ['runs.read', 300],
  ['facts.session', 300],
  ['group.hello', 1_500],
  ['facts.read', 3_000],
  ['revocations.read', 3_000],
  ['transactions.take', 3_000],
  ['sessions.read', callMs],
  ['facts.export', 8_000],
  ['sessions.end', 20_000],
  ['requests.carry', 60_000]
] as const

/** Two groups, the clock of the asked one ahead by so much. */
function apart(apartMs: number): { readonly asking: TestNode; readonly asked: TestNode; readonly taken: number[] } {
  const wire = new Wire()
  const startMs = Date.parse('2026-03-01T09:00:00Z')
  const asking = nodeOf(wire, berlin, [paris], { clock: createFakeClock(startMs) })
  const asked = nodeOf(wire, paris, [berlin], { clock: createFakeClock(startMs + apartMs) })
  const taken: number[] = []
  asked.links.serve('test.echo', text, async (body, { deadlineMs }) => {
    taken.push(deadlineMs - asked.clock.nowMs())
    return body
  })
  return { asking, asked, taken }
}

function withHeader(request: OutboundRequest, name: string, value: string): OutboundRequest {
  return { ...request, headers: { ...request.headers, [name]: value } }
}

suite('calls between groups', () => {
  test('a call is carried out by the group it is for, which knows who asked', async () => {
    const { asking, asked } = pair()
    assert.deepEqual(await echo(asking, 'hello'), { text: 'hello for berlin' })
    assert.deepEqual(asked.counted.at(-1), { group: 'berlin', name: 'test.echo', result: 'answered' })
  })

  for (const [what, change] of [
    ['another body', (request: OutboundRequest) => ({ ...request, body: '{"text":"end everything"}' })],
    ['another call', (request: OutboundRequest) => ({ ...request, url: request.url.replace('test.echo', 'test.other') })],
    ['another caller', (request: OutboundRequest) => withHeader(request, 'curfew-link-from', 'rome')],
    ['another time', (request: OutboundRequest) => withHeader(request, 'curfew-link-at', String(Number(request.headers?.['curfew-link-at']) + 1))],
    ['another deadline', (request: OutboundRequest) => withHeader(request, 'curfew-link-deadline', '999999999999999')],
    ['another nonce', (request: OutboundRequest) => withHeader(request, 'curfew-link-nonce', 'AAAAAAAAAAAAAAAAAAAAAA')],
    ['no proof', (request: OutboundRequest) => withHeader(request, 'curfew-link-proof', '')],
    ['a proof that was made up', (request: OutboundRequest) => withHeader(request, 'curfew-link-proof', Buffer.alloc(32).toString('base64url'))]
  ] as const)
    test(`a call with ${what} is refused and not carried out`, async () => {
      const { wire, asking, taken } = pair()
      wire.change = change
      await assert.rejects(echo(asking, 'hello'), {
        code: 'CURFEW_GROUP_ANSWER',
        context: { group: 'paris', call: 'test.echo', status: 401, why: 'secret-differs' }
      })
      assert.deepEqual(taken, [])
    })

  test('a call for one group is worth nothing at another', async () => {
    const { wire, asking, taken } = pair()
    const rome = nodeOf(wire, { id: 'rome', letter: 'c', links: ['http://rome-1.example:9041'] }, [berlin, paris])
    rome.links.serve('test.echo', text, async (body) => taken.push(body.text))
    wire.change = (request) => ({ ...request, url: request.url.replace('paris-1', 'rome-1') })
    await assert.rejects(echo(asking, 'hello'), {
      code: 'CURFEW_GROUP_ANSWER',
      context: { group: 'paris', call: 'test.echo', status: 421, why: 'another-group' }
    })
    assert.deepEqual(taken, [])
  })

  test('a copy of a call is refused, at another node of the same group, too', async () => {
    const { wire, asking, asked, taken } = pair()
    const second = nodeOf(wire, paris, [berlin], { store: asked.store, at: 'http://paris-2.example:9041' })
    second.links.serve('test.echo', text, async (body) => taken.push(`${body.text} again`))
    await echo(asking, 'hello')
    const copy = wire.sent.at(-1)
    assert.ok(copy !== undefined)
    for (const url of [copy.url, copy.url.replace('paris-1', 'paris-2')]) {
      const answer = await wire.replay({ ...copy, url })
      assert.equal(answer.status, 403)
      assert.deepEqual(JSON.parse(answer.body.toString()), { code: 'CURFEW_GROUP_CALL_REFUSED', context: { why: 'replayed' } })
    }
    assert.deepEqual(taken, ['hello'])
  })

  test('a call is good for the window and no longer, whichever clock is ahead', async () => {
    for (const [apartMs, isGood] of [
      [windowMs, true],
      [windowMs + 1, false],
      [-windowMs, true],
      [-windowMs - 1, false]
    ] as const) {
      const wire = new Wire()
      const startMs = Date.parse('2026-03-01T09:00:00Z')
      const asking = nodeOf(wire, berlin, [paris], { clock: createFakeClock(startMs) })
      const asked = nodeOf(wire, paris, [berlin], { clock: createFakeClock(startMs + apartMs) })
      asked.links.serve('test.echo', text, async (body) => body)
      const call = asking.links.call('paris', 'test.echo', { text: 'x' }, { answer: text })
      if (isGood) await call
      else
        await assert.rejects(call, { code: 'CURFEW_GROUP_CALL_REFUSED', context: { why: 'clock', apartSeconds: Math.round(apartMs / 1000), inGroup: 'paris' } })
    }
  })

  for (const [call, timeoutMs] of realLimits)
    test(`${call} is answered within ${timeoutMs} ms by a group whose clock is apart, in both directions`, async () => {
      for (const apartMs of [2_000, -2_000, 50_000, -50_000]) {
        const { asking, taken } = apart(apartMs)
        assert.deepEqual(await asking.links.call('paris', 'test.echo', { text: call }, { answer: text, timeoutMs }), { text: call })
        assert.deepEqual(taken, [timeoutMs])
      }
    })

  test('groups whose clocks are apart say how they are', async () => {
    for (const apartMs of [2_000, -2_000, 50_000, -50_000]) {
      const { asking, asked } = apart(apartMs)
      await Promise.all([asking.links.start(), asked.links.start()])
      // Who was asked while it started is asked again.
      for (let round = 0; round < 3; round++) for (const { clock } of [asking, asked]) await clock.advance(2_000)
      for (const { links } of [asking, asked])
        assert.deepEqual(
          links.health().map(({ state, why }) => [state, why]),
          [['up', undefined]]
        )
      for (const { links } of [asking, asked]) await links.stop()
    }
  })

  test('a call that waited for the store longer than its caller does is not begun', async () => {
    const wire = new Wire()
    const clock = createFakeClock()
    const store = createMemoryStore({ capacity: 100 })
    const slow: Store = {
      ...store,
      async replaySeen(...asked) {
        await clock.advance(301)
        return store.replaySeen(...asked)
      }
    }
    const asking = nodeOf(wire, berlin, [paris])
    const asked = nodeOf(wire, paris, [berlin], { store: slow, clock })
    asked.links.serve('test.echo', text, async () => assert.fail('it was begun'))
    await assert.rejects(asking.links.call('paris', 'test.echo', { text: 'late' }, { answer: text, timeoutMs: 300 }), {
      code: 'CURFEW_GROUP_CALL_REFUSED',
      context: { why: 'late', inGroup: 'paris' }
    })
  })

  test('an answer that was changed, or belongs to another call, is not believed', async () => {
    const { wire, asking } = pair()
    wire.changeAnswer = (answer) => ({ ...answer, body: Buffer.from('{"text":"all is well"}') })
    await assert.rejects(echo(asking, 'hello'), { code: 'CURFEW_GROUP_ANSWER' })
    let first: Parameters<Wire['changeAnswer']>[0] | undefined
    wire.changeAnswer = (answer) => (first ??= answer)
    await echo(asking, 'one')
    await assert.rejects(echo(asking, 'two'), { code: 'CURFEW_GROUP_ANSWER' })
    wire.changeAnswer = (answer) => ({ ...answer, status: 422 })
    await assert.rejects(echo(asking, 'three'), { code: 'CURFEW_GROUP_ANSWER' })
  })

  test('bodies and answers are taken up to their limit and not one byte above', async () => {
    const { asking, asked, taken } = pair()
    const frame = Buffer.byteLength(JSON.stringify({ text: '' }))
    await echo(asking, 'x'.repeat(bodyBytesMax - frame))
    await assert.rejects(echo(asking, 'x'.repeat(bodyBytesMax - frame + 1)), { code: 'CURFEW_GROUP_CALL_TOO_LARGE' })
    assert.equal(taken.length, 1)
    const direct = await asked.links.listener.inject({ method: 'POST', url: '/link/1/test.echo', payload: Buffer.alloc(bodyBytesMax + 1) })
    assert.equal(direct.statusCode, 413)
    asked.links.serve('test.long', z.strictObject({ bytes: z.int() }), async ({ bytes }) => ({ text: 'x'.repeat(bytes) }))
    const long = (bytes: number, max?: number): Promise<unknown> =>
      asking.links.call('paris', 'test.long', { bytes }, { answer: text, ...(max === undefined ? {} : { answerBytesMax: max }) })
    await long(answerBytesMax - frame)
    await assert.rejects(long(answerBytesMax - frame + 1), { code: 'CURFEW_GROUP_UNREACHABLE' })
    await long(100 - frame, 100)
    await assert.rejects(long(101 - frame, 100), { code: 'CURFEW_GROUP_UNREACHABLE' })
  })

  test('a secret is rolled over without a call being lost: accepted first, proving next, removed last', async () => {
    const old = secret(1)
    const fresh = secret(2)
    const steps: readonly (readonly [string, Parameters<typeof nodeOf>[3], Parameters<typeof nodeOf>[3], boolean])[] = [
      ['the new one is added here only', { keys: [old, fresh] }, { keys: [old] }, true],
      ['it is added everywhere', { keys: [old, fresh] }, { keys: [old, fresh] }, true],
      ['it is put first here only', { keys: [fresh, old] }, { keys: [old, fresh] }, true],
      ['the old one is removed here only', { keys: [fresh] }, { keys: [fresh, old] }, true],
      ['the steps were left out', { keys: [fresh] }, { keys: [old] }, false]
    ]
    for (const [step, ours, theirs, isGood] of steps) {
      const wire = new Wire()
      const asking = nodeOf(wire, berlin, [paris], ours)
      const asked = nodeOf(wire, paris, [berlin], theirs)
      asked.links.serve('test.echo', text, async (body) => body)
      if (isGood) assert.deepEqual(await echo(asking, 'x'), { text: 'x' }, step)
      else await assert.rejects(echo(asking, 'x'), { code: 'CURFEW_GROUP_ANSWER' }, step)
    }
  })

  test('a node that can not be connected to is passed over; a call that may have arrived is not made again', async () => {
    const { wire, asking, asked, taken } = pair()
    wire.cut('http://paris-1.example:9041')
    wire.listen('http://paris-2.example:9041', asked.links.listener)
    assert.deepEqual(await echo(asking, 'hello'), { text: 'hello for berlin' })
    wire.changeAnswer = () => {
      throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
    }
    await assert.rejects(echo(asking, 'once'), { code: 'CURFEW_GROUP_UNREACHABLE' })
    assert.deepEqual(taken, ['hello', 'once'])
  })

  test('a node that takes a call and says nothing is not the first to be asked the next time', async () => {
    const { wire, asking, asked, taken } = pair()
    wire.listen('http://paris-2.example:9041', asked.links.listener)
    wire.hang(({ url }) => url.includes('paris-1'), asking.clock)
    const failed = assert.rejects(echo(asking, 'lost'), { code: 'CURFEW_GROUP_UNREACHABLE' })
    await asking.clock.advance(10_000)
    await failed
    await echo(asking, 'hello')
    assert.deepEqual(taken, ['hello'])
  })

  test('a call that may take long waits for a group that says how it is, and not for one that no longer does', async () => {
    const wire = new Wire()
    const one = nodeOf(wire, berlin, [paris])
    const other = nodeOf(wire, paris, [berlin])
    await other.links.start()
    await one.links.start()
    const long = () => one.links.call('paris', 'test.long', {}, { answer: text, timeoutMs: 60_000, givesUpWhenSilent: true })
    const settledAfter = async (call: Promise<unknown>, why: string): Promise<number> => {
      const startedMs = one.clock.nowMs()
      let tookMs = 0
      const failed = assert.rejects(call, { code: 'CURFEW_GROUP_UNREACHABLE', context: { group: 'paris', call: 'test.long', why } })
      void failed.finally(() => (tookMs = one.clock.nowMs() - startedMs))
      for (let i = 0; i < 700 && tookMs === 0; i++) await one.clock.advance(100)
      await failed
      return tookMs
    }
    wire.hang(({ url }) => url.includes('test.long'), one.clock)
    assert.equal(await settledAfter(long(), 'CURFEW_OUTBOUND_TIMEOUT'), 60_000)
    wire.hang(({ url }) => url.includes('paris'), one.clock)
    assert.ok((await settledAfter(long(), 'it fell silent, and may have done it all the same')) <= 8_000)
    await one.links.stop()
    await other.links.stop()
  })

  test('an error of the handler keeps its code, anything else says nothing', async () => {
    const { asking, asked } = pair()
    asked.links.serve('test.unknown', text, async () => asked.links.call('nowhere', 'test.echo', {}, { answer: text }))
    asked.links.serve('test.broken', text, async () => {
      throw new Error('the password is swordfish')
    })
    const call = (name: string): Promise<unknown> => asking.links.call('paris', name, { text: '' }, { answer: text })
    await assert.rejects(call('test.unknown'), { code: 'CURFEW_GROUP_UNKNOWN', context: { group: 'nowhere', inGroup: 'paris' } })
    await assert.rejects(
      call('test.broken'),
      (error: Error) => 'code' in error && error.code === 'CURFEW_GROUP_CALL_FAILED' && !error.message.includes('swordfish')
    )
    await assert.rejects(call('test.missing'), { code: 'CURFEW_GROUP_CALL_REFUSED' })
    await assert.rejects(asking.links.call('paris', 'test.echo', { text: 1 }, { answer: text }), { code: 'CURFEW_GROUP_CALL_REFUSED' })
    await assert.rejects(asking.links.call('nowhere', 'test.echo', {}, { answer: text }), { code: 'CURFEW_GROUP_UNKNOWN' })
  })

  test('what is not listed as a group may not call, whatever it can prove', async () => {
    const wire = new Wire()
    const rome = { id: 'rome', letter: 'c', links: ['http://rome-1.example:9041'] }
    const stranger = nodeOf(wire, rome, [paris])
    const asked = nodeOf(wire, paris, [berlin])
    asked.links.serve('test.echo', text, async (body) => body)
    await assert.rejects(echo(stranger, 'x'), { code: 'CURFEW_GROUP_CALL_REFUSED' })
  })

  test('as many calls are remembered as the limit says; beyond it none is taken and none forgotten', () => {
    const nonces = createNonces(2)
    assert.equal(nonces.take('a', 100, 0), 'fresh')
    assert.equal(nonces.take('b', 100, 0), 'fresh')
    assert.equal(nonces.take('c', 100, 0), 'full')
    assert.equal(nonces.take('a', 100, 99), 'seen')
    assert.equal(nonces.take('c', 200, 100), 'fresh')
  })
})

suite('announcing a group', () => {
  test('groups that fit know each other as up', async () => {
    const wire = new Wire()
    const one = nodeOf(wire, berlin, [paris])
    const other = nodeOf(wire, paris, [berlin])
    await one.links.start()
    assert.deepEqual(
      one.links.health().map(({ group, state, code }) => [group, state, code]),
      [['paris', 'down', 'CURFEW_GROUP_UNREACHABLE']]
    )
    await other.links.start()
    await one.clock.advance(2_000)
    assert.deepEqual(
      one.links.health().map(({ group, state }) => [group, state]),
      [['paris', 'up']]
    )
    wire.cut('http://paris-1.example:9041')
    await one.clock.advance(2_000)
    assert.deepEqual(
      one.links.health().map(({ state, code, lastAnswerAtMs }) => [state, code, lastAnswerAtMs !== undefined]),
      [['down', 'CURFEW_GROUP_UNREACHABLE', true]]
    )
    await one.links.stop()
    await other.links.stop()
  })

  test('AC-017 a store that is announced under one id refuses to start under another, or with another letter', async () => {
    const wire = new Wire()
    const store = createMemoryStore({ capacity: 10 })
    const first = nodeOf(wire, berlin, [], { store })
    await first.links.start()
    await first.links.stop()
    const again = nodeOf(wire, berlin, [], { store })
    await again.links.start()
    await again.links.stop()
    await assert.rejects(nodeOf(wire, paris, [], { store }).links.start(), {
      code: 'CURFEW_GROUP_ANNOUNCED',
      context: { group: 'paris', why: 'this store belongs to another group', announcedAs: 'berlin' }
    })
    await assert.rejects(nodeOf(wire, { ...berlin, letter: 'z' }, [], { store }).links.start(), { code: 'CURFEW_GROUP_ANNOUNCED' })
  })

  test('AC-017 an id that another store has announced stops the start, also when that store is away, until it is forgotten', async () => {
    const wire = new Wire()
    const rome = { id: 'rome', letter: 'c', links: ['http://rome-1.example:9041'] }
    const witness = nodeOf(wire, rome, [berlin, paris])
    const owner = nodeOf(wire, berlin, [rome, paris])
    await witness.links.start()
    await owner.links.start()
    await owner.links.stop()
    const second = (): TestNode => nodeOf(wire, { ...berlin, links: [] }, [rome, paris], { at: 'http://berlin-2.example:9041' })
    await assert.rejects(second().links.start(), { code: 'CURFEW_GROUP_ANNOUNCED' })
    assert.equal(await witness.links.forget('berlin'), true)
    await second().links.start()
    await witness.links.stop()
  })

  test('AC-017 a node with the id of a group at whose address another store answers does not start', async () => {
    const wire = new Wire()
    const owner = nodeOf(wire, berlin, [])
    await owner.links.start()
    await owner.links.stop()
    await assert.rejects(nodeOf(wire, berlin, [], { at: 'http://elsewhere.example:9041' }).links.start(), {
      code: 'CURFEW_GROUP_ANNOUNCED',
      context: { group: 'berlin', why: 'another store has announced this id', inGroup: 'berlin' }
    })
    const colleague = nodeOf(wire, berlin, [], { store: owner.store, at: 'http://berlin-2.example:9041' })
    await colleague.links.start()
    await colleague.links.stop()
  })

  test('AC-017 groups that are listed with other letters on the other side stop the start', async () => {
    const wire = new Wire()
    const one = nodeOf(wire, berlin, [paris])
    await one.links.start()
    const asParis = nodeOf(wire, paris, [{ ...berlin, letter: 'b' }])
    await assert.rejects(asParis.links.start(), { code: 'CURFEW_GROUP_ANNOUNCED' })
    await one.links.stop()
  })
})
