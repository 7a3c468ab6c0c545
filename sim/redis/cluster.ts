import type { Clock } from '../../packages/curfew/src/platform/clock.ts'
import type { NodeAddress } from '../../packages/curfew/src/stores/redis/node-address.ts'
import type { Network } from './network.ts'
import { type Shard, SimServer, type Spoil } from './server.ts'

/** How long a server is silent until the others take it for failed, and it them. */
export const nodeTimeoutMs = 1_500
const lookMs = 100
const electionMsMin = 500
/** So long one that was cut off goes on to refuse, until it knows what happened meanwhile. */
const rejoinMs = 500

export interface SimClusterOptions {
  readonly clock: Clock
  readonly network: Network
  readonly fraction: () => number
  readonly shards: number
  /** Copies of each primary. */
  readonly copies: number
  readonly name: string
  readonly tell: (what: string) => void
  /** A server took over that lacks writes of the one before it. */
  readonly onLoss?: () => void
  readonly spoil?: Spoil
}

/**
 * The servers of one store, and what they agree on among themselves: who is silent for too long, which copy takes over.
 * That most of them can reach each other is taken for granted: whoever is isolated is on the smaller side.
 */
export class SimCluster {
  readonly servers: readonly SimServer[]
  readonly #options: SimClusterOptions
  #shards: readonly Shard[]
  readonly #silentSince = new Map<SimServer, number>()
  #isClosed = false
  readonly name: string
  /** Stands for the servers that nobody isolates. */
  readonly majority: string

  constructor(options: SimClusterOptions) {
    const { clock, network, shards, copies, name, spoil } = options
    this.#options = options
    this.name = name
    this.majority = `most of ${name}`
    this.servers = Array.from({ length: shards * (1 + copies) }, (_, i) => {
      const shard = i % shards
      return new SimServer({ name: `${name}${i + 1}:6379`, shard, shards, clock, network, ...(spoil === undefined ? {} : { spoil }) })
    })
    this.#shards = Array.from({ length: shards }, (_, index) => ({ index, epoch: 1, primary: this.servers[index] as SimServer }))
    for (const shard of this.#shards) shard.primary.promote(shard)
    for (const server of this.servers) for (const shard of this.#shards) server.hear(shard)
    this.#watch()
  }

  get addresses(): readonly NodeAddress[] {
    return this.servers.map(({ name }) => ({ host: name.split(':')[0] ?? '', port: 6379 }))
  }

  get primaries(): readonly SimServer[] {
    return this.#shards.map(({ primary }) => primary)
  }

  copiesOf(primary: SimServer): readonly SimServer[] {
    return this.servers.filter((server) => server.shard === primary.shard && server !== primary)
  }

  /** A server that comes back hears who is who. */
  restart(server: SimServer): void {
    const { clock, fraction } = this.#options
    server.restart()
    // As a server of Redis does after a start: it answers nobody until the others had time to tell it who took its place.
    server.isCutOff = true
    for (const shard of this.#shards) {
      this.#say(shard, server)
      this.#options.network.channel(this.majority, server.name).send(() => server.hear(shard))
    }
    for (const copy of this.copiesOf(server)) clock.after(fraction() * 1_000, () => copy.followAgain(server))
  }

  close(): void {
    this.#isClosed = true
  }

  #say(shard: Shard, server: SimServer): void {
    this.#options.network.channel(shard.primary.name, server.name).send(() => server.hear(shard))
  }

  #watch(): void {
    this.#options.clock.after(lookMs, () => {
      if (this.#isClosed) return
      for (const server of this.servers) this.#look(server)
      for (const shard of this.#shards) this.#replace(shard)
      this.#watch()
    })
  }

  #isSilent(server: SimServer): boolean {
    return !server.isUp || !this.#options.network.isJoined(server.name, this.majority)
  }

  #look(server: SimServer): void {
    const { clock, network } = this.#options
    const since = this.#silentSince.get(server)
    if (!this.#isSilent(server)) {
      this.#silentSince.delete(server)
      if (server.isCutOff) clock.after(rejoinMs, () => void (server.isCutOff = !network.isJoined(server.name, this.majority)))
      return
    }
    if (since === undefined) this.#silentSince.set(server, clock.nowMs())
    // One that stands still does not notice.
    else if (server.isUp && clock.nowMs() - since >= nodeTimeoutMs) server.isCutOff = true
  }

  #replace(shard: Shard): void {
    const { clock, fraction, tell, onLoss } = this.#options
    const { primary, index } = shard
    const since = this.#silentSince.get(primary)
    if (since === undefined || clock.nowMs() < since + nodeTimeoutMs + electionMsMin + fraction() * 500) return
    const [best] = this.copiesOf(primary)
      .filter((copy) => !this.#isSilent(copy))
      .sort((a, b) => b.offset - a.offset)
    if (best === undefined) return
    tell(`${best.name} takes over from ${primary.name}, ${primary.offset - best.offset} writes behind it`)
    if (best.offset < primary.offset) onLoss?.()
    const next: Shard = { index, epoch: shard.epoch + 1, primary: best }
    this.#shards = this.#shards.map((one) => (one === shard ? next : one))
    best.promote(next)
    for (const server of this.servers) if (server !== best) this.#say(next, server)
  }
}
