import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createRevocationList, revocationFingerprint } from '@curfew/codecs'
import { createLiveConnections } from '../../../src/gateway/live-connections.ts'
import { createEndedByProvider, senderSidsMax } from '../../../src/gateway/session/ended-by-provider.ts'
import { createEndings, senderWaitingMax, waitingMax } from '../../../src/gateway/session/endings.ts'
import { createEncryptedSealer } from '../../../src/gateway/session/sealer.ts'
import { openedSession, sessionName, sidName } from '../../../src/gateway/session/web-session.ts'
import { systemRandom } from '../../../src/platform/random.ts'
import type { EndingsReader } from '../../../src/stores/endings-log.ts'
import { createFakeClock } from '../../authority/fake-clock.ts'

const hourMs = 3_600_000

/** A gateway with what it wrote, and how it reads. */
function gateway(secret = 1, issuer = 'https://op') {
  const clock = createFakeClock()
  const live = createLiveConnections()
  const steady = { ms: 0 }
  const revocations = createRevocationList(
    (fingerprint) => live.close(fingerprint),
    () => steady.ms
  )
  const endedByProvider = createEndedByProvider(hourMs, () => steady.ms)
  const sealer = createEncryptedSealer({ secret: Buffer.alloc(32, secret), use: 'ending', maxMs: hourMs, random: systemRandom })
  const problems: unknown[] = []
  const dropped: string[] = []
  const shared = {
    sealer,
    staleMs: 10_000,
    onProblem: (error: unknown) => void problems.push(error),
    onDropped: (kind: string, count: number) => void dropped.push(`${kind} ${count}`)
  }
  const endings = createEndings({ revocations, endedByProvider, live, issuer, maxMs: hourMs, clock, steadyMs: () => steady.ms, shared })
  const written: string[] = []
  const servers = { areAway: false }
  let reader: EndingsReader | undefined
  endings.join((own) => {
    reader = own
    const append = async (_kind: string, text: string): Promise<void> => {
      if (servers.areAway) throw new Error('away')
      written.push(text)
    }
    return { append, close: async () => undefined }
  })
  const session = (id: string, startedAtMs = clock.nowMs()) =>
    openedSession({
      id,
      audience: 'a',
      issuer,
      sid: `sid-${id}`,
      subject: 'ana',
      claims: {},
      startedAtMs,
      expiresAtMs: clock.nowMs() + hourMs,
      activeAtMs: startedAtMs
    })
  return {
    clock,
    steady,
    live,
    revocations,
    endedByProvider,
    endings,
    written,
    dropped,
    servers,
    sealer,
    session,
    reader: reader ?? assert.fail('nothing was joined')
  }
}

suite('What ended at another gateway', () => {
  test('by messages that nobody signed is told for a share of one sender, which is free again once no session can be that old', async () => {
    const { endings, written, dropped, steady, endedByProvider, session } = gateway()
    for (let i = 0; i < senderSidsMax; i++) await endings.endSid(`any-${i}`, '192.0.2.1')
    assert.equal(await endings.endSid('sid-w1', '192.0.2.1'), false)
    assert.deepEqual([written.length, dropped, endedByProvider.isEnded(session('w1').session)], [senderSidsMax, ['unsigned 1'], true])
    await endings.endSid('sid-w2', '192.0.2.2')
    assert.equal(written.length, senderSidsMax + 1)
    steady.ms += hourMs
    await endings.endSid('sid-w3', '192.0.2.1')
    assert.equal(written.length, senderSidsMax + 2)
  })

  test('by messages of one sender counts for its share at every gateway', async () => {
    const [one, other] = [gateway(), gateway()]
    for (let i = 0; i < senderSidsMax; i++) await one.endings.endSid(`any-${i}`, '192.0.2.1')
    other.reader.take(one.written)
    assert.deepEqual([other.endedByProvider.hasRoomOf('192.0.2.1'), other.endedByProvider.hasRoomOf('192.0.2.2')], [false, true])
  })

  test('by messages that a gateway of a former release tells of, which does not say who sent them, counts for no share', () => {
    const { reader, sealer, clock, endedByProvider, session } = gateway()
    const sids = ['sid-w1', ...Array.from({ length: senderSidsMax + 10 }, (_, i) => `any-${i}`)]
    reader.take(sids.map((sid) => sealer.seal(JSON.stringify({ kind: 'sid', issuer: 'https://op', sid }), clock.nowMs())))
    assert.ok(endedByProvider.isEnded(session('w1').session))
    assert.ok(endedByProvider.hasRoomOf(''))
  })

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

  test('by a frame closes what is open under that session, at no more cost than the look at one name', async () => {
    const [one, other] = [gateway(), gateway()]
    const reasons: string[] = []
    for (const id of ['w1', 'w2']) other.live.add(other.session(id), (reason) => reasons.push(`${id}: ${reason}`))
    let scans = 0
    const { closeWhere } = other.live
    other.live.closeWhere = (test) => {
      scans += 1
      return closeWhere(test)
    }
    await one.endings.endSid('sid-w1', '192.0.2.1')
    other.reader.take(one.written)
    await other.endings.endSid('sid-w9', '192.0.2.1')
    assert.deepEqual([reasons, scans], [['w1: session ended'], 0])
  })

  test('in front of another provider is none of this gateway', async () => {
    const [foreign, one] = [gateway(1, 'https://other'), gateway()]
    await foreign.endings.endSubject('ana', one.clock.nowMs())
    await foreign.endings.endSid('sid-w1', '192.0.2.1')
    one.reader.take(foreign.written)
    assert.ok(!one.endedByProvider.isEnded(one.session('w1').session))
    assert.ok(!one.endedByProvider.isEnded({ ...one.session('w1').session, issuer: 'https://other' }), 'nor is it kept')
  })

  test('is remembered for as long as a session may last here, whatever that is at the other one', async () => {
    const [one, other] = [gateway(), gateway()]
    await one.endings.endSession(sidName('https://op', 'sid-w1'))
    other.clock.advance(hourMs / 2)
    other.reader.take(one.written)
    other.clock.advance(hourMs - 2_000)
    assert.ok(other.revocations.isRevoked(sidName('https://op', 'sid-w1'), other.clock.nowMs()))
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
    // Long enough that ciphertext does not hold it by chance.
    const subject = 'ana.of.payroll@example.org'
    await endings.endSubject(subject, clock.nowMs())
    assert.equal(written.length, 1)
    assert.ok(written.every((text) => !text.includes(subject) && !text.includes(revocationFingerprint(subject))))
  })
})

suite('What waits for the servers', () => {
  const unshared = { code: 'CURFEW_GATEWAY_ENDINGS_UNSHARED' }

  test('of one sender is a share of what nobody signed', async () => {
    const { endings, servers, dropped } = gateway()
    servers.areAway = true
    for (let i = 0; i < senderWaitingMax + 1; i++) await assert.rejects(endings.endSid(`any-${i}`, '192.0.2.1'), unshared)
    assert.deepEqual(dropped, ['unsigned 1'])
    await assert.rejects(endings.endSid('other', '192.0.2.2'), unshared)
    assert.deepEqual(dropped, ['unsigned 1'])
  })

  test('goes out with what was signed first; frames that anybody can load take no room from it, and what has none is counted', async () => {
    const { endings, servers, written, dropped, reader, sealer, clock, steady } = gateway()
    servers.areAway = true
    for (let i = 0; i < waitingMax.unsigned + 2; i++) await assert.rejects(endings.endSid(`any-${i}`, `192.0.2.${i % 200}`), unshared)
    await assert.rejects(endings.endSession(sessionName('w1'), clock.nowMs() + hourMs), unshared)
    assert.deepEqual(dropped, ['unsigned 1', 'unsigned 2'])
    servers.areAway = false
    reader.complete(steady.ms)
    while (written.length <= waitingMax.unsigned) await new Promise((resolve) => setImmediate(resolve))
    const [first] = written.map((text) => JSON.parse(sealer.open(text, clock.nowMs()) ?? '') as { readonly kind: string })
    assert.deepEqual([first?.kind, written.length], ['session', waitingMax.unsigned + 1])
  })

  test('has an end for what was signed, too', async () => {
    const { endings, servers, dropped, clock } = gateway()
    servers.areAway = true
    for (let i = 0; i <= waitingMax.told; i++) await endings.endSubject(`user-${i}`, clock.nowMs()).catch(() => undefined)
    assert.deepEqual(dropped, ['told 1'])
  })
})
