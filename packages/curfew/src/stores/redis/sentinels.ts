import type { Clock } from '../../platform/clock.ts'
import { type Dial, type Link, LinkLost, openLink, type Reply } from './link.ts'
import { type NodeAccess, type NodeAddress, nameOf } from './node-address.ts'
import { causeOfAll } from './refusal.ts'
import { texts } from './redis-context.ts'

/** The sentinels of a store, and which primary they name. */
export interface Sentinels {
  /** Asks all of them; answers as soon as a majority has named the same primary. @throws LinkLost when none is named so */
  primary(): Promise<NodeAddress>
  /**
   * Whether a majority has named this primary lately. One that is cut off goes on answering, and so do the sentinels that are
   * cut off with it: they are too few.
   */
  confirms(primary: string): boolean
  /** For how many milliseconds more {@link confirms} holds of whichever primary it is; 0: of none. */
  readonly confirmedForMs: number
  /** What the first that answers knows of the primary: its settings, and how many sentinels there are beside itself. @throws LinkLost */
  told(): Promise<ReadonlyMap<string, string>>
  close(): void
}

export interface SentinelsOptions {
  /** All sentinels that watch the servers: what a majority is counts from these. */
  readonly nodes: readonly NodeAddress[]
  /** Name that they know the servers by. */
  readonly master: string
  readonly access: NodeAccess
  readonly dial?: Dial
  readonly clock: Clock
  readonly steadyMs: () => number
  readonly label: string
  /** One does not answer; told once, and again after it has answered. */
  readonly onSilent?: (node: NodeAddress, error: unknown) => void
}

/** How often they are asked, at least. */
export const askEveryMs = 1_000
/** For so long after a majority named it a primary is read from, and no longer. */
export const confirmedMsMax = 3_000

/** What one sentinel said last. */
export interface Vote {
  readonly address: NodeAddress
  /** When it was asked: what it said was true then or later. */
  readonly askedMs: number
}

/** A primary, and when it was still named by a majority. */
export interface Named {
  readonly name: string
  readonly address: NodeAddress
  readonly askedMs: number
}

/** @param votes - the last word of those that have said something, of so many */
export function namedBy(votes: readonly Vote[], total: number): Named | undefined {
  const majority = Math.floor(total / 2) + 1
  for (const [name, same] of Map.groupBy(votes, ({ address }) => nameOf(address))) {
    const last = same.toSorted((a, b) => b.askedMs - a.askedMs)[majority - 1]
    if (last !== undefined) return { name, ...last }
  }
  return undefined
}

export function openSentinels(options: SentinelsOptions): Sentinels {
  const { nodes, steadyMs } = options
  const voters = nodes.map((node) => createVoter(options, node))
  let named: Named | undefined
  const count = (): void => {
    named = namedBy(
      voters.flatMap(({ vote }) => vote ?? []),
      nodes.length
    )
  }
  const unnamed = (): LinkLost => {
    const failures = voters.flatMap(({ failure }) => failure ?? [])
    const cause = causeOfAll(failures, voters.length)
    return new LinkLost(`no majority of the sentinels ${nodes.map(nameOf).join(', ')} names a primary`, cause === undefined ? {} : { cause })
  }
  return {
    primary() {
      const sinceMs = steadyMs()
      const { promise, resolve, reject } = Promise.withResolvers<NodeAddress>()
      let open = voters.length
      for (const voter of voters)
        void voter.ask().then(() => {
          open -= 1
          count()
          if (named !== undefined && named.askedMs >= sinceMs) resolve(named.address)
          else if (open === 0) reject(unnamed())
        })
      return promise
    },
    confirms: (primary) => named?.name === primary && steadyMs() - named.askedMs <= confirmedMsMax,
    get confirmedForMs() {
      return named === undefined ? 0 : Math.max(0, named.askedMs + confirmedMsMax - steadyMs())
    },
    async told() {
      let failure: unknown
      for (const voter of voters) {
        try {
          return await voter.told()
        } catch (error) {
          failure = error
        }
      }
      throw failure
    },
    close() {
      for (const voter of voters) voter.close()
    }
  }
}

interface Voter {
  readonly vote: Vote | undefined
  /** Why it gave no answer when it was asked last. */
  readonly failure: unknown
  /** Asks, unless it is being asked; one that does not answer leaves its last word. */
  ask(): Promise<void>
  told(): Promise<ReadonlyMap<string, string>>
  close(): void
}

function createVoter(options: SentinelsOptions, node: NodeAddress): Voter {
  let link: Link | undefined
  let vote: Vote | undefined
  let asking: Promise<void> | undefined
  let making: Promise<Link> | undefined
  let failure: unknown
  let isSilent = false
  let isClosed = false
  const make = async (): Promise<Link> => {
    link = await openLink({ ...options, address: node, label: `${options.label}-look` })
    if (isClosed) link.close()
    return link
  }
  /** Whoever needs the connection while it is being made shares that: a second one would be nobody's to close. */
  const open = async (): Promise<Link> => {
    if (link?.isOpen === true) return link
    making ??= make().finally(() => {
      making = undefined
    })
    return making
  }
  const once = async (): Promise<void> => {
    try {
      const to = await open()
      const askedMs = options.steadyMs()
      vote = { address: addressIn(await to.send(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', options.master])), askedMs }
      isSilent = false
      failure = undefined
    } catch (error) {
      link?.close()
      link = undefined
      failure = error
      if (!isSilent) options.onSilent?.(node, error)
      isSilent = true
    }
  }
  return {
    get vote() {
      return vote
    },
    get failure() {
      return failure
    },
    ask() {
      asking ??= once().finally(() => {
        asking = undefined
      })
      return asking
    },
    async told() {
      const fields = texts(await (await open()).send(['SENTINEL', 'MASTER', options.master]))
      return new Map(fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1] ?? ''] as const] : [])))
    },
    close() {
      isClosed = true
      link?.close()
    }
  }
}

/** Host and port, as a sentinel writes them; it writes nothing where it does not know the name. */
function addressIn(reply: Reply): NodeAddress {
  const [host, port] = Array.isArray(reply) ? (reply as readonly Reply[]) : []
  if (typeof host !== 'string' || port === undefined) throw new LinkLost('the sentinel does not know the name')
  return { host, port: Number(port) }
}
