import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Pool } from 'undici'
import { findProgram } from '../tools/system-deps.ts'

/** Requests that are sent over and over. */
export interface Load {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Cookies that the requests bring in turn, in the place of the one in the headers. */
  readonly cookies?: readonly string[]
}

const parallel = 64
const run = promisify(execFile)

/** What makes the load: wrk of Debian where it is installed, else a client in this process. */
export const loadName: string = findProgram(['wrk']) === undefined ? 'undici' : 'wrk'

/** Sends requests over 64 connections for so many seconds; returns how many were answered, all with 200. */
export async function sendLoad(load: Load, seconds: number): Promise<number> {
  await requireGood(load)
  const count = loadName === 'wrk' ? await byWrk(load, seconds) : await byUndici(load, seconds)
  // wrk takes a redirect for a good answer.
  await requireGood(load)
  return count
}

async function requireGood({ port, path, headers, cookies }: Load): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`)
  const cookie = cookies?.[0]
  const { statusCode, body } = await pool.request({ path, method: 'GET', headers: cookie === undefined ? headers : { ...headers, cookie } })
  await body.dump()
  await pool.close()
  if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`)
}

/** Another cookie with each request; the file with them is the one argument. */
const inTurn = `local cookies = {}
local at = 0
function init(args)
  for line in io.lines(args[1]) do cookies[#cookies + 1] = line end
end
function request()
  at = at % #cookies + 1
  wrk.headers["cookie"] = cookies[at]
  return wrk.format("GET")
end
`

async function byWrk({ port, path, headers, cookies }: Load, seconds: number): Promise<number> {
  // It adds a host of its own unless it finds one by exactly this name.
  const lines = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name === 'host' ? 'Host' : name}: ${value}`])
  const base = ['-t', '1', '-c', String(parallel), '-d', `${seconds}s`, ...lines]
  const url = `http://127.0.0.1:${port}${path}`
  const stdout = cookies === undefined ? (await run('wrk', [...base, url])).stdout : await withCookies(base, url, cookies)
  if (/Non-2xx|Socket errors: connect [1-9]/.test(stdout)) throw new Error(stdout)
  return Number(/(\d+) requests in/.exec(stdout)?.[1])
}

async function withCookies(base: readonly string[], url: string, cookies: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-load-'))
  try {
    const [script, file] = [join(folder, 'in-turn.lua'), join(folder, 'cookies')]
    await writeFile(script, inTurn)
    await writeFile(file, cookies.join('\n'))
    return (await run('wrk', [...base, '-s', script, url, '--', file])).stdout
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function byUndici({ port, path, headers, cookies }: Load, seconds: number): Promise<number> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: parallel, pipelining: 1 })
  const endMs = performance.now() + seconds * 1_000
  let count = 0
  let at = 0
  const client = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const cookie = cookies?.[at++ % cookies.length]
      const { statusCode, body } = await pool.request({ path, method: 'GET', headers: cookie === undefined ? headers : { ...headers, cookie } })
      await body.dump()
      if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`)
      count += 1
    }
  }
  await Promise.all(Array.from({ length: parallel }, client))
  await pool.close()
  return count
}
