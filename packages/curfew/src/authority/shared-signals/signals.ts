import type { PeerId } from '../../core/ids.ts'
import type { LogoutRun } from '../../core/run.ts'
import type { Outbound } from '../../platform/outbound.ts'
import type { Random } from '../../platform/random.ts'
import type { AuthorityContext } from '../context.ts'
import type { TokenKey } from '../oidc/settings.ts'
import type { User } from '../sign-on/user-directory.ts'
import { oweCredentialChanges } from './credential-change.ts'
import { oweSignals, receiversOf } from './owed.ts'
import { createPusher } from './pusher.ts'
import type { SharedSignalsSettings } from './settings.ts'
import { changeStatus } from './stream-status.ts'
import { createStreams, setsPerStreamMax, type Stream, type Streams, type StreamStatus, type StreamTally } from './streams.ts'
import { oweVerification } from './verification.ts'

/** The transmitter: what the engine calls when a session ended, and what brings it out. */
export interface Signals {
  readonly streams: Streams
  start(): void
  stop(): Promise<void>
  /** Owes every stream what the end of this session means to it. May be repeated. */
  ended(run: LogoutRun): Promise<void>
  /** Owes every stream what changed passwords mean. May be repeated. */
  passwordsChanged(users: readonly User[]): Promise<void>
  /** Something is owed. */
  wake(): void
  /** Called when something is owed. Returns how to stop. */
  onOwed(listener: () => void): () => void
  /** Every stream with how it is doing, for administrators. */
  list(): Promise<readonly StreamOverview[]>
  /** An administrator pauses a stream, or lets it go on. Undefined: this client has none. */
  setStatus(connection: PeerId, status: StreamStatus, reason?: string): Promise<StreamOverview | undefined>
  /** Owes the receiver a token that proves the way to it works. False: this client has no stream. */
  verify(connection: PeerId): Promise<boolean>
}

export interface StreamOverview extends StreamTally {
  readonly id: string
  readonly connection: string
  readonly status: StreamStatus
  /** Why it has this status. */
  readonly reason?: string
  readonly delivery: 'push' | 'poll'
  readonly url?: string
  readonly owed: number
  /** The next signals are lost. */
  readonly isFull: boolean
}

export type SignalsDeps = Pick<AuthorityContext, 'store' | 'clients' | 'clock' | 'locator' | 'secrets' | 'baseUrl' | 'logger' | 'metrics'> & {
  readonly settings: SharedSignalsSettings
  readonly keys: readonly TokenKey[]
  readonly outbound: Pick<Outbound, 'request'>
  readonly random: Pick<Random, 'fraction'>
}

export function createSignals(deps: SignalsDeps): Signals {
  const streams = createStreams(deps.store, () => deps.clock.nowMs())
  const pusher = createPusher({ ...deps, streams })
  const listeners = new Set<() => void>()
  /** Changes that this process has told; the store knows the rest. */
  const told = new Map<string, number>()
  const streamOf = async (connection: PeerId): Promise<Stream | undefined> => {
    const client = receiversOf(deps).find(({ id }) => id === connection)
    return client === undefined ? undefined : streams.find(client.clientId)
  }
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
    async passwordsChanged(users) {
      const fresh = users.filter(({ userKey, passwordChangedAtMs }) => told.get(userKey) !== passwordChangedAtMs)
      if (fresh.length === 0) return
      if ((await oweCredentialChanges({ ...deps, streams }, fresh)) > 0) wake()
      for (const { userKey, passwordChangedAtMs = 0 } of fresh) told.set(userKey, passwordChangedAtMs)
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
    },
    async setStatus(connection, status, reason) {
      const stream = await streamOf(connection)
      if (stream === undefined) return undefined
      const nowMs = deps.clock.nowMs()
      const next = await changeStatus(streams, stream, { status, isAsked: false, nowMs, ...(reason === undefined ? {} : { reason }) })
      wake()
      return overviewOf(streams, connection, next)
    },
    async verify(connection) {
      const stream = await streamOf(connection)
      if (stream === undefined) return false
      await oweVerification(streams, stream, deps.clock.nowMs())
      wake()
      return true
    }
  }
}

async function overviewOf(streams: Streams, connection: string, stream: Stream): Promise<StreamOverview> {
  const { id, status, reason, delivery } = stream
  const owed = (await streams.owed(stream, setsPerStreamMax)).length
  return {
    id,
    connection,
    status,
    ...(reason === undefined ? {} : { reason }),
    delivery: delivery.method,
    ...(delivery.method === 'push' ? { url: delivery.endpointUrl } : {}),
    owed,
    isFull: owed >= setsPerStreamMax,
    ...(await streams.tally(stream))
  }
}
