import type { PeerId } from '../../core/ids.ts'
import type { LogoutRun } from '../../core/run.ts'
import type { Session } from '../../core/session.ts'
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
  /** Owes every stream what the end of this session means to it. May be repeated. @throws while the group that keeps the streams is away */
  ended(run: LogoutRun): Promise<void>
  /** The same for a session of another group. */
  endedElsewhere(run: LogoutRun, session: Session): Promise<void>
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

/** The transmitter of another group, which keeps the streams of all: a receiver has one, whichever group it asks. */
export interface SignalsHome {
  /** @throws while that group is away: whoever ends sessions tries again */
  ended(run: LogoutRun, session: Session): Promise<void>
  list(): Promise<readonly StreamOverview[]>
  setStatus(connection: PeerId, status: StreamStatus, reason?: string): Promise<StreamOverview | undefined>
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
  /** Absent: streams are kept here. */
  readonly home?: SignalsHome
}

export function createSignals(deps: SignalsDeps): Signals {
  const { home } = deps
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
  const endedHere = async (run: LogoutRun, session: Session): Promise<void> => {
    if ((await oweSignals({ ...deps, streams }, run, session)) > 0) wake()
  }
  return {
    streams,
    start: () => pusher.start(),
    stop: () => pusher.stop(),
    async ended(run) {
      const session = await deps.store.getSession(run.sessionId)
      if (session !== undefined) await (home === undefined ? endedHere(run, session) : home.ended(run, session))
    },
    endedElsewhere: endedHere,
    async passwordsChanged(users) {
      // The group that keeps the streams sees the same accounts.
      if (home !== undefined) return
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
      if (home !== undefined) return home.list()
      const all = await Promise.all(receiversOf(deps).map(async (client) => ({ connection: client.id, stream: await streams.find(client.clientId) })))
      const known = all.flatMap(({ connection, stream }) => (stream === undefined ? [] : [{ connection, stream }]))
      return Promise.all(known.map(({ connection, stream }) => overviewOf(streams, connection, stream)))
    },
    async setStatus(connection, status, reason) {
      if (home !== undefined) return home.setStatus(connection, status, reason)
      const stream = await streamOf(connection)
      if (stream === undefined) return undefined
      const nowMs = deps.clock.nowMs()
      const next = await changeStatus(streams, stream, { status, isAsked: false, nowMs, ...(reason === undefined ? {} : { reason }) })
      wake()
      return overviewOf(streams, connection, next)
    },
    async verify(connection) {
      if (home !== undefined) return home.verify(connection)
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
