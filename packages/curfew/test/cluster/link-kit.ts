import { createSecretKey, type KeyObject } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { CurfewError } from '@curfew/codecs'
import { createGroupLinks, type GroupLinks, type GroupLinksDeps } from '../../src/cluster/group-links.ts'
import { createProver } from '../../src/cluster/proof.ts'
import type { Group } from '../../src/core/group.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { OutboundRequest, OutboundResponse } from '../../src/platform/outbound.ts'
import { createMemoryStore } from '../../src/stores/memory/memory-store.ts'
import type { Store } from '../../src/stores/store.ts'
import { createFakeClock, type FakeClock } from '../support/fake-clock.ts'
import { createSeededRandom } from '../support/seeded-random.ts'

export const berlin: Group = { id: 'berlin', letter: 'a', links: ['http://berlin-1.example:9041'] }
export const paris: Group = { id: 'paris', letter: 'b', links: ['http://paris-1.example:9041', 'http://paris-2.example:9041'] }

export function secret(byte: number): KeyObject {
  return createSecretKey(Buffer.alloc(32, byte))
}

/** Groups whose links lead to each other's listeners, and whoever sits on the wire. */
export class Wire {
  readonly #listeners = new Map<string, FastifyInstance>()
  /** Every request as it went over the wire, newest last. */
  readonly sent: OutboundRequest[] = []
  /** What a stranger does to a request before it arrives. */
  change: (request: OutboundRequest) => OutboundRequest = (request) => request
  /** What a stranger does to an answer. */
  changeAnswer: (answer: OutboundResponse) => OutboundResponse = (answer) => answer

  /** Requests that are taken and not answered, until their time is over or nobody waits for them. */
  #isHung: (request: OutboundRequest) => boolean = () => false
  #clock: Clock | undefined

  hang(isHung: (request: OutboundRequest) => boolean, clock: Clock): void {
    this.#isHung = isHung
    this.#clock = clock
  }

  async #hung({ timeoutMs, signal }: OutboundRequest): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.#clock?.after(timeoutMs, () => reject(new CurfewError('CURFEW_OUTBOUND_TIMEOUT', {})))
      signal?.addEventListener('abort', () => reject(new CurfewError('CURFEW_OUTBOUND_UNREACHABLE', {})))
    })
  }

  listen(link: string, listener: FastifyInstance): void {
    this.#listeners.set(link, listener)
  }

  listenerOf(link: string): FastifyInstance {
    const listener = this.#listeners.get(link)
    if (listener === undefined) throw new Error(`nobody listens at ${link}`)
    return listener
  }

  cut(link: string): void {
    this.#listeners.delete(link)
  }

  async request(request: OutboundRequest): Promise<OutboundResponse> {
    this.sent.push(request)
    if (this.#isHung(request)) return this.#hung(request)
    return this.replay(this.change(request))
  }

  async replay(request: OutboundRequest): Promise<OutboundResponse> {
    const { origin, pathname } = new URL(request.url)
    const listener = this.#listeners.get(origin)
    if (listener === undefined)
      throw new CurfewError('CURFEW_OUTBOUND_UNREACHABLE', { host: origin }, { cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) })
    const answer = await listener.inject({
      method: 'POST',
      url: pathname,
      headers: { ...request.headers },
      ...(request.body === undefined ? {} : { payload: Buffer.from(request.body) })
    })
    if (answer.rawPayload.length > request.responseBytesMax) throw new CurfewError('CURFEW_OUTBOUND_TOO_LARGE', { maximum: request.responseBytesMax })
    const headers = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]))
    return this.changeAnswer({ status: answer.statusCode, headers, body: answer.rawPayload, durationMs: 0 })
  }
}

export interface TestNode {
  readonly links: GroupLinks
  readonly store: Store
  readonly clock: FakeClock
  readonly counted: { readonly group: string; readonly name: string; readonly result: string }[]
}

let seed = 100

export interface LinkParts extends Partial<Pick<GroupLinksDeps, 'metrics' | 'logger'>> {
  readonly store: Store
  readonly clock: Clock
  readonly keys?: readonly KeyObject[]
  readonly at?: string
}

/** The links of one node, which listens on the wire. */
export function linksOn(wire: Wire, self: Group, others: readonly Group[], { store, clock, keys = [secret(1)], at, logger, metrics }: LinkParts): GroupLinks {
  seed += 1
  const links = createGroupLinks({
    self,
    others,
    prover: createProver(keys),
    outbound: wire,
    clock,
    random: createSeededRandom(seed),
    store,
    logger: logger ?? { info() {}, warn() {}, error() {} },
    metrics: metrics ?? { called() {}, served() {}, isUp() {} }
  })
  wire.listen(at ?? self.links[0] ?? '', links.listener)
  return links
}

/** One node of a group on a wire. */
export function nodeOf(
  wire: Wire,
  self: Group,
  others: readonly Group[],
  {
    keys = [secret(1)],
    store = createMemoryStore({ capacity: 100 }),
    clock = createFakeClock(),
    at = self.links[0] ?? ''
  }: {
    readonly keys?: readonly KeyObject[]
    readonly store?: Store
    readonly clock?: FakeClock
    readonly at?: string
  } = {}
): TestNode {
  const counted: { group: string; name: string; result: string }[] = []
  const links = linksOn(wire, self, others, { store, clock, keys, at, metrics: { called() {}, served: (one) => counted.push(one), isUp() {} } })
  return { links, store, clock, counted }
}
