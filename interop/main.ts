import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { findProgram } from '../tools/system-deps.ts'
import { type Authority, startAuthority } from './harness/authority.ts'
import { freePorts } from './harness/ports.ts'
import { createPrograms, type Programs } from './harness/programs.ts'
import { createVisitor } from './harness/visitor.ts'
import { type Journey, journeysFor } from './journeys.ts'
import { bindingsText, type JourneyResult, matrixPage } from './matrix.ts'
import { mellon } from './mellon/mellon.ts'
import { openidc } from './openidc/openidc.ts'
import type { PeerKind, RealPeer } from './peer.ts'
import { simplesamlphp } from './simplesamlphp/simplesamlphp.ts'
import type { Way } from './stage.ts'

/** `npm run interop [-- --only=<journey>] [-- --way=<way>]`: real service providers and relying parties of others, real browser, real logouts. */
const kinds: readonly PeerKind[] = [mellon, simplesamlphp, openidc]

const ways: readonly Way[] = [
  { id: 'published', title: 'As their metadata says', bindings: {} },
  { id: 'redirect', title: 'Through the browser only', bindings: { mellon: ['redirect'], simplesamlphp: ['redirect'] } },
  { id: 'mixed', title: 'One from server to server, one through the browser', bindings: { mellon: ['soap', 'redirect'], simplesamlphp: ['post'] } }
]

/** The whole run is given up after this. */
const totalMsMax = 420_000
const usersPerRun = 90

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
    const world = await setUp(programs, folder, able, browser)
    const results = await walkAll(world, skipped)
    const isWhole = skipped.length === 0 && option('only') === undefined && option('way') === undefined
    if (isWhole) writeMatrix(world, results)
    const failed = results.filter((result) => !result.isGood).length
    console.log(`${results.length - failed} passed, ${failed} failed${skipped.length === 0 ? '' : `, ${skipped.length} skipped`}`)
    return failed === 0
  } finally {
    await browser.close()
  }
}

/** The authority first: its metadata is what the peers trust. Then the peers, whose metadata it reads. */
async function setUp(programs: Programs, folder: string, able: readonly PeerKind[], browser: Browser): Promise<World> {
  const [port = 0, adminPort = 0, ...peerPorts] = await freePorts(2 + able.length)
  const users = Array.from({ length: usersPerRun }, (_, i) => `user${i + 1}`)
  const hosts = ['mellon.localhost', 'ssp.localhost', 'openidc.localhost']
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
  const journeys = journeysFor(peers).filter((journey) => option('only') === undefined || journey.id === option('only'))
  for (const way of ways.filter((one) => option('way') === undefined || one.id === option('way'))) {
    console.log(`\n${way.title}: ${peers.map((peer) => `${peer.name} by ${bindingsText(way, peer)}`).join(', ')}`)
    await authority.restartWith(peers.map((peer) => connectionOf(peer, way)))
    for (const journey of journeys) {
      if (journey.needsTwo && onlyOne) {
        skipped.push(journey.title)
        console.log(`  skip  ${journey.title}: it needs two peers`)
      } else results.push(await walk(world, way, journey))
    }
  }
  return results
}

/** How an administrator would write this peer down; the logout binding is chosen, everything else is in its metadata. */
function connectionOf(peer: RealPeer, way: Way): object {
  const shown = { id: peer.id, name: peer.name, homeUrl: peer.protectedUrl }
  if (peer.metadata === undefined) return { ...shown, ...peer.configuration }
  const slo = way.bindings[peer.id]?.map((binding) => ({ binding, url: peer.logoutUrl }))
  return {
    ...shown,
    protocol: 'saml',
    metadata: 'url' in peer.metadata ? { url: peer.metadata.url } : { file: `peers/${peer.id}.xml` },
    nameId: { format: 'persistent' },
    attributes: { mail: 'mail' },
    ...(slo === undefined ? {} : { slo })
  }
}

async function walk(world: World, way: Way, journey: Journey): Promise<JourneyResult> {
  const { authority, peers, browser, users } = world
  const user = String(users.next().value)
  const visitor = await createVisitor(browser)
  const failures: string[] = []
  const seen = new Map<string, string[]>()
  const startedMs = performance.now()
  try {
    await journey.run({
      way,
      authority,
      visitor,
      peers,
      user,
      check: (what, isGood) => void (isGood || failures.push(what)),
      note: (peer, text) => void seen.set(peer.id, [...(seen.get(peer.id) ?? []), text])
    })
  } catch (error) {
    failures.push(error instanceof Error ? error.message : String(error))
  } finally {
    await visitor.close()
  }
  const isGood = failures.length === 0
  console.log(`  ${isGood ? 'ok  ' : 'FAIL'}  ${journey.title}  ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
  for (const failure of failures) console.log(`        ${failure}`)
  return { journey, way, isGood, seen }
}

function writeMatrix({ peers, browser }: World, results: readonly JourneyResult[]): void {
  const { version } = JSON.parse(readFileSync(new URL('../packages/curfew/package.json', import.meta.url), 'utf8')) as { version: string }
  const page = matrixPage({ peers, ways, results, curfewVersion: version, browserVersion: browser.version() })
  writeFileSync(new URL('../docs/interop.md', import.meta.url), page)
}

const programs = createPrograms()
const folder = mkdtempSync(join(tmpdir(), 'curfew-interop-'))
chmodSync(folder, 0o755)
process.on('exit', () => {
  programs.killAll()
  if (process.env['CURFEW_INTEROP_KEEP'] !== '1') rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
const watchdog = setTimeout(() => {
  console.log(`given up after ${totalMsMax / 1000} s\n0 passed, 1 failed`)
  process.exit(1)
}, totalMsMax)
let isGood = false
try {
  isGood = await main(programs, folder)
} catch (error) {
  console.log(error instanceof Error ? (error.stack ?? error.message) : String(error))
  console.log('0 passed, 1 failed')
} finally {
  clearTimeout(watchdog)
  await programs.stopAll()
}
process.exit(isGood ? 0 : 1)
