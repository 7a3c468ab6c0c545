import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { suite, test } from 'node:test'
import { revocationFingerprint, revocationKey } from '@curfew/codecs'
import type { GatewayContext } from '../../src/gateway/context.ts'
import { createLiveConnections } from '../../src/gateway/live-connections.ts'
import { forward } from '../../src/gateway/proxy/forward.ts'
import { forwardWebSocket } from '../../src/gateway/proxy/web-socket.ts'
import type { Place } from '../../src/gateway/route/applications.ts'
import { openedSession } from '../../src/gateway/session/web-session.ts'

const opened = openedSession({
  id: 'w1',
  audience: 'a',
  issuer: 'https://op',
  subject: 'ana',
  sri: 'sri-1',
  claims: {},
  startedAtMs: 0,
  expiresAtMs: 10,
  activeAtMs: 0
})

suite('What is open under a session', () => {
  test('is closed to the last, also when closing one of it fails', () => {
    const failures: unknown[] = []
    const live = createLiveConnections((error) => failures.push(error))
    const closed: number[] = []
    for (let i = 0; i < 3; i++)
      live.add(opened, () => {
        if (i === 1) throw new Error('no')
        closed.push(i)
      })
    assert.equal(live.close(revocationFingerprint('sri-1')), 3)
    assert.deepEqual([closed, live.count, failures.map(String)], [[0, 2], 0, ['Error: no']])
  })

  test('everybody who waits is told before the rest of any is done, which is done to the last as well', async () => {
    const failures: unknown[] = []
    const live = createLiveConnections((error) => failures.push(error))
    const order: string[] = []
    const count = 1_000
    for (let i = 0; i < count; i++)
      live.add(opened, (_reason, later) => {
        order.push('told')
        later(() => {
          order.push('rest')
          if (i === 1) throw new Error('no')
        })
      })
    const { stackTraceLimit } = Error
    assert.equal(live.close(revocationFingerprint('sri-1')), count)
    assert.deepEqual(
      order,
      Array.from({ length: count }, () => 'told')
    )
    while (order.length < 2 * count) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual([failures.map(String), Error.stackTraceLimit], [['Error: no'], stackTraceLimit])
    // And again when there is something again.
    live.add(opened, (_reason, later) => later(() => order.push('last')))
    live.close(revocationFingerprint('sri-1'))
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(order.at(-1), 'last')
  })

  test('may be held where the numbers of its fingerprint say so, until the last of it is gone', () => {
    const live = createLiveConnections()
    const signedLow = revocationKey(revocationFingerprint('sri-1')).low | 0
    assert.equal(live.mayHold(signedLow), false)
    const other = openedSession({ ...opened.session, id: 'w2' })
    const forget = [live.add(opened, () => undefined), live.add(other, () => undefined)]
    const look = (times: number): void => Array.from({ length: times }).forEach(() => live.expire(0))
    forget[0]?.()
    look(100)
    assert.equal(live.mayHold(signedLow), true)
    forget[1]?.()
    look(1)
    assert.equal(live.mayHold(signedLow), true, 'the next request comes soon')
    look(100)
    assert.equal(live.mayHold(signedLow), false)
    live.add(opened, () => undefined)
    live.close(revocationFingerprint('sri-1'))
    assert.equal(live.mayHold(signedLow), false)
  })

  test('is forgotten at the first look where very many sessions have nothing open', () => {
    const live = createLiveConnections()
    const lows: number[] = []
    for (let i = 0; i < 20_001; i++) {
      const one = openedSession({ ...opened.session, id: `w${i}`, sri: `sri ${i}` })
      lows.push(...one.keys.map(({ low }) => low | 0))
      live.add(one, () => undefined)()
    }
    assert.ok(lows.every((low) => live.mayHold(low)))
    live.expire(0)
    assert.ok(!lows.some((low) => live.mayHold(low)))
  })

  test('holds nobody who left while it was decided whether he may pass', () => {
    const live = createLiveConnections()
    const ctx = { live, upstreams: { dispatch: () => assert.fail('nobody waits for an answer') } } as unknown as GatewayContext
    const place = { application: { id: 'wiki' } } as Place
    const gone = new Duplex().destroy()
    const request = { socket: gone, headers: {} } as unknown as IncomingMessage
    const otherwise = { onError: () => assert.fail(), onEnded: () => assert.fail() }
    forward(ctx, { place, request, opened, setCookies: [], response: { destroyed: true, destroy: () => undefined } as unknown as ServerResponse }, otherwise)
    forwardWebSocket(ctx, { place, request, opened, socket: gone, head: Buffer.alloc(0) }, () => assert.fail())
    assert.equal(live.count, 0)
  })
})
