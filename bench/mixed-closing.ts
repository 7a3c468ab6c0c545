import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connectionsHere } from '../packages/curfew/test/gateway/closed-connections.ts'
import { clientSecret, cookieFor, startAuthority, startFollower } from './gateway-feed.ts'
import { followerDomain } from './gateway-follower.ts'
import { kinds, type MixedClient, type MixedCrowdOptions } from './mixed-crowd.ts'
import { freePort } from './oidc/ports.ts'
import { cpuSecondsOf } from './process-cpu.ts'

const closedMsMax = 1_000
const pauseMs = 50

/**
 * One connection under each of ten thousand sessions, of four kinds, and all sessions revoked in one flood at an authority in
 * another process than the gateway: from the call that revokes a session to what its client hears.
 */
export async function benchMixedClosing(): Promise<readonly string[]> {
  await using stack = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'curfew-bench-'))
  stack.defer(() => rm(folder, { recursive: true }))
  const kill = (child: ChildProcess): ChildProcess => {
    stack.defer(() => void child.kill())
    return child
  }
  const application = kill(fork(fileURLToPath(new URL('mixed-application.ts', import.meta.url))))
  const [applicationPort] = (await once(application, 'message')) as [number]
  const [authorityPort, port] = [await freePort(), await freePort()]
  const authority = await startAuthority(folder, authorityPort)
  stack.defer(() => authority.stop())
  const target = `http://127.0.0.1:${applicationPort}`
  const gateway = kill(await startFollower({ issuer: `http://127.0.0.1:${authorityPort}`, clientSecret, port, target }))
  const count = connectionsHere()
  const clients = Array.from({ length: count }, (_, i): MixedClient => ({ kind: kinds[i % kinds.length] ?? 'upload', cookie: cookieFor(sriOf(i)) }))
  const crowd = kill(fork(fileURLToPath(new URL('mixed-crowd.ts', import.meta.url))))
  crowd.send({ port, host: `wiki.${followerDomain}:${port}`, clients } satisfies MixedCrowdOptions)
  await once(crowd, 'message')
  while ((await liveAt(gateway)) < count) await new Promise((resolve) => setTimeout(resolve, pauseMs))
  const told = once(crowd, 'message') as Promise<[readonly number[]]>
  const startMs = Date.now()
  const startCpu = cpuSecondsOf(gateway.pid ?? 0)
  const written = await Promise.all(clients.map(async (_, i) => revoke(authority.store, sriOf(i))))
  const writtenMs = Math.max(...written) - startMs
  const [atMs] = await told
  const cpuMs = Math.round((cpuSecondsOf(gateway.pid ?? 0) - startCpu) * 1_000)
  const timesOf = (wanted: (i: number) => boolean): readonly number[] =>
    atMs
      .map((ms) => ms - startMs)
      .filter((_, i) => wanted(i))
      .toSorted((a, b) => a - b)
  const all = timesOf(() => true)
  const verdict = (all[Math.floor(all.length * 0.99)] ?? 0) <= closedMsMax ? 'met' : 'MISSED'
  return [
    `Closing what is open under ${count} sessions, all revoked in one flood (authority on SQLite, gateway, application and clients in a process each)`,
    `  all revocations durable after ${writtenMs} ms; from the first call: ${percentiles(all)}; bar ${closedMsMax} ms p99 ${verdict}`,
    `  CPU of the gateway until the last of them heard: ${cpuMs} ms`,
    ...kinds.map((kind, k) => `  ${kind}: ${percentiles(timesOf((i) => i % kinds.length === k))}`)
  ]
}

function sriOf(i: number): string {
  return `mixed ${i}`
}

/** @returns when it was durable */
async function revoke(store: Awaited<ReturnType<typeof startAuthority>>['store'], sri: string): Promise<number> {
  const nowMs = Date.now()
  await store.revoke(sri, nowMs + 3_600_000, nowMs)
  return Date.now()
}

async function liveAt(gateway: ChildProcess): Promise<number> {
  gateway.send('live')
  const [live] = (await once(gateway, 'message')) as [number]
  return live
}

function percentiles(sorted: readonly number[]): string {
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return `${sorted.length} closed, ${at(0.5)} ms p50, ${at(0.99)} ms p99, ${at(1)} ms last`
}
