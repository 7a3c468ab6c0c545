import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { countsAsSignedOut } from '../../src/core/outcome.ts'
import type { Delivery, LogoutRun } from '../../src/core/run.ts'
import { isFrontBinding } from '../../src/core/verdict.ts'
import { authorityUrl } from '../authority/partner.ts'
import { behaviours as behaviourList, type HostileBehaviour } from './behaviour.ts'
import { type Channel, type ChannelId, channels } from './channels.ts'
import { createHostileWorld, type HostileWorld } from './hostile-world.ts'
import type { KeptSession } from './journal.ts'
import { expiry, type Scene, type Starter, starters } from './starter.ts'
import { createFairClock } from './shifted-clock.ts'
import { createVisitor, type Visitor } from './visitor.ts'
import { type Application, enter } from './world.ts'

/** Bounds of the promise, in the product's own record. */
const othersMsMax = 3_000
const browserMsMax = 10_000

/** After so long a browser that got nowhere is called lost. */
const lostAfterMs = 20_000

/** Headings of a page at which a logout ends. */
const finalPage = /^(Signed out|Not signed out everywhere|You are signed out)$/

/** Kinds of starters, by what the table calls them. */
const kinds: Readonly<Record<string, Starter>> = {
  'participant, front channel': starterNamed('SAML application by Redirect'),
  'participant, SOAP': starterNamed('SAML application by SOAP'),
  'user at the authority': starterNamed('the person at the authority'),
  'upstream, front channel': starterNamed('SAML provider upstream by Redirect'),
  'upstream, back channel': starterNamed('OpenID provider upstream by back channel'),
  'PingOne address': starterNamed('PingOne /sso/SLO.saml2, application'),
  administrator: starterNamed('administrator'),
  expiry
}

function starterNamed(wanted: string): Starter {
  return starters.find(({ name }) => name === wanted) ?? assert.fail(wanted)
}

/** One user who is signed in at a hostile participant and at well-behaved ones. */
interface Row {
  readonly behaviour: HostileBehaviour
  readonly kind: string
  readonly starter: Starter
  readonly hostile: Application
  readonly scene: Scene
  readonly visitor: Visitor
}

/** What a run of the table found in one cell. */
export interface CellRecord {
  readonly behaviour: HostileBehaviour
  readonly starter: string
  /** Outcome of the hostile participant when the browser was at its last page; a state where there is none yet. */
  readonly outcome: string
  /** The same when every retry is over. */
  finally: string
  /** What the participant itself kept. */
  readonly session: string
  /** What the starter was told, or the last page says. */
  readonly told: string
  readonly browser: 'by itself' | 'at its next visit'
}

/** Where a browser came to its end, and when it set out for it. */
interface Walk {
  readonly heading: string
  readonly fromMs: number
  readonly isLost: boolean
}

/** The product of one channel with every behaviour and every starter. */
export function truthOf(id: ChannelId): void {
  const channel: Channel = channels[id]
  suite(`Truth of a hostile participant by ${channel.name}`, () => {
    const clock = createFairClock()
    const records: CellRecord[] = []
    const rows: Row[] = []
    let around: HostileWorld
    let users = 0

    before(async () => {
      around = await createHostileWorld(channel, clock)
      for (const [behaviour, hostile] of around.hostile) for (const kind of Object.keys(kinds)) rows.push(await signedIn(behaviour, hostile, kind))
      await around.goDown()
      clock.beFair()
    })
    after(async () => {
      for (const { visitor } of rows) visitor.abandon()
      await around[Symbol.asyncDispose]()
      const folder = join(import.meta.dirname, '../../../../test-results/truth')
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, `${id}.json`), JSON.stringify({ id, name: channel.name, impossible: channel.impossible, records }, null, 1))
    })

    async function signedIn(behaviour: HostileBehaviour, hostile: Application, kind: string): Promise<Row> {
      users += 1
      const user = `user${users}`
      const starter = kinds[kind] ?? assert.fail(kind)
      const upstream = around.upstream(starter.upstream ?? 'campus-soap')
      const hasHop = channel.kind !== 'server' || starter.isAnsweredAtOnce !== true
      const others = ['other-soap', 'other-back', ...(hasHop ? ['other-hop'] : []), ...(starter.application === undefined ? [] : [starter.application])]
      const applications = [hostile, ...others.map((one) => around.application(one))]
      const visitor = createVisitor(around.web, { blocksThirdParties: false, clock })
      const sessions = await enter(visitor, upstream, user, applications)
      const home = (one: string): string => `http://${[...applications, upstream].find((site) => site.id === one)?.host ?? assert.fail(one)}/`
      const { world, saml } = around
      return { behaviour, kind, starter, hostile, visitor, scene: { world, user, upstream, sessions, saml, home } }
    }

    const rowOf = (behaviour: HostileBehaviour, kind: string): Row => rows.find((row) => row.behaviour === behaviour && row.kind === kind) ?? assert.fail(kind)
    const behaviours = possibleBehaviours(channel)

    suite('whoever starts', { concurrency: 12 }, () => {
      for (const behaviour of behaviours)
        for (const kind of Object.keys(kinds).filter((one) => one !== 'expiry'))
          test(`${channel.name} ${behaviour}, started by ${kind}`, async () => cell(rowOf(behaviour, kind)))
    })

    test('expiry', { concurrency: true }, async (t) => {
      clock.advance(61 * 60_000)
      await around.world.kit.ctx.engine.endExpired()
      await Promise.all(behaviours.map((behaviour) => t.test(`${channel.name} ${behaviour}, started by expiry`, async () => cell(rowOf(behaviour, 'expiry')))))
    })

    test(`${channel.name}: no outcome is better when every retry is over`, async () => settled())

    async function cell(row: Row): Promise<void> {
      const { starter, scene, hostile, behaviour, kind } = row
      const walk = await carryOut(row)
      const atMs = clock.nowMs()
      const run = await runOf(row)
      const delivery = deliveryOf(run, hostile.id)
      const said = starter.said?.(scene)
      records.push({
        behaviour,
        starter: kind,
        outcome: wordOf(delivery),
        finally: wordOf(delivery),
        session: sessionWord(keptOf(row, hostile.id)),
        told: said ?? walk.heading,
        browser: walk.isLost ? 'at its next visit' : 'by itself'
      })
      assert.deepEqual(
        [...wrongOfOthers(row, run, walk), ...wrongOfBrowser(run, walk, atMs), ...wrongOfStarter(row, run, walk, atMs), ...flattery(row, run)],
        []
      )
    }

    async function carryOut({ starter, scene, visitor }: Row): Promise<Walk> {
      await starter.act?.(scene)
      const start = starter.address?.(scene) ?? { url: `${authorityUrl}/signoff` }
      let fromMs = clock.nowMs()
      let heading = await go(visitor, start.url, start.referer)
      if (finalPage.test(heading)) return { heading, fromMs, isLost: false }
      fromMs = clock.nowMs()
      heading = await go(visitor, `${authorityUrl}/signoff`)
      return { heading, fromMs, isLost: true }
    }

    /** Heading of the page at which the browser came to rest. */
    async function go(visitor: Visitor, url: string, referer?: string): Promise<string> {
      const lost = Promise.withResolvers<string>()
      const timer = clock.after(lostAfterMs, () => lost.resolve('nowhere'))
      const landed = visitor.visit(url, referer).then(
        ({ body }) => /<h1[^>]*>([^<]*)<\/h1>/.exec(body)?.[1]?.trim() ?? '',
        (error: unknown) => String(error)
      )
      const heading = await Promise.race([landed, lost.promise])
      timer.cancel()
      return heading
    }

    async function runOf({ scene }: Row): Promise<LogoutRun> {
      const { items } = await around.world.kit.store.listRuns({ limit: 200 })
      return items.find(({ username }) => username === scene.user) ?? assert.fail(`no run of ${scene.user}`)
    }

    /** Every attempt that the defaults give to a participant is over, and nobody came out better than by its own record. */
    async function settled(): Promise<void> {
      const { kit } = around.world
      const begun = rows.filter((row) => records.some((record) => record.behaviour === row.behaviour && record.starter === row.kind))
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

function possibleBehaviours({ impossible }: Channel): readonly HostileBehaviour[] {
  return behaviourList.filter((one) => impossible[one] === undefined)
}

/** Everybody but the hostile one is ended, and soon: whoever is told by this server, at once; the others as soon as the browser is free. */
function wrongOfOthers(row: Row, run: LogoutRun, { fromMs }: Walk): readonly string[] {
  const wrong: string[] = []
  const held = browserEndsMs(deliveryOf(run, row.hostile.id))
  const freeMs = Math.max(run.startedAtMs, fromMs, ...held)
  for (const delivery of run.deliveries.filter(({ peerId }) => peerId !== row.hostile.id)) {
    const { peerId, outcome, finalAtMs = Number.POSITIVE_INFINITY } = delivery
    if (keptOf(row, peerId).isLive || outcome?.kind !== 'ended') wrong.push(`${peerId}: ${wordOf(delivery)}`)
    const tookMs = finalAtMs - (delivery.channels[0]?.kind === 'server' ? run.startedAtMs : freeMs)
    if (tookMs > othersMsMax) wrong.push(`${peerId} took ${tookMs} ms`)
  }
  const told = run.deliveries.map(({ peerId }) => peerId)
  const missing = [...row.scene.sessions.keys(), row.scene.upstream.id].filter((id) => !told.includes(id) && !isStarter(row.starter, id))
  return [...wrong, ...missing.map((id) => `${id} was not told`)]
}

/** The last thing that its page waited for came in time. */
function wrongOfBrowser(run: LogoutRun, { heading, fromMs }: Walk, atMs: number): readonly string[] {
  const ends = run.deliveries.flatMap(({ attempts }) => attempts.map(({ endedAtMs = 0 }) => endedAtMs))
  const isAwaited = run.starter.kind === 'participant' && isFrontBinding(run.starter.binding)
  const lastMs = Math.max(fromMs, ...ends.filter((ms) => ms <= atMs), isAwaited ? (run.starterAnsweredAtMs ?? Number.POSITIVE_INFINITY) : 0)
  const wrong = lastMs - fromMs > browserMsMax ? [`the browser waited ${lastMs - fromMs} ms`] : []
  return finalPage.test(heading) ? wrong : [...wrong, `the browser is at "${heading}"`]
}

/** The status, or the last page, is what the outcomes come to. */
function wrongOfStarter({ starter, scene }: Row, run: LogoutRun, { heading }: Walk, atMs: number): readonly string[] {
  const isAllEnded = (byMs: number): boolean => run.deliveries.every(({ outcome, finalAtMs = 0 }) => countsAsSignedOut(outcome) && finalAtMs <= byMs)
  if (starter.said !== undefined) {
    const owed = isAllEnded(run.starterAnsweredAtMs ?? 0) ? 'Success' : 'PartialLogout'
    const said = starter.said(scene)
    return said === owed ? [] : [`the starter was told ${String(said)} and not ${owed}`]
  }
  const saysAll = heading !== 'Not signed out everywhere'
  return saysAll === isAllEnded(atMs) ? [] : [`the last page says "${heading}"`]
}

/** Outcomes that are better than what the participant itself wrote down. */
function flattery(row: Row, run: LogoutRun): readonly string[] {
  return run.deliveries
    .filter(({ outcome, peerId }) => {
      const { isLive, livesBehind } = keptOf(row, peerId)
      return countsAsSignedOut(outcome) && (isLive || livesBehind === true)
    })
    .map(({ peerId }) => `${peerId} is called signed out and is not`)
}

function keptOf({ scene }: Row, id: string): KeptSession {
  const kept = id === scene.upstream.id ? scene.upstream.journal.ofUser(scene.user) : scene.sessions.get(id)
  return kept ?? assert.fail(id)
}

function isStarter({ isNotTold, application, upstream }: Starter, id: string): boolean {
  return isNotTold === true && (id === application || id === upstream)
}

function deliveryOf(run: LogoutRun, peerId: string): Delivery {
  return run.deliveries.find((delivery) => delivery.peerId === peerId) ?? assert.fail(`${peerId} has no delivery`)
}

function browserEndsMs({ attempts }: Delivery): readonly number[] {
  return attempts.filter(({ channel }) => channel.kind !== 'server').map(({ endedAtMs = 0 }) => endedAtMs)
}

/** An attempt is under way or due. */
function isBusy({ deliveries }: LogoutRun, nowMs: number): boolean {
  return deliveries.some(({ state, channels: ways, channelIndex, nextAttemptAtMs = 0 }) => {
    const isSent = state === 'sent' && ways[channelIndex]?.kind === 'server'
    return isSent || state === 'pending' || (state === 'retrying' && nextAttemptAtMs <= nowMs)
  })
}

function wordOf({ state, outcome }: Delivery): string {
  return outcome?.kind ?? state
}

function sessionWord({ isLive, livesBehind }: KeptSession): string {
  if (isLive) return 'lives'
  return livesBehind === true ? 'ended, another behind it lives' : 'ended'
}
