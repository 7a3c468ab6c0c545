import type { Journey } from './journeys.ts'
import type { BrowserMode } from './harness/visitor.ts'
import type { LogoutBinding, RealPeer } from './peer.ts'
import { bindingsOf, type Way } from './stage.ts'

/** What became of one journey by one way. */
export interface JourneyResult {
  readonly journey: Journey
  readonly way: Way
  readonly isGood: boolean
  /** What did not hold. */
  readonly failures: readonly string[]
  /** Of one that was good when it was walked again, alone: what did not hold at first. */
  readonly unsteady?: string
  /** Per peer: what was seen there, one text per look. */
  readonly seen: ReadonlyMap<string, readonly string[]>
}

export interface MatrixInput {
  readonly peers: readonly RealPeer[]
  readonly ways: readonly Way[]
  readonly results: readonly JourneyResult[]
  readonly curfewVersion: string
  readonly browserVersion: string
}

/** The page `docs/interop.md`: the same results give the same text. */
export function matrixPage(input: MatrixInput): string {
  const { peers, ways, results } = input
  const lines = [
    '# Interoperability',
    '',
    'Written by `npm run interop`; do not edit. Each journey is walked by a browser through real service providers of other projects, started as ordinary processes on one machine. How that is done: [interop/README.md](../interop/README.md).',
    '',
    '## Who took part',
    '',
    '| role | product | version |',
    '| --- | --- | --- |',
    `| identity provider | Curfew | ${input.curfewVersion} |`,
    ...peers.map((peer) => `| ${peer.client !== undefined ? 'relying party' : 'service provider'} | ${peer.name} | ${peer.version} |`),
    `| browser | Chromium | ${input.browserVersion} |`,
    '',
    '## Logout bindings',
    '',
    `| way | browser | ${peers.map((peer) => `to ${peer.name}`).join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(peers.length)}`,
    ...ways.map((way) => `| ${way.title} | ${browserNames[way.browser]} | ${peers.map((peer) => bindingsText(way, peer)).join(' | ')} |`),
    '',
    ...knownOf(peers),
    '## Journeys',
    '',
    'Each cell reads: what the application itself said about its session, then what the run said about it at the same moment; an arrow separates a first look from a later one. No run may know more than the application: `ended` and `already-ended` next to `signed in` fails the journey. By the OpenID front channel nothing can be known: there the run says `unconfirmed`, whatever the application says.',
    ''
  ]
  for (const way of ways)
    lines.push(
      `### ${way.title}`,
      '',
      ...table(
        peers,
        results.filter((result) => result.way === way)
      ),
      ''
    )
  const failed = results.filter((result) => !result.isGood).length
  lines.push(`${results.length - failed} of ${results.length} journeys passed.`, '')
  return lines.join('\n')
}

/** In the order in which they are tried. */
export function bindingsText(way: Way, peer: RealPeer): string {
  return bindingsOf(way, peer)
    .map((binding) => bindingNames[binding])
    .join(', then ')
}

const bindingNames: Readonly<Record<LogoutBinding, string>> = {
  soap: 'SOAP',
  redirect: 'HTTP Redirect',
  post: 'HTTP POST',
  'back-channel': 'OpenID back channel',
  'front-channel': 'OpenID front channel'
}

export const browserNames: Readonly<Record<BrowserMode, string>> = {
  usual: 'as it comes',
  'no-third-party-cookies': 'refuses third-party cookies',
  'no-scripts': 'JavaScript off'
}

function knownOf(peers: readonly RealPeer[]): readonly string[] {
  const lines = peers.flatMap((peer) => peer.known.map((sentence) => `- ${peer.name}: ${sentence}`))
  return lines.length === 0 ? [] : ['## Known of these versions', '', ...lines, '']
}

function table(peers: readonly RealPeer[], results: readonly JourneyResult[]): readonly string[] {
  return [
    `| journey | result | ${peers.map((peer) => peer.name).join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(peers.length)}`,
    ...results.map(({ journey, isGood, unsteady, seen }) => {
      const cells = peers.map((peer) => (seen.get(peer.id) ?? []).join(' → '))
      return `| ${journey.title} | ${isGood ? (unsteady === undefined ? 'passed' : 'passed when walked again') : '**failed**'} | ${cells.join(' | ')} |`
    })
  ]
}
