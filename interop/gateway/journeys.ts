import { setTimeout as sleep } from 'node:timers/promises'
import type { Authority, RunSeen } from '../harness/authority.ts'
import { get } from '../harness/programs.ts'
import { described, isProved, runWhen } from '../harness/run-seen.ts'
import { signInMark, type Visitor } from '../harness/visitor.ts'
import type { OpenidcWithFiles } from '../openidc/openidc.ts'
import { gatewayClientId, sessionCookieName, type Guarded, type GuardedPlace } from './guarded.ts'

/** What one journey works with, and where it says what it saw. */
export interface GatewayStage {
  readonly authority: Authority
  readonly visitor: Visitor
  readonly guarded: Guarded
  readonly peer: OpenidcWithFiles
  readonly user: string
  check(what: string, isGood: boolean): void
  /** Adds to what the table shows for a place. */
  note(id: string, text: string): void
}

export interface GatewayJourney {
  readonly id: string
  readonly title: string
  run(stage: GatewayStage): Promise<void>
}

/** What somebody would have who kept the cookies of this browser, and the session of mod_auth_openidc. */
interface Kept {
  readonly cookies: ReadonlyMap<GuardedPlace, string>
  readonly session: string
}

const waitMsMax = 60_000
const reference = 'Reference run_'
const notEverywhere = 'Not everything is signed out'

export const gatewayJourneys: readonly GatewayJourney[] = [
  { id: 'sign-in', title: 'One sign-in opens all three', run: signIn },
  { id: 'from-gateway', title: 'Logout at the gateway: /pa/oidc/logout of the host behind its proxy', run: (stage) => fromGateway(stage, 0) },
  { id: 'from-nginx', title: 'Logout at the gateway: /pa/oidc/logout of the host behind nginx', run: (stage) => fromGateway(stage, 1) },
  { id: 'from-openidc', title: 'Logout at mod_auth_openidc', run: fromPeer },
  { id: 'signoff', title: 'Logout at the authority: /signoff', run: fromSignOffPage },
  { id: 'start-slo', title: 'Logout at the authority: /idp/startSLO.ping', run: fromStartSlo },
  { id: 'cli', title: 'Logout by an administrator on the command line, the browser is not there', run: fromCommandLine },
  { id: 'down', title: 'mod_auth_openidc is down during a logout at the gateway, then back', run: whilePeerIsDown }
]

async function signIn(stage: GatewayStage): Promise<void> {
  await signInEverywhere(stage, 'gateway')
  for (const { id, ...place } of [...stage.guarded.places, stage.peer]) stage.note(id, await stage.visitor.truthAt(place))
}

/** With the password at one of them, without at the others. */
async function signInEverywhere(stage: GatewayStage, first: 'gateway' | 'mod_auth_openidc'): Promise<Kept> {
  const { visitor, guarded, peer, user, authority, check } = stage
  const before = peer.sessionsCached()
  const [opened, ...others] = first === 'gateway' ? [...guarded.places, peer] : [peer, ...guarded.places]
  if (opened === undefined) throw new Error('there is no application')
  await visitor.open(opened.protectedUrl, signInMark)
  await visitor.signIn(user, authority.password)
  await visitor.untilShows(opened.insideMark)
  for (const place of others) {
    const html = await visitor.open(place.protectedUrl, place.insideMark, signInMark)
    check(`${place.name} opens without a password`, html.includes(place.insideMark))
  }
  for (const place of [...guarded.places, peer]) check(`${place.name} knows the user`, (await visitor.truthAt(place)) === 'signed in')
  for (const place of guarded.places) {
    const html = await visitor.open(place.protectedUrl, place.insideMark)
    check(`${place.name} was told who it is`, html.includes(`<b id="name">${user}</b>`))
  }
  const [session, ...more] = [...peer.sessionsCached()].filter((name) => !before.has(name))
  if (session === undefined || more.length > 0) throw new Error(`${peer.name} made ${more.length + (session === undefined ? 0 : 1)} sessions in its cache`)
  const cookies = await Promise.all(guarded.places.map(async (place) => [place, await cookieOf(visitor, place)] as const))
  return { cookies: new Map(cookies), session }
}

/** The session of the gateway alone: a sign-in that begins has cookies, too. */
async function cookieOf({ page }: Visitor, { protectedUrl }: GuardedPlace): Promise<string> {
  const cookies = await page.context().cookies(protectedUrl)
  return cookies.flatMap(({ name, value }) => (name === sessionCookieName ? [`${name}=${value}`] : [])).join('; ')
}

async function fromGateway(stage: GatewayStage, which: 0 | 1): Promise<void> {
  const { visitor, guarded, check } = stage
  const kept = await signInEverywhere(stage, 'gateway')
  const place = guarded.places[which]
  await toSignOut(stage, place)
  check(`${place.name} cleared its cookie`, (await cookieOf(visitor, place)) === '')
  await expectEnded(stage, kept)
}

/** An authority of another site may ask the person first; one that is sure of it goes on by itself. */
async function toSignOut({ visitor }: GatewayStage, place: GuardedPlace): Promise<void> {
  const question = 'value="everywhere"'
  const html = await visitor.open(place.signOutUrl, reference, question)
  if (!html.includes(question)) return
  await visitor.press('button[value=everywhere]')
  await visitor.untilShows(reference)
}

async function fromPeer(stage: GatewayStage): Promise<void> {
  const { visitor, peer, check } = stage
  const kept = await signInEverywhere(stage, 'mod_auth_openidc')
  // The pictures of the gateway prove nothing, so the person reads that first and goes on from there.
  const html = await visitor.open(peer.signOutUrl, peer.outsideMark, notEverywhere)
  check('the page says that not everything is known to be signed out', html.includes(notEverywhere))
  await visitor.press('a.button.primary')
  await visitor.untilShows(peer.outsideMark)
  check(`the browser is back at ${peer.name}`, visitor.page.url().startsWith(peer.origin))
  await expectEnded(stage, kept)
}

async function fromSignOffPage(stage: GatewayStage): Promise<void> {
  const { visitor, authority } = stage
  const kept = await signInEverywhere(stage, 'gateway')
  await visitor.open(`${authority.baseUrl}/signoff`, 'value="everywhere"')
  await visitor.press('button[value=everywhere]')
  await visitor.untilShows(reference)
  await expectEnded(stage, kept)
}

async function fromStartSlo(stage: GatewayStage): Promise<void> {
  const kept = await signInEverywhere(stage, 'mod_auth_openidc')
  await stage.visitor.open(`${stage.authority.baseUrl}/idp/startSLO.ping`, reference)
  await expectEnded(stage, kept)
}

/** Nobody loads the pictures: the gateway refuses all the same, by the list of the authority. */
async function fromCommandLine(stage: GatewayStage): Promise<void> {
  const { authority, user, visitor, guarded, check } = stage
  const kept = await signInEverywhere(stage, 'mod_auth_openidc')
  const { code, out, err } = await authority.command('logout', '--user', user)
  check(`curfew logout ends with 0: ${out}${err}`, code === 0)
  const run = await runWhen(
    stage,
    'the applications were asked',
    ({ deliveries }) => deliveries.every(({ peer, state }) => state === (peer === gatewayClientId ? 'waiting-for-browser' : 'final')),
    waitMsMax
  )
  check(`the run says what is known, no more: ${described(run)}`, run.state === 'open')
  await expectRefused(stage, run, kept)
  // The cookies are still there: what is refused is what they stand for.
  for (const place of guarded.places) check(`${place.name} still has its cookie`, (await cookieOf(visitor, place)) === kept.cookies.get(place))
  await visitor.open(`${authority.baseUrl}/`, reference)
  await expectEnded(stage, kept)
}

/** Nothing is called signed out that was not: until it is back and has said so. */
async function whilePeerIsDown(stage: GatewayStage): Promise<void> {
  const { visitor, guarded, peer, check, note } = stage
  const kept = await signInEverywhere(stage, 'gateway')
  const [place] = guarded.places
  await peer.stop()
  try {
    await toSignOut(stage, place)
    const run = await runWhen(stage, 'it was tried', ({ deliveries }) => deliveries.some((one) => one.peer === peer.id && one.attempts.length > 0), waitMsMax)
    const outcome = outcomeOf(run, peer.id)
    note(peer.id, `no answer, ${outcome}`)
    check(`${peer.name} is not called signed out: ${outcome}`, !isProved(outcome))
    check(`${peer.name} still has the session`, peer.sessionsCached().has(kept.session))
    for (const one of guarded.places) check(`${one.name} refuses, whatever became of the others`, await refuses(one, kept))
  } finally {
    await peer.start()
  }
  await expectEnded(stage, kept)
  check(`${peer.name} asks for a new sign-in`, (await visitor.open(peer.protectedUrl, signInMark, peer.insideMark)).includes(signInMark))
}

/**
 * Every place is out. The run says so of mod_auth_openidc, which answered, and not of the gateway: a picture that was
 * loaded proves nothing.
 */
async function expectEnded(stage: GatewayStage, kept: Kept): Promise<RunSeen> {
  const { check, visitor, guarded } = stage
  const run = await runWhen(stage, 'every application was asked', ({ state }) => state === 'done', waitMsMax)
  await expectRefused(stage, run, kept)
  check(`the run says what is known, no more: ${described(run)}`, run.verdict === 'partial')
  for (const place of guarded.places) {
    const html = await visitor.open(place.protectedUrl, signInMark, place.insideMark)
    check(`${place.name} asks for a new sign-in`, html.includes(signInMark))
  }
  return run
}

/** Refused with the cookies of the browser and with those that somebody kept, and out of the cache of mod_auth_openidc. */
async function expectRefused(stage: GatewayStage, run: RunSeen, kept: Kept): Promise<void> {
  const { check, visitor, guarded, peer, note } = stage
  for (const place of guarded.places) {
    check(`${place.name} refuses the cookie from before`, await refuses(place, kept))
    const [truth, outcome] = [await visitor.truthAt(place), outcomeAt(run, place)]
    note(place.id, `${truth}, ${outcome}`)
    check(`${place.name} refuses this browser: ${truth}`, truth === 'signed out')
    check(`${place.name} is not called signed out by a picture: ${outcome}`, !isProved(outcome))
  }
  const [truth, outcome] = [await visitor.truthAt(peer), outcomeOf(run, peer.id)]
  note(peer.id, `${truth}, ${outcome}`)
  check(`${peer.name} has no session any more (${truth}, ${outcome})`, truth === 'signed out')
  check(`${peer.name} said so: ${outcome}`, isProved(outcome))
  check(`the cache of ${peer.name} has no session any more`, !peer.sessionsCached().has(kept.session))
}

/** The list of the authority arrives by itself: it is waited for, and nothing else happens meanwhile. */
async function refuses({ protectedUrl }: GuardedPlace, { cookies }: Kept): Promise<boolean> {
  const cookie = [...cookies].find(([place]) => place.protectedUrl === protectedUrl)?.[1] ?? ''
  const untilMs = performance.now() + waitMsMax
  do {
    const { status } = await get(protectedUrl, { accept: 'text/html', cookie })
    if (status >= 300 && status < 400) return true
    await sleep(50)
  } while (performance.now() < untilMs)
  return false
}

/** The gateway takes part once for every host where it was used; a delivery shows which by the address that it went to. */
function outcomeAt(run: RunSeen, { origin }: GuardedPlace): string {
  const own = run.deliveries.filter(({ peer }) => peer === gatewayClientId)
  const found = own.find(({ attempts }) => attempts.some(({ url }) => url.startsWith(`${origin}/`))) ?? own.find(({ attempts }) => attempts.length === 0)
  return found === undefined ? 'not in the run' : (found.outcome ?? `open: ${found.state}`)
}

function outcomeOf(run: RunSeen, id: string): string {
  const delivery = run.deliveries.find(({ peer }) => peer === id)
  return delivery === undefined ? 'not in the run' : (delivery.outcome ?? `open: ${delivery.state}`)
}
