import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { countsAsSignedOut } from '../../src/core/outcome.ts'
import type { HostileBehaviour } from './behaviour.ts'
import { type Channel, type ChannelId, channels } from './channels.ts'
import {
  type CellRecord,
  carryOut,
  deliveryOf,
  flattery,
  goBy,
  holding,
  isBusy,
  possibleBehaviours,
  possibleKinds,
  recordOf,
  type Row,
  runOf,
  signedIn,
  wordOf,
  wrongOfBrowser,
  wrongOfOthers,
  wrongOfStarter
} from './hostile-row.ts'
import { createHostileWorld, type HostileWorld } from './hostile-world.ts'
import { createFairClock } from './shifted-clock.ts'
import { slowOnesDone } from './slowness.ts'

/** The product of one channel with every behaviour and every starter. */
export function truthOf(id: ChannelId): void {
  const channel: Channel = channels[id]
  suite(`Truth of a hostile participant by ${channel.name}`, () => {
    const clock = createFairClock()
    const behaviours = possibleBehaviours(channel)
    const starting = possibleKinds(channel)
    const records: CellRecord[] = []
    const rows: Row[] = []
    /** Of people who sign out when a browser was lost there already. */
    const later: Row[] = []
    const keepers = channel.kind === 'hop' ? behaviours.filter((behaviour) => behaviour !== 'hangs' && holding.has(behaviour)) : []
    let around: HostileWorld

    before(async () => {
      around = await createHostileWorld(channel, clock)
      for (const behaviour of behaviours)
        for (const kind of starting) rows.push(await signedIn(around, channel, { behaviour, kind, user: `user${rows.length + 1}` }, clock))
      for (const behaviour of keepers)
        later.push(await signedIn(around, channel, { behaviour, kind: 'user at the authority', user: `later${later.length + 1}` }, clock))
      await around.goDown()
      clock.beFair()
    })
    after(async () => {
      for (const { visitor } of [...rows, ...later]) visitor.abandon()
      await around[Symbol.asyncDispose]()
      writeTruth(id, { id, name: channel.name, impossible: channel.impossible, starters: starting, records })
    })

    const rowOf = (behaviour: HostileBehaviour, kind: string): Row => rows.find((row) => row.behaviour === behaviour && row.kind === kind) ?? assert.fail(kind)

    suite('whoever starts', { concurrency: 12 }, () => {
      for (const behaviour of behaviours)
        for (const kind of starting.filter((one) => one !== 'expiry'))
          test(`${channel.name} ${behaviour}, started by ${kind}`, async () => cell(rowOf(behaviour, kind)))
    })

    suite('when a browser was lost there before', { concurrency: 12 }, () => {
      for (const behaviour of keepers)
        test(`${channel.name} ${behaviour}: everybody else is ended within 3 seconds of the press`, async () => {
          const row = later.find((one) => one.behaviour === behaviour) ?? assert.fail(behaviour)
          const walk = await carryOut(row, goBy(row.visitor, clock), clock)
          assert.deepEqual(wrongOfOthers(row, await runOf(row), walk, true), [])
        })
    })

    test('expiry', { concurrency: true }, async (t) => {
      clock.advance(61 * 60_000)
      await around.world.kit.ctx.engine.endExpired()
      await Promise.all(behaviours.map((behaviour) => t.test(`${channel.name} ${behaviour}, started by expiry`, async () => cell(rowOf(behaviour, 'expiry')))))
    })

    test(`${channel.name}: no outcome is better when every retry is over`, async () => settled())

    async function cell(row: Row): Promise<void> {
      const walk = await carryOut(row, goBy(row.visitor, clock), clock)
      const atMs = clock.nowMs()
      const run = await runOf(row)
      records.push(recordOf(row, run, walk))
      assert.deepEqual(
        [...wrongOfOthers(row, run, walk), ...wrongOfBrowser(run, walk, atMs), ...wrongOfStarter(row, run, walk, atMs), ...flattery(row, run)],
        []
      )
    }

    /** Every attempt that the defaults give to a participant is over, and nobody came out better than by its own record. */
    async function settled(): Promise<void> {
      const { kit } = around.world
      const begun = rows.filter((row) => records.some((record) => record.behaviour === row.behaviour && record.starter === row.kind))
      await slowOnesDone()
      for (const row of begun.filter(({ behaviour }) => behaviour === 'too slow'))
        await kit.ctx.engine.waitFor((await runOf(row)).id, (now) => countsAsSignedOut(deliveryOf(now, row.hostile.id).outcome), clock.nowMs() + 500)
      for (let i = 0; i < 4; i++) {
        clock.advance(6 * 60_000)
        await Promise.all(
          begun.map(async (row) => {
            const run = await runOf(row)
            await kit.ctx.engine.waitFor(run.id, (now) => !isBusy(now, clock.nowMs()), clock.nowMs() + 30_000)
          })
        )
      }
      const wrong: string[] = []
      for (const row of begun) {
        const run = await runOf(row)
        const record = records.find((one) => one.behaviour === row.behaviour && one.starter === row.kind)
        if (record !== undefined) record.finally = wordOf(deliveryOf(run, row.hostile.id))
        wrong.push(...flattery(row, run).map((what) => `${row.behaviour}, ${row.kind}: ${what}`))
      }
      assert.deepEqual(wrong, [])
    }
  })
}

/** What a test file found, where `tools/truth.ts` looks for it. */
export function writeTruth(id: string, found: object): void {
  const folder = join(import.meta.dirname, '../../../../test-results/truth')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${id}.json`), JSON.stringify(found, null, 1))
}
