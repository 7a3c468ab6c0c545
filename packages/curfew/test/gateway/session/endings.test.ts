import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createRevocationList, revocationFingerprint } from '@curfew/codecs'
import { createLiveConnections } from '../../../src/gateway/live-connections.ts'
import { createEndedByProvider } from '../../../src/gateway/session/ended-by-provider.ts'
import { createEndings } from '../../../src/gateway/session/endings.ts'
import { createEncryptedSealer } from '../../../src/gateway/session/sealer.ts'
import { openedSession, sessionName } from '../../../src/gateway/session/web-session.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import type { EndingsReader } from '../../../src/stores/endings-log.ts'
import { createFakeClock } from '../../authority/fake-clock.ts'

const hourMs = 3_600_000

/** A gateway with what it wrote, and how it reads. */
function gateway(secret = 1) {
  const clock = createFakeClock()
  const live = createLiveConnections()
  const steady = { ms: 0 }
  const revocations = createRevocationList(
    (fingerprint) => live.close(fingerprint),
    () => steady.ms
  )
  const endedByProvider = createEndedByProvider(hourMs)
  const sealer = createEncryptedSealer({ secret: Buffer.alloc(32, secret), use: 'ending', maxMs: hourMs, random: systemRandom })
  const problems: unknown[] = []
  const shared = { sealer, staleMs: 10_000, onProblem: (error: unknown) => void problems.push(error) }
  const endings = createEndings({ revocations, endedByProvider, live, clock, steadyMs: () => steady.ms, shared })
  const written: string[] = []
  let reader: EndingsReader | undefined
  endings.join((own) => {
    reader = own
    return { append: async (_kind, text) => void written.push(text), close: async () => undefined }
  })
  const session = (id: string, startedAtMs = clock.nowMs()) =>
    openedSession({
      id,
      audience: 'a',
      issuer: 'https://op',
      subject: 'ana',
      claims: {},
      startedAtMs,
      expiresAtMs: clock.nowMs() + hourMs,
      activeAtMs: startedAtMs
    })
  return { clock, steady, live, revocations, endedByProvider, endings, written, session, reader: reader ?? assert.fail('nothing was joined') }
}

suite('What ended at another gateway', () => {
  test('counts in any order and however often it is read: the later moment of a user stays', async () => {
    const [one, other] = [gateway(), gateway()]
    const nowMs = one.clock.nowMs()
    await one.endings.endSubject('ana', nowMs)
    await one.endings.endSubject('ana', nowMs + 2_000)
    other.reader.take(one.written)
    other.reader.take(one.written.toReversed())
    assert.ok(other.endedByProvider.isEnded(other.session('w1', nowMs + 1_000).session))
    assert.ok(!other.endedByProvider.isEnded(other.session('w2', nowMs + 3_000).session))
  })

  test('closes what is open under it', async () => {
    const [one, other] = [gateway(), gateway()]
    const reasons: string[] = []
    other.live.add(other.session('w1'), (reason) => reasons.push(reason))
    await one.endings.endSession(sessionName('w1'), one.clock.nowMs() + hourMs)
    assert.deepEqual(reasons, [])
    other.reader.take(one.written)
    assert.deepEqual(reasons, ['session ended'])
  })

  test('is not told by whoever has another secret, or none', async () => {
    const [foreign, one] = [gateway(2), gateway()]
    await foreign.endings.endSession(sessionName('w1'), one.clock.nowMs() + hourMs)
    one.reader.take([...foreign.written, 'junk', '', '{"kind":"subject","subject":"ana","atMs":9999999999999}'])
    assert.ok(!one.revocations.isRevoked(sessionName('w1'), one.clock.nowMs()))
    assert.ok(!one.endedByProvider.isEnded(one.session('w1').session))
  })

  test('is known no longer than the stated bound', () => {
    const { endings, steady, reader } = gateway()
    assert.equal(endings.isYoung(), false, 'before the first reading nothing is known')
    reader.complete(steady.ms)
    steady.ms += 10_000
    assert.equal(endings.isYoung(), true)
    steady.ms += 1
    assert.equal(endings.isYoung(), false)
  })

  test('says nothing that could be read without the secret', async () => {
    const { endings, clock, written } = gateway()
    await endings.endSubject('ana', clock.nowMs())
    assert.ok(written.every((text) => !text.includes('ana') && !text.includes(revocationFingerprint('ana'))))
  })
})
