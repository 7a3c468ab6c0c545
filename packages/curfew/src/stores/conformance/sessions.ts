import assert from 'node:assert/strict'
import { suite } from 'node:test'
import type { Renewal } from '../store.ts'
import { signedOn, stored, type StoreTest } from './harness.ts'
import { hourMs, sampleEnd, sampleParticipant, sampleSession, t0 } from './samples.ts'

export function sessionTests(test: StoreTest): void {
  lifeTests(test)
  activityTests(test)
  participantTests(test)
  lookUpTests(test)
  listTests(test)
}

function lifeTests(test: StoreTest): void {
  suite('sessions', () => {
    test('keeps every field of a session and leaves out what is absent', async (store) => {
      const full = sampleSession(1, { persistent: true, persistentTokenHash: 'keep-1' })
      const { userAgent: _a, address: _b, ...bare } = sampleSession(2)
      await signedOn(store, full)
      await signedOn(store, bare)
      assert.deepEqual(await store.getSession(full.id), full)
      assert.deepEqual(await store.getSession(bare.id), bare)
      assert.equal(await store.getSession('ses_unknown'), undefined)
    })

    test('opens a session once: a repeat changes nothing', async (store) => {
      const session = await signedOn(store, sampleSession(1))
      assert.equal((await store.openSession({ ...session, username: 'eve' })).value, 'exists')
      assert.deepEqual(await store.getSession(session.id), session)
      assert.equal(await store.countLiveSessions(), 1)
    })

    test('AC-015 refuses a new session at the capacity and keeps the existing ones complete', async (store) => {
      const first = await signedOn(store, sampleSession(1), [sampleParticipant('payroll', 1)])
      const second = await signedOn(store, sampleSession(2))
      assert.equal((await store.openSession(sampleSession(3))).value, 'full')
      assert.equal(await store.getSession(sampleSession(3).id), undefined)
      assert.equal((await store.openSession(first)).value, 'exists')
      assert.equal((await store.addParticipant(second.id, sampleParticipant('wiki', 2))).value, 'added')
      assert.deepEqual(await store.getSession(first.id), first)
      assert.deepEqual(await store.getParticipants(first.id), [sampleParticipant('payroll', 1)])
      await store.endSession(sampleEnd(1, first))
      assert.equal((await store.openSession(sampleSession(3))).value, 'opened')
      assert.equal((await store.openSession(sampleSession(4))).value, 'full')
    }, 2)

    test('finds a session by its tokens, the live one before an ended one', async (store) => {
      const old = await signedOn(store, sampleSession(1, { tokenHash: 'same', persistentTokenHash: 'keep', persistent: true }))
      await store.endSession(sampleEnd(1, old))
      assert.equal((await store.findSessionByToken('same'))?.id, old.id)
      const live = await signedOn(store, sampleSession(0, { tokenHash: 'same', persistentTokenHash: 'keep', persistent: true }))
      await signedOn(store, sampleSession(3))
      assert.deepEqual(await store.findSessionByToken('same'), live)
      assert.deepEqual(await store.findSessionByPersistentToken('keep'), live)
      assert.equal(await store.findSessionByToken('other'), undefined)
      assert.equal(await store.findSessionByPersistentToken('same'), undefined)
    })

    test('finds every live session of a user, oldest first, and no ended one', async (store) => {
      for (const n of [3, 1, 2]) await signedOn(store, sampleSession(n))
      await signedOn(store, sampleSession(4, { username: 'ben' }))
      await store.endSession(sampleEnd(1, await stored(store, sampleSession(2))))
      const found = await store.findByUser('form:ana')
      assert.deepEqual(
        found.map(({ id }) => id),
        [sampleSession(1).id, sampleSession(3).id]
      )
      assert.deepEqual(await store.findByUser('form:nobody'), [])
    })

    test('finds live sessions by address, whatever its case and wherever it stands, oldest first', async (store) => {
      await signedOn(store, sampleSession(3, { attributes: { mail: ['Ana@Example.org'] } }))
      await signedOn(store, sampleSession(1, { username: 'ÄNA@example.org', attributes: { email: ['other@example.org', 'ana@example.org'] } }))
      const ended = await signedOn(store, sampleSession(2))
      await signedOn(store, sampleSession(4, { username: 'ben' }))
      await store.endSession(sampleEnd(1, ended))
      const idsOf = async (address: string) => (await store.findByAddress(address)).map(({ id }) => id)
      assert.deepEqual(await idsOf('ana@example.org'), [sampleSession(1).id, sampleSession(3).id])
      assert.deepEqual(await idsOf('äna@example.org'), [sampleSession(1).id])
      assert.deepEqual(await idsOf('ben@example.org'), [sampleSession(4).id])
      assert.deepEqual(await idsOf('ana'), [])
    })
  })
}

function activityTests(test: StoreTest): void {
  suite('activity and limits', () => {
    test('moves activity forward, never back and never past the absolute limit', async (store) => {
      const session = await signedOn(store, sampleSession(0))
      assert.equal((await store.touch(session.id, t0 + 2000, t0 + 2000 + hourMs)).value, 'touched')
      const moved = await stored(store, session)
      assert.deepEqual([moved.lastActivityAtMs, moved.idleExpiresAtMs], [t0 + 2000, t0 + 2000 + hourMs])
      assert.equal((await store.touch(session.id, t0 + 1000, t0 + 1000 + hourMs)).value, 'touched')
      assert.deepEqual(await stored(store, session), moved)
      await store.touch(session.id, t0 + 7.5 * hourMs, t0 + 8.5 * hourMs)
      assert.equal((await stored(store, session)).idleExpiresAtMs, session.expiresAtMs)
      assert.equal((await stored(store, session)).version, session.version)
      assert.equal((await store.touch('ses_unknown', t0, t0)).value, 'unknown')
    })

    test('leaves an ended session as it is when it is touched', async (store) => {
      const session = await signedOn(store, sampleSession(0))
      await store.endSession(sampleEnd(1, session))
      const ended = await stored(store, session)
      assert.equal((await store.touch(session.id, t0 + hourMs, t0 + 2 * hourMs)).value, 'ended')
      assert.deepEqual(await stored(store, session), ended)
    })

    test('gives a session new cookies, and the former ones find nothing', async (store) => {
      const session = await signedOn(store, sampleSession(0, { persistent: true, persistentTokenHash: 'lasting-0' }), [sampleParticipant('payroll', 0)])
      const renewal: Renewal = {
        tokenHash: 'token-new',
        persistentTokenHash: 'lasting-new',
        persistent: true,
        device: 'shared',
        authenticatedAtMs: t0 + 5000,
        authnContext: 'urn:example:strong'
      }
      assert.equal((await store.renewSession(session.id, renewal)).value, 'renewed')
      const renewed = await stored(store, session)
      assert.deepEqual(renewed, { ...session, ...renewal, version: session.version + 1 })
      assert.deepEqual([await store.findSessionByToken('token-0'), await store.findSessionByPersistentToken('lasting-0')], [undefined, undefined])
      assert.deepEqual([await store.findSessionByToken('token-new'), await store.findSessionByPersistentToken('lasting-new')], [renewed, renewed])
      assert.equal((await store.renewSession(session.id, renewal)).value, 'renewed')
      assert.equal((await store.renewSession(session.id, { tokenHash: 'token-late', persistent: false, authenticatedAtMs: t0 + 4000 })).value, 'renewed')
      assert.deepEqual(await stored(store, session), renewed)
      assert.equal((await store.getParticipants(session.id)).length, 1)
      assert.equal((await store.endSession(sampleEnd(1, session))).value.kind, 'changed')
      await store.endSession(sampleEnd(1, renewed))
      const ended = await stored(store, session)
      assert.equal((await store.renewSession(session.id, { ...renewal, authenticatedAtMs: t0 + 9000 })).value, 'ended')
      assert.deepEqual(await stored(store, session), ended)
      assert.equal((await store.renewSession('ses_unknown', renewal)).value, 'unknown')
    })

    test('names the sessions whose idle or absolute limit has passed, the longest due first', async (store) => {
      await signedOn(store, sampleSession(1, { idleExpiresAtMs: t0 + 300, expiresAtMs: t0 + 900 }))
      await signedOn(store, sampleSession(2, { idleExpiresAtMs: t0 + 200, expiresAtMs: t0 + 900 }))
      await signedOn(store, sampleSession(3, { idleExpiresAtMs: Number.MAX_SAFE_INTEGER, expiresAtMs: t0 + 100 }))
      await signedOn(store, sampleSession(4, { idleExpiresAtMs: t0 + 400, expiresAtMs: Number.MAX_SAFE_INTEGER }))
      const due = async (nowMs: number, max = 10) => (await store.dueSessions(nowMs, max)).map(({ createdAtMs }) => createdAtMs - t0)
      assert.deepEqual(await due(t0 + 99), [])
      assert.deepEqual(await due(t0 + 300), [3, 2, 1])
      assert.deepEqual(await due(t0 + 300, 2), [3, 2])
      await store.touch(sampleSession(2).id, t0 + 199, t0 + 500)
      await store.endSession(sampleEnd(1, await stored(store, sampleSession(3))))
      assert.deepEqual(await due(t0 + 300), [1])
      assert.deepEqual(await due(t0 + 1000), [1, 4, 2])
    })
  })
}

function participantTests(test: StoreTest): void {
  suite('participants', () => {
    test('adds a participant once and moves its last issue forward', async (store) => {
      const session = await signedOn(store, sampleSession(1))
      const first = sampleParticipant('payroll', 1)
      assert.equal((await store.addParticipant(session.id, first)).value, 'added')
      assert.equal((await stored(store, session)).version, session.version + 1)
      const again = {
        ...first,
        lastIssuedAtMs: t0 + 9000,
        assertionNotOnOrAfterMs: t0 + 309_000,
        consumerUrl: 'https://payroll.example/acs2'
      }
      assert.equal((await store.addParticipant(session.id, again)).value, 'exists')
      assert.deepEqual(await store.getParticipants(session.id), [again])
      assert.equal((await store.addParticipant(session.id, first)).value, 'exists')
      assert.deepEqual(await store.getParticipants(session.id), [again])
    })

    test('lets the version grow with every change of participants and with no repeat', async (store) => {
      const session = await signedOn(store, sampleSession(1), [sampleParticipant('payroll', 1)])
      await store.addParticipant(session.id, sampleParticipant('payroll', 1))
      assert.equal((await stored(store, session)).version, session.version)
      await store.addParticipant(session.id, sampleParticipant('payroll', 1, { assertionNotOnOrAfterMs: t0 + 400_000 }))
      assert.equal((await stored(store, session)).version, session.version + 1)
      await store.addParticipant(session.id, sampleParticipant('wiki', 1))
      assert.equal((await stored(store, session)).version, session.version + 2)
    })

    test('takes no participant into an ended or unknown session, not even a known one', async (store) => {
      const known = sampleParticipant('payroll', 1)
      const session = await signedOn(store, sampleSession(1), [known])
      await store.endSession(sampleEnd(1, session, [known]))
      assert.equal((await store.addParticipant(session.id, sampleParticipant('wiki', 1))).value, 'ended')
      assert.equal((await store.addParticipant(session.id, known)).value, 'ended')
      assert.deepEqual(await store.getParticipants(session.id), [known])
      assert.equal((await store.addParticipant('ses_unknown', known)).value, 'unknown')
      assert.deepEqual(await store.getParticipants('ses_unknown'), [])
    })
  })
}

function lookUpTests(test: StoreTest): void {
  suite('look-up of participants', () => {
    test('AC-004 finds from one participant all others of the same session and none of another', async (store) => {
      const peers = ['payroll', 'wiki', 'intranet']
      for (const n of [1, 2])
        await signedOn(
          store,
          sampleSession(n),
          peers.map((peer, i) => sampleParticipant(peer, n, { addedAtMs: t0 + i }))
        )
      const found = await store.findByIndex('wiki', 'wiki-index-2')
      assert.equal(found?.session.id, sampleSession(2).id)
      const others = await store.getParticipants(sampleSession(2).id)
      assert.deepEqual(
        others.map(({ peerId, sessionIndex }) => [peerId, sessionIndex]),
        peers.map((peer) => [peer, `${peer}-index-2`])
      )
    })

    test('finds a session by an index only for the peer it was issued to, live or ended', async (store) => {
      const participant = sampleParticipant('payroll', 1)
      const session = await signedOn(store, sampleSession(1), [participant])
      assert.deepEqual(await store.findByIndex('payroll', participant.sessionIndex), { session, participant })
      assert.equal(await store.findByIndex('wiki', participant.sessionIndex), undefined)
      assert.equal(await store.findByIndex('payroll', 'payroll-index-2'), undefined)
      await store.endSession(sampleEnd(1, session, [participant]))
      assert.equal((await store.findByIndex('payroll', participant.sessionIndex))?.session.end?.runId, 'run_1')
    })

    test('of two participants with one index finds the one issued to last', async (store) => {
      const older = sampleParticipant('payroll', 1, { id: 'payroll:b', lastIssuedAtMs: t0 + 1 })
      const newer = sampleParticipant('payroll', 1, { id: 'payroll:a', lastIssuedAtMs: t0 + 2 })
      await signedOn(store, sampleSession(1), [newer, older])
      assert.equal((await store.findByIndex('payroll', older.sessionIndex))?.participant.id, 'payroll:a')
    })

    test('finds every session in which a peer knows the user by exactly this identifier', async (store) => {
      for (const n of [2, 1]) await signedOn(store, sampleSession(n), [sampleParticipant('payroll', n)])
      await signedOn(store, sampleSession(3), [sampleParticipant('payroll', 3, { nameId: { value: 'Ana@example.org' } })])
      await signedOn(store, sampleSession(4), [sampleParticipant('wiki', 4)])
      await store.endSession(sampleEnd(1, await stored(store, sampleSession(2))))
      const found = await store.findByNameId('payroll', 'ana@example.org')
      assert.deepEqual(
        found.map(({ session, participant }) => [session.id, participant.sessionIndex]),
        [
          [sampleSession(1).id, 'payroll-index-1'],
          [sampleSession(2).id, 'payroll-index-2']
        ]
      )
      assert.deepEqual(found[0]?.participant, sampleParticipant('payroll', 1))
      const exact = await store.findByNameId('payroll', 'Ana@example.org')
      assert.deepEqual(
        exact.map(({ participant }) => participant.nameId),
        [{ value: 'Ana@example.org' }]
      )
    })
  })
}

function listTests(test: StoreTest): void {
  suite('list of sessions', () => {
    test('gives pages newest first, each session once, also while sessions are added', async (store) => {
      for (let n = 1; n <= 7; n += 1) await signedOn(store, sampleSession(n, { createdAtMs: t0 + Math.floor(n / 2) }))
      const seen: string[] = []
      let cursor: string | undefined
      do {
        const page = await store.listSessions({
          limit: 3,
          nowMs: t0,
          ...(cursor !== undefined && { cursor })
        })
        seen.push(...page.items.map(({ session }) => session.id))
        cursor = page.nextCursor
        await store.openSession(sampleSession(100 + seen.length))
      } while (cursor !== undefined)
      assert.deepEqual(
        seen,
        [7, 6, 5, 4, 3, 2, 1].map((n) => sampleSession(n).id)
      )
    })

    test('has no next page after exactly the last entry', async (store) => {
      for (const n of [1, 2]) await signedOn(store, sampleSession(n))
      const page = await store.listSessions({ limit: 2, nowMs: t0 })
      assert.equal(page.items.length, 2)
      assert.equal(page.nextCursor, undefined)
    })

    test('filters by user, name, peer, state and time, alone and together', async (store) => {
      await signedOn(store, sampleSession(1), [sampleParticipant('payroll', 1), sampleParticipant('wiki', 1)])
      await signedOn(store, sampleSession(2), [sampleParticipant('wiki', 2)])
      await signedOn(store, sampleSession(3, { username: 'ben' }), [sampleParticipant('payroll', 3)])
      await signedOn(store, sampleSession(4, { idleExpiresAtMs: t0 + 10 }))
      await store.endSession(sampleEnd(1, await stored(store, sampleSession(2))))
      const list = async (filter: object) =>
        (await store.listSessions({ limit: 10, nowMs: t0 + 10, ...filter })).items.map(({ session }) => session.createdAtMs - t0)
      assert.deepEqual(await list({}), [4, 3, 2, 1])
      assert.deepEqual(await list({ userKey: 'form:ana' }), [4, 2, 1])
      assert.deepEqual(await list({ username: 'ben' }), [3])
      assert.deepEqual(await list({ peerId: 'payroll' }), [3, 1])
      assert.deepEqual(await list({ state: 'live' }), [3, 1])
      assert.deepEqual(await list({ state: 'ended' }), [2])
      assert.deepEqual(await list({ sinceMs: t0 + 2 }), [4, 3, 2])
      assert.deepEqual(await list({ username: 'ana', peerId: 'wiki', state: 'live', sinceMs: t0 }), [1])
      const [first] = (await store.listSessions({ limit: 1, nowMs: t0, peerId: 'payroll', username: 'ana' })).items
      assert.deepEqual(first?.participants, [
        { id: 'payroll:0', peerId: 'payroll' },
        { id: 'wiki:0', peerId: 'wiki' }
      ])
    })

    test('refuses a cursor that it did not hand out', async (store) => {
      await assert.rejects(store.listSessions({ limit: 1, nowMs: t0, cursor: 'nonsense' }), {
        code: 'CURFEW_STORE_CURSOR'
      })
      await assert.rejects(store.listRuns({ limit: 1, cursor: '' }), { code: 'CURFEW_STORE_CURSOR' })
    })
  })
}
