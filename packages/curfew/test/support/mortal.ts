import type { EngineDeps } from '../../src/engine/deps.ts'
import type { Sender } from '../../src/engine/sender.ts'
import type { Clock } from '../../src/platform/clock.ts'
import type { Store } from '../../src/stores/store.ts'

/** The process that dies at one of its calls to the outside: nothing it calls afterwards happens or returns. */
export interface Mortal {
  readonly deps: EngineDeps
  /** Every call so far, with its number. */
  readonly calls: readonly string[]
  readonly isDead: () => boolean
  /** As `kill -9` from outside, between two of its calls. */
  kill(): void
}

/** `before`: the call has no effect. `after`: it took effect, nobody learns of it. */
export type Death = { readonly phase: 'before' | 'after' } & (
  | {
      /** 1: the first call. */
      readonly atCall: number
    }
  | {
      /** Name of a call, and which one of those from the end of a session on. */
      readonly call: string
      readonly nth: number
    }
)

/**
 * Wraps what an engine uses, so that the process dies at the call that is named; without one it lives.
 * @param onDeath - for a real process: kills it; default: it only falls silent
 */
export function createMortal(deps: EngineDeps, death: Death | undefined, onDeath: () => void = () => undefined): Mortal {
  const calls: string[] = []
  let isDead = false
  const call = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    if (isDead) return never()
    calls.push(name)
    const isLast = death !== undefined && isPoint(death, calls)
    if (isLast && death?.phase === 'before') return die()
    const result = await work()
    if (isLast) return die()
    return isDead ? never() : result
  }
  const fall = (): void => {
    if (isDead) return
    isDead = true
    onDeath()
  }
  const die = (): Promise<never> => {
    fall()
    return never()
  }
  return {
    calls,
    isDead: () => isDead,
    kill: fall,
    deps: {
      ...deps,
      store: mortalStore(deps.store, call),
      senders: deps.senders.map((sender) => mortalSender(sender, call)),
      receipts: { sign: (run) => call('sign receipt', () => deps.receipts.sign(run)) },
      clock: mortalClock(deps.clock, () => isDead)
    }
  }
}

/** The last of these calls is the one to die at. */
function isPoint(death: Death, calls: readonly string[]): boolean {
  if ('atCall' in death) return calls.length === death.atCall
  const from = calls.indexOf('endSession')
  return calls.at(-1) === death.call && from !== -1 && calls.slice(from).filter((name) => name === death.call).length === death.nth
}

type Call = <T>(name: string, work: () => Promise<T>) => Promise<T>

function mortalStore(store: Store, call: Call): Store {
  return new Proxy(store, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver)
      if (typeof value !== 'function' || typeof name !== 'string') return value
      return (...args: unknown[]) => call(name, () => Reflect.apply(value, target, args) as Promise<unknown>)
    }
  })
}

function mortalSender(sender: Sender, call: Call): Sender {
  return {
    ...sender,
    send: (request, signal) => call(`send to ${request.delivery.peerId}`, () => sender.send(request, signal))
  }
}

function mortalClock(clock: Clock, isDead: () => boolean): Clock {
  return {
    nowMs: () => clock.nowMs(),
    after: (delayMs, fn) => clock.after(delayMs, () => (isDead() ? undefined : fn()))
  }
}

function never(): Promise<never> {
  return new Promise(() => {})
}
