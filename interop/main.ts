import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { findProgram } from '../tools/system-deps.ts'
import { expressOpenidConnect } from './express-openid-connect/express-openid-connect.ts'
import { type Authority, startAuthority } from './harness/authority.ts'
import { sendsThirdPartyCookies } from './harness/cookie-proof.ts'
import { freePorts } from './harness/ports.ts'
import type { Programs } from './harness/programs.ts'
import { runInterop } from './harness/run.ts'
import { walkJourney } from './harness/walk.ts'
import { type Journey, journeysFor } from './journeys.ts'
import { bindingsText, browserNames, type JourneyResult, matrixPage } from './matrix.ts'
import { mellon } from './mellon/mellon.ts'
import { openidClient } from './openid-client/openid-client.ts'
import { openidc } from './openidc/openidc.ts'
import type { PeerKind, RealPeer } from './peer.ts'
import { simplesamlphp } from './simplesamlphp/simplesamlphp.ts'
import { bindingsOf, type Way } from './stage.ts'

/** `npm run interop [-- --only=<journey>] [-- --way=<way>]`: real service providers and relying parties of others, real browser, real logouts. */
const kinds: readonly PeerKind[] = [mellon, simplesamlphp, openidc, openidClient, expressOpenidConnect]

const usual = { browser: 'usual', hasExpiry: false } as const
const saml = ['mellon', 'simplesamlphp']
const front = { openidc: ['front-channel'] } as const
const byBrowser = { mellon: ['redirect'], simplesamlphp: ['redirect'] } as const
const ways: readonly Way[] = [
  {
    ...usual,
    id: 'published',
    title: 'As their metadata says',
    bindings: {},
    hasExpiry: true,
    disturbs: [...saml, 'openidc', 'openid-client', 'express-oidc']
  },
  { ...usual, id: 'redirect', title: 'SAML through the browser only', bindings: byBrowser, disturbs: saml },
  {
    ...usual,
    id: 'mixed',
    title: 'SAML once from server to server, once through the browser',
    bindings: { mellon: ['soap', 'redirect'], simplesamlphp: ['post'] },
    disturbs: saml
  },
  { ...usual, id: 'front', title: 'OpenID by the front channel', bindings: front, hasExpiry: true, disturbs: ['openidc'] },
  {
    id: 'no-cookies',
    title: 'Everything through a browser that refuses third-party cookies',
    browser: 'no-third-party-cookies',
    hasExpiry: true,
    bindings: { ...byBrowser, ...front },
    disturbs: []
  },
  {
    id: 'no-scripts',
    title: 'Everything through a browser without scripts',
    browser: 'no-scripts',
    hasExpiry: true,
    bindings: { mellon: ['redirect'], simplesamlphp: ['post'], ...front },
    disturbs: []
  }
]

/** The whole run is given up after this. */
const totalMsMax = 900_000
const usersPerRun = 120
/** Journeys that walk at the same time, where none takes a peer away. */
const togetherMax = 3
/** So many of one way that failed are walked once more. */
const walksAgainMax = 3

interface World {
  readonly authority: Authority
  readonly peers: readonly RealPeer[]
  readonly browser: Browser
  readonly users: Iterator<string>
}

function option(name: string): string | undefined {
  return process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3)
}

async function main(programs: Programs, folder: string): Promise<boolean> {
  const skipped = kinds.flatMap((kind) => {
    const why = kind.missing()
    return why === undefined ? [] : [`${kind.name}: ${why}`]
  })
  const able = kinds.filter((kind) => kind.missing() === undefined)
  const executablePath = findProgram(['chromium-headless-shell', 'chromium', 'google-chrome'])
  for (const line of skipped) console.log(`skip  ${line}`)
  if (executablePath === undefined || able.length === 0) {
    console.log(`skip  everything: ${executablePath === undefined ? 'no Chromium' : 'no peer'} on this machine`)
    console.log('0 passed, 0 failed, everything skipped')
    return true
  }
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--host-resolver-rules=MAP *.localhost 127.0.0.1'] })
  try {
    for (const mode of ['usual', 'no-third-party-cookies'] as const) {
      if ((await sendsThirdPartyCookies(browser, mode)) !== (mode === 'usual')) throw new Error(`the browser mode "${mode}" is not what its name says`)
    }
    const world = await setUp(programs, folder, able, browser)
    const results = await walkAll(world, skipped)
    const isWhole = skipped.length === 0 && option('only') === undefined && option('way') === undefined
    if (isWhole) writeMatrix(world, results)
    const failed = results.filter((result) => !result.isGood).length
    const unsteady = results.filter((result) => result.unsteady !== undefined)
    for (const { journey, way, unsteady: text } of unsteady) console.log(`UNSTEADY ${journey.title}, ${way.title}: ${text}`)
    const more = [...(skipped.length === 0 ? [] : [`${skipped.length} skipped`]), ...(unsteady.length === 0 ? [] : [`${unsteady.length} unsteady`])]
    console.log([`${results.length - failed} passed, ${failed} failed`, ...more].join(', '))
    return failed === 0
  } finally {
    await browser.close()
  }
}

/** The authority first: its metadata is what the peers trust. Then the peers, whose metadata it reads. */
async function setUp(programs: Programs, folder: string, able: readonly PeerKind[], browser: Browser): Promise<World> {
  const [port = 0, adminPort = 0, ...peerPorts] = await freePorts(2 + able.length)
  const users = Array.from({ length: usersPerRun }, (_, i) => `user${i + 1}`)
  const hosts = able.flatMap((kind) => kind.hosts)
  const authority = await startAuthority({ folder: join(folder, 'authority'), port, adminPort, programs, users, hosts })
  console.log(`Curfew          ${authority.baseUrl}`)
  const authorityMetadata = await authority.metadata()
  const peers = await Promise.all(
    able.map((kind, i) =>
      kind.launch({ folder: join(folder, kind.id), port: peerPorts[i] ?? 0, programs, authorityMetadata, authorityEntityId: authority.baseUrl })
    )
  )
  for (const peer of peers) {
    if (peer.metadata !== undefined && 'text' in peer.metadata) writeFileSync(join(authority.folder, 'peers', `${peer.id}.xml`), peer.metadata.text)
    console.log(`${peer.name.padEnd(15)} ${peer.origin}  ${peer.version}`)
  }
  return { authority, peers, browser, users: users.values() }
}

async function walkAll(world: World, skipped: string[]): Promise<readonly JourneyResult[]> {
  const results: JourneyResult[] = []
  const { authority, peers } = world
  const onlyOne = peers.length < 2
  for (const way of ways.filter((one) => option('way') === undefined || one.id === option('way'))) {
    const wanted = journeysFor(way, peers).filter((journey) => option('only') === undefined || journey.id === option('only'))
    const journeys = wanted.filter((journey) => !journey.needsTwo || !onlyOne)
    for (const { title } of wanted.filter((journey) => !journeys.includes(journey))) skipped.push(`${title}: it needs two peers`)
    console.log(`\n${way.title}, browser ${browserNames[way.browser]}: ${peers.map((peer) => `${peer.name} by ${bindingsText(way, peer)}`).join(', ')}`)
    await authority.restartWith(peers.map((peer) => connectionOf(peer, way)))
    results.push(...(await walkWay(world, way, journeys)))
  }
  return results
}

/** In the order of the list, however long each took. */
async function walkWay(world: World, way: Way, journeys: readonly Journey[]): Promise<readonly JourneyResult[]> {
  const results = new Map<Journey, JourneyResult>()
  const paced = (pace: Journey['pace']): Journey[] => journeys.filter((journey) => journey.pace === pace)
  const go = async (journey: Journey): Promise<unknown> => results.set(journey, await walk(world, way, journey))
  const queue = paced('together')
  const take = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await go(next)
  }
  const expiring = Promise.all(paced('expiry').map(go))
  await Promise.all(Array.from({ length: togetherMax }, take))
  await expiring
  for (const journey of paced('alone')) await go(journey)
  const failed = journeys.filter((journey) => results.get(journey)?.isGood === false)
  // Alone, so that neither a browser nor a program of others has to share the machine with two more journeys.
  for (const journey of failed.slice(0, walksAgainMax)) {
    console.log(`  once more, alone: ${journey.title}`)
    const first = results.get(journey)
    const second = await walk(world, way, journey)
    results.set(journey, second.isGood && first !== undefined ? { ...second, unsteady: first.failures.join('; ') } : second)
  }
  return journeys.flatMap((journey) => results.get(journey) ?? [])
}

/** How an administrator would write this peer down; the logout binding is chosen, everything else is in its metadata. */
function connectionOf(peer: RealPeer, way: Way): object {
  const shown = { id: peer.id, name: peer.name, homeUrl: peer.protectedUrl }
  const bindings = bindingsOf(way, peer)
  if (peer.client !== undefined) return { ...shown, protocol: 'oidc', ...peer.client.settings, logout: peer.client.logout[bindings[0] ?? 'back-channel'] }
  const slo = way.bindings[peer.id] === undefined ? undefined : bindings.map((binding) => ({ binding, url: peer.logoutUrl }))
  return {
    ...shown,
    protocol: 'saml',
    metadata: peer.metadata !== undefined && 'url' in peer.metadata ? { url: peer.metadata.url } : { file: `peers/${peer.id}.xml` },
    nameId: { format: 'persistent' },
    attributes: { mail: 'mail' },
    ...(slo === undefined ? {} : { slo })
  }
}

async function walk(world: World, way: Way, journey: Journey): Promise<JourneyResult> {
  const { authority, peers, browser, users } = world
  const user = String(users.next().value)
  const { failures, seen } = await walkJourney(browser, way.browser, journey.title, (tools) =>
    journey.run({ ...tools, way, authority, peers, user, note: (peer, text) => tools.note(peer.id, text) })
  )
  return { journey, way, isGood: failures.length === 0, failures, seen }
}

function writeMatrix({ peers, browser }: World, results: readonly JourneyResult[]): void {
  const { version } = JSON.parse(readFileSync(new URL('../packages/curfew/package.json', import.meta.url), 'utf8')) as { version: string }
  const page = matrixPage({ peers, ways, results, curfewVersion: version, browserVersion: browser.version() })
  writeFileSync(new URL('../docs/interop.md', import.meta.url), page)
}

await runInterop(main, totalMsMax)
