import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { Pool } from 'undici'
import { findProgram } from '../tools/system-deps.ts'

/** Requests that are sent over and over. */
export interface Load {
  readonly port: number
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
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

async function requireGood({ port, path, headers }: Load): Promise<void> {
  const pool = new Pool(`http://127.0.0.1:${port}`)
  const { statusCode, body } = await pool.request({ path, method: 'GET', headers })
  await body.dump()
  await pool.close()
  if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`)
}

async function byWrk({ port, path, headers }: Load, seconds: number): Promise<number> {
  // It adds a host of its own unless it finds one by exactly this name.
  const lines = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name === 'host' ? 'Host' : name}: ${value}`])
  const { stdout } = await run('wrk', ['-t', '1', '-c', String(parallel), '-d', `${seconds}s`, ...lines, `http://127.0.0.1:${port}${path}`])
  if (/Non-2xx|Socket errors: connect [1-9]/.test(stdout)) throw new Error(stdout)
  return Number(/(\d+) requests in/.exec(stdout)?.[1])
}

async function byUndici({ port, path, headers }: Load, seconds: number): Promise<number> {
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: parallel, pipelining: 1 })
  const endMs = performance.now() + seconds * 1_000
  let count = 0
  const client = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const { statusCode, body } = await pool.request({ path, method: 'GET', headers })
      await body.dump()
      if (statusCode !== 200) throw new Error(`${path} answered ${statusCode}`)
      count += 1
    }
  }
  await Promise.all(Array.from({ length: parallel }, client))
  await pool.close()
  return count
}
