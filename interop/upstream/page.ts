import type { RealPeer } from '../peer.ts'
import type { HubJourney } from './journeys.ts'
import type { HubWay, RealUpstream } from './upstream.ts'

/** What became of one journey through one identity provider. */
export interface HubResult {
  readonly journey: HubJourney
  readonly upstream: RealUpstream
  readonly way: HubWay
  readonly isGood: boolean
  /** Per place: what was seen there, one text per look. */
  readonly seen: ReadonlyMap<string, readonly string[]>
}

export interface HubPageInput {
  readonly upstreams: readonly RealUpstream[]
  readonly peers: readonly RealPeer[]
  readonly results: readonly HubResult[]
  readonly version: string
  readonly browser: string
}

export const wayTitles: Readonly<Record<HubWay, string>> = {
  published: 'as their metadata says',
  redirect: 'SAML through the browser only',
  artifact: 'answers to sign-ins by artifact'
}

/** The page `docs/interop-upstream.md`: the same results give the same text. */
export function hubPage({ upstreams, peers, results, version, browser }: HubPageInput): string {
  const lines = [
    '# Interoperability with identity providers upstream',
    '',
    'Written by `npm run interop`; do not edit. A browser signs in at an identity provider of another project, through Curfew, to applications of other projects, and signs out. The cells read as in [interop.md](interop.md): what the place itself says about its session, then what the run says; an arrow separates a first look from a later one.',
    '',
    '| role | product | version |',
    '| --- | --- | --- |',
    ...upstreams.map((one) => `| identity provider | ${one.name} | ${one.version} |`),
    `| hub | Curfew | ${version} |`,
    ...peers.map((one) => `| ${one.client === undefined ? 'service provider' : 'relying party'} | ${one.name} | ${one.version} |`),
    `| browser | Chromium | ${browser} |`,
    ''
  ]
  for (const { upstream, way } of upstreams.flatMap((one) => waysOf(one, results).map((each) => ({ upstream: one, way: each })))) {
    const columns = [upstream, ...peers]
    lines.push(
      way === 'published' ? `## ${upstream.name} upstream` : `## ${upstream.name} upstream, ${wayTitles[way]}`,
      '',
      `| journey | result | ${columns.map(({ name }) => name).join(' | ')} |`,
      `| --- | --- |${' --- |'.repeat(columns.length)}`
    )
    for (const { journey, isGood, seen } of results.filter((result) => result.upstream === upstream && result.way === way)) {
      const cells = columns.map(({ id }) => (seen.get(id) ?? []).join(' → '))
      lines.push(`| ${journey.title} | ${isGood ? 'passed' : '**failed**'} | ${cells.join(' | ')} |`)
    }
    lines.push('')
  }
  lines.push(
    'A logout between Curfew and SimpleSAMLphp as identity provider goes through the browser always: its sessions belong to the cookie of a browser, which a message from server to server does not bring, and its metadata offers no SOAP.',
    '',
    'By artifact it sends answers to sign-ins only: the browser brings the name of a message, which Curfew exchanges at its `ArtifactResolutionService`, and no message. Its logout knows HTTP Redirect and POST.',
    ''
  )
  const failed = results.filter((result) => !result.isGood).length
  lines.push(`${results.length - failed} of ${results.length} journeys passed.`, '')
  return lines.join('\n')
}

function waysOf(upstream: RealUpstream, results: readonly HubResult[]): readonly HubWay[] {
  return [...new Set(results.filter((result) => result.upstream === upstream).map(({ way }) => way))]
}
