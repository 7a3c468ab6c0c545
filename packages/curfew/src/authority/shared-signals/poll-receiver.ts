import { isCurfewError } from '@curfew/codecs'
import { createLoop } from '../../engine/loop.ts'
import type { Outbound } from '../../platform/outbound.ts'
import type { Random } from '../../platform/random.ts'
import type { AuthorityContext } from '../context.ts'
import { type ReceiveDeps, receiveSet } from './receive.ts'
import { setErrorWord } from './set-error.ts'
import type { TransmitterSettings } from './settings.ts'
import { createTransmitterKeys, type TransmitterKeys } from './transmitter-keys.ts'

/** Asks transmitters for their tokens (RFC 8936), one loop for each. */
export interface PollReceiver {
  start(): void
  stop(): Promise<void>
  /** One question to one transmitter; true when there may be more. @throws outbound codes */
  ask(transmitterId: string): Promise<boolean>
}

export type PollReceiverDeps = ReceiveDeps &
  Pick<AuthorityContext, 'sharedSignals' | 'fetchKeys'> & { readonly outbound: Pick<Outbound, 'request'>; readonly random: Pick<Random, 'fraction'> }

/** Tokens asked for at once. */
const eventsMax = 50
/** Longest answer that is read, in bytes: so many tokens of the largest size that is taken. */
const answerBytesMax = eventsMax * 33_000
/** Mean pause between two questions. */
const intervalMs = 2_000
/** After failures the pause doubles up to this many rounds. */
const roundsMax = 64
const timeoutMs = 10_000

interface Source {
  readonly transmitter: TransmitterSettings
  readonly poll: NonNullable<TransmitterSettings['poll']>
  /** What the next question says of the tokens of the last answer. Lost with the process: then they come again. */
  ack: readonly string[]
  setErrs: Readonly<Record<string, { readonly err: string; readonly description: string }>>
  /** Rounds to let pass, and how many it was last time. */
  skip: number
  skipped: number
}

export function createPollReceiver(deps: PollReceiverDeps): PollReceiver {
  const keys = createTransmitterKeys(deps)
  const sources = deps.sharedSignals.transmitters.flatMap((transmitter): Source[] =>
    transmitter.poll === undefined ? [] : [{ transmitter, poll: transmitter.poll, ack: [], setErrs: {}, skip: 0, skipped: 0 }]
  )
  const loops = sources.map((source) =>
    createLoop({
      clock: deps.clock,
      intervalMs,
      fraction: () => deps.random.fraction(),
      work: () => round(deps, keys, source),
      onError: (error) => {
        source.skipped = Math.min(roundsMax, Math.max(1, source.skipped * 2))
        source.skip = source.skipped
        deps.logger.warn({ event: 'signal.poll-failed', transmitter: source.transmitter.id, err: error }, 'A transmitter could not be asked; it is asked again')
      }
    })
  )
  return {
    start() {
      for (const loop of loops) loop.start()
    },
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()))
    },
    async ask(transmitterId) {
      const source = sources.find(({ transmitter }) => transmitter.id === transmitterId)
      return source === undefined ? false : ask(deps, keys, source)
    }
  }
}

async function round(deps: PollReceiverDeps, keys: TransmitterKeys, source: Source): Promise<boolean> {
  if (source.skip > 0) {
    source.skip -= 1
    return false
  }
  const isMore = await ask(deps, keys, source)
  source.skipped = 0
  return isMore
}

async function ask(deps: PollReceiverDeps, keys: TransmitterKeys, source: Source): Promise<boolean> {
  const { transmitter, poll, ack, setErrs } = source
  const answer = await deps.outbound.request({
    peerId: `signals:${transmitter.id}`,
    url: poll.url,
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/json', authorization: basicOf(poll) },
    body: JSON.stringify({ maxEvents: eventsMax, returnImmediately: true, ...(ack.length === 0 ? {} : { ack }), ...(isEmpty(setErrs) ? {} : { setErrs }) }),
    timeoutMs,
    responseBytesMax: answerBytesMax
  })
  if (answer.status !== 200) throw new Error(`the transmitter answered ${answer.status}`)
  const { sets = {}, moreAvailable } = JSON.parse(Buffer.from(answer.body).toString('utf8')) as {
    readonly sets?: Readonly<Record<string, unknown>>
    readonly moreAvailable?: unknown
  }
  source.ack = []
  source.setErrs = {}
  const taken = await takeAll(deps, keys, transmitter, Object.entries(sets).slice(0, eventsMax))
  source.ack = taken.flatMap(({ jti, err }) => (err === undefined ? [jti] : []))
  source.setErrs = Object.fromEntries(taken.flatMap(({ jti, err }) => (err === undefined ? [] : [[jti, { err, description: 'refused' }]])))
  return moreAvailable === true || taken.length > 0
}

interface Taken {
  readonly jti: string
  readonly err?: string
}

/** In order. What can't be stored now is left out of the acknowledgement and comes again. */
async function takeAll(
  deps: PollReceiverDeps,
  keys: TransmitterKeys,
  transmitter: TransmitterSettings,
  sets: readonly (readonly [string, unknown])[]
): Promise<readonly Taken[]> {
  const taken: Taken[] = []
  for (const [jti, text] of sets) {
    try {
      await receiveSet(deps, keys, transmitter, typeof text === 'string' ? text : '')
      taken.push({ jti })
    } catch (error) {
      const err = setErrorWord(error)
      if (err === undefined) throw error
      deps.logger.warn({ event: 'signal.refused', transmitter: transmitter.id, code: isCurfewError(error) ? error.code : '' }, 'A shared signal was refused')
      taken.push({ jti, err })
    }
  }
  return taken
}

function basicOf({ clientId, clientSecret }: { readonly clientId: string; readonly clientSecret: string }): string {
  return `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')}`
}

function isEmpty(fields: object): boolean {
  return Object.keys(fields).length === 0
}
