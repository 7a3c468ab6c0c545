import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { signIn } from '../authority/kit.ts'
import { call, end, makeStream, receiver, sessionOf } from '../authority/shared-signals/support.ts'
import { createTwoGroups, type TwoGroups } from './groups-kit.ts'
import { berlin } from './link-kit.ts'

const poll = { delivery: { method: 'urn:ietf:rfc:8936' } }

async function owed({ berlin: home }: TwoGroups): Promise<number | undefined> {
  return (await home.ctx.signals.list())[0]?.owed
}

/** Lets time and work go on until something holds. */
async function passUntil(groups: TwoGroups, holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await holds()) return
    await groups.clock.advance(500)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.fail('it never came to pass')
}

suite('streams of shared signals with several groups', () => {
  test('a receiver has one stream, whichever group it asks, and is told of what ends in any of them', async () => {
    await using groups = await createTwoGroups({ clients: [receiver()] })
    const id = await makeStream(groups.paris, poll.delivery)
    assert.equal((await call(groups.berlin, { method: 'GET', url: `/ssf/stream?stream_id=${id}` })).status, 200)
    assert.equal((await call(groups.paris, { method: 'PATCH', url: '/ssf/stream', body: { stream_id: id, description: 'of all' } })).status, 200)
    assert.equal((await call(groups.berlin, { method: 'GET', url: `/ssf/stream?stream_id=${id}` })).body['description'], 'of all')
    await signIn(groups.paris.browser(), '/')
    await end(groups.paris, await sessionOf(groups.paris))
    await passUntil(groups, async () => (await owed(groups)) === 1)
    const polled = await groups.while(call(groups.paris, { method: 'POST', url: '/ssf/poll', body: { returnImmediately: true } }))
    assert.equal(Object.keys(polled.body['sets'] as object).length, 1)
    assert.deepEqual(await groups.paris.ctx.signals.list(), await groups.berlin.ctx.signals.list(), 'an administrator sees the same everywhere')
    assert.equal((await groups.paris.ctx.signals.setStatus('radar', 'paused', 'for now'))?.status, 'paused')
    assert.equal(await groups.paris.ctx.signals.verify('radar'), true)
    assert.equal((await groups.berlin.ctx.signals.list())[0]?.status, 'paused')
  })

  test('while the group that keeps the streams is away nothing is forgotten: it is told when it is back', async () => {
    await using groups = await createTwoGroups({ clients: [receiver()] })
    await makeStream(groups.berlin, poll.delivery)
    await signIn(groups.paris.browser(), '/')
    const [link = ''] = berlin.links
    const listener = groups.wire.listenerOf(link)
    groups.wire.cut(link)
    await end(groups.paris, await sessionOf(groups.paris))
    assert.equal((await call(groups.paris, { method: 'GET', url: '/ssf/stream' })).status, 503)
    await groups.clock.advance(5_000)
    assert.equal(await owed(groups), 0)
    groups.wire.listen(link, listener)
    await passUntil(groups, async () => (await owed(groups)) === 1)
  })
})
