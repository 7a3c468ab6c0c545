import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { findProgram } from '../../tools/system-deps.ts'
import { type Authority, startAuthority } from '../harness/authority.ts'
import { freePorts } from '../harness/ports.ts'
import type { Programs } from '../harness/programs.ts'
import { runInterop } from '../harness/run.ts'
import { walkJourney } from '../harness/walk.ts'
import { mellon } from '../mellon/mellon.ts'
import { oidcProvider, oidcProviderWithoutLogout } from '../oidc-provider/oidc-provider.ts'
import { openidClient } from '../openid-client/openid-client.ts'
import type { PeerKind, RealPeer } from '../peer.ts'
import { simplesamlphpIdp } from '../simplesamlphp-idp/simplesamlphp-idp.ts'
import { hubJourneysOf } from './journeys.ts'
import { hubPage, type HubPageInput, type HubResult, wayTitles } from './page.ts'
import type { HubWay, RealUpstream, UpstreamKind } from './upstream.ts'

/** The second half of `npm run interop`: identity providers of others upstream, applications of others downstream. */
const upstreams: readonly UpstreamKind[] = [simplesamlphpIdp, oidcProvider, oidcProviderWithoutLogout]
const applications: readonly PeerKind[] = [mellon, openidClient]
const totalMsMax = 300_000
/** One person for each journey, so that no journey sees the sessions of another. */
const usersPerUpstream = 10
/** `--upstream=<id>`: only through this identity provider; the page is written by whole runs. */
const only = process.argv.find((argument) => argument.startsWith('--upstream='))?.slice('--upstream='.length)

async function main(programs: Programs, folder: string): Promise<boolean> {
  const missing = [...upstreams, ...applications].flatMap((kind) => {
    const why = kind.missing()
    return why === undefined ? [] : [`${kind.name}: ${why}`]
  })
  const executablePath = findProgram(['chromium-headless-shell', 'chromium', 'google-chrome'])
  if (executablePath === undefined || missing.length > 0) {
    console.log(`skip  upstream identity providers: ${executablePath === undefined ? 'no Chromium on this machine' : missing.join(', ')}`)
    return true
  }
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--host-resolver-rules=MAP *.localhost 127.0.0.1'] })
  try {
    const [port = 0, adminPort = 0, ...ports] = await freePorts(2 + upstreams.length + applications.length)
    const hosts = [...applications.flatMap((kind) => kind.hosts), ...upstreams.map((kind) => kind.host)]
    const authority = await startAuthority({ folder: join(folder, 'authority'), port, adminPort, programs, users: [], hosts })
    const authorityMetadata = await authority.metadata()
    const place = (id: string, i: number) => ({ folder: join(folder, id), port: ports[i] ?? 0, programs, authorityMetadata })
    const peers = await Promise.all(applications.map((kind, i) => kind.launch({ ...place(kind.id, i), authorityEntityId: authority.baseUrl })))
    for (const { id, metadata } of peers)
      if (metadata !== undefined && 'text' in metadata) writeFileSync(join(authority.folder, 'peers', `${id}.xml`), metadata.text)
    const results: HubResult[] = []
    const ups: RealUpstream[] = []
    const walk = async (upstream: RealUpstream, users: readonly string[], way: HubWay): Promise<void> => {
      const connections = peers.map((peer) => connectionOf(peer, way))
      const answers = way === 'artifact' ? { responseBinding: 'artifact' } : {}
      await authority.restartWith(connections, { identityProviders: [{ id: upstream.id, name: upstream.name, ...upstream.identityProvider, ...answers }] })
      console.log(`\n${upstream.name} ${upstream.version} upstream, ${peers.map(({ name }) => name).join(' and ')} downstream, ${wayTitles[way]}`)
      results.push(...(await walkAll({ authority, browser, upstream, peers, users, way })))
    }
    for (const [i, kind] of upstreams.entries()) {
      if (only !== undefined && kind.id !== only) continue
      const at = place(kind.id, applications.length + i)
      mkdirSync(at.folder, { recursive: true })
      const users = Array.from({ length: 3 * usersPerUpstream }, (_, n) => `${kind.id}${n + 1}`)
      const upstream = await kind.launch({ ...at, authorityUrl: authority.baseUrl, users })
      ups.push(upstream)
      await walk(upstream, users, 'published')
      // Both ends of the chain through the browser, where the identity provider takes part in a logout itself.
      if (kind !== simplesamlphpIdp) continue
      await walk(upstream, users.slice(usersPerUpstream), 'redirect')
      await walk(upstream, users.slice(2 * usersPerUpstream), 'artifact')
    }
    if (only === undefined) writePage({ upstreams: ups, peers, results, browser: browser.version() })
    const failed = results.filter((result) => !result.isGood).length
    console.log(`${results.length - failed} passed, ${failed} failed`)
    return failed === 0
  } finally {
    await browser.close()
  }
}

function writePage(input: Omit<HubPageInput, 'version'>): void {
  const { version } = JSON.parse(readFileSync(new URL('../../packages/curfew/package.json', import.meta.url), 'utf8')) as { version: string }
  writeFileSync(new URL('../../docs/interop-upstream.md', import.meta.url), hubPage({ ...input, version }))
}

function connectionOf({ id, name, client, protectedUrl, logoutUrl }: RealPeer, way: HubWay): object {
  const shown = { id, name, homeUrl: protectedUrl }
  const slo = way === 'redirect' ? { slo: [{ binding: 'redirect', url: logoutUrl }] } : {}
  if (client !== undefined) return { ...shown, protocol: 'oidc', ...client.settings, logout: client.logout['back-channel'] }
  return { ...shown, protocol: 'saml', metadata: { file: `peers/${id}.xml` }, nameId: { format: 'persistent' }, attributes: { mail: 'mail' }, ...slo }
}

interface Walk {
  readonly authority: Authority
  readonly browser: Browser
  readonly upstream: RealUpstream
  readonly peers: readonly RealPeer[]
  readonly users: readonly string[]
  readonly way: HubWay
}

async function walkAll({ authority, browser, upstream, peers, users, way }: Walk): Promise<readonly HubResult[]> {
  const results: HubResult[] = []
  for (const [i, journey] of hubJourneysOf(upstream, way).entries()) {
    const { failures, seen } = await walkJourney(browser, 'usual', journey.title, (tools) =>
      journey.run({ ...tools, authority, upstream, peers, way, user: users[i] ?? '' })
    )
    results.push({ journey, upstream, way, isGood: failures.length === 0, seen })
  }
  return results
}

await runInterop(main, totalMsMax)
