import { storeError } from '../store-error.ts'
import type { Clock, Timer } from '../../platform/clock.ts'
import { storeErrorNewer, storeFormat } from './format.ts'
import { maybeTexts, type RedisContext, texts } from './redis-context.ts'

/** What a process says of itself to the others. */
export interface NodeFacts {
  readonly id: string
  readonly address: string
  readonly version: string
  /** Of the SAML artifacts that it issues. Absent: a node of a former version. */
  readonly index?: number
  readonly group?: string
  readonly tags: readonly string[]
  readonly startedAtMs: number
  /** Absent: it takes work. `draining`: it hands over what it has. `drained`: it has nothing any more. */
  readonly work?: 'draining' | 'drained'
}

/** A process that shares the store. */
export interface SeenNode extends NodeFacts {
  /** It renewed its name so late that it counts as there. */
  readonly isLive: boolean
}

/** The processes on one store, each with a name of its own. */
export interface Nodes {
  /**
   * Takes the name for this process and keeps it. The name of a process that is gone is free when its time is over.
   * @throws CURFEW_STORE_NODE_TAKEN when a live process has it
   * @throws CURFEW_STORE_SCHEMA_NEWER when newer programs have written what this one does not read
   */
  join(facts: NodeFacts): Promise<void>
  list(): Promise<readonly SeenNode[]>
  /** Asks a live node to stop taking work, or to take it again; it hears of it within two seconds. `last`: no other one takes work. `older`: a node is there that would not hear it. */
  drain(id: string, isAsked: boolean): Promise<Drained>
  /** The format that is written; 0 before this process has a name. */
  readonly format: number
  /** Called when this process is asked to stop taking work, and when it is not asked any more. */
  onDrain(listener: (isAsked: boolean) => void): void
  /** Tells the others how far this process is. */
  tell(work: NodeFacts['work']): Promise<void>
  leave(): Promise<void>
}

/** What came of asking a node to stop taking work. */
export type Drained = 'done' | 'unknown' | 'last' | 'older'

/** How long a name is kept without a word, and how often that word is given. */
const nameMs = 6_000
const renewMs = 2_000
/** Longer than that between two renewals, and the store itself was away. */
const gapMsMax = 1.5 * renewMs

export interface NodesDeps {
  readonly clock: Clock
  /** Tells this process from another of the same name; never used twice. */
  readonly token: string
  /** The name went to another process, because this one was away for too long. */
  readonly onLost: (error: unknown) => void
  /** Gives back what a process that is gone held, so that the others need not wait for its leases. */
  readonly release: (node: string) => Promise<unknown>
}

export function createNodes(context: Pick<RedisContext, 'shards' | 'keys'>, { clock, token, onLost, release }: NodesDeps): Nodes {
  const { shards, keys } = context
  let own: NodeFacts | undefined
  let timer: Timer | undefined
  let listener: (isAsked: boolean) => void = () => undefined
  let isAsked = false
  let format = 0
  /** When this process renewed its name last, and since when it has without a gap. */
  let renewedAtMs = Number.NEGATIVE_INFINITY
  let steadySinceMs = Number.NEGATIVE_INFINITY

  const claim = async (facts: NodeFacts): Promise<number | undefined> => {
    const nowMs = clock.nowMs()
    const args = [facts.id, token, String(nowMs), String(nowMs + nameMs), JSON.stringify(facts), String(storeFormat)]
    const [word, more, written] = texts((await shards.write(keys.common, 'node_claim', args, { isEnding: true })).reply)
    if (word === 'newer') throw storeErrorNewer(Number(more))
    if (word !== 'claimed') return Number(more)
    format = Number(written)
    hear(more === '1')
    return undefined
  }
  const hear = (asked: boolean): void => {
    if (asked === isAsked) return
    isAsked = asked
    listener(asked)
  }
  /** One that is slow, not gone, may still finish what it has begun: versions of runs keep the two apart. */
  const takeOver = async (): Promise<void> => {
    for (const { id, isLive } of await list()) {
      if (isLive || id === own?.id) continue
      await release(id)
      await shards.write(keys.common, 'node_forget', [id, String(clock.nowMs())], { isEnding: true })
    }
  }
  const keep = async (facts: NodeFacts): Promise<void> => {
    if ((await claim(facts)) !== undefined) throw storeErrorTaken(facts.id)
    const nowMs = clock.nowMs()
    if (Math.abs(nowMs - renewedAtMs) > gapMsMax) steadySinceMs = nowMs
    renewedAtMs = nowMs
    // While the store is away nobody renews a name: the silence of the others counts only where this process, which may be
    // new, was heard meanwhile.
    if (nowMs - steadySinceMs >= nameMs) await takeOver()
  }
  const renew = (): void => {
    timer = clock.after(renewMs, () => {
      if (own === undefined) return
      void keep(own).catch(onLost).finally(renew)
    })
  }
  const list = async (): Promise<readonly SeenNode[]> => {
    const ids = texts(await shards.read(keys.common, 'SMEMBERS', 'nodes'))
    const found = await Promise.all(ids.map(async (id) => maybeTexts(await shards.read(keys.common, 'HMGET', `node:${id}`, 'u', 'd'))))
    const nowMs = clock.nowMs()
    return found
      .flatMap(([untilMs, doc]) => (doc === undefined ? [] : [{ ...(JSON.parse(doc) as NodeFacts), isLive: Number(untilMs) > nowMs }]))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  }
  return {
    async join(facts) {
      // A process that was killed leaves its name behind for a while; one that lives renews it meanwhile. What is known of
      // the time may be set right while this waits: as long as nobody has renewed the name it waits on.
      for (let untilMs = await claim(facts); untilMs !== undefined; ) {
        const waitMs = Math.max(0, untilMs - clock.nowMs()) + 100
        await new Promise<void>((resolve) => {
          clock.after(waitMs, resolve)
        })
        const laterMs = await claim(facts)
        if (laterMs !== undefined && laterMs > untilMs) throw storeErrorTaken(facts.id)
        untilMs = laterMs
      }
      own = facts
      // The store may have been away until now, and the others have not given their word yet.
      renewedAtMs = clock.nowMs()
      steadySinceMs = renewedAtMs
      renew()
    },
    list,
    get format() {
      return format
    },
    async drain(id, asked) {
      const { reply } = await shards.write(keys.common, 'node_drain', [id, String(clock.nowMs()), asked ? '1' : ''], { isEnding: true })
      const word = String(reply) as Drained
      if (word === 'done' && id === own?.id) hear(asked)
      return word
    },
    onDrain(heard) {
      listener = heard
    },
    async tell(work) {
      if (own === undefined) return
      const { work: _, ...facts } = own
      own = work === undefined ? facts : { ...facts, work }
      await claim(own)
    },
    async leave() {
      timer?.cancel()
      const gone = own
      own = undefined
      if (gone !== undefined) await shards.write(keys.common, 'node_leave', [gone.id, token], { isEnding: true })
    }
  }
}

function storeErrorTaken(node: string): Error {
  return storeError('CURFEW_STORE_NODE_TAKEN', { node })
}
