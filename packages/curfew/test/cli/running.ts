import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { Session } from '../../src/core/session.ts'
import { hourMs, sampleParticipant, sampleSession } from '../../src/stores/conformance/samples.ts'
import { openSqliteStore } from '../../src/stores/sqlite/sqlite-store.ts'
import { curfew, type Finished, freePorts, lineOf, startCurfew } from './bin.ts'

/** An installation as `curfew init` makes it, with a server that runs. */
export interface RunningCurfew extends AsyncDisposable {
  readonly folder: string
  readonly baseUrl: string
  readonly adminUrl: string
  readonly child: ChildProcess
  /** A command in the folder of the installation. */
  run(args: readonly string[], input?: string): Promise<Finished>
  /** The same with `--json`, read. */
  json<T>(args: readonly string[]): Promise<T>
}

export interface RunningOptions {
  /** Sections of `curfew.yaml` in the place of those that `init` wrote. */
  readonly config?: (baseUrl: string) => object
  /** Sessions that are there before the server starts; their number stands in the user name. */
  readonly sessions?: readonly SeededSession[]
  /** Called with the folder before the server starts. */
  readonly prepare?: (folder: string) => void | Promise<void>
}

export interface SeededSession {
  readonly peers: readonly string[]
  readonly change?: Partial<Session>
}

export async function startInstallation({ config, sessions = [], prepare }: RunningOptions = {}): Promise<RunningCurfew> {
  const folder = mkdtempSync(join(tmpdir(), 'curfew-running-'))
  const [port = 0, adminPort = 0] = await freePorts(2)
  const baseUrl = `http://127.0.0.1:${port}`
  const made = await curfew(folder, ['init', '--base-url', baseUrl])
  assert.equal(made.code, 0, made.err)
  const file = join(folder, 'curfew.yaml')
  const base = parse(readFileSync(file, 'utf8')) as object
  const own = { server: { baseUrl, listen: [`127.0.0.1:${port}`] }, admin: { listen: [`127.0.0.1:${adminPort}`] } }
  writeFileSync(file, stringify({ ...base, ...own, outbound: { allowPrivate: ['127.0.0.1/32'] }, ...config?.(baseUrl) }))
  await prepare?.(folder)
  if (sessions.length > 0) await seed(folder, sessions)
  const child = startCurfew(folder, ['start'])
  await lineOf(child, /server\.ready/)
  child.stderr?.resume()
  const run = (args: readonly string[], input?: string): Promise<Finished> => curfew(folder, args, input)
  return {
    folder,
    baseUrl,
    adminUrl: `http://127.0.0.1:${adminPort}`,
    child,
    run,
    async json(args) {
      const { out, err, code } = await run([...args, '--json'])
      assert.equal(code, 0, err)
      return JSON.parse(out) as never
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

async function seed(folder: string, sessions: readonly SeededSession[]): Promise<void> {
  mkdirSync(join(folder, 'data'), { recursive: true })
  await using store = await openSqliteStore({ file: join(folder, 'data/curfew.db'), capacity: 10_000 })
  const nowMs = Temporal.Now.instant().epochMilliseconds
  const times: Partial<Session> = { createdAtMs: nowMs, lastActivityAtMs: nowMs, idleExpiresAtMs: nowMs + hourMs, expiresAtMs: nowMs + hourMs }
  for (const [n, { peers, change }] of sessions.entries()) {
    const session = sampleSession(n, { ...times, username: `user${n}`, userKey: `form:user${n}`, ...change })
    await store.openSession(session)
    for (const peerId of peers) await store.addParticipant(session.id, sampleParticipant(peerId, n, { protocol: 'oidc' }))
  }
}
