import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { frameGraceMs } from '../../src/core/frame-wait.ts'
import type { Peer } from '../../src/core/peer.ts'
import { lookingMsMax } from '../../src/engine/browser.ts'
import { keeperMs } from '../../src/engine/browser-keepers.ts'
import type { BrowserStep, Engine } from '../../src/engine/engine.ts'
import { probeTimeoutMs } from '../../src/engine/probe-cache.ts'
import type { BrowserAnswer } from '../../src/engine/sender.ts'
import type { ProbeResult } from '../../src/platform/outbound.ts'
import { createEngineKit, type EngineKit, hopPeer, peer, policy, soapPeer } from '../support/engine-kit.ts'
import { confirms, isDown } from '../support/scripted-sender.ts'

const ended: BrowserAnswer = { kind: 'confirmed', result: 'ended', proof: { kind: 'signed-answer', messageId: '_a', hash: 'ab'.repeat(32), signedBy: '3A' } }
const framePeer = (id: string): Peer => peer(id, [{ kind: 'frame', binding: 'redirect', url: `http://${id}.test/frame` }])

function kitOf(peers: readonly Peer[], unreachable: ReadonlySet<string> = new Set()): { readonly kit: EngineKit; readonly probed: string[] } {
  const probed: string[] = []
  const probe = async ({ peerId }: { readonly peerId: string }): Promise<ProbeResult> => {
    probed.push(peerId)
    return unreachable.has(peerId) ? { reachable: false, code: 'CURFEW_OUTBOUND_UNREACHABLE' } : { reachable: true, durationMs: 1 }
  }
  return { kit: createEngineKit({ peers, deps: { probe } }), probed }
}

const byUser = (session: { readonly id: `ses_${string}` }): Parameters<Engine['endSessions']>[0] => ({
  scope: { kind: 'session', sessionId: session.id },
  reason: 'user',
  by: { kind: 'user', id: 'ana' },
  starter: { kind: 'user' },
  browser: 'present'
})

async function begin(kit: EngineKit, peerIds: readonly string[]): Promise<`run_${string}`> {
  const session = await kit.signIn(peerIds)
  await kit.engine.start()
  const { ended: all } = await kit.engine.endSessions(byUser(session))
  await kit.clock.settle()
  return all[0]?.runId ?? 'run_'
}

function hopOf(step: BrowserStep): Extract<BrowserStep, { kind: 'hop' }> {
  assert.equal(step.kind, 'hop')
  return step as Extract<BrowserStep, { kind: 'hop' }>
}

suite('engine: the browser is sent from application to application', () => {
  test('one hop after the other, each probed right before, until everything is final', async () => {
    const { kit, probed } = kitOf([hopPeer('a'), hopPeer('b')])
    const runId = await begin(kit, ['a', 'b'])
    const first = hopOf(await kit.engine.nextBrowserStep(runId))
    assert.deepEqual(probed, ['a'])
    const messageId = kit.sender.prepared[0]?.messageId ?? ''
    assert.deepEqual(first.instruction, { method: 'redirect', url: `http://a.test/slo?SAMLRequest=${messageId}` })
    assert.equal((await kit.engine.browserAnswered('a', messageId, ended))?.id, runId)
    hopOf(await kit.engine.nextBrowserStep(runId))
    assert.deepEqual(probed, ['a', 'b'])
    await kit.engine.browserAnswered('b', kit.sender.prepared[1]?.messageId ?? '', ended)
    assert.deepEqual(await kit.engine.nextBrowserStep(runId), { kind: 'finished' })
    assert.deepEqual(await kit.outcomes(runId), { a: 'ended', b: 'ended' })
    await kit.engine.stop()
  })

  test('an application that does not answer the probe is recorded and passed over', async () => {
    const { kit } = kitOf([hopPeer('a'), hopPeer('b')], new Set(['a']))
    const runId = await begin(kit, ['a', 'b'])
    assert.equal(hopOf(await kit.engine.nextBrowserStep(runId)).delivery.peerId, 'b')
    assert.deepEqual(await kit.outcomes(runId), { a: 'unreachable', b: undefined })
    await kit.engine.stop()
  })

  test('applications that answer a bare request with a fault of their own are visited, after all others that give the browser back', async () => {
    const answers = (url: string): ProbeResult => ({ reachable: true, durationMs: 1, ...(/[ac]\.test/.test(url) ? { isDoubtful: true } : {}) })
    const peers = [hopPeer('a'), hopPeer('b'), hopPeer('c'), hopPeer('d'), { ...hopPeer('e'), returnsBrowser: false }]
    const kit = createEngineKit({ peers, deps: { probe: async ({ url }) => answers(url) } })
    const ids = ['a', 'b', 'c', 'd', 'e']
    const runId = await begin(kit, ids)
    const order: string[] = []
    for (const _ of ids) {
      order.push(hopOf(await kit.engine.nextBrowserStep(runId)).delivery.peerId)
      await kit.engine.browserAnswered(order.at(-1) ?? '', kit.sender.prepared.at(-1)?.messageId ?? '', ended)
    }
    assert.deepEqual(order, ['b', 'd', 'a', 'c', 'e'])
    assert.deepEqual(await kit.engine.nextBrowserStep(runId), { kind: 'finished' })
    await kit.engine.stop()
  })

  test('servers that take long over their fault hold nobody up: each request sends the browser somewhere, and the next one knows of them', async () => {
    const ids = ['a', 'b', 'c', 'd']
    const probed: string[] = []
    const kit = createEngineKit({
      peers: ids.map(hopPeer),
      deps: {
        probe: ({ peerId }) => {
          probed.push(peerId)
          return new Promise((resolve) => void kit.clock.after(1_400, () => resolve({ reachable: true, durationMs: 1_400, isDoubtful: true })))
        }
      }
    })
    const runId = await begin(kit, ids)
    const order: string[] = []
    for (const _ of ids) {
      const step = kit.engine.nextBrowserStep(runId)
      await kit.clock.advance(lookingMsMax + probeTimeoutMs)
      order.push(hopOf(await step).delivery.peerId)
      await kit.engine.browserAnswered(order.at(-1) ?? '', kit.sender.prepared.at(-1)?.messageId ?? '', ended)
    }
    assert.deepEqual(order, ['b', 'd', 'a', 'c'])
    assert.deepEqual(probed, ['a', 'b', 'c', 'd', 'a', 'c'])
    assert.deepEqual(await kit.engine.nextBrowserStep(runId), { kind: 'finished' })
    await kit.engine.stop()
  })

  test('an application that a browser was lost at comes last for the next one, until a browser is back from it or ten minutes have passed', async () => {
    const { kit } = kitOf([hopPeer('a'), hopPeer('b')])
    const firstOf = async (): Promise<string> => {
      const runId = await begin(kit, ['a', 'b'])
      const first = hopOf(await kit.engine.nextBrowserStep(runId)).delivery.peerId
      const answer = async (): Promise<unknown> => kit.engine.browserAnswered(first, kit.sender.prepared.at(-1)?.messageId ?? '', ended)
      if (first === 'b') await answer()
      else await kit.clock.advance(policy.hopTimeoutMs + 1)
      const second = hopOf(await kit.engine.nextBrowserStep(runId)).delivery.peerId
      await kit.engine.browserAnswered(second, kit.sender.prepared.at(-1)?.messageId ?? '', ended)
      return first
    }
    assert.equal(await firstOf(), 'a', 'nothing is known yet, and the browser is lost there')
    assert.equal(await firstOf(), 'b', 'and then it comes back from a')
    assert.equal(await firstOf(), 'a', 'lost again')
    await kit.clock.advance(keeperMs)
    assert.equal(await firstOf(), 'a')
    await kit.engine.stop()
  })

  test('what a probe found counts a few seconds for other runs', async () => {
    const { kit, probed } = kitOf([hopPeer('a')])
    for (let i = 0; i < 3; i++) hopOf(await kit.engine.nextBrowserStep(await begin(kit, ['a'])))
    assert.equal(probed.length, 1)
    await kit.clock.advance(3_000)
    hopOf(await kit.engine.nextBrowserStep(await begin(kit, ['a'])))
    assert.equal(probed.length, 2)
    await kit.engine.stop()
  })

  test('that an application was reachable a moment ago counts for nothing once it failed to answer the server', async () => {
    const unreachable = new Set<string>()
    const both = peer('a', [...soapPeer('a').channels, ...hopPeer('a').channels])
    const { kit, probed } = kitOf([both, hopPeer('b')], unreachable)
    kit.sender.script('a', isDown)
    hopOf(await kit.engine.nextBrowserStep(await begin(kit, ['a'])))
    unreachable.add('a')
    const runId = await begin(kit, ['a', 'b'])
    assert.equal(hopOf(await kit.engine.nextBrowserStep(runId)).delivery.peerId, 'b')
    assert.deepEqual(probed, ['a', 'a', 'b'])
    await kit.engine.stop()
  })

  test('that an application was down a moment ago counts for nothing once it answered the server', async () => {
    const unreachable = new Set(['a'])
    const both = peer('a', [...soapPeer('a').channels, ...hopPeer('a').channels])
    const { kit, probed } = kitOf([both], unreachable)
    kit.sender.script('a', () => ({ kind: 'unusable-answer', code: 'CURFEW_SAML_PEER_HTTP' }))
    assert.deepEqual(await kit.engine.nextBrowserStep(await begin(kit, ['a'])), { kind: 'finished' })
    unreachable.clear()
    hopOf(await kit.engine.nextBrowserStep(await begin(kit, ['a'])))
    assert.deepEqual(probed, ['a', 'a'])
    await kit.engine.stop()
  })

  test('a person who asks to try again gets a fresh look at the application', async () => {
    const unreachable = new Set(['a'])
    const { kit, probed } = kitOf([hopPeer('a')], unreachable)
    const runId = await begin(kit, ['a'])
    assert.deepEqual(await kit.engine.nextBrowserStep(runId), { kind: 'finished' })
    unreachable.clear()
    const [delivery] = (await kit.store.getRun(runId))?.deliveries ?? []
    await kit.engine.retry(runId, delivery?.id ?? 'dlv_', { kind: 'user', id: 'ana' })
    hopOf(await kit.engine.nextBrowserStep(runId))
    assert.deepEqual(probed, ['a', 'a'])
    await kit.engine.stop()
  })

  test('a browser that comes back without an answer goes on to the next application', async () => {
    const { kit } = kitOf([hopPeer('a'), hopPeer('b')])
    const runId = await begin(kit, ['a', 'b'])
    await kit.engine.nextBrowserStep(runId)
    assert.equal(hopOf(await kit.engine.nextBrowserStep(runId)).delivery.peerId, 'b')
    assert.deepEqual(await kit.outcomes(runId), { a: 'timed-out', b: undefined })
    await kit.engine.stop()
  })

  test('a browser that never comes back is given up after its time', async () => {
    const { kit } = kitOf([hopPeer('a')])
    const runId = await begin(kit, ['a'])
    await kit.engine.nextBrowserStep(runId)
    await kit.clock.advance(policy.hopTimeoutMs)
    const [delivery] = (await kit.run(runId)).deliveries
    assert.deepEqual(delivery?.outcome, { kind: 'timed-out', code: 'CURFEW_RUN_BROWSER_NO_ANSWER', attempts: 1 })
    await kit.engine.stop()
  })

  test('of two requests of one browser at once none gets a message that is not recorded', async () => {
    const { kit } = kitOf([hopPeer('a'), hopPeer('b')])
    const runId = await begin(kit, ['a', 'b'])
    const steps = await Promise.all([kit.engine.nextBrowserStep(runId), kit.engine.nextBrowserStep(runId)])
    const attempts = (await kit.run(runId)).deliveries.flatMap((delivery) => delivery.attempts.map((attempt) => attempt.messageId))
    for (const step of steps) {
      if (step.kind !== 'hop' || step.instruction.method !== 'redirect') continue
      assert.ok(attempts.includes(step.instruction.url.split('=')[1] ?? ''))
    }
    await kit.engine.stop()
  })

  test('waits while only server-to-server work is left, and is finished when patience is over', async () => {
    const { kit } = kitOf([soapPeer('a')])
    kit.sender.script('a', () => new Promise(() => {}))
    const runId = await begin(kit, ['a'])
    assert.deepEqual(await kit.engine.nextBrowserStep(runId), { kind: 'wait' })
    await kit.clock.advance(policy.patienceMs)
    assert.deepEqual(await kit.engine.nextBrowserStep(runId), { kind: 'finished' })
    // The second attempt hangs too: stopping waits until it is given up.
    const stopping = kit.engine.stop()
    await kit.clock.advance(policy.sendTimeoutMs)
    await stopping
  })

  test('a closed tab leaves nobody out that failed to answer by its server once: it is asked there again, and the browser sent nowhere', async () => {
    const both = peer('a', [...soapPeer('a').channels, ...hopPeer('a').channels])
    const { kit } = kitOf([both, hopPeer('b')])
    kit.sender.script('a', (request, nth) => (nth === 1 ? isDown() : confirms(request)))
    const runId = await begin(kit, ['a', 'b'])
    assert.equal((await kit.run(runId)).deliveries[0]?.state, 'waiting-for-browser')
    await kit.clock.advance(policy.hopTimeoutMs + policy.patienceMs + policy.retryBaseMs)
    assert.deepEqual(await kit.outcomes(runId), { a: 'ended', b: undefined })
    assert.deepEqual(
      kit.sender.sent.map(({ delivery }) => delivery.peerId),
      ['a', 'a']
    )
    assert.equal(hopOf(await kit.engine.nextBrowserStep(runId)).delivery.peerId, 'b')
    await kit.engine.stop()
  })

  test('an unknown run is finished', async () => {
    const { kit } = kitOf([])
    assert.deepEqual(await kit.engine.nextBrowserStep('run_unknown'), { kind: 'finished' })
  })

  test('a message that can not be made for the browser is recorded and passed over', async () => {
    const { kit } = kitOf([hopPeer('a')])
    kit.sender.prepareBrowser = async () => {
      throw new Error('no key')
    }
    const runId = await begin(kit, ['a'])
    assert.deepEqual(await kit.engine.nextBrowserStep(runId), { kind: 'finished' })
    assert.deepEqual((await kit.run(runId)).deliveries[0]?.outcome, { kind: 'unreachable', code: 'CURFEW_RUN_SENDER_FAILED', attempts: 1 })
    await kit.engine.stop()
  })
})

suite('engine: answers through the browser', () => {
  test('an answer belongs to the peer that was asked: another peer can not give it', async () => {
    const { kit } = kitOf([hopPeer('a'), hopPeer('b')])
    const runId = await begin(kit, ['a', 'b'])
    await kit.engine.nextBrowserStep(runId)
    const messageId = kit.sender.prepared[0]?.messageId ?? ''
    assert.equal(await kit.engine.browserAnswered('b', messageId, ended), undefined)
    assert.equal(await kit.engine.browserAnswered('a', '_unknown', ended), undefined)
    assert.deepEqual(await kit.outcomes(runId), { a: undefined, b: undefined })
    await kit.engine.stop()
  })

  test('the same answer twice changes nothing', async () => {
    const { kit } = kitOf([hopPeer('a')])
    const runId = await begin(kit, ['a'])
    await kit.engine.nextBrowserStep(runId)
    const messageId = kit.sender.prepared[0]?.messageId ?? ''
    const first = await kit.engine.browserAnswered('a', messageId, ended)
    const second = await kit.engine.browserAnswered('a', messageId, { kind: 'refused', statusCode: 'x', code: 'CURFEW_SAML_LOGOUT_REFUSED' })
    assert.equal(first?.deliveries[0]?.outcome?.kind, 'ended')
    assert.equal(second?.deliveries[0]?.outcome?.kind, 'ended')
    await kit.engine.stop()
  })
})

suite('engine: hidden frames', () => {
  test('a frame is prepared once, and only while its delivery waits for it', async () => {
    const { kit } = kitOf([framePeer('a'), hopPeer('b')])
    const runId = await begin(kit, ['a', 'b'])
    const [a, b] = (await kit.run(runId)).deliveries
    if (a === undefined || b === undefined) throw new Error('two deliveries are planned')
    assert.equal((await kit.engine.prepareFrame(runId, a.id))?.method, 'redirect')
    assert.equal(await kit.engine.prepareFrame(runId, a.id), undefined)
    assert.equal(await kit.engine.prepareFrame(runId, b.id), undefined)
    assert.equal(await kit.engine.prepareFrame('run_unknown', a.id), undefined)
    await kit.engine.browserAnswered('a', kit.sender.prepared[0]?.messageId ?? '', ended)
    assert.equal((await kit.outcomes(runId))['a'], 'ended')
    await kit.engine.stop()
  })

  test('a frame that does not answer in its time proves nothing', async () => {
    const { kit } = kitOf([framePeer('a')])
    const runId = await begin(kit, ['a'])
    const [a] = (await kit.run(runId)).deliveries
    await kit.engine.prepareFrame(runId, a?.id ?? 'dlv_')
    await kit.clock.advance(policy.frameTimeoutMs + frameGraceMs)
    assert.deepEqual(await kit.outcomes(runId), { a: 'timed-out' })
    await kit.engine.stop()
  })
})
