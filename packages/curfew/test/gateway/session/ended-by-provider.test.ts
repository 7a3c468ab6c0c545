import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createEndedByProvider, senderSidsMax, unsignedSidsMax } from '../../../src/gateway/session/ended-by-provider.ts'
import type { WebSession } from '../../../src/gateway/session/web-session.ts'

const nowMs = 1_772_438_400_000
const issuer = 'https://login.example.com'
const session: WebSession = {
  id: 'w1',
  audience: 'ACE_ws',
  issuer,
  subject: 'ana',
  sid: 'sid-ana',
  claims: {},
  startedAtMs: nowMs,
  expiresAtMs: nowMs + 60_000,
  activeAtMs: nowMs
}

suite('What the provider ended', () => {
  test('is what a user signed in to before, and not after', () => {
    const ended = createEndedByProvider(60_000, () => 0)
    ended.endSubject(issuer, 'ana', nowMs + 10)
    const { sid: _, ...withoutSid } = session
    assert.ok(ended.isEnded(session) && ended.isEnded(withoutSid))
    assert.ok(!ended.isEnded({ ...session, startedAtMs: nowMs + 11 }))
    assert.ok(!ended.isEnded({ ...session, subject: 'ben' }))
  })

  test('is what that provider has given these names, and none of another', () => {
    const ended = createEndedByProvider(60_000, () => 0)
    ended.endSubject(issuer, 'ana', nowMs)
    ended.endSid(issuer, 'sid-ana', '192.0.2.1')
    assert.ok(!ended.isEnded({ ...session, issuer: 'https://other.example.com' }))
    assert.ok(!ended.isSidEnded('https://other.example.com', 'sid-ana'))
  })

  test('takes no more room than it has for what nobody signed, and keeps what is in use', () => {
    const ended = createEndedByProvider(60_000, () => 0)
    ended.endSid(issuer, 'sid-ana', '192.0.2.1')
    ended.endSid(issuer, 'sid-ben', '192.0.2.1')
    for (let i = 0; i < unsignedSidsMax; i++) {
      ended.endSid(issuer, `flood-${i}`, `198.51.100.${i % 20}`)
      if (i % 1_000 === 0) assert.ok(ended.isEnded(session), 'whoever holds the cookie is refused all the while')
    }
    assert.ok(ended.isEnded(session))
    assert.ok(!ended.isEnded({ ...session, sid: 'sid-ben' }), 'the oldest that nobody asked for gave way')
  })
  test('by messages that nobody signed is pushed out by nobody else: one sender that sends many has a share', () => {
    const ended = createEndedByProvider(60_000, () => 0)
    ended.endSid(issuer, 'sid-ana', '192.0.2.1')
    for (let i = 0; i < 2 * unsignedSidsMax; i++) ended.endSid(issuer, `flood-${i}`, '198.51.100.7')
    assert.ok(ended.isEnded(session), 'nobody asked for it meanwhile')
    const left = Array.from({ length: 2 * unsignedSidsMax }, (_, i) => i).filter((i) => ended.isSidEnded(issuer, `flood-${i}`))
    assert.deepEqual([left.length, left[0]], [senderSidsMax, 2 * unsignedSidsMax - senderSidsMax], 'its own oldest gave way')
  })

  test('stays with who sent it first: another message about it takes nothing from it', () => {
    const ended = createEndedByProvider(60_000, () => 0)
    ended.endSid(issuer, 'sid-ana', '192.0.2.1')
    ended.endSid(issuer, 'sid-ana', '198.51.100.7')
    for (let i = 0; i < senderSidsMax; i++) ended.endSid(issuer, `flood-${i}`, '198.51.100.7')
    assert.ok(ended.isEnded(session))
  })
})
