import { type ChildProcess, fork } from 'node:child_process'
import { createPrivateKey, createPublicKey, sign } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { verificationKeyFromPublicKey } from '@curfew/codecs'
import { createSelfSigned } from '../packages/curfew/src/platform/certificate.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { startApplications } from './idp/applications.ts'
import { quantile } from './idp/turns.ts'
import { rateOf } from './measure.ts'
import type { RunsChildOptions, RunsRound, RunsWish } from './runs-child.ts'
import { type RunsServer, type RunsServerOptions, startRunsServer } from './runs-server.ts'

const entityId = 'https://idp.example'
/** Runs that go on at the same time. */
const atOnce = 8
const logouts = [
  { participants: 1, runs: 400 },
  { participants: 5, runs: 200 },
  { participants: 50, runs: 40 }
] as const
/** What goes on while the event loop is watched, in each of so many rounds. */
const watched: RunsWish = { sessions: 100, participants: 5, atOnce }
const rounds = 5

/**
 * Whole logouts by the product's own sender: plan, commit, LogoutRequest signed, HTTP on this machine, LogoutResponse
 * signed there and verified here, outcome, receipt. Both sides share this process; `simplesamlphp` has the same with a
 * server of its own. Then the server in a process of its own, which watches its event loop.
 */
export async function benchRuns(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-bench-'))
  const applications = await startApplications(Math.max(...logouts.map(({ participants }) => participants)))
  const pair = await createSelfSigned('idp.example', { fromMs: Date.now(), days: 30 }, systemRandom)
  const key = createPrivateKey(pair.keyPem)
  applications.trust({ entityId, keys: [verificationKeyFromPublicKey(createPublicKey(key))] })
  const { all, host } = applications
  const optionsFor = (name: string): RunsServerOptions => {
    const own = join(folder, name)
    mkdirSync(own)
    return { folder: own, entityId, ...pair, applications: all, host, metadata: applications.metadata('soap') }
  }
  try {
    const octets = Buffer.alloc(700)
    const rawSign = rateOf(() => sign('sha256', octets, key)).perCpuSecond
    const lines = [`Complete logouts by SOAP, SQLite with synchronous=FULL, RSA-3072, ${atOnce} runs at once (wall-clock, applications in this process)`]
    {
      await using server = await startRunsServer(optionsFor('here'))
      for (const one of logouts) lines.push(await measured(server, one, rawSign))
    }
    return [...lines, ...(await delays(optionsFor))]
  } finally {
    applications.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

async function measured(server: RunsServer, { participants, runs }: (typeof logouts)[number], rawSign: number): Promise<string> {
  const opened = await server.open(runs, participants)
  const startedMs = performance.now()
  const times = await server.endAll(opened, atOnce)
  const perSecond = opened.length / ((performance.now() - startedMs) / 1000)
  // The cores could sign so many runs, if signing were all there is to do: a request and an answer for each participant.
  const cores = availableParallelism()
  const ceiling = (cores * rawSign) / (2 * participants)
  const share = `${(perSecond / ceiling).toFixed(2)} of what signing alone allows on ${cores} cores`
  return `  ${`${participants} told`.padEnd(20)} ${perSecond.toFixed(1).padStart(7)} per second, ${share}; p50 ${quantile(times, 0.5)} ms, p99 ${quantile(times, 0.99)} ms`
}

/** How late the event loop of the server is while logouts go, where it signs itself and where it does not; in turns. */
async function delays(optionsFor: (name: string) => RunsServerOptions): Promise<readonly string[]> {
  const ways = ['on the loop', 'beside it'] as const
  const children = await Promise.all(ways.map((signs) => startChild({ ...optionsFor(signs), signs })))
  const seen = ways.map((): RunsRound[] => [])
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const [i, child] of children.entries()) {
        child.send(watched)
        const [result] = (await once(child, 'message')) as [RunsRound]
        // The first one warms up.
        if (round > 0) seen[i]?.push(result)
      }
    }
  } finally {
    await Promise.all(
      children.map((child) => {
        child.disconnect()
        return once(child, 'exit')
      })
    )
  }
  const median = (all: readonly RunsRound[], of: (round: RunsRound) => number): string =>
    (all.map(of).toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0).toFixed(1)
  return [
    `The event loop of a server in a process of its own while ${watched.participants} are told, ${atOnce} runs at once; medians of ${rounds} rounds in turns`,
    ...ways.map((signs, i) => {
      const all = seen[i] ?? []
      const late = `late by p50 ${median(all, ({ loop }) => loop.p50)} ms, p99 ${median(all, ({ loop }) => loop.p99)} ms, at most ${median(all, ({ loop }) => loop.max)} ms`
      return `  ${`signed ${signs}`.padEnd(20)} ${late}; ${median(all, ({ perSecond }) => perSecond)} logouts a second`
    })
  ]
}

async function startChild(options: RunsChildOptions): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('runs-child.ts', import.meta.url)))
  // Metadata of fifty applications are too long for an argument.
  child.send(options)
  await once(child, 'message')
  return child
}
