import { type Authority, type RunSeen } from '../harness/authority.ts'
import type { Visitor } from '../harness/visitor.ts'
import type { RealPeer } from '../peer.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RealUpstream } from './upstream.ts'

/** What one journey works with, and where it says what it saw. */
export interface HubStage {
  readonly authority: Authority
  readonly visitor: Visitor
  readonly upstream: RealUpstream
  readonly peers: readonly RealPeer[]
  readonly user: string
  check(what: string, isGood: boolean): void
  /** Adds to what the table shows for the upstream or a peer. */
  note(id: string, text: string): void
}

export interface HubJourney {
  readonly id: string
  readonly title: string
  run(stage: HubStage): Promise<void>
}

const choiceMark = 'identityProvider='
const runMsMax = 15_000

export const hubJourneys: readonly HubJourney[] = [
  { id: 'sign-in', title: 'One sign-in at the identity provider opens every application', run: signIn },
  { id: 'from-upstream', title: 'Logout started at the identity provider', run: fromUpstream },
  { id: 'from-application', title: 'Logout started at the first application', run: fromApplication },
  { id: 'start-slo', title: 'Logout at the authority: /sp/startSLO.ping', run: fromStartSlo },
  { id: 'cli', title: 'Logout by an administrator on the command line, the browser is not there', run: fromCommandLine },
  { id: 'down', title: 'The identity provider is down during a logout that starts at the first application', run: whileDown }
]

async function signIn(stage: HubStage): Promise<void> {
  const { upstream, peers, visitor, note } = stage
  await signInEverywhere(stage)
  for (const place of [upstream, ...peers]) note(place.id, await visitor.truthAt(place))
}

async function signInEverywhere({ visitor, upstream, peers, user, check }: HubStage): Promise<void> {
  const [first, ...others] = peers
  if (first === undefined) throw new Error('there is no application')
  await visitor.open(first.protectedUrl, choiceMark, upstream.signInMark)
  const link = visitor.page.locator(`a[href*="identityProvider=${upstream.id}"]`)
  if ((await link.count()) > 0) await visitor.press(`a[href*="identityProvider=${upstream.id}"]`)
  await visitor.page.waitForURL((url) => url.href.startsWith(upstream.origin))
  await visitor.untilShows(upstream.signInMark)
  await upstream.signIn(visitor, user)
  await visitor.untilShows(first.insideMark)
  for (const peer of others) {
    const html = await visitor.open(peer.protectedUrl, peer.insideMark, choiceMark)
    check(`${peer.name} opens without another sign-in`, html.includes(peer.insideMark))
  }
  for (const place of [upstream, ...peers]) check(`${place.name} knows the user`, (await visitor.truthAt(place)) === 'signed in')
}

async function fromUpstream(stage: HubStage): Promise<void> {
  const { visitor, upstream, check } = stage
  await signInEverywhere(stage)
  await visitor.open(upstream.signOutUrl, upstream.outsideMark)
  check(`the browser is back at ${upstream.name}`, visitor.page.url().startsWith(upstream.origin))
  const run = await expectEnded(stage)
  check(`the run was started by ${upstream.name}: ${run.starter}`, run.starter === `participant:${upstream.id}`)
  check(
    `${upstream.name} was not called back`,
    run.deliveries.every(({ peer }) => peer !== upstream.id)
  )
}

async function fromApplication(stage: HubStage): Promise<void> {
  const { visitor, peers, upstream } = stage
  const [first] = peers
  if (first === undefined) throw new Error('there is no application')
  await signInEverywhere(stage)
  await visitor.open(first.signOutUrl, first.outsideMark)
  await expectUpstreamFirst(stage, await expectEnded(stage), upstream)
}

async function fromStartSlo(stage: HubStage): Promise<void> {
  await signInEverywhere(stage)
  await stage.visitor.open(`${stage.authority.baseUrl}/sp/startSLO.ping`, 'Reference run_')
  await expectUpstreamFirst(stage, await expectEnded(stage), stage.upstream)
}

/** SAML Core 3.7.3.2: the authority that the user was proxied from is asked before the applications. */
async function expectUpstreamFirst({ check }: HubStage, run: RunSeen, upstream: RealUpstream): Promise<void> {
  check(`${upstream.name} is asked first: ${run.deliveries.map(({ peer }) => peer).join(', ')}`, run.deliveries[0]?.peer === upstream.id)
}

/** Applications that can be told without the browser are; the identity provider waits for it and is not called signed out. */
async function fromCommandLine(stage: HubStage): Promise<void> {
  const { authority, user, check, upstream, visitor, note } = stage
  await signInEverywhere(stage)
  const { code, out, err } = await authority.command('logout', '--user', user)
  check(`curfew logout ends with 0: ${out}${err}`, code === 0)
  const run = await runWhen(stage, (it) => it.deliveries.every(({ peer, outcome }) => peer === upstream.id || outcome !== undefined))
  const waiting = run.deliveries.find(({ peer }) => peer === upstream.id)
  const truth = await visitor.truthAt(upstream)
  note(upstream.id, `${truth}, open: ${waiting?.state}`)
  check(`${upstream.name} waits for the browser: ${JSON.stringify(waiting)}`, waiting?.state === 'waiting-for-browser' && truth === 'signed in')
  await visitor.open(`${authority.baseUrl}/`, 'Reference run_')
  await expectEnded(stage)
}

async function whileDown(stage: HubStage): Promise<void> {
  const { visitor, peers, upstream, check, note } = stage
  const [first] = peers
  if (first === undefined) throw new Error('there is no application')
  await signInEverywhere(stage)
  await upstream.stop()
  try {
    await visitor.open(first.signOutUrl, first.outsideMark)
    const run = await runWhen(stage, (it) => peers.every((peer) => peer === first || isProved(outcomeOf(it, peer.id))))
    const outcome = outcomeOf(run, upstream.id)
    note(upstream.id, `no answer, ${outcome}`)
    check(`${upstream.name} is not called signed out: ${outcome}`, !isProved(outcome))
    for (const peer of peers) {
      const truth = await visitor.truthAt(peer)
      note(peer.id, `${truth}, ${peer === first ? 'started it' : outcomeOf(run, peer.id)}`)
      check(`${peer.name} ended all the same`, truth === 'signed out')
    }
  } finally {
    await upstream.start()
  }
}

async function expectEnded(stage: HubStage): Promise<RunSeen> {
  const { check, upstream, peers, visitor, note } = stage
  const run = await runWhen(stage, (it) => it.state === 'done')
  check(`all ended: ${JSON.stringify(run.deliveries.map(({ peer, outcome, code }) => [peer, outcome, code]))}`, run.verdict === 'all-ended')
  for (const place of [upstream, ...peers]) {
    const [truth, outcome] = [await visitor.truthAt(place), outcomeOf(run, place.id)]
    note(place.id, `${truth}, ${outcome}`)
    check(`${place.name} has no session any more (${truth}, ${outcome})`, truth === 'signed out')
  }
  return run
}

function outcomeOf(run: RunSeen, id: string): string {
  if (run.starter === `participant:${id}`) return 'started it'
  const delivery = run.deliveries.find(({ peer }) => peer === id)
  return delivery === undefined ? 'not in the run' : (delivery.outcome ?? `open: ${delivery.state}`)
}

function isProved(outcome: string): boolean {
  return outcome === 'ended' || outcome === 'already-ended'
}

async function runWhen({ authority, user }: HubStage, fits: (run: RunSeen) => boolean): Promise<RunSeen> {
  const untilMs = performance.now() + runMsMax
  let run: RunSeen | undefined
  do {
    ;[run] = await authority.runsOf(user)
    if (run !== undefined && fits(run)) return run
    await sleep(100)
  } while (performance.now() < untilMs)
  throw new Error(`the run did not come to what was waited for: ${JSON.stringify(run)}`)
}
