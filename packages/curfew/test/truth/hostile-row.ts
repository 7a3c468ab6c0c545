import assert from 'node:assert/strict'
import { countsAsSignedOut } from '../../src/core/outcome.ts'
import type { Delivery, LogoutRun } from '../../src/core/run.ts'
import { isFrontBinding } from '../../src/core/verdict.ts'
import type { Clock } from '../../src/platform/clock.ts'
import { authorityUrl } from '../authority/partner.ts'
import { behaviours, type HostileBehaviour } from './behaviour.ts'
import type { Channel } from './channels.ts'
import type { HostileWorld, Participant } from './hostile-world.ts'
import type { KeptSession } from './journal.ts'
import { expiry, type Scene, type Starter, starters } from './starter.ts'
import { createVisitor, type Visitor } from './visitor.ts'
import { enter } from './world.ts'

/** Bounds of the promise, in the product's own record. */
const othersMsMax = 3_000
const browserMsMax = 10_000

/** After so long a browser that got nowhere is called lost. */
export const lostAfterMs = 20_000

/** Headings of a page at which a logout ends. */
export const finalPage = /^(Signed out|Not signed out everywhere|You are signed out)$/

/** Kinds of starters, by what the table calls them. */
export const kinds: Readonly<Record<string, Starter>> = {
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
export interface Row {
  readonly behaviour: HostileBehaviour
  readonly kind: string
  readonly starter: Starter
  readonly hostile: Participant
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
export interface Walk {
  readonly heading: string
  /** When whoever started did so. */
  readonly pressedMs: number
  /** When the browser set out: at the press, or at its first visit where the start was without it. */
  readonly setOutMs: number
  /** The same, and of one that was led astray its next visit. */
  readonly fromMs: number
  readonly isLost: boolean
}

/** Behaviours that can hold the browser itself: nobody can be visited by it meanwhile. */
export const holding: ReadonlySet<HostileBehaviour> = new Set(['hangs', 'too slow', 'redirects elsewhere', 'never returns the browser'])

/** Signs a user in at a hostile participant, then at those who do well. */
export async function signedIn(
  around: HostileWorld,
  channel: Channel,
  who: Pick<Row, 'behaviour' | 'kind'> & { readonly user: string },
  clock: Clock
): Promise<Row> {
  const { behaviour, kind, user } = who
  const hostile = around.hostile.get(behaviour) ?? assert.fail(behaviour)
  const starter = kinds[kind] ?? assert.fail(kind)
  const upstream = channel.role === 'upstream' ? around.upstream(hostile.id) : around.upstream(starter.upstream ?? 'campus-soap')
  const hasHop = channel.kind !== 'server' || starter.isAnsweredAtOnce !== true
  const others = ['other-soap', 'other-back', ...(hasHop ? ['other-hop'] : []), ...(starter.application === undefined ? [] : [starter.application])]
  const applications = [...(channel.role === 'upstream' ? [] : [hostile.id]), ...others].map((one) => around.application(one))
  const visitor = createVisitor(around.web, { blocksThirdParties: false, clock })
  const sessions = await enter(visitor, upstream, user, applications)
  const home = (one: string): string => `http://${[...applications, upstream].find((site) => site.id === one)?.host ?? assert.fail(one)}/`
  const { world, saml } = around
  return { behaviour, kind, starter, hostile, visitor, scene: { world, user, upstream, sessions, saml, home } }
}

/** Goes to an address and wherever that leads: the heading of the page at which a browser came to rest. */
export type Go = (url: string, referer?: string) => Promise<string>

/** Starts, takes the browser along, and comes back with it where it was led astray. */
export async function carryOut({ starter, scene }: Row, go: Go, clock: Clock): Promise<Walk> {
  const pressedMs = clock.nowMs()
  await starter.act?.(scene)
  const start = starter.address?.(scene) ?? { url: `${authorityUrl}/signoff` }
  const startMs = clock.nowMs()
  const heading = await go(start.url, start.referer)
  if (finalPage.test(heading)) return { heading, pressedMs, setOutMs: startMs, fromMs: startMs, isLost: false }
  const fromMs = clock.nowMs()
  return { heading: await go(`${authorityUrl}/signoff`), pressedMs, setOutMs: startMs, fromMs, isLost: true }
}

/** The browser of these tests. */
export function goBy(visitor: Visitor, clock: Clock): Go {
  return async (url, referer) => {
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
}

export async function runOf({ scene }: Row): Promise<LogoutRun> {
  const { items } = await scene.world.kit.store.listRuns({ limit: 200 })
  return items.find(({ username }) => username === scene.user) ?? assert.fail(`no run of ${scene.user}`)
}

/** What one walk came to, for the table. */
export function recordOf(row: Row, run: LogoutRun, walk: Walk): CellRecord {
  const outcome = wordOf(deliveryOf(run, row.hostile.id))
  return {
    behaviour: row.behaviour,
    starter: row.kind,
    outcome,
    finally: outcome,
    session: sessionWord(keptOf(row, row.hostile.id)),
    told: row.starter.said?.(row.scene) ?? walk.heading,
    browser: walk.isLost ? 'at its next visit' : 'by itself'
  }
}

/** An upstream that misbehaves is told, and does not start. */
export function possibleKinds({ role }: Channel): readonly string[] {
  return Object.entries(kinds).flatMap(([kind, { upstream }]) => (role === 'upstream' && upstream !== undefined ? [] : [kind]))
}

export function possibleBehaviours({ impossible }: Channel): readonly HostileBehaviour[] {
  return behaviours.filter((one) => impossible[one] === undefined)
}

/**
 * Everybody but the hostile one is ended, and soon after the press: whoever is told by this server always, whoever is told by
 * the browser unless the hostile one holds that, and then as soon as it is free.
 * @param isKnown - the hostile one is known to hold browsers, and comes last
 */
export function wrongOfOthers(row: Row, run: LogoutRun, { pressedMs, setOutMs, fromMs }: Walk, isKnown = false): readonly string[] {
  const wrong: string[] = []
  const freeMs = isKnown || !holding.has(row.behaviour) ? setOutMs : Math.max(fromMs, ...browserEndsMs(deliveryOf(run, row.hostile.id)))
  for (const delivery of run.deliveries.filter(({ peerId }) => peerId !== row.hostile.id)) {
    const { peerId, outcome, finalAtMs = Number.POSITIVE_INFINITY } = delivery
    if (keptOf(row, peerId).isLive || outcome?.kind !== 'ended') wrong.push(`${peerId}: ${wordOf(delivery)}`)
    const tookMs = finalAtMs - (delivery.channels[0]?.kind === 'server' ? Math.min(pressedMs, run.startedAtMs) : freeMs)
    if (tookMs > othersMsMax) wrong.push(`${peerId} took ${tookMs} ms`)
  }
  const told = run.deliveries.map(({ peerId }) => peerId)
  const missing = [...row.scene.sessions.keys(), row.scene.upstream.id].filter((id) => !told.includes(id) && !isStarter(row.starter, id))
  return [...wrong, ...missing.map((id) => `${id} was not told`)]
}

/** It is at its last page in time after it set out, and whoever waits for an answer has it. */
export function wrongOfBrowser(run: LogoutRun, { heading, fromMs }: Walk, atMs: number): readonly string[] {
  const isAwaited = run.starter.kind === 'participant' && isFrontBinding(run.starter.binding)
  const lastMs = Math.max(atMs, isAwaited ? (run.starterAnsweredAtMs ?? Number.POSITIVE_INFINITY) : 0)
  const wrong = lastMs - fromMs > browserMsMax ? [`the browser waited ${lastMs - fromMs} ms`] : []
  return finalPage.test(heading) ? wrong : [...wrong, `the browser is at "${heading}"`]
}

/** The status, or the last page, is what the outcomes come to. */
export function wrongOfStarter({ starter, scene }: Row, run: LogoutRun, { heading }: Walk, atMs: number): readonly string[] {
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
export function flattery(row: Row, run: LogoutRun): readonly string[] {
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

export function deliveryOf(run: LogoutRun, peerId: string): Delivery {
  return run.deliveries.find((delivery) => delivery.peerId === peerId) ?? assert.fail(`${peerId} has no delivery`)
}

function browserEndsMs({ attempts }: Delivery): readonly number[] {
  return attempts.filter(({ channel }) => channel.kind !== 'server').map(({ endedAtMs = 0 }) => endedAtMs)
}

/** An attempt is under way or due. */
export function isBusy({ deliveries }: LogoutRun, nowMs: number): boolean {
  return deliveries.some(({ state, channels: ways, channelIndex, nextAttemptAtMs = 0 }) => {
    const isSent = state === 'sent' && ways[channelIndex]?.kind === 'server'
    return isSent || state === 'pending' || (state === 'retrying' && nextAttemptAtMs <= nowMs)
  })
}

export function wordOf({ state, outcome }: Delivery): string {
  return outcome?.kind ?? state
}

function sessionWord({ isLive, livesBehind }: KeptSession): string {
  if (isLive) return 'lives'
  return livesBehind === true ? 'ended, another behind it lives' : 'ended'
}
