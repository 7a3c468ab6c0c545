import { type ChildProcess, fork } from 'node:child_process'
import { createSecretKey } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { AddressInfo } from 'node:net'
import { createGroupLinks, type GroupLinks } from '../packages/curfew/src/cluster/group-links.ts'
import { createProver } from '../packages/curfew/src/cluster/proof.ts'
import { createReplicator, type Replicator } from '../packages/curfew/src/cluster/replicator.ts'
import type { Group } from '../packages/curfew/src/core/group.ts'
import { systemClock } from '../packages/curfew/src/platform/clock.ts'
import { createOutbound } from '../packages/curfew/src/platform/outbound.ts'
import { systemRandom } from '../packages/curfew/src/platform/random.ts'
import { factsOf, sampleReplication } from '../packages/curfew/src/stores/conformance/carry.ts'
import { sampleEnd, sampleSession } from '../packages/curfew/src/stores/conformance/samples.ts'
import type { RedisStore } from '../packages/curfew/src/stores/redis/redis-store.ts'
import { findProgram } from '../tools/system-deps.ts'
import { openStore } from './redis-store.ts'
import { type RedisServer, startRedisServer } from './redis-server.ts'
import type { SignIns } from './sign-in-child.ts'
import { startSlowLink } from './slow-link.ts'

const spanMs = 4_000
const rounds = 5
/** Facts that are timed on their way to another region: of so many the second longest is the p99. */
const facts = 150
/** Two looks of a region at what is new in the other one. */
const pauseMsMax = 200
/** What is added to every message between the regions, in each direction. */
const delaysMs = [0, 50] as const

/** What more processes on one store are worth, and how long a fact takes to another region. */
export async function benchCluster(): Promise<readonly string[]> {
  if (findProgram(['redis-server', 'valkey-server']) === undefined) return ['The cluster is not measured: redis-server is not on this machine']
  const lines = await processesOnOneStore()
  return [...lines, ...(await propagation(delaysMs[0])), ...(await propagation(delaysMs[1]))]
}

async function processesOnOneStore(): Promise<readonly string[]> {
  await using server = await startRedisServer()
  const children = await Promise.all(Array.from({ length: 2 }, () => startSigningIn(server.socket)))
  const pairs: [one: Round, two: Round][] = []
  try {
    await signInsOf(server, children)
    for (let round = 0; round < rounds; round++) pairs.push([await signInsOf(server, children.slice(0, 1)), await signInsOf(server, children)])
  } finally {
    for (const child of children) child.disconnect()
  }
  const [one, two] = [pairs.map((pair) => pair[0]), pairs.map((pair) => pair[1])]
  const times = pairs.map(([alone, both]) => both.count / alone.count)
  const perCpu = pairs.map(([alone, both]) => (2 * perCpuSecond(both)) / perCpuSecond(alone))
  const span = (numbers: readonly number[]): string =>
    `${median(numbers).toFixed(2)} times (${Math.min(...numbers).toFixed(2)} to ${Math.max(...numbers).toFixed(2)})`
  const cores = (all: readonly Round[]): string =>
    median(all.map(({ cpuSeconds, serverSeconds }) => (cpuSeconds + serverSeconds) / (spanMs / 1_000))).toFixed(2)
  const perSignIn = (seconds: (round: Round) => number): string => `${median(one.map((round) => (seconds(round) / round.count) * 1_000)).toFixed(2)} ms`
  return [
    `Sign-ins to three applications with an RSA-2048 signature for each, one process on one Redis server and two; medians of ${rounds} pairs of rounds`,
    `  ${'by the CPU of the processes'.padEnd(44)} ${span(perCpu)}, where both have a core of their own (target 1.7)`,
    `  ${'wall-clock'.padEnd(44)} ${span(times)}; with the server they had ${cores(one)} cores, and ${cores(two)}`,
    `  ${'CPU of one sign-in: process, server'.padEnd(44)} ${perSignIn(({ cpuSeconds }) => cpuSeconds)}, ${perSignIn(({ serverSeconds }) => serverSeconds)}`
  ]
}

interface Round extends SignIns {
  readonly serverSeconds: number
}

function perCpuSecond({ count, cpuSeconds }: Round): number {
  return count / cpuSeconds
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

async function startSigningIn(socket: string): Promise<ChildProcess> {
  const child = fork(fileURLToPath(new URL('sign-in-child.ts', import.meta.url)), [socket])
  await once(child, 'message')
  return child
}

async function signInsOf(server: RedisServer, children: readonly ChildProcess[]): Promise<Round> {
  const before = await server.cpuSeconds()
  const answers = await Promise.all(
    children.map(async (child) => {
      const answer = once(child, 'message')
      child.send(spanMs)
      return (await answer)[0] as SignIns
    })
  )
  return {
    count: sum(answers.map(({ count }) => count)),
    cpuSeconds: sum(answers.map(({ cpuSeconds }) => cpuSeconds)),
    serverSeconds: (await server.cpuSeconds()) - before
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

interface Region extends AsyncDisposable {
  readonly store: RedisStore
  /** Reads what the other one tells, from then on: that has to listen. */
  follow(): void
  leave(): Promise<void>
}

/** From the call that writes it to the moment at which the other region has it. */
async function propagation(delayMs: number): Promise<readonly string[]> {
  // The port of each is known to the other once both listen.
  const ports = new Map<string, number>()
  await using berlin = await startRegion('berlin', 'a', 'paris', ports, delayMs)
  await using paris = await startRegion('paris', 'b', 'berlin', ports, delayMs)
  berlin.follow()
  paris.follow()
  const [opened, ended]: [number[], number[]] = [[], []]
  // The first ones wait until each region has found its place in what the other one tells: they do not count.
  for (let n = -1; n < facts; n++) {
    const nowMs = Date.now()
    const id = `ses_a${String(n + 1).padStart(24, '0')}` as never
    const session = sampleSession(n + 1, {
      id,
      createdAtMs: nowMs,
      lastActivityAtMs: nowMs,
      idleExpiresAtMs: nowMs + 3_600_000,
      expiresAtMs: nowMs + 28_800_000
    })
    await pause()
    const openedMs = await timed(
      () => berlin.store.openSession(session),
      async () => (await paris.store.getSession(id)) !== undefined
    )
    const there = (await paris.store.getSession(id)) ?? session
    await pause()
    const endedMs = await timed(
      () => paris.store.endSession(sampleEnd(n + 1, there)),
      async () => (await berlin.store.getSession(id))?.end !== undefined
    )
    if (n < 0) continue
    opened.push(openedMs)
    ended.push(endedMs)
  }
  await Promise.all([berlin.leave(), paris.leave()])
  return [
    `From one region to the other, ${delayMs} ms added to each message in each direction (wall-clock, ${facts} of each)`,
    `  ${'a sign-in is known there'.padEnd(44)} ${quantiles(opened)}`,
    `  ${'a sign-out is known there'.padEnd(44)} ${quantiles(ended)}`
  ]
}

/** So that no write begins in step with the other region, which looks at fixed intervals: the one before it has just arrived. */
function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * pauseMsMax))
}

async function timed(write: () => Promise<unknown>, isThere: () => Promise<boolean>): Promise<number> {
  const beganMs = performance.now()
  await write()
  while (!(await isThere())) await new Promise((resolve) => setTimeout(resolve, 1))
  return performance.now() - beganMs
}

function quantiles(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (part: number): string => `${(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(0)} ms`
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`
}

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

async function startRegion(id: string, letter: string, otherId: string, ports: Map<string, number>, delayMs: number): Promise<Region> {
  const server = await startRedisServer()
  const store = await openStore(server, { replication: sampleReplication(letter) })
  const outbound = createOutbound({ clock: systemClock, allowPrivate: ['127.0.0.0/8'], hosts: {}, perPeerMax: 64 })
  const self: Group = { id, letter, links: [] }
  const request: typeof outbound.request = (asked) => outbound.request({ ...asked, url: asked.url.replace('other.example', `127.0.0.1:${ports.get(otherId)}`) })
  const links: GroupLinks = createGroupLinks({
    self,
    others: [{ id: otherId, letter: letter === 'a' ? 'b' : 'a', links: ['http://other.example'] }],
    prover: createProver([createSecretKey(Buffer.alloc(32, 1))]),
    outbound: { request },
    clock: systemClock,
    random: systemRandom,
    store,
    logger: quiet,
    metrics: { called() {}, served() {}, isUp() {} }
  })
  const replicator: Replicator = createReplicator({
    links,
    store,
    facts: factsOf(store),
    clock: systemClock,
    figures: { joined() {}, upToDate() {}, revocationsUpToDate() {}, readAll() {}, backlog() {} },
    node: `node of ${id}`,
    fraction: Math.random,
    logger: quiet,
    logOutLate: async () => undefined,
    handsOver: false,
    limits: { revocationsMs: 1_000, ageMsMax: 3_600_000, factsMax: 10_000, backlogAlert: 1_000 }
  })
  await links.listener.listen({ host: '127.0.0.1', port: 0 })
  const { port } = links.listener.server.address() as AddressInfo
  const slow = delayMs > 0 ? await startSlowLink(port, delayMs) : undefined
  ports.set(id, slow?.port ?? port)
  return {
    store,
    follow: () => replicator.start(),
    leave: () => replicator.stop(),
    async [Symbol.asyncDispose]() {
      await links.stop()
      await outbound.close()
      await slow?.[Symbol.asyncDispose]()
      await links.listener.close()
      await store[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    }
  }
}
