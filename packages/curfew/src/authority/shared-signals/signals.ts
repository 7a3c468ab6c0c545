import type { LogoutRun } from '../../core/run.ts'
import type { Outbound } from '../../platform/outbound.ts'
import type { Random } from '../../platform/random.ts'
import type { AuthorityContext } from '../context.ts'
import type { TokenKey } from '../oidc/settings.ts'
import { oweSignals, receiversOf } from './owed.ts'
import { createPusher } from './pusher.ts'
import type { SharedSignalsSettings } from './settings.ts'
import { createStreams, setsPerStreamMax, type Stream, type Streams, type StreamStatus, type StreamTally } from './streams.ts'

/** The transmitter: what the engine calls when a session ended, and what brings it out. */
export interface Signals {
  readonly streams: Streams
  start(): void
  stop(): Promise<void>
  /** Owes every stream what the end of this session means to it. May be repeated. */
  ended(run: LogoutRun): Promise<void>
  /** Something is owed. */
  wake(): void
  /** Called when something is owed. Returns how to stop. */
  onOwed(listener: () => void): () => void
  /** Every stream with how it is doing, for administrators. */
  list(): Promise<readonly StreamOverview[]>
}

export interface StreamOverview extends StreamTally {
  readonly id: string
  readonly connection: string
  readonly status: StreamStatus
  readonly delivery: 'push' | 'poll'
  readonly url?: string
  readonly owed: number
  /** The next signals are lost. */
  readonly isFull: boolean
}

export type SignalsDeps = Pick<AuthorityContext, 'store' | 'clients' | 'clock' | 'locator' | 'secrets' | 'baseUrl' | 'logger'> & {
  readonly settings: SharedSignalsSettings
  readonly keys: readonly TokenKey[]
  readonly outbound: Pick<Outbound, 'request'>
  readonly random: Pick<Random, 'fraction'>
}

export function createSignals(deps: SignalsDeps): Signals {
  const streams = createStreams(deps.store, () => deps.clock.nowMs())
  const pusher = createPusher({ ...deps, streams })
  const listeners = new Set<() => void>()
  const wake = (): void => {
    pusher.wake()
    for (const listener of [...listeners]) listener()
  }
  return {
    streams,
    start: () => pusher.start(),
    stop: () => pusher.stop(),
    async ended(run) {
      if ((await oweSignals({ ...deps, streams }, run)) > 0) wake()
    },
    wake,
    onOwed(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async list() {
      const all = await Promise.all(receiversOf(deps).map(async (client) => ({ connection: client.id, stream: await streams.find(client.clientId) })))
      const known = all.flatMap(({ connection, stream }) => (stream === undefined ? [] : [{ connection, stream }]))
      return Promise.all(known.map(({ connection, stream }) => overviewOf(streams, connection, stream)))
    }
  }
}

async function overviewOf(streams: Streams, connection: string, stream: Stream): Promise<StreamOverview> {
  const { id, status, delivery } = stream
  const owed = (await streams.owed(stream, setsPerStreamMax)).length
  return {
    id,
    connection,
    status,
    delivery: delivery.method,
    ...(delivery.method === 'push' ? { url: delivery.endpointUrl } : {}),
    owed,
    isFull: owed >= setsPerStreamMax,
    ...(await streams.tally(stream))
  }
}
