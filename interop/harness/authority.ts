import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse, stringify } from 'yaml'
import { get, type Program, type Programs, untilAnswers } from './programs.ts'

const bin = fileURLToPath(new URL('../../packages/curfew/bin/curfew.js', import.meta.url))

/** What a run looks like from the admin API, as far as this suite reads it. */
export interface RunSeen {
  readonly id: string
  readonly user: string
  readonly starter: string
  readonly reason: string
  readonly state: 'open' | 'done'
  readonly verdict: 'working' | 'all-ended' | 'partial'
  readonly deliveries: readonly {
    readonly peer: string
    readonly state: string
    readonly attempts: readonly { readonly url: string }[]
    readonly outcome?: string
    readonly code?: string
    readonly retryOf?: string
    readonly id: string
  }[]
}

/** What else stands in `curfew.yaml`. */
export interface MoreSettings {
  readonly identityProviders?: readonly object[]
  /** Absent: there is none in this process. */
  readonly gateway?: object
}

/** The authority under test, used as its users use it: by its command line, its pages and its admin API. */
export interface Authority {
  readonly baseUrl: string
  readonly folder: string
  readonly password: string
  metadata(): Promise<string>
  /** Starts anew with these connections; sessions and runs stay. */
  restartWith(connections: readonly object[], more?: MoreSettings): Promise<void>
  /** One command of its command line. */
  command(...args: readonly string[]): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>
  /** Runs of one user, the latest first. */
  runsOf(user: string): Promise<readonly RunSeen[]>
  log(): string
}

export interface AuthoritySetup {
  readonly folder: string
  readonly port: number
  readonly adminPort: number
  readonly programs: Programs
  /** Names that can sign in, all with one password. */
  readonly users: readonly string[]
  readonly hosts: readonly string[]
}

/** Short limits, so that a peer that hangs is noticed soon. */
const logoutPolicy = { attempts: 10, retryBaseSeconds: 1, retryCapSeconds: 2, sendTimeoutSeconds: 2, hopTimeoutSeconds: 3, patienceSeconds: 3 }
const commandMsMax = 20_000
/** Sessions end after so long without activity: no journey but that of expiry takes so long. */
export const idleMinutes = 1

/** Makes an installation with `curfew init`, starts it and waits until it answers. */
export async function startAuthority(setup: AuthoritySetup): Promise<Authority> {
  const { folder, port, adminPort, programs } = setup
  const baseUrl = `http://curfew.localhost:${port}`
  const adminUrl = `http://127.0.0.1:${adminPort}`
  const password = 'correct horse'
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const command: Authority['command'] = (...args) =>
    new Promise((resolve) => {
      const options = { cwd: folder, timeout: commandMsMax, env: { PATH: process.env['PATH'] ?? '' } }
      const child = execFile(process.execPath, [bin, ...args], options, (_error, out, err) => resolve({ code: child.exitCode, out, err }))
    })
  const made = await command('init', '--base-url', baseUrl, '--organisation', 'Interop', '--user', 'ana', '--user-password', password)
  if (made.code !== 0) throw new Error(`curfew init failed: ${made.err}`)
  writeUsers(folder, setup.users)
  let program: Program | undefined
  const restartWith = async (connections: readonly object[], more: MoreSettings = {}): Promise<void> => {
    await program?.stop()
    writeConfig(setup, connections, more)
    program = programs.start({
      name: 'authority',
      command: process.execPath,
      args: [bin, 'start', '--config', join(folder, 'curfew.yaml')],
      folder,
      environment: {},
      logFile: join(folder, 'authority.log')
    })
    await untilAnswers(program, `${baseUrl}/pf/heartbeat.ping`)
  }
  await restartWith([])
  const token = readFileSync(join(folder, 'data/admin.token'), 'utf8').trim()
  return {
    baseUrl,
    folder,
    password,
    metadata: async () => (await get(`${baseUrl}/pf/federation_metadata.ping`)).body,
    restartWith,
    command,
    async runsOf(user) {
      const answer = await get(`${adminUrl}/v1/runs?user=${encodeURIComponent(user)}`, { authorization: `Bearer ${token}` })
      if (answer.status !== 200) throw new Error(`the admin API answered ${answer.status}: ${answer.body}`)
      return (JSON.parse(answer.body) as { items: RunSeen[] }).items
    },
    log: () => program?.log() ?? ''
  }
}

/** One user per journey, so that no journey sees the sessions of another: all with the hash that `curfew init` made. */
function writeUsers(folder: string, names: readonly string[]): void {
  const file = join(folder, 'users.yaml')
  const { users } = parse(readFileSync(file, 'utf8')) as { users: { password: string }[] }
  const hash = users[0]?.password
  const more = names.map((username) => ({ username, password: hash, attributes: { mail: `${username}@example.com` } }))
  writeFileSync(file, stringify({ users: more }))
}

function writeConfig({ folder, port, adminPort, hosts }: AuthoritySetup, connections: readonly object[], more: MoreSettings): void {
  const file = join(folder, 'curfew.yaml')
  const config = parse(readFileSync(file, 'utf8')) as Record<string, object>
  const next = {
    ...config,
    server: { ...config['server'], listen: [`127.0.0.1:${port}`] },
    admin: { listen: [`127.0.0.1:${adminPort}`] },
    sessions: { ...config['sessions'], idleMinutes },
    logout: logoutPolicy,
    outbound: { allowPrivate: ['127.0.0.0/8'], hosts: Object.fromEntries(hosts.map((host) => [host, '127.0.0.1'])) },
    connections,
    ...more
  }
  writeFileSync(file, stringify(next), { mode: 0o600 })
}
