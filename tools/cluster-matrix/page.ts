import type { Mode } from '../../packages/curfew/test/support/modes.ts'
import type { TestResult } from '../reporter.ts'
import { type Feature, features, type Suite, suiteOf, suites } from './suites.ts'

/** What one test gave, and at which commit. */
export type CountedResult = TestResult & { readonly commit?: string }

/** What the tests gave in one mode. */
export interface ModeResults {
  readonly mode: Mode
  /** Test files that were run. */
  readonly files: readonly string[]
  /** The day on which the first of them was run, as `2026-11-27`. */
  readonly since: string
  /** What they were run with. */
  readonly versions: string
  readonly counted: readonly CountedResult[]
  /** Not counted, with the reason. */
  readonly left: readonly (TestResult & { readonly why: string })[]
}

const titles: Readonly<Record<Mode, string>> = {
  sqlite: 'one node, SQLite',
  shared: 'sharing all nodes',
  'state-servers': 'state servers',
  subclusters: 'subclusters',
  adaptive: 'adaptive',
  regions: 'adaptive, two regions'
}

const descriptions: Readonly<Record<Mode, string>> = {
  sqlite: 'One process, one file.',
  shared: 'Two nodes on one Redis server; the requests of a test go to each in turn.',
  'state-servers': 'Two nodes that keep nothing; a Redis primary with a replica, watched by Sentinel, every write confirmed by the replica.',
  subclusters: 'Two groups, each with a Redis server of its own; the requests go to each in turn, whichever has the session.',
  adaptive: 'Two nodes on a Redis Cluster of three primaries and three replicas, every write confirmed by a replica.',
  regions:
    'Two regions, each on a Redis Cluster of its own, that tell each other. A browser stays in the region it came to, the next one comes to the other; partners and clients ask each in turn.'
}

/** What the replaced product calls the mode. */
const replacedMode: Readonly<Record<Mode, keyof Feature['replaced']>> = {
  sqlite: 'standalone',
  shared: 'sharing',
  'state-servers': 'stateServers',
  subclusters: 'subclusters',
  adaptive: 'adaptive',
  regions: 'adaptive'
}

/**
 * The page `docs/clustering-matrix.md`: the same results give the same text. A suite of which only some files were run in a mode
 * says how many.
 * @param all - every test file of the functional suite
 */
export function matrixPage(results: readonly ModeResults[], all: readonly string[]): string {
  const modes = results.map(({ mode }) => mode)
  const header = (first: string): readonly string[] => [
    `| ${first} | ${modes.map((mode) => titles[mode]).join(' | ')} |`,
    `| --- |${' --- |'.repeat(modes.length)}`
  ]
  return [
    '# Clustering matrix',
    '',
    'Written by `npm run cluster-matrix -- --write`; do not edit. The tests of the authority run unchanged in every cluster mode, with real servers and real stores: a test asks, and never learns how many nodes answer. Every figure is a number of tests: passed, of those that were run and count. Behind the day stand the commits that were run. The tests of the gateway speak to the nodes over real HTTP, through a balancer that gives each connection to the next node; between groups it waits until they have told each other what is new.',
    '',
    '## Modes',
    '',
    '| mode | what the tests ran on | run on | with | test files |',
    '| --- | --- | --- | --- | --- |',
    ...results.map(
      ({ mode, since, versions, files, counted }) =>
        `| ${titles[mode]} | ${descriptions[mode]} | ${since}${commitsOf(counted)} | ${versions} | ${ranOf(files, all)} |`
    ),
    '',
    ...missing(modes),
    '## Feature limits',
    '',
    'What the replaced product says of the same mode (its clustering guide, version 13.1) stands in front, the tests that passed here behind it.',
    '',
    ...header('feature'),
    ...features.map((feature) => `| ${feature.title} | ${results.map((result) => featureCell(feature, result)).join(' | ')} |`),
    '',
    '## The whole functional suite',
    '',
    ...header('suite'),
    ...suites.map((suite) => `| ${suite.title} | ${results.map((result) => suiteCell(suite, result, all)).join(' | ')} |`),
    `| **all that were run** | ${results.map(({ counted }) => figure(counted)).join(' | ')} |`,
    '',
    '## Left out',
    '',
    'Not counted above, in the modes named, because it can not be otherwise:',
    '',
    ...leftOutLines(results),
    ''
  ].join('\n')
}

/** The commits that the results of a mode are of, that of most of them first. */
function commitsOf(counted: readonly CountedResult[]): string {
  const byCommit = Object.entries(Object.groupBy(counted, ({ commit = '' }) => commit)).filter(([commit]) => commit !== '')
  const commits = byCommit.toSorted(([, a = []], [, b = []]) => b.length - a.length).map(([commit]) => commit)
  const others = commits.length - commitsShown
  return commits.length === 0 ? '' : `, ${commits.slice(0, commitsShown).join(', ')}${others > 0 ? ` and ${others} more` : ''}`
}

const commitsShown = 4

/** Says which modes are not in the tables. */
function missing(shown: readonly Mode[]): readonly string[] {
  const others = (Object.keys(titles) as Mode[]).filter((mode) => !shown.includes(mode))
  return others.length === 0 ? [] : [`Not run, and so not in the tables: ${others.map((mode) => titles[mode]).join('; ')}.`, '']
}

function featureCell({ replaced, isShownBy }: Feature, { mode, counted }: ModeResults): string {
  return `${replaced[replacedMode[mode]]} / ${figure(counted.filter(({ file, name }) => isShownBy(file, name)))}`
}

function ranOf(files: readonly string[], all: readonly string[]): string {
  return `${all.filter((file) => files.includes(file)).length} of ${all.length}`
}

function suiteCell(suite: Suite, { counted, files }: ModeResults, all: readonly string[]): string {
  const ofSuite = all.filter((file) => suiteOf(file) === suite)
  const ran = ofSuite.filter((file) => files.includes(file)).length
  const passed = figure(counted.filter(({ file }) => suiteOf(file) === suite))
  if (ran === 0) return 'not run'
  return ran === ofSuite.length ? passed : `${passed} in ${ran} of ${ofSuite.length} files`
}

function figure(tests: readonly TestResult[]): string {
  if (tests.length === 0) return 'no test'
  const passed = tests.filter(({ outcome }) => outcome === 'passed').length
  return passed === tests.length ? `${passed} of ${tests.length}` : `**${passed} of ${tests.length}**`
}

function leftOutLines(results: readonly ModeResults[]): readonly string[] {
  const all = results.flatMap(({ mode, left }) => left.map((test) => ({ mode, ...test })))
  return [...Map.groupBy(all, ({ why }) => why)].map(([why, tests]) => {
    const names = [...new Set(tests.map(({ name }) => name))]
    const modes = [...new Set(tests.map(({ mode }) => mode))]
    const where = modes.length === results.length ? 'every mode' : modes.map((mode) => titles[mode]).join(', ')
    const shown = names.length > 3 ? `${names.length} tests` : names.map((name) => `"${name}"`).join(', ')
    return `- ${shown} (${where}): ${why}`
  })
}
