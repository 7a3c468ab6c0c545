import type { Clock } from '../../packages/curfew/src/platform/clock.ts'
import type { Durability, Store } from '../../packages/curfew/src/stores/store.ts'
import { Broken } from '../invariants.ts'
import type { Node } from './node.ts'

const keptMs = 3_600_000

/** One kind of thing that is good once, as the store has it. */
interface Kind {
  /** Absent: whoever uses it is the one who makes it. */
  readonly make?: (store: Store, name: string, nowMs: number) => Promise<{ readonly durability: Durability }>
  readonly use: (store: Store, name: string, nowMs: number) => Promise<{ readonly isFirst: boolean; readonly durability: Durability }>
}

const kinds: Readonly<Record<string, Kind>> = {
  id: {
    async use(store, name, nowMs) {
      const { value, durability } = await store.replaySeen('idp', name, nowMs + keptMs, nowMs)
      return { isFirst: value === 'fresh', durability }
    }
  },
  code: {
    make: (store, name, nowMs) => store.putArtifact({ kind: 'AuthorizationCode', id: name, untilMs: nowMs + keptMs, value: {} }),
    async use(store, name, nowMs) {
      const { value, durability } = await store.consumeArtifact('AuthorizationCode', name, nowMs)
      return { isFirst: value === 'consumed', durability }
    }
  },
  transaction: {
    make: (store, name, nowMs) => store.txCreate(name, 'in progress', nowMs + keptMs),
    async use(store, name, nowMs) {
      const { value, durability } = await store.txTake(name, nowMs)
      return { isFirst: value !== undefined, durability }
    }
  },
  mark: {
    async use(store, name, nowMs) {
      const { value, durability } = await store.txCreate(name, true, nowMs + keptMs)
      return { isFirst: value === 'created', durability }
    }
  }
}

interface Value {
  readonly name: string
  readonly kind: Kind
  /** Whoever made it was answered: before that nobody else can know it, and what was answered to nobody may be made again. */
  isThere: boolean
  asked: number
  answered: number
  hasUser: boolean
  /** Somebody was the first, and the copies know it. */
  isUsedUp: boolean
  /** Something about it was confirmed by fewer copies than asked for. */
  isDoubtful: boolean
}

/** Within so many milliseconds of a use connections break, so that its answer may be lost. */
const lossMs = 8

export interface OneTimeOptions {
  readonly clock: Clock
  /** Breaks a connection to every primary. */
  readonly breakConnections: () => void
  readonly fraction: () => number
  readonly tell: (what: string) => void
}

/** What is good once, used by several nodes: one of them gets it, also where its answer is lost and it asks again. */
export class OneTimeValues {
  readonly #options: OneTimeOptions
  readonly #values: Value[] = []

  constructor(options: OneTimeOptions) {
    this.#options = options
  }

  /** Uses one of the last of each kind, or the first. @throws Broken when it was used up before */
  async play(node: Node): Promise<void> {
    const { clock, fraction, breakConnections } = this.#options
    for (let i = 0; i < 3; i++) clock.after(fraction() * lossMs, breakConnections)
    await Promise.all(
      Object.entries(kinds).map(async ([name, kind]) => {
        const value = this.#lately(kind) ?? (await this.#make(node, name, kind))
        if (node.isAlive()) await this.#use(node, value)
        // For later, when servers may fail.
        if (node.isAlive()) await this.#make(node, name, kind)
      })
    )
  }

  #lately(kind: Kind): Value | undefined {
    const last = this.#values.filter((value) => value.kind === kind).slice(-2)
    return last[Math.floor(this.#options.fraction() * last.length)]
  }

  async #make(node: Node, kindName: string, kind: Kind): Promise<Value> {
    const isThere = kind.make === undefined
    const value: Value = {
      name: `${kindName} ${this.#values.length}`,
      kind,
      isThere,
      asked: 0,
      answered: 0,
      hasUser: false,
      isUsedUp: false,
      isDoubtful: false
    }
    this.#values.push(value)
    // Whoever uses it before it is known to be there may be told that there is nothing.
    value.isDoubtful = !isThere
    const made = await kind.make?.(node.store, value.name, node.store.clock.nowMs())
    if (made === undefined) return value
    this.#options.tell(`${node.host}: makes ${value.name}: ${made.durability}`)
    value.isThere = true
    value.isDoubtful = value.asked > 0 || made.durability !== 'replicated'
    return value
  }

  async #use(node: Node, value: Value): Promise<void> {
    value.asked += 1
    const { isUsedUp, isThere } = value
    const { isFirst, durability } = await value.kind.use(node.store, value.name, node.store.clock.nowMs())
    if (!node.isAlive()) return
    value.answered += 1
    this.#options.tell(`${node.host}: uses ${value.name}: ${isFirst ? 'the first' : 'not the first'}, ${durability}`)
    if (isFirst && isUsedUp) throw new Broken(`${value.name} was used up, and is good again at ${node.host}`)
    if (durability !== 'replicated') value.isDoubtful = true
    if (!isFirst) return
    value.hasUser = true
    if (durability === 'replicated' && isThere) value.isUsedUp = true
  }

  /** Where everybody was answered, and the copies had all of it, somebody was the first. @throws Broken where nobody was */
  checkAtRest(): void {
    const lost = this.#values.find(({ asked, answered, hasUser, isDoubtful }) => asked > 0 && asked === answered && !hasUser && !isDoubtful)
    if (lost !== undefined) throw new Broken(`${lost.name} was good for nobody: a call took its own work for that of another`)
  }
}
