import { type Authority, type RunSeen } from '../harness/authority.ts'
import { isProved, runWhen } from '../harness/run-seen.ts'
import type { Truth, Visitor } from '../harness/visitor.ts'
import type { RealPeer } from '../peer.ts'
import type { HubWay, RealUpstream } from './upstream.ts'

/** What one journey works with, and where it says what it saw. */
export interface HubStage {
  readonly authority: Authority
  readonly visitor: Visitor
  readonly upstream: RealUpstream
  readonly peers: readonly RealPeer[]
  readonly user: string
  readonly way: HubWay
  check(what: string, isGood: boolean): void
  /** Adds to what the table shows for the upstream or a peer. */
  note(id: string, text: string): void
}

export interface HubJourney {
  readonly id: string
  /** What the identity provider has to be able to do. */
  readonly upstream: 'any' | 'with logout' | 'without logout'
  readonly title: string
  run(stage: HubStage): Promise<void>
}

const choiceMark = 'identityProvider='

/** Those that an identity provider can take part in; by artifact, which is a way to sign in, no more than begin and end with it. */
export function hubJourneysOf({ hasLogout }: Pick<RealUpstream, 'hasLogout'>, way: HubWay): readonly HubJourney[] {
  const possible = hubJourneys.filter(({ upstream }) => upstream === 'any' || (upstream === 'with logout') === hasLogout)
  return way === 'artifact' ? possible.filter(({ id }) => byArtifact.has(id)) : possible
}

const byArtifact: ReadonlySet<string> = new Set(['sign-in', 'from-upstream', 'from-application'])

const hubJourneys: readonly HubJourney[] = [
  { id: 'sign-in', upstream: 'any', title: 'One sign-in at the identity provider opens every application', run: signIn },
  { id: 'from-upstream', upstream: 'with logout', title: 'Logout started at the identity provider', run: fromUpstream },
  { id: 'from-application', upstream: 'with logout', title: 'Logout started at the first application', run: fromApplication },
  { id: 'start-slo', upstream: 'with logout', title: 'Logout at the authority: /sp/startSLO.ping', run: fromStartSlo },
  { id: 'cli', upstream: 'with logout', title: 'Logout by an administrator on the command line, the browser is not there', run: fromCommandLine },
  {
    id: 'unsupported',
    upstream: 'without logout',
    title: 'Logout started at the first application: the identity provider can not be asked',
    run: whileUnsupported
  },
  {
    id: 'terminatesession',
    upstream: 'without logout',
    title: '/sso/terminatesession with the sign-out page of the identity provider as page and its idpid: nobody else is told',
    run: byTerminateSession
  },
  {
    id: 'initslo',
    upstream: 'without logout',
    title: '/sso/initslo/ with the same page: every application is told, then the browser signs out there',
    run: byInitSlo
  },
  { id: 'down', upstream: 'with logout', title: 'The identity provider is down during a logout that starts at the first application', run: whileDown }
]

async function signIn(stage: HubStage): Promise<void> {
  const { upstream, peers, visitor, note } = stage
  await signInEverywhere(stage)
  for (const place of [upstream, ...peers]) note(place.id, await visitor.truthAt(place))
}

/** Follows an address that needs a sign-in to the page where the identity provider asks for it. */
async function toSignIn({ visitor, upstream }: HubStage, address: string): Promise<void> {
  await visitor.open(address, choiceMark, upstream.signInMark)
  const link = visitor.page.locator(`a[href*="identityProvider=${upstream.id}"]`)
  if ((await link.count()) > 0) await visitor.press(`a[href*="identityProvider=${upstream.id}"]`)
  await visitor.page.waitForURL((url) => url.href.startsWith(upstream.origin))
  await visitor.untilShows(upstream.signInMark)
}

async function signInEverywhere(stage: HubStage): Promise<void> {
  const { authority, visitor, upstream, peers, user, way, check } = stage
  const [first, ...others] = peers
  if (first === undefined) throw new Error('there is no application')
  await toSignIn(stage, first.protectedUrl)
  const consumer = `${authority.baseUrl}/sp/ACS.saml2`
  const brought: string[] = []
  visitor.page.on('request', (request) => request.url().startsWith(consumer) && brought.push(`${request.method()} ${request.url()}`))
  await upstream.signIn(visitor, user)
  await visitor.untilShows(first.insideMark)
  if (way === 'artifact') {
    const artifacts = brought.filter((one) => one.startsWith('GET') && one.includes('?SAMLart='))
    check(`one artifact came from ${upstream.name}, and no message: ${JSON.stringify(brought)}`, artifacts.length === 1 && !brought.some(isMessage))
  }
  for (const peer of others) {
    const html = await visitor.open(peer.protectedUrl, peer.insideMark, choiceMark)
    check(`${peer.name} opens without another sign-in`, html.includes(peer.insideMark))
  }
  for (const place of [upstream, ...peers]) check(`${place.name} knows the user`, (await visitor.truthAt(place)) === 'signed in')
}

function isMessage(request: string): boolean {
  return request.startsWith('POST') || request.includes('SAMLResponse=')
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

/** Nothing is called signed out that was not: the answer to the application says so, too. */
async function whileUnsupported(stage: HubStage): Promise<void> {
  const { visitor, peers, upstream } = stage
  const [first] = peers
  if (first === undefined) throw new Error('there is no application')
  await signInEverywhere(stage)
  await visitor.open(first.signOutUrl, first.outsideMark)
  const run = await runWhen(stage, 'every application was asked', (it) => it.state === 'done')
  await expectPlaces(stage, run, { upstream: 'signed in', application: 'signed out' })
  stage.check(
    `${upstream.name} is shown as unsupported: ${outcomeOf(run, upstream.id)}, ${run.verdict}`,
    outcomeOf(run, upstream.id) === 'unsupported' && run.verdict === 'partial'
  )
}

/** The browser goes on to the page that stands in `page`, because its host is that of the identity provider's sign-on address. */
async function byTerminateSession(stage: HubStage): Promise<void> {
  const { peers } = stage
  await signInEverywhere(stage)
  await stage.visitor.open(addressOf(stage, 'terminatesession'), stage.upstream.outsideMark)
  const run = await runWhen(stage, 'every application was asked', (it) => it.state === 'done')
  await expectPlaces(stage, run, { upstream: 'signed out', application: 'signed in' })
  for (const peer of peers) stage.check(`${peer.name} was not asked: ${outcomeOf(run, peer.id)}`, outcomeOf(run, peer.id) === 'not-asked')
  await toSignIn(stage, `${stage.authority.baseUrl}/`)
}

/** The identity provider does not confirm, so the person reads that first and goes on from there. */
async function byInitSlo(stage: HubStage): Promise<void> {
  const { visitor, upstream } = stage
  await signInEverywhere(stage)
  await visitor.open(addressOf(stage, 'initslo/'), 'Not signed out everywhere')
  await visitor.press(`a[href="${upstream.signOutUrl}"]`)
  await visitor.untilShows(upstream.outsideMark)
  const run = await runWhen(stage, 'every application was asked', (it) => it.state === 'done')
  await expectPlaces(stage, run, { upstream: 'signed out', application: 'signed out' })
  for (const peer of stage.peers) stage.check(`${peer.name} said so: ${outcomeOf(run, peer.id)}`, isProved(outcomeOf(run, peer.id)))
}

function addressOf({ authority, upstream }: HubStage, way: string): string {
  return `${authority.baseUrl}/sso/${way}?${new URLSearchParams({ page: upstream.signOutUrl, idpid: upstream.id }).toString()}`
}

async function expectPlaces(
  { visitor, upstream, peers, check, note }: HubStage,
  run: RunSeen,
  expected: { readonly upstream: Truth; readonly application: Truth }
): Promise<void> {
  for (const place of [upstream, ...peers]) {
    const [truth, wanted] = [await visitor.truthAt(place), place === upstream ? expected.upstream : expected.application]
    note(place.id, `${truth}, ${outcomeOf(run, place.id)}`)
    check(`${place.name}: ${truth} and not ${wanted}`, truth === wanted)
  }
}

/** Applications that can be told without the browser are; the identity provider waits for it and is not called signed out. */
async function fromCommandLine(stage: HubStage): Promise<void> {
  const { authority, user, check, upstream, peers, visitor, note } = stage
  await signInEverywhere(stage)
  const { code, out, err } = await authority.command('logout', '--user', user)
  check(`curfew logout ends with 0: ${out}${err}`, code === 0)
  const run = await runWhen(stage, 'those that can be told without a browser were told', (it) =>
    it.deliveries.every(({ outcome, state }) => state === 'waiting-for-browser' || outcome !== undefined)
  )
  const waiting = run.deliveries.filter(({ state }) => state === 'waiting-for-browser')
  check(
    `${upstream.name} waits for the browser: ${JSON.stringify(waiting)}`,
    waiting.some(({ peer }) => peer === upstream.id)
  )
  for (const place of [upstream, ...peers]) {
    if (waiting.every(({ peer }) => peer !== place.id)) continue
    const truth = await visitor.truthAt(place)
    note(place.id, `${truth}, open: waiting-for-browser`)
    check(`${place.name} is not called signed out and is not: ${truth}`, truth === 'signed in')
  }
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
    const run = await runWhen(stage, 'the others ended', (it) => peers.every((peer) => peer === first || isProved(outcomeOf(it, peer.id))))
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
  const run = await runWhen(stage, 'every application was asked', (it) => it.state === 'done')
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
