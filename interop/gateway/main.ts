import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { findProgram } from '../../tools/system-deps.ts'
import { packageVersion } from '../harness/apache.ts'
import { type Authority, startAuthority } from '../harness/authority.ts'
import { freePorts } from '../harness/ports.ts'
import type { Programs } from '../harness/programs.ts'
import { runInterop } from '../harness/run.ts'
import { walkJourney } from '../harness/walk.ts'
import { launchOpenidcWithFiles, openidc, type OpenidcWithFiles } from '../openidc/openidc.ts'
import { createGuarded, type GatewayKind, type Guarded, missingForGateway } from './guarded.ts'
import { gatewayJourneys } from './journeys.ts'
import { gatewayPage, type GatewayResult, kindTitles } from './page.ts'

/** The third part of `npm run interop`: applications behind the gateway and a relying party of others in one session. */
const kinds: readonly GatewayKind[] = ['built-in', 'own-process']
const totalMsMax = 600_000
/** `--only=<journey>`: the page is written by whole runs. */
const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length)

async function main(programs: Programs, folder: string): Promise<boolean> {
  const executablePath = findProgram(['chromium-headless-shell', 'chromium', 'google-chrome'])
  const missing = [executablePath === undefined ? 'no Chromium on this machine' : undefined, openidc.missing(), missingForGateway()].filter(Boolean)
  if (executablePath === undefined || missing.length > 0) {
    console.log(`skip  the gateway beside another relying party: ${missing.join(', ')}`)
    return true
  }
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--host-resolver-rules=MAP *.localhost 127.0.0.1'] })
  try {
    const [port = 0, adminPort = 0, peerPort = 0, ...ports] = await freePorts(3 + 3 * kinds.length)
    // One person for each journey, so that no journey sees the sessions of another.
    const users = Array.from({ length: kinds.length * gatewayJourneys.length }, (_, i) => `user${i + 1}`)
    const authority = await startAuthority({ folder: join(folder, 'authority'), port, adminPort, programs, users, hosts: openidc.hosts })
    const authorityMetadata = await authority.metadata()
    const place = { folder: join(folder, 'openidc'), port: peerPort, programs, authorityMetadata, authorityEntityId: authority.baseUrl }
    const peer = await launchOpenidcWithFiles(place)
    const results: GatewayResult[] = []
    for (const [i, kind] of kinds.entries()) {
      const [gatewayPort = 0, nginxPort = 0, applicationPort = 0] = ports.slice(3 * i)
      const guarded = createGuarded({
        folder: join(folder, kind),
        kind,
        authorityUrl: authority.baseUrl,
        ports: [gatewayPort, nginxPort, applicationPort],
        programs
      })
      const { gateway } = guarded
      await authority.restartWith([guarded.connection, connectionOf(peer)], gateway === undefined ? {} : { gateway })
      await guarded.start()
      console.log(`\n${kindTitles[kind]}, beside ${peer.name} ${peer.version}`)
      results.push(...(await walkAll({ authority, browser, peer, guarded, users: users.slice(i * gatewayJourneys.length) })))
      await guarded.stop()
    }
    if (only === undefined) writePage({ peer, results, browser: browser.version() })
    const failed = results.filter((result) => !result.isGood).length
    console.log(`${results.length - failed} passed, ${failed} failed`)
    return failed === 0
  } finally {
    await browser.close()
  }
}

function connectionOf({ id, name, client, protectedUrl }: OpenidcWithFiles): object {
  return { id, name, homeUrl: protectedUrl, protocol: 'oidc', ...client?.settings, logout: client?.logout['back-channel'] }
}

function writePage({
  peer,
  results,
  browser
}: {
  readonly peer: OpenidcWithFiles
  readonly results: readonly GatewayResult[]
  readonly browser: string
}): void {
  const { version } = JSON.parse(readFileSync(new URL('../../packages/curfew/package.json', import.meta.url), 'utf8')) as { version: string }
  const page = gatewayPage({ peer, results, browser, version, nginxVersion: packageVersion('nginx') ?? 'unknown' })
  writeFileSync(new URL('../../docs/interop-gateway.md', import.meta.url), page)
}

interface Walk {
  readonly authority: Authority
  readonly browser: Browser
  readonly peer: OpenidcWithFiles
  readonly guarded: Guarded
  readonly users: readonly string[]
}

/** One after the other: the cache of mod_auth_openidc is looked into. */
async function walkAll({ authority, browser, peer, guarded, users }: Walk): Promise<readonly GatewayResult[]> {
  const results: GatewayResult[] = []
  for (const [i, journey] of gatewayJourneys.entries()) {
    if (only !== undefined && journey.id !== only) continue
    const { failures, seen } = await walkJourney(browser, 'usual', journey.title, (tools) =>
      journey.run({ ...tools, authority, guarded, peer, user: users[i] ?? '' })
    )
    results.push({ journey, guarded, isGood: failures.length === 0, seen })
  }
  return results
}

await runInterop(main, totalMsMax)
