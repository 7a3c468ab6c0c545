import { appendFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

/** How the authorities that tests start keep their state, beside in memory: what a {@link Setting} may name. */
export const modes = ['sqlite', 'shared', 'state-servers', 'subclusters', 'adaptive', 'regions'] as const
export type Mode = (typeof modes)[number]

/** Where the servers of one group of nodes are. */
export interface GroupServers {
  readonly topology: 'standalone' | 'sentinel' | 'cluster'
  /** Of the servers, or of the sentinels. */
  readonly ports: readonly number[]
  /** Replicas that have to confirm a write. */
  readonly copies: number
}

/** A mode with the servers that were started for it: one entry for each group. */
export interface Setting {
  readonly mode: Mode
  readonly groups: readonly GroupServers[]
}

/** The setting of this run of the tests, from the environment; absent: each authority is one process with its state in memory. */
export const testSetting: Setting | undefined = settingOf(process.env)

/** Nodes take requests in an order that this seed gives; absent: one after the other. */
export const testTurns: number | undefined = process.env['CURFEW_TEST_TURNS'] === undefined ? undefined : Number(process.env['CURFEW_TEST_TURNS'])

function settingOf({ CURFEW_TEST_MODE: text = '', CURFEW_TEST_SERVERS: servers = '[]' }: NodeJS.ProcessEnv): Setting | undefined {
  if (text === '') return undefined
  const mode = modes.find((one) => one === text)
  if (mode === undefined) throw new TypeError(`CURFEW_TEST_MODE is "${text}"; write one of ${modes.join(', ')}`)
  return { mode, groups: JSON.parse(servers) as readonly GroupServers[] }
}

/** Writes down, where it is asked for, that a test file starts an authority as the mode has it: only such files say something about a mode. */
export function noteStart(): void {
  const log = process.env['CURFEW_TEST_STARTED']
  if (log === undefined || testSetting === undefined) return
  const frame = /file:\/\/[^\s)]+\.(?:test|it)\.ts/.exec(new Error('where').stack ?? '')
  if (frame !== null) appendFileSync(log, `${relative(process.cwd(), fileURLToPath(frame[0]))}\n`)
}
