import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type EndingPort, type EndRequest, endSessions, type PlannedEnding } from '../../src/core/end-sessions.ts'
import type { Session } from '../../src/core/session.ts'
import { participant, peer, policy, server } from './samples.ts'

const session = (id: string, version = 1): Session =>
  ({
    id: `ses_${id}`,
    version,
    userKey: 'local:ana',
    username: 'ana',
    sri: `sri ${id}`,
    tokenHash: `token ${id}`,
    expiresAtMs: 50_000_000
  }) as unknown as Session

function port(more: Partial<EndingPort> = {}): EndingPort & { readonly committed: PlannedEnding[] } {
  const committed: PlannedEnding[] = []
  let n = 0
  return {
    committed,
    policy,
    revocationMs: 1_000,
    registryMs: 2_000,
    read: async (id) => ({ session: session(id.slice(4)), participants: [participant('a')] }),
    sessionsOf: async () => [session('1'), session('2')],
    commit: async (ending) => {
      committed.push(ending)
      return { kind: 'ended' }
    },
    peer: (id) => peer(id, [server]),
    newRunId: () => `run_${(n += 1)}`,
    newDeliveryId: () => `dlv_${(n += 1)}`,
    nowMs: () => 1_000,
    ...more
  }
}

const request: EndRequest = {
  scope: { kind: 'session', sessionId: 'ses_1' },
  reason: 'admin',
  by: { kind: 'admin', id: 'ops' },
  starter: { kind: 'none' },
  browser: 'absent'
}

suite('The one ending', () => {
  for (const [revokesOnLogout, isCapable, isPartial, isListed] of [
    [true, true, false, true],
    [true, false, false, true],
    [false, true, false, true],
    [false, false, false, false],
    [true, true, true, false],
    [false, true, true, false]
  ] as const)
    test(`AC-073 AC-075 tracking ${revokesOnLogout ? 'on' : 'off'}, a client ${isCapable ? 'with' : 'without'} PingAccess Logout Capable, ${isPartial ? 'a partial logout' : 'an SLO'}: ${isListed ? 'an' : 'no'} SRI entry`, async () => {
      const picture = isCapable ? { picturePath: '/pa/oidc/logout.png' } : {}
      const p = port({ revokesOnLogout, peer: (id) => ({ ...peer(id, [server]), ...picture }) })
      await endSessions(p, { ...request, ...(isPartial ? { isPartial } : {}) })
      assert.equal(p.committed[0]?.revokedUntilMs !== undefined, isListed)
    })

  test('plans session end, revocation, run and effects as one commit', async () => {
    const p = port()
    const summary = await endSessions(p, request)
    const [ending] = p.committed
    assert.equal(summary.ended[0]?.runId, ending?.run.id)
    assert.equal(ending?.end.runId, ending?.run.id)
    assert.equal(ending?.revokedUntilMs, 50_000_000)
    assert.deepEqual(
      ending?.effects.map((e) => e.kind),
      ['send', 'wake']
    )
  })

  test('AC-070 keeps a partial logout off the revocation list, and no other ending', async () => {
    for (const [more, isListed] of [
      [{ isLocal: true, isPartial: true }, false],
      [{ isLocal: true }, true],
      [{ onlyPeers: ['b'] }, true]
    ] as const) {
      const p = port()
      await endSessions(p, { ...request, ...more })
      assert.equal(p.committed[0]?.revokedUntilMs !== undefined, isListed, JSON.stringify(more))
    }
  })

  test('plans again when the session changed meanwhile', async () => {
    let round = 0
    const p = port({ commit: async () => ((round += 1) < 3 ? { kind: 'changed' } : { kind: 'ended' }) })
    assert.equal((await endSessions(p, request)).ended.length, 1)
    assert.equal(round, 3)
  })

  test('names the run that ended the session before', async () => {
    const p = port({
      read: async () => ({
        session: { ...session('1'), end: { atMs: 1, reason: 'user', by: { kind: 'user', id: 'ana' }, runId: 'run_OLD' } },
        participants: []
      })
    })
    assert.deepEqual((await endSessions(p, request)).already, [{ sessionId: 'ses_1', runId: 'run_OLD' }])
  })

  test('a user scope ends all sessions but the one excepted', async () => {
    const summary = await endSessions(port(), { ...request, scope: { kind: 'user', userKey: 'local:ana', except: 'ses_1' } })
    assert.deepEqual(
      summary.ended.map((e) => e.sessionId),
      ['ses_2']
    )
  })

  test('a session without participants is done at once and gets its receipt', async () => {
    const p = port({ read: async () => ({ session: session('1'), participants: [] }) })
    await endSessions(p, request)
    assert.equal(p.committed[0]?.run.state, 'done')
    assert.deepEqual(
      p.committed[0]?.effects.map((e) => e.kind),
      ['receipt']
    )
  })

  test('no other source file makes the fact that a session ended', () => {
    const root = fileURLToPath(new URL('../../src', import.meta.url))
    const makers = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && /^(engine|authority|admin|cli)\//.test(path))
      .filter((path) => /\bstore\.endSession\(/.test(readFileSync(join(root, path), 'utf8')))
    assert.deepEqual(makers, ['engine/endings.ts'])
  })
})
