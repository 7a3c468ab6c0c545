import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { planDeliveries } from '../../src/core/planner.ts'
import { byParticipant, deliveryIds, frame, hop, participant, peer, server } from './samples.ts'

function plan(peers: readonly ReturnType<typeof peer>[], more: Partial<Parameters<typeof planDeliveries>[0]> = {}) {
  return planDeliveries({
    participants: peers.map((p) => participant(p.id)),
    peer: (id) => peers.find((p) => p.id === id),
    starter: { kind: 'user' },
    newDeliveryId: deliveryIds(),
    atMs: 5,
    browserGoneAtMs: 9_005,
    ...more
  })
}

suite('Planner', () => {
  test('asks all server channels at once', () => {
    const { deliveries, effects } = plan([peer('a', [server]), peer('b', [server]), peer('c', [hop])])
    assert.deepEqual(
      deliveries.map((d) => d.state),
      ['pending', 'pending', 'waiting-for-browser']
    )
    assert.deepEqual(
      effects.map((e) => [e.kind, e.dueAtMs]),
      [
        ['send', 5],
        ['send', 5]
      ]
    )
  })

  test('prefers server, then frame, then hop, whatever the configured order', () => {
    assert.deepEqual(
      plan([peer('a', [hop, frame, server])]).deliveries[0]?.channels.map((c) => c.kind),
      ['server', 'frame', 'hop']
    )
  })

  test('watches whether the browser comes where it was wanted first and a server could be asked', () => {
    const { deliveries, effects } = plan([peer('a', [server, hop]), peer('b', [hop])], { preferredBinding: 'redirect' })
    assert.deepEqual(
      deliveries.map(({ state, nextAttemptAtMs }) => [state, nextAttemptAtMs]),
      [
        ['waiting-for-browser', 9_005],
        ['waiting-for-browser', undefined]
      ]
    )
    assert.deepEqual(effects, [{ kind: 'wake', dueAtMs: 9_005 }])
  })

  test('puts applications that may keep the browser last', () => {
    const { deliveries } = plan([peer('keeper', [hop], { returnsBrowser: false }), peer('a', [hop]), peer('b', [hop])])
    assert.deepEqual(
      deliveries.map((d) => d.peerId),
      ['a', 'b', 'keeper']
    )
  })

  test('AC-003 a participant without logout is shown as unsupported, never left out', () => {
    const { deliveries } = plan([peer('a', [])])
    assert.deepEqual(deliveries[0]?.outcome, { kind: 'unsupported', code: 'CURFEW_RUN_NO_CHANNEL' })
  })

  test('a participant whose connection is gone is unsupported', () => {
    assert.deepEqual(plan([], { participants: [participant('gone')] }).deliveries[0]?.outcome, { kind: 'unsupported', code: 'CURFEW_RUN_PEER_UNKNOWN' })
  })

  test('AC-144 a connection without IdP-initiated logout is not asked, and that is shown', () => {
    assert.deepEqual(plan([peer('a', [server], { mayBeAsked: false })]).deliveries[0]?.outcome, { kind: 'not-asked', code: 'CURFEW_RUN_PROFILE_OFF' })
  })

  test('the participant that started is told nothing', () => {
    const { deliveries } = plan([peer('a', [server]), peer('b', [server])], { starter: byParticipant('a') })
    assert.deepEqual(
      deliveries.map((d) => d.peerId),
      ['b']
    )
  })

  test('a partial logout by choice shows the others as not asked', () => {
    const { deliveries } = plan([peer('a', [server]), peer('b', [server])], { onlyPeers: ['a'] })
    assert.equal(deliveries.find((d) => d.peerId === 'b')?.outcome?.kind, 'not-asked')
  })

  const offline = { ...participant('a'), id: 'a:offline:1' as const, grant: 'offline' as const }

  test('an offline grant survives, is shown, and can be ended later', () => {
    const { deliveries, effects } = plan([peer('a', [])], { participants: [offline] })
    assert.deepEqual(deliveries[0]?.outcome, { kind: 'not-asked', code: 'CURFEW_RUN_OFFLINE_GRANT' })
    assert.deepEqual(
      deliveries[0]?.channels.map(({ binding }) => binding),
      ['grant']
    )
    assert.deepEqual(effects, [])
  })

  test('an offline grant is ended where its peer or the request says so, whatever the peer can be asked', () => {
    for (const [ends, more] of [
      [{ endsOfflineGrants: true }, {}],
      [{ mayBeAsked: false }, { endOfflineGrants: true }]
    ] as const) {
      const { deliveries } = plan([peer('a', [hop], ends)], { participants: [offline], ...more })
      assert.deepEqual(
        deliveries.map(({ state, grant, channels }) => [state, grant, channels.map(({ binding }) => binding)]),
        [['pending', 'offline', ['grant']]]
      )
    }
  })

  test('an ending that is local, or leaves the peer out, leaves its grants alone', () => {
    for (const more of [{ isLocal: true }, { onlyPeers: ['b'] }] as const) {
      const { deliveries, effects } = plan([peer('a', [hop])], { participants: [offline], endOfflineGrants: true, ...more })
      assert.deepEqual([deliveries[0]?.outcome?.kind, effects], ['not-asked', []])
    }
  })
})
