import type { Authority, RunSeen } from './harness/authority.ts'
import { described, isProved, runWhen } from './harness/run-seen.ts'
import { type BrowserMode, signInMark, type Truth, type Visitor } from './harness/visitor.ts'
import type { LogoutBinding, RealPeer } from './peer.ts'

/** One way of logout messages, through one kind of browser. */
export interface Way {
  readonly id: string
  readonly title: string
  readonly browser: BrowserMode
  /** Bindings of each peer, in the order in which they are tried; undefined for a peer: what its metadata says, or the back channel. */
  readonly bindings: Readonly<Record<string, readonly LogoutBinding[] | undefined>>
  /** A session is left to end by itself, too. */
  readonly hasExpiry: boolean
  /** Peers that are down, or hang, in a journey of this way. */
  readonly disturbs: readonly string[]
}

/** What one journey works with, and where it says what it saw. */
export interface Stage {
  readonly way: Way
  readonly authority: Authority
  readonly visitor: Visitor
  /** In the order of the sign-in. */
  readonly peers: readonly RealPeer[]
  readonly user: string
  check(what: string, isGood: boolean): void
  /** Adds to what the matrix shows for a peer. */
  note(peer: RealPeer, text: string): void
}

/** What a run says about one peer, and what the peer says itself. */
export interface Seen {
  readonly truth: Truth
  /** Outcome; `open: <state>` while there is none; `started it` for the peer that began the logout. */
  readonly outcome: string
}

/** In the order in which they are tried. */
export function bindingsOf(way: Way, peer: RealPeer): readonly LogoutBinding[] {
  return way.bindings[peer.id] ?? (peer.client === undefined ? ['soap', 'redirect'] : ['back-channel'])
}

/** True where the first message goes from server to server. */
export function isAskedByServer(way: Way, peer: RealPeer): boolean {
  const [first] = bindingsOf(way, peer)
  return first === 'soap' || first === 'back-channel'
}

/** False where nothing can prove the logout: a frame that loaded says nothing. */
export function canProve(way: Way, peer: RealPeer): boolean {
  return !bindingsOf(way, peer).includes('front-channel')
}

/** Signs in at the first peer with the password, then opens the others: none may ask again. */
export async function signInEverywhere({ visitor, peers, user, authority, check }: Stage): Promise<void> {
  const [first, ...others] = peers
  if (first === undefined) throw new Error('there is no peer')
  await visitor.open(first.protectedUrl, signInMark)
  await visitor.signIn(user, authority.password)
  await visitor.untilShows(first.insideMark)
  for (const peer of others) {
    const html = await visitor.open(peer.protectedUrl, peer.insideMark, signInMark)
    check(`${peer.name} opens without a password`, html.includes(peer.insideMark))
  }
  for (const peer of peers) check(`${peer.name} knows the user`, (await visitor.truthAt(peer)) === 'signed in')
}

/** The delivery that stands for a peer: a repeat in place of what it repeats. */
export function standing(run: RunSeen, peer: RealPeer): RunSeen['deliveries'][number] | undefined {
  const repeated = new Set(run.deliveries.map((delivery) => delivery.retryOf))
  return run.deliveries.find((delivery) => delivery.peer === peer.id && !repeated.has(delivery.id))
}

/** Looks at a peer and at the run, notes both, and holds the run to the truth: it may know less, never more. */
export async function compare(stage: Stage, run: RunSeen, peer: RealPeer): Promise<Seen> {
  const outcome = outcomeOf(run, peer)
  const truth = await stage.visitor.truthAt(peer)
  stage.check(`${peer.name}: the run says "${outcome}", the application itself says "${truth}"`, !isProved(outcome) || truth === 'signed out')
  stage.note(peer, `${truth}, ${outcome}`)
  return { truth, outcome }
}

function outcomeOf(run: RunSeen, peer: RealPeer): string {
  if (run.starter === `participant:${peer.id}`) return 'started it'
  const delivery = standing(run, peer)
  if (delivery === undefined) return 'not in the run'
  return delivery.outcome ?? `open: ${delivery.state}`
}

/**
 * Every peer is out, every other one that can prove it did, and opening one asks for the password again. A peer by a
 * frame is never called signed out; whether it is, depends on its cookies, and is only noted.
 */
export async function expectAllEnded(stage: Stage): Promise<RunSeen> {
  const { check, peers, visitor, way } = stage
  const run = await runWhen(stage, 'every application ended', (it) => it.state === 'done')
  const isFlattering = peers.some((peer) => !canProve(way, peer) && standing(run, peer) !== undefined)
  check(`the run says what is known, no more: ${described(run)}`, run.verdict === (isFlattering ? 'partial' : 'all-ended'))
  for (const peer of peers) {
    const { truth, outcome } = await compare(stage, run, peer)
    if (canProve(way, peer)) check(`${peer.name} has no session any more`, truth === 'signed out')
    else check(`${peer.name} is not called signed out: ${outcome}`, outcome === 'unconfirmed' || outcome === 'started it')
  }
  for (const peer of peers.filter((one) => canProve(way, one))) {
    const html = await visitor.open(peer.protectedUrl, signInMark, peer.insideMark)
    check(`${peer.name} asks for a new sign-in`, html.includes(signInMark))
  }
  return run
}
