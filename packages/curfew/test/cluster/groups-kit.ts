import type { FastifyInstance } from 'fastify'
import { indexOpener, joinGroups } from '../../src/cli/cluster-setup.ts'
import { serveSignals, signalsAt } from '../../src/cli/signals-home.ts'
import type { GroupLinks } from '../../src/cluster/group-links.ts'
import { withForeignState } from '../../src/cluster/foreign-state.ts'
import { serveReplication } from '../../src/cluster/serve-replication.ts'
import type { Group } from '../../src/core/group.ts'
import { carry, factsOf, sampleReplication } from '../../src/stores/conformance/carry.ts'
import { createMemoryStore, type MemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { Store } from '../../src/stores/store.ts'
import type { Browser } from '../authority/browser.ts'
import { createBrowser } from '../authority/browser.ts'
import { createKit, type Kit, type KitOptions } from '../authority/kit.ts'
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts'
import { berlin, nodeOf, paris, Wire } from './link-kit.ts'

/** Two groups of one authority, each with a store of its own, and the same partners. */
export interface TwoGroups extends AsyncDisposable {
  readonly berlin: Kit
  readonly paris: Kit
  readonly wire: Wire
  readonly clock: FakeClock
  /** A browser whose requests a load balancer spreads over both groups. */
  anywhere(): Browser
  /** Lets time pass until the work is done: whoever waits for another group looks again and again. */
  while<T>(work: Promise<T>): Promise<T>
  /** The links of the group `paris` are down from here on. */
  cutParis(): void
  /** The same for `berlin`, which keeps the streams of shared signals. */
  cutBerlin(): void
}

/** Two groups that tell each other of their sessions. */
export interface TwoRegions extends TwoGroups {
  /** Each is told of what is new in the other one. */
  settle(): Promise<void>
}

export async function createTwoRegions(options: KitOptions = {}): Promise<TwoRegions> {
  const stores = [berlin, paris].map(({ letter }) => createMemoryStore({ capacity: 1_000, replication: sampleReplication(letter, { transactions: false }) }))
  const [first, second] = stores as [MemoryStore, MemoryStore]
  return {
    ...(await createTwoGroups(options, (group) => (group === berlin ? first : second))),
    async settle() {
      while ((await carry(first, second)) + (await carry(second, first)) > 0);
    }
  }
}

/** @param regionStore - the stores of two regions; absent: subclusters with stores of their own */
export async function createTwoGroups(options: KitOptions = {}, regionStore?: (group: Group) => MemoryStore): Promise<TwoGroups> {
  const clock = createFakeClock()
  const wire = new Wire()
  const links: GroupLinks[] = []
  const linksOf = (self: Group, others: readonly Group[], store: Store): GroupLinks => {
    const node = nodeOf(wire, self, others, { store, clock })
    links.push(node.links)
    return node.links
  }
  const joined = (self: Group, others: readonly Group[]): Pick<KitOptions, 'group' | 'join' | 'clock' | 'signalsHome' | 'store'> => {
    const region = regionStore === undefined ? undefined : regionOf(self, others, regionStore(self))
    return {
      clock,
      group: self.letter,
      ...(region === undefined ? {} : { store: region.store }),
      ...(self === berlin ? {} : { signalsHome: signalsAt({ call: (...asked) => (links[1] ?? unjoined()).call(...asked) }, berlin.id) }),
      join: ({ store, engine, locator, connections, clients, signals }, authority) => {
        const own = region?.links ?? linksOf(self, others, store)
        if (self === berlin) serveSignals(own, signals)
        return joinGroups(
          { mode: region === undefined ? 'subclusters' : 'regions', others, carriesCodes: false, ...(self === berlin ? {} : { home: berlin.id }) },
          own,
          { store, engine, clock, logger: { debug() {}, error() {} }, openIndex: indexOpener(locator, connections, clients) },
          authority
        )
      }
    }
  }
  const regionOf = (self: Group, others: readonly Group[], store: MemoryStore): { readonly store: Store; readonly links: GroupLinks } => {
    const own = linksOf(self, others, store)
    const facts = factsOf(store)
    serveReplication({ links: own, store, facts, clock, handsOver: true })
    const fetches = { fetchesSessions: true, fetchesTransactions: true, fetchesArtifacts: true }
    return { links: own, store: withForeignState(store, { links: own, facts, clock, logger: { debug() {} }, ...fetches }) }
  }
  const first = await createKit({ ...options, ...joined(berlin, [paris]) })
  const connections = Object.values(first.partners).map(({ settings, pair }) => ({ settings, certificatePem: pair.certificatePem }))
  const second = await createKit({ ...options, partners: {}, connections: [...connections, ...(options.connections ?? [])], ...joined(paris, [berlin]) })
  for (const one of links) await one.start()
  await clock.advance(2_000)
  return {
    berlin: first,
    paris: second,
    wire,
    clock,
    anywhere() {
      let turn = 0
      const inject = (request: object): Promise<unknown> => {
        turn += 1
        return (turn % 2 === 0 ? first : second).app.inject(request)
      }
      return createBrowser({ inject } as unknown as FastifyInstance)
    },
    async while(work) {
      let isDone = false
      const done = (): boolean => (isDone = true)
      work.then(done, done)
      for (let i = 0; i < 400 && !isDone; i++) {
        await clock.advance(50)
        await new Promise((resolve) => setImmediate(resolve))
      }
      return work
    },
    cutParis: () => paris.links.forEach((link) => wire.cut(link)),
    cutBerlin: () => berlin.links.forEach((link) => wire.cut(link)),
    async [Symbol.asyncDispose]() {
      for (const one of links) await one.stop()
      await first[Symbol.asyncDispose]()
      await second[Symbol.asyncDispose]()
    }
  }
}

function unjoined(): never {
  throw new Error('the second group is not there yet')
}
