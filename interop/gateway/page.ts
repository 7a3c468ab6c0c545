import type { OpenidcWithFiles } from '../openidc/openidc.ts'
import type { GatewayKind, Guarded } from './guarded.ts'
import type { GatewayJourney } from './journeys.ts'

/** What became of one journey. */
export interface GatewayResult {
  readonly journey: GatewayJourney
  readonly guarded: Guarded
  readonly isGood: boolean
  /** Per place: what was seen there, one text per look. */
  readonly seen: ReadonlyMap<string, readonly string[]>
}

export interface GatewayPageInput {
  readonly peer: OpenidcWithFiles
  readonly results: readonly GatewayResult[]
  readonly version: string
  readonly nginxVersion: string
  readonly browser: string
}

export const kindTitles: Readonly<Record<GatewayKind, string>> = {
  'built-in': 'A gateway in the process of the authority, below its domain',
  'own-process': 'A gateway in a process of its own, on other sites'
}

/** The page `docs/interop-gateway.md`: the same results give the same text. */
export function gatewayPage({ peer, results, version, nginxVersion, browser }: GatewayPageInput): string {
  const lines = [
    '# The gateway beside another relying party',
    '',
    'Written by `npm run interop`; do not edit. One browser has one session with an application behind the proxy of the gateway, one behind an nginx that asks the gateway (`auth_request`, as [the guide](how-to/forward-auth.md) says), and mod_auth_openidc. The cells read as in [interop.md](interop.md): what the place itself says about its session, then what the run says; an arrow separates a first look from a later one.',
    '',
    '| role | product | version |',
    '| --- | --- | --- |',
    `| identity provider and gateway | Curfew | ${version} |`,
    `| relying party | ${peer.name} | ${peer.version} |`,
    `| proxy that asks the gateway | nginx | ${nginxVersion} |`,
    `| browser | Chromium | ${browser} |`,
    '',
    'After each logout the gateway is asked with the cookies of this browser and with those from before the logout, and the cache of mod_auth_openidc is looked into: the session is refused and gone in all of them. Of the gateway the run says `unconfirmed`, since a picture that was loaded proves nothing; that it refuses comes from the list of revoked sessions, which no browser has to carry.',
    ''
  ]
  for (const guarded of new Set(results.map((result) => result.guarded))) {
    const columns = [...guarded.places, peer]
    lines.push(
      `## ${kindTitles[guarded.kind]}`,
      '',
      `| journey | result | ${columns.map(({ name }) => name).join(' | ')} |`,
      `| --- | --- |${' --- |'.repeat(columns.length)}`
    )
    for (const { journey, isGood, seen } of results.filter((result) => result.guarded === guarded)) {
      const cells = columns.map(({ id }) => (seen.get(id) ?? []).join(' → '))
      lines.push(`| ${journey.title} | ${isGood ? 'passed' : '**failed**'} | ${cells.join(' | ')} |`)
    }
    lines.push('')
  }
  const failed = results.filter((result) => !result.isGood).length
  lines.push(`${results.length - failed} of ${results.length} journeys passed.`, '')
  return lines.join('\n')
}
