import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createEndedByProvider, unsignedSidsMax } from '../../../src/gateway/session/ended-by-provider.ts'
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
    const ended = createEndedByProvider(60_000)
    ended.endSubject(issuer, 'ana', nowMs + 10)
    const { sid: _, ...withoutSid } = session
    assert.ok(ended.isEnded(session) && ended.isEnded(withoutSid))
    assert.ok(!ended.isEnded({ ...session, startedAtMs: nowMs + 11 }))
    assert.ok(!ended.isEnded({ ...session, subject: 'ben' }))
  })

  test('is what that provider has given these names, and none of another', () => {
    const ended = createEndedByProvider(60_000)
    ended.endSubject(issuer, 'ana', nowMs)
    ended.endSid(issuer, 'sid-ana')
    assert.ok(!ended.isEnded({ ...session, issuer: 'https://other.example.com' }))
    assert.ok(!ended.isSidEnded('https://other.example.com', 'sid-ana'))
  })

  test('takes no more room than it has for what nobody signed, and keeps what is in use', () => {
    const ended = createEndedByProvider(60_000)
    ended.endSid(issuer, 'sid-ana')
    ended.endSid(issuer, 'sid-ben')
    for (let i = 0; i < unsignedSidsMax; i++) {
      ended.endSid(issuer, `flood-${i}`)
      if (i % 1_000 === 0) assert.ok(ended.isEnded(session), 'whoever holds the cookie is refused all the while')
    }
    assert.ok(ended.isEnded(session))
    assert.ok(!ended.isEnded({ ...session, sid: 'sid-ben' }), 'the oldest that nobody asked for gave way')
  })
})
