import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { hashPassword } from '../packages/curfew/src/platform/password.ts'
import { hourMs, sampleParticipant, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import { openSqliteStore } from '../packages/curfew/src/stores/sqlite/sqlite-store.ts'
import { type RunningCurfew, startInstallation } from '../packages/curfew/test/cli/running.ts'
import { createPerson } from '../packages/curfew/test/support/person.ts'
import { cpuSecondsOf } from './process-cpu.ts'
import type { Seen } from './bulk-partner.ts'

/** `CURFEW_BENCH_SESSIONS=5000 npm run bench -- bulk` for a machine with less time. */
const sessions = Number(process.env['CURFEW_BENCH_SESSIONS'] ?? 100_000)
const callers = 256
/** Between two of the sign-ins before. */
const apartMs = 20
const everyMs = 500
const password = 'correct horse'
const secret = 'a secret that is long enough'

/** A bulk logout by the command line, at a real server whose applications run in a process of their own, while somebody else signs in and out. */
export async function benchBulk(): Promise<readonly string[]> {
  const partner = fork(new URL('./bulk-partner.ts', import.meta.url))
  try {
    const { port } = await answerOf<{ readonly port: number }>(partner)
    await using server = await start(`http://127.0.0.1:${port}`)
    const idle = memoryOf(server)
    const dryMs = performance.now()
    const dry = await server.run(['logout', '--all', '--app', 'payroll', '--dry-run'])
    const dryTookMs = performance.now() - dryMs
    const others = signInAndOut(server, `http://127.0.0.1:${port}/cb`)
    const memory = watchMemory(server)
    const cpuBefore = cpuSecondsOf(server.child.pid ?? 0)
    const startedMs = performance.now()
    const bulk = await server.run(['logout', '--all', '--app', 'payroll', '--reason', 'bench', '--yes', '--watch'])
    const tookMs = performance.now() - startedMs
    const cpuMs = ((cpuSecondsOf(server.child.pid ?? 0) - cpuBefore) * 1000) / sessions
    const [times, peak] = [await others.stop(), await memory.stop()]
    partner.send('report')
    const { seen } = await answerOf<{ readonly seen: Readonly<Record<string, Seen>> }>(partner)
    const progress = bulk.err.split('\n').filter((line) => line.includes(' of '))
    return [
      `Bulk logout of ${sessions.toLocaleString('en')} sessions in SQLite by the command line, half of them with a second application (wall-clock)`,
      ...table([
        [`dry run, in ${(dryTookMs / 1000).toFixed(1)} s`, dry.out.trim().replaceAll(/\s*\n\s*/g, '; ')],
        [
          'until every application has confirmed',
          `${(tookMs / 1000).toFixed(0)} s, ${Math.round(sessions / (tookMs / 1000))} sessions a second; exit code ${bulk.code}`
        ],
        ['time of a processor for a session at the server', `${cpuMs.toFixed(1)} ms`],
        ['progress', `${progress.length} lines, such as "${progress[Math.floor(progress.length / 2)] ?? 'none'}"`],
        ...bulk.out
          .trim()
          .split('\n')
          .map((line): [string, string] => ['', line]),
        ...Object.entries(seen).map(([path, { told, atOnceMax }]): [string, string] => [
          `${path.slice(1)}: told, at most at once`,
          `${told.toLocaleString('en')}, ${atOnceMax}`
        ]),
        ['memory of the server before, at most meanwhile', `${idle} MB, ${peak} MB`],
        [
          `another person signs in and out meanwhile, ${times.out.length} times`,
          `signed out and told: ${spread(times.out)}; signed in: ${spread(times.in)}; failed: ${times.failed}`
        ]
      ])
    ]
  } finally {
    partner.disconnect()
  }
}

function table(rows: readonly (readonly [string, string])[]): readonly string[] {
  return rows.map(([what, value]) => `  ${what.padEnd(56)} ${value}`)
}

async function answerOf<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T]
  return message
}

function start(applications: string): Promise<RunningCurfew> {
  const connection = (id: string): object => ({
    id,
    protocol: 'oidc',
    clientSecret: secret,
    requirePkce: false,
    redirectUris: [`${applications}/cb`],
    logout: { modes: ['backChannel'], backChannelUri: `${applications}/${id}` }
  })
  return startInstallation({
    config: () => ({ connections: [connection('payroll'), connection('intranet')], store: { kind: 'sqlite', file: 'data/curfew.db', capacity: 2 * sessions } }),
    async prepare(folder) {
      const users = [{ username: 'ana', password: await hashPassword(password, systemRandom), attributes: {} }]
      await writeFile(join(folder, 'users.yaml'), JSON.stringify({ users }))
      await mkdir(join(folder, 'data'), { recursive: true })
      await fill(join(folder, 'data/curfew.db'))
    }
  })
}

async function fill(file: string): Promise<void> {
  await using store = await openSqliteStore({ file, capacity: 2 * sessions })
  const atMs = Date.now()
  const until = { idleExpiresAtMs: atMs + 6 * hourMs, expiresAtMs: atMs + 8 * hourMs }
  let next = 0
  const work = async (): Promise<void> => {
    for (let n = next++; n < sessions; n = next++) {
      const createdAtMs = atMs - n * apartMs
      const times = { createdAtMs, authenticatedAtMs: createdAtMs, lastActivityAtMs: createdAtMs, ...until }
      const session = sampleSession(n, { ...times, username: `user${n}`, userKey: `form:user${n}` })
      await store.openSession(session)
      for (const peerId of n % 2 === 0 ? ['payroll'] : ['payroll', 'intranet'])
        await store.addParticipant(session.id, sampleParticipant(peerId, n, { protocol: 'oidc' }))
    }
  }
  await Promise.all(Array.from({ length: callers }, work))
}

/** Resident memory of the server, in MB. Linux only. */
function memoryOf({ child }: RunningCurfew): number {
  const pages = Number(readFileSync(`/proc/${child.pid ?? 0}/statm`, 'utf8').split(' ')[1])
  return Math.round((pages * 4096) / 1e6)
}

function watchMemory(server: RunningCurfew): { stop(): Promise<number> } {
  let isOver = false
  const highest = (async () => {
    let most = 0
    for (; !isOver; await sleep(everyMs)) most = Math.max(most, memoryOf(server))
    return most
  })()
  return {
    stop: () => {
      isOver = true
      return highest
    }
  }
}

interface Times {
  /** Milliseconds until the sign-in was answered. */
  readonly in: readonly number[]
  /** From the button to the end of the page that says that the application has confirmed. */
  readonly out: readonly number[]
  readonly failed: number
}

/** Again and again by the form, into one application, and out by the button. */
function signInAndOut({ baseUrl }: RunningCurfew, redirectUri: string): { stop(): Promise<Times> } {
  let isOver = false
  const once = async (): Promise<readonly [number, number]> => {
    const person = createPerson(baseUrl)
    const fromMs = performance.now()
    const answer = await person.signIn('ana', password)
    const inMs = performance.now() - fromMs
    if (answer.status !== 303) throw new Error(`the sign-in was answered with ${answer.status}`)
    await person.join({ id: 'payroll', secret, redirectUri })
    const outFromMs = performance.now()
    const { location } = await person.signOut()
    // The page is open until every application was asked.
    const page = await person.get(location)
    if (page.status !== 200 || (await person.isSignedIn())) throw new Error(`the sign-out was answered with ${page.status}`)
    return [inMs, performance.now() - outFromMs]
  }
  const running = (async () => {
    const times = { in: [] as number[], out: [] as number[], failed: 0 }
    for (; !isOver; await sleep(everyMs)) {
      try {
        const [inMs, outMs] = await once()
        times.in.push(inMs)
        times.out.push(outMs)
      } catch (error) {
        times.failed += 1
        console.log(`  ${String(error)}`)
      }
    }
    return times
  })()
  return {
    stop: () => {
      isOver = true
      return running
    }
  }
}

function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  return `${Math.round(sorted[sorted.length >> 1] ?? 0)} ms p50, ${Math.round(sorted.at(-1) ?? 0)} ms at the longest`
}
