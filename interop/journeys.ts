import { described, isProved, runMsMax, runWhen } from './harness/run-seen.ts'
import { signInMark } from './harness/visitor.ts'
import type { RealPeer } from './peer.ts'
import { idleMinutes } from './harness/authority.ts'
import { canProve, compare, expectAllEnded, isAskedByServer, signInEverywhere, type Stage, standing, type Way } from './stage.ts'

export interface Journey {
  readonly id: string
  readonly title: string
  /** True when it is about what happens to one peer while another does something else. */
  readonly needsTwo: boolean
  /** `alone`: it takes a peer away from everybody. `expiry`: it takes as long as a session lives without activity. */
  readonly pace: 'together' | 'alone' | 'expiry'
  run(stage: Stage): Promise<void>
}

const success = 'urn:oasis:names:tc:SAML:2.0:status:Success'
const partialLogout = 'urn:oasis:names:tc:SAML:2.0:status:PartialLogout'
const artifactBinding = 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact'
const signedOutEverywhere = 'You are signed out everywhere'
const notEverywhere = 'Not everything is signed out'

/** The list that every peer goes through, by one way. */
export function journeysFor(
  way: Way,
  peerIds: readonly { readonly id: string; readonly name: string; readonly artifactEntityId?: string }[]
): readonly Journey[] {
  const byArtifact = peerIds.filter(({ artifactEntityId }) => way.id === 'published' && artifactEntityId !== undefined)
  const perPeer = (make: (id: string, name: string) => Journey): readonly Journey[] => peerIds.map(({ id, name }) => make(id, name))
  const disturbed = peerIds.filter(({ id }) => way.disturbs.includes(id))
  return [
    { id: 'sign-on', title: 'One sign-in opens every application', needsTwo: true, pace: 'together', run: signOn },
    ...perPeer((id, name) => ({
      id: `from-${id}`,
      title: `Logout started at ${name}`,
      needsTwo: false,
      pace: 'together',
      run: (stage) => fromPeer(stage, peerOf(stage, id))
    })),
    ...byArtifact.map(
      ({ id, name }): Journey => ({
        id: `artifact-${id}`,
        title: `Sign-in at ${name} by HTTP Artifact, then a logout at the authority`,
        needsTwo: false,
        pace: 'together',
        run: (stage) => signInByArtifact(stage, peerOf(stage, id))
      })
    ),
    { id: 'start-slo', title: 'Logout at the authority: /idp/startSLO.ping', needsTwo: false, pace: 'together', run: fromStartSlo },
    { id: 'signoff', title: 'Logout at the authority: /signoff page', needsTwo: false, pace: 'together', run: fromSignOffPage },
    { id: 'cli', title: 'Logout by an administrator on the command line, the browser is not there', needsTwo: false, pace: 'together', run: fromCommandLine },
    ...(way.hasExpiry
      ? [{ id: 'expiry', title: `Logout by expiry, after ${idleMinutes} minute without activity`, needsTwo: false, pace: 'expiry', run: byExpiry } as const]
      : []),
    ...disturbed.map(
      ({ id, name }): Journey => ({
        id: `down-${id}`,
        title: `${name} is down during the logout, then back`,
        needsTwo: true,
        pace: 'alone',
        run: (stage) => whileDown(stage, peerOf(stage, id))
      })
    ),
    ...disturbed.map(
      ({ id, name }): Journey => ({
        id: `hang-${id}`,
        title: `${name} hangs during a logout started elsewhere, then goes on`,
        needsTwo: true,
        pace: 'alone',
        run: (stage) => whileHanging(stage, peerOf(stage, id))
      })
    )
  ]
}

function peerOf({ peers }: Stage, id: string): RealPeer {
  const peer = peers.find((one) => one.id === id)
  if (peer === undefined) throw new Error(`${id} does not take part`)
  return peer
}

async function signOn(stage: Stage): Promise<void> {
  const { visitor, peers, user, check, note } = stage
  await signInEverywhere(stage)
  const names: string[] = []
  for (const peer of peers) {
    await visitor.open(peer.protectedUrl, peer.insideMark)
    names.push((await visitor.page.textContent('#name')) ?? '')
    check(`${peer.name} got the attribute mail`, (await visitor.page.textContent('#mail')) === `${user}@example.com`)
    note(peer, 'signed in')
  }
  check('no two applications know the user by the same name', new Set(names).size === peers.length && !names.includes(''))
  await stage.authority.command('logout', '--user', user, '--yes')
}

/** The peer fetches the Response itself, from server to server; the browser carries the artifact alone. */
async function signInByArtifact(stage: Stage, peer: RealPeer): Promise<void> {
  const { visitor, authority, user, check, note } = stage
  const atPeer: { readonly url: string; readonly method: string }[] = []
  visitor.page.on('request', (request) => {
    if (request.url().startsWith(peer.origin)) atPeer.push({ url: request.url(), method: request.method() })
  })
  const wish = new URLSearchParams({ PartnerSpId: peer.artifactEntityId ?? '', Binding: artifactBinding, TargetResource: peer.protectedUrl })
  await visitor.open(`${authority.baseUrl}/idp/startSSO.ping?${wish.toString()}`, signInMark)
  await visitor.signIn(user, authority.password)
  await visitor.untilShows(peer.insideMark)
  const carried = atPeer.filter(({ url }) => url.includes('SAMLart='))
  check(`one artifact went to ${peer.name}, and no message: ${JSON.stringify(atPeer)}`, carried.length === 1 && atPeer.every(({ method }) => method === 'GET'))
  check(`${peer.name} knows the user`, (await visitor.truthAt(peer)) === 'signed in')
  check(`${peer.name} got the attribute mail`, (await visitor.page.textContent('#mail')) === `${user}@example.com`)
  note(peer, 'signed in')
  await visitor.open(`${authority.baseUrl}/idp/startSLO.ping`, signedOutEverywhere, notEverywhere)
  const run = await runWhen(stage, `${peer.name} ended`, (it) => it.state === 'done')
  const { truth, outcome } = await compare(stage, run, peer)
  check(`${peer.name} has no session any more: ${outcome}`, truth === 'signed out' && outcome === 'ended')
}

async function fromPeer(stage: Stage, starter: RealPeer): Promise<void> {
  const { visitor, check, peers, way } = stage
  await signInEverywhere(stage)
  const isPartial = peers.some((peer) => !canProve(way, peer) && (peer !== starter || peer.client !== undefined))
  const html = await comeBack(stage, starter, await visitor.open(starter.signOutUrl, starter.outsideMark, notEverywhere), isPartial)
  check(`the browser is back at ${starter.name}`, visitor.page.url().startsWith(starter.origin))
  const told = starter.statusShown(html)
  const owed = isPartial ? `${success} ${partialLogout}` : success
  if (told !== undefined) check(`${starter.name} was told ${owed}, it says: ${told}`, told === owed)
  const run = await expectAllEnded(stage)
  // By OpenID the browser asks in the name of the client, which is told like the others.
  const expected = starter.client === undefined ? `participant:${starter.id}` : 'user'
  check(`the run was started by ${starter.name}: ${run.starter}`, run.starter === expected)
}

/**
 * What is not confirmed is shown before the browser goes back to an OpenID client, which could not be told. A SAML
 * partner is told: the page may say it too, but the browser goes on by itself.
 */
async function comeBack({ visitor, check }: Stage, starter: RealPeer, html: string, isPartial: boolean): Promise<string> {
  const isShown = html.includes(notEverywhere)
  if (starter.client === undefined) return isShown ? visitor.untilShows(starter.outsideMark) : html
  check('the result page shows exactly when something is not confirmed', isShown === isPartial)
  if (!isShown) return html
  await visitor.press('a.button.primary')
  return visitor.untilShows(starter.outsideMark)
}

async function fromStartSlo(stage: Stage): Promise<void> {
  await signInEverywhere(stage)
  await stage.visitor.open(`${stage.authority.baseUrl}/idp/startSLO.ping`, signedOutEverywhere, notEverywhere)
  await onResultPage(stage, resultOf(stage))
  await expectAllEnded(stage)
}

async function fromSignOffPage(stage: Stage): Promise<void> {
  const { visitor, authority } = stage
  await signInEverywhere(stage)
  await visitor.open(`${authority.baseUrl}/signoff`, 'value="everywhere"')
  await visitor.press('button[value=everywhere]')
  await onResultPage(stage, resultOf(stage))
  await expectAllEnded(stage)
}

/** What the page has to say when every application did as it was told. */
function resultOf({ peers, way }: Stage): string {
  return peers.every((peer) => canProve(way, peer)) ? signedOutEverywhere : notEverywhere
}

/** The page that does not change any more, with its one sentence. */
async function onResultPage({ visitor, check }: Stage, sentence: string): Promise<void> {
  const html = await visitor.untilShows('Reference run_')
  check(`the page says "${sentence}"`, html.includes(sentence))
}

async function fromCommandLine(stage: Stage): Promise<void> {
  const { authority, user, check } = stage
  await signInEverywhere(stage)
  const { code, out, err } = await authority.command('logout', '--user', user)
  check(`curfew logout ends with 0: ${out}${err}`, code === 0)
  await withoutBrowser(stage)
}

/** Nobody does anything: the session ends by itself, and the applications are told as by any other logout. */
async function byExpiry(stage: Stage): Promise<void> {
  await signInEverywhere(stage)
  const atMs = performance.now()
  stage.check('nothing has ended before the time is up', (await stage.authority.runsOf(stage.user)).length === 0)
  await runWhen(stage, 'the session expired', (run) => run.reason === 'idle-timeout', idleMinutes * 60_000 + runMsMax)
  stage.check('it lasted as long as it was to', performance.now() - atMs > (idleMinutes * 60 - 10) * 1_000)
  await withoutBrowser(stage)
}

/** Those that can be told from server to server are; the others wait for the browser, and are not called signed out. */
async function withoutBrowser(stage: Stage): Promise<void> {
  const { authority, peers, way, visitor, check } = stage
  const serverSide = peers.filter((peer) => isAskedByServer(way, peer) && !peer.isMuteBySoap)
  const byBrowser = peers.filter((peer) => !serverSide.includes(peer))
  if (byBrowser.length > 0) {
    const run = await runWhen(stage, 'those that can be told without a browser were told', (it) =>
      peers.every((peer) => standing(it, peer)?.state === (serverSide.includes(peer) ? 'final' : 'waiting-for-browser'))
    )
    for (const peer of serverSide) {
      const { outcome, truth } = await compare(stage, run, peer)
      check(`${peer.name} ended without the browser`, outcome === 'ended' && truth === 'signed out')
    }
    for (const peer of byBrowser) {
      const { outcome, truth } = await compare(stage, run, peer)
      check(`${peer.name} waits for the browser and is not called signed out`, outcome === 'open: waiting-for-browser')
      const obeyed = isAskedByServer(way, peer) ? 'signed out' : 'signed in'
      check(`${peer.name} is still ${obeyed}, it says: ${truth}`, truth === obeyed)
    }
    await visitor.open(`${authority.baseUrl}/`, 'Reference run_')
  }
  await expectAllEnded(stage)
}

async function whileDown(stage: Stage, down: RealPeer): Promise<void> {
  const { visitor, authority, peers, check } = stage
  await signInEverywhere(stage)
  await down.stop()
  try {
    await visitor.open(`${authority.baseUrl}/idp/startSLO.ping`, 'Reference run_')
    await onResultPage(stage, notEverywhere)
    const run = await runWhen(stage, 'the others ended', (it) => peers.every((peer) => peer === down || isProved(standing(it, peer)?.outcome ?? '')))
    for (const peer of peers) {
      const { outcome, truth } = await compare(stage, run, peer)
      if (peer === down) check(`${peer.name} is not called signed out`, !isProved(outcome))
      else check(`${peer.name} ended all the same`, truth === 'signed out')
    }
  } finally {
    await down.start()
  }
  const retry = 'form[action$="/retry"] button'
  if ((await visitor.page.locator(retry).count()) > 0) {
    await visitor.press(retry)
    await runWhen(stage, `${down.name} is asked again`, (it) => it.deliveries.some((delivery) => delivery.retryOf !== undefined))
  }
  await expectFinal(stage, down)
}

async function whileHanging(stage: Stage, hung: RealPeer): Promise<void> {
  const { visitor, authority, peers, check } = stage
  const starter = peers.find((peer) => peer !== hung)
  if (starter === undefined) throw new Error('a second peer has to start the logout')
  await signInEverywhere(stage)
  hung.hang()
  try {
    const html = await visitor.open(starter.signOutUrl, starter.outsideMark)
    const told = starter.statusShown(html)
    if (told !== undefined) check(`${starter.name} was told Success with PartialLogout, it says: ${told}`, told === `${success} ${partialLogout}`)
    const [run] = await authority.runsOf(stage.user)
    if (run === undefined) throw new Error('there is no run')
    for (const peer of peers) {
      const { outcome, truth } = await compareQuiet(stage, run, peer)
      if (peer === hung) check(`${peer.name} is not called signed out`, !isProved(outcome))
      else check(`${peer.name} ended all the same`, truth === 'signed out')
    }
  } finally {
    hung.goOn()
  }
  const run = await runWhen(stage, 'the first request was given up', (it) => standing(it, hung)?.state !== 'sent')
  if (run.state === 'done' && run.verdict !== 'all-ended') {
    const { code, out, err } = await authority.command('runs', 'retry', run.id)
    check(`curfew runs retry accepts: ${out}${err}`, code === 0 || code === 2)
    const again = await runWhen(stage, `${hung.name} is asked again`, (it) => it.state === 'done' || standing(it, hung)?.state === 'waiting-for-browser')
    if (again.state === 'open') await visitor.open(`${authority.baseUrl}/`, 'Reference run_')
  }
  await expectFinal(stage, hung)
}

/** Like {@link compare}; which of the open states it is in depends on the moment, so that only "open" is noted. */
async function compareQuiet(stage: Stage, run: Parameters<typeof compare>[1], peer: RealPeer): ReturnType<typeof compare> {
  return compare({ ...stage, note: (one, text) => stage.note(one, text.replace(/open: .*/, 'open')) }, run, peer)
}

/** Asked again, the peer is out, and the run has an outcome that is not better. */
async function expectFinal(stage: Stage, late: RealPeer): Promise<void> {
  const { visitor, check } = stage
  const run = await runWhen(stage, `${late.name} was asked again`, (it) => it.state === 'done')
  const { truth } = await compare(stage, run, late)
  check(`${late.name} has no session any more (${described(run)})`, truth === 'signed out')
  const html = await visitor.open(late.protectedUrl, signInMark, late.insideMark)
  check(`${late.name} asks for a new sign-in`, html.includes(signInMark))
}
