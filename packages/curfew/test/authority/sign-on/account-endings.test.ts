import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { createAccountEndings, settledMs } from '../../../src/authority/sign-on/account-endings.ts'
import type { Session } from '../../../src/core/session.ts'
import { createKit, type Kit, type KitOptions, signIn, signInTo } from '../kit.ts'

async function sessionsOf(kit: Kit, username: string): Promise<readonly Session[]> {
  return kit.store.findByUser(`local:${username}`)
}

/** A users file of which a test says who may stay, and a watch of it. */
function watched(kit: Kit, names: readonly string[] | undefined = ['ana', 'ben']) {
  const setOf = (all: readonly string[] | undefined): ReadonlySet<string> | undefined => (all === undefined ? undefined : new Set(all))
  const held = { mayStay: setOf(names) }
  const file = { mayStay: async () => held.mayStay }
  const another = () => createAccountEndings({ ...kit.ctx, file })
  const round = another()
  return {
    round,
    another,
    write(all: readonly string[] | undefined) {
      held.mayStay = setOf(all)
    },
    /** Rounds until what the file says counts. */
    async settled(rounds = [round]): Promise<number> {
      await Promise.all(rounds.map((one) => one()))
      kit.clock.advance(settledMs)
      return (await Promise.all(rounds.map((one) => one()))).reduce((sum, ended) => sum + ended, 0)
    }
  }
}

/** Ana is signed in at a partner, and ben is signed in. */
async function twoPeople(options: KitOptions = {}): Promise<Kit> {
  const kit = await createKit({ partners: { payroll: { slo: [{ binding: 'soap', url: 'https://payroll.test/slo' }] } }, ...options })
  await signInTo(kit, kit.browser(), 'payroll')
  await signIn(kit.browser(), '/', 'ben')
  return kit
}

suite('a user who is disabled or gone', () => {
  test('loses every session by one run that tells its applications, however many nodes read the file', async () => {
    await using kit = await twoPeople()
    const file = watched(kit)
    const rounds = [file.round, file.another(), file.another()]
    assert.equal(await file.settled(rounds), 0)
    const [session] = await sessionsOf(kit, 'ana')
    file.write(['ben'])
    assert.equal(await file.settled(rounds), 1)
    assert.deepEqual([(await sessionsOf(kit, 'ana')).length, (await sessionsOf(kit, 'ben')).length], [0, 1])
    const { items } = await kit.store.listRuns({ limit: 5 })
    assert.deepEqual(
      items.map(({ sessionId, reason, startedBy, deliveries }) => [sessionId, reason, startedBy, deliveries.map(({ peerId }) => peerId)]),
      [[session?.id, 'admin', { kind: 'system', id: 'users-file' }, ['payroll']]]
    )
    assert.equal(await kit.store.isRevoked(session?.sri ?? '', kit.clock.nowMs()), true)
    assert.equal(await file.round(), 0)
  })

  test('loses nothing by a file that is being written', async () => {
    await using kit = await twoPeople()
    const file = watched(kit)
    await file.settled()
    for (const names of [[], ['ben'], undefined, ['ben']]) {
      file.write(names)
      assert.equal(await file.round(), 0)
      kit.clock.advance(settledMs - 1)
      assert.equal(await file.round(), 0)
    }
    file.write(['ana', 'ben'])
    assert.equal(await file.settled(), 0)
    assert.deepEqual([(await sessionsOf(kit, 'ana')).length, (await sessionsOf(kit, 'ben')).length], [1, 1])
  })

  test('loses nothing by a file that is empty', async () => {
    await using kit = await twoPeople()
    const file = watched(kit, undefined)
    assert.equal(await file.settled(), 0)
    assert.equal((await sessionsOf(kit, 'ana')).length, 1)
  })

  test('loses the sessions also where it happened while nothing ran', async () => {
    await using kit = await twoPeople()
    assert.equal(await watched(kit, ['ben']).settled(), 1)
    assert.deepEqual([(await sessionsOf(kit, 'ana')).length, (await sessionsOf(kit, 'ben')).length], [0, 1])
  })

  test('loses them from where it failed on, and whoever leaves meanwhile does not wait for the rest', async () => {
    await using kit = await twoPeople()
    kit.clock.advance(1_000)
    let mayStay: ReadonlySet<string> = new Set(['ben'])
    const asked: (string | undefined)[] = []
    let isDown = false
    // Ben's session is on the first page, and ana's on the second.
    const pages = (await Promise.all(['ben', 'ana'].map((name) => sessionsOf(kit, name)))).map((all) => all.map((session) => ({ session, participants: [] })))
    const store = {
      ...kit.ctx.store,
      listSessions: async ({ cursor }: Parameters<typeof kit.ctx.store.listSessions>[0]) => {
        asked.push(cursor)
        if (isDown) throw new Error('the store does not answer')
        isDown = true
        return cursor === undefined ? { items: pages[0] ?? [], nextCursor: 'second' } : { items: pages[1] ?? [] }
      }
    }
    const round = createAccountEndings({ ...kit.ctx, store, file: { mayStay: async () => mayStay } })
    assert.equal(await round(), 0)
    kit.clock.advance(settledMs)
    await assert.rejects(round())
    assert.deepEqual(asked, [undefined, 'second'])
    mayStay = new Set()
    await assert.rejects(round())
    kit.clock.advance(settledMs)
    await assert.rejects(round())
    assert.equal((await sessionsOf(kit, 'ben')).length, 0, 'ben left while the store failed for the others')
    assert.equal((await sessionsOf(kit, 'ana')).length, 1)
    isDown = false
    assert.equal(await round(), 1)
    assert.equal((await sessionsOf(kit, 'ana')).length, 0)
    assert.equal(asked.filter((cursor) => cursor === undefined).length, 1, 'what was looked at is not looked at again')
  })

  test('loses them between two pages of a first look that takes long', async () => {
    await using kit = await twoPeople()
    let mayStay: ReadonlySet<string> = new Set(['ana', 'ben'])
    const left: number[] = []
    const store = {
      ...kit.ctx.store,
      // No end: every page says that there is another one.
      listSessions: async () => {
        left.push((await sessionsOf(kit, 'ben')).length)
        if (left.length === 1) mayStay = new Set(['ana'])
        else kit.clock.advance(settledMs)
        return { items: [], ...(left.length < 4 ? { nextCursor: 'more' } : {}) }
      }
    }
    const round = createAccountEndings({ ...kit.ctx, store, file: { mayStay: async () => mayStay } })
    await round()
    kit.clock.advance(settledMs)
    assert.equal(await round(), 1)
    assert.deepEqual(left, [1, 1, 0, 0])
  })

  test('does not lose what began when the file had the name again', async () => {
    await using kit = await createKit()
    let isDown = true
    const store = {
      ...kit.ctx.store,
      listSessions: async (...[query]: Parameters<typeof kit.ctx.store.listSessions>) => {
        if (isDown) throw new Error('the store does not answer')
        return kit.ctx.store.listSessions(query)
      }
    }
    let mayStay: ReadonlySet<string> = new Set(['ben'])
    const round = createAccountEndings({ ...kit.ctx, store, file: { mayStay: async () => mayStay } })
    await round()
    kit.clock.advance(settledMs)
    await assert.rejects(round())
    mayStay = new Set(['ana', 'ben'])
    await signIn(kit.browser(), '/')
    isDown = false
    assert.equal(await round(), 0)
    assert.equal((await sessionsOf(kit, 'ana')).length, 1)
  })

  test('loses them with keys that are hashed, and with those from before they were', async () => {
    await using kit = await twoPeople({ sessions: { hashUserKeys: true } })
    const { ctx } = kit
    const [key] = ctx.users.keysFor('ana')
    assert.equal((await kit.store.findByUser(key ?? 'local:')).length, 1)
    const file = watched(kit)
    await file.settled()
    file.write(['ben'])
    assert.equal(await file.settled(), 1)
    assert.equal((await kit.store.findByUser(key ?? 'local:')).length, 0)
  })

  test('loses them also in a group that was away, once it is back', async () => {
    await using kit = await twoPeople()
    const file = { mayStay: new Set(['ana', 'ben']) as ReadonlySet<string> }
    let isDown = false
    const everywhere = {
      ...kit.ctx.everywhere,
      byUser: async (...args: Parameters<typeof kit.ctx.everywhere.byUser>) => (isDown ? { found: [], unreached: ['b'] } : kit.ctx.everywhere.byUser(...args))
    }
    const round = createAccountEndings({ ...kit.ctx, everywhere, file: { mayStay: async () => file.mayStay } })
    const settled = async (): Promise<number> => {
      await round()
      kit.clock.advance(settledMs)
      return round()
    }
    assert.equal(await settled(), 0)
    file.mayStay = new Set(['ben'])
    isDown = true
    assert.equal(await settled(), 0)
    isDown = false
    assert.equal(await round(), 1, 'a group that was away is asked again')
    assert.equal((await sessionsOf(kit, 'ana')).length, 0)
  })
})
