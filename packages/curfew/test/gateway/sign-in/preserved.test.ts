import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createPreserved, preservedBytesMax, senderBytesMax } from '../../../src/gateway/sign-in/preserved.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import { createFakeClock } from '../../authority/fake-clock.ts'

const issuer = 'https://login.example.com'
const ana = { id: 'w-ana', issuer, subject: 'ana' }
const ben = { id: 'w-ben', issuer, subject: 'ben' }
const from = '192.0.2.1'
const request = { origin: 'https://wiki.example.com', path: '/', method: 'POST', contentType: 'text/plain', body: Buffer.from('x'), headers: [] }

suite('A request that waits for a sign-in', () => {
  test('is sent with the session that its own sign-in made, once', () => {
    const preserved = createPreserved({ clock: createFakeClock(), random: systemRandom })
    const name = preserved.keep(request, from)
    assert.equal(preserved.take(name, ana.id, request), 'lost', 'nobody has signed in for it here')
    preserved.bind(name, ana)
    assert.equal(preserved.take(name, ben.id, request), undefined, 'whoever has its name, but another session')
    assert.deepEqual([preserved.take(name, ana.id, request), preserved.take(name, ana.id, request)], [request, undefined])
  })

  test('is sent by nobody when it waited for two sign-ins', () => {
    const preserved = createPreserved({ clock: createFakeClock(), random: systemRandom })
    const name = preserved.keep(request, from)
    preserved.bind(name, ana)
    preserved.bind(name, ben)
    assert.deepEqual([preserved.take(name, ana.id, request), preserved.take(name, ben.id, request)], ['lost', 'lost'])
  })

  test('of somebody whose session was over is not sent in the name of another who signs in', () => {
    const preserved = createPreserved({ clock: createFakeClock(), random: systemRandom })
    const sender = { issuer, subject: 'ana' }
    const [lost, kept] = [preserved.keep({ ...request, sender }, from), preserved.keep({ ...request, sender }, from)]
    assert.equal(preserved.bind(lost, ben), false)
    assert.equal(preserved.bind(kept, { ...ana, id: 'w-ana-again' }), true)
    assert.deepEqual([preserved.take(lost, ben.id, request), preserved.take(kept, 'w-ana-again', request)], ['lost', { ...request, sender }])
  })

  test('is forgotten after five minutes', () => {
    const clock = createFakeClock()
    const preserved = createPreserved({ clock, random: systemRandom })
    const name = preserved.keep(request, from)
    preserved.bind(name, ana)
    clock.advance(300_000)
    assert.equal(preserved.take(name, ana.id, request), 'lost')
  })

  test('is pushed out by nobody else: one sender that sends many has a share', () => {
    const preserved = createPreserved({ clock: createFakeClock(), random: systemRandom })
    const name = preserved.keep(request, from)
    preserved.bind(name, ana)
    const large = { ...request, body: Buffer.alloc(preservedBytesMax) }
    const flood = Array.from({ length: 1_000 }, () => preserved.keep(large, '198.51.100.7'))
    for (const one of flood) preserved.bind(one, ben)
    assert.equal(preserved.take(name, ana.id, request), request)
    const left = flood.filter((one) => preserved.take(one, ben.id, request) !== 'lost')
    assert.equal(left.length, Math.floor(senderBytesMax / (preservedBytesMax + request.path.length + 1_024)))
    assert.equal(left.at(-1), flood.at(-1), 'its own oldest gave way')
  })
})
