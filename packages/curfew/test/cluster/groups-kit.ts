import type { FastifyInstance } from 'fastify'
import { indexOpener, joinGroups } from '../../src/cli/cluster-setup.ts'
import { serveSignals, signalsAt } from '../../src/cli/signals-home.ts'
import type { GroupLinks } from '../../src/cluster/group-links.ts'
import type { Group } from '../../src/core/group.ts'
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
}

export async function createTwoGroups(options: KitOptions = {}): Promise<TwoGroups> {
  const clock = createFakeClock()
  const wire = new Wire()
  const links: GroupLinks[] = []
  const joined = (self: Group, others: readonly Group[]): Pick<KitOptions, 'group' | 'join' | 'clock' | 'signalsHome'> => ({
    clock,
    group: self.letter,
    ...(self === berlin ? {} : { signalsHome: signalsAt({ call: (...asked) => (links[1] ?? unjoined()).call(...asked) }, berlin.id) }),
    join: ({ store, engine, locator, connections, clients, signals }, authority) => {
      const node = nodeOf(wire, self, others, { store, clock })
      links.push(node.links)
      if (self === berlin) serveSignals(node.links, signals)
      return joinGroups(
        { mode: 'subclusters', others, fetchesTransactions: false, ...(self === berlin ? {} : { home: berlin.id }) },
        node.links,
        { store, engine, clock, logger: { debug() {}, error() {} }, openIndex: indexOpener(locator, connections, clients) },
        authority
      )
    }
  })
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
