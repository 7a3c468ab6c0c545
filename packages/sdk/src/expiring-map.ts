/** A map whose entries have an end. What is over is dropped in the order of time: every entry is touched once for it. */
export interface ExpiringMap<V> {
  readonly size: number
  /** The entry as it is kept, over or not. */
  get(key: string): V | undefined
  has(key: string): boolean
  /** Keeps the value until that time; a value under the same key is replaced. */
  set(key: string, value: V, untilMs: number): void
  delete(key: string): boolean
  /** Drops what was over before that time, give or take {@link slotMs}. */
  expire(nowMs: number): void
  /** Makes room: drops those that were kept first, a share of all at once, so that it costs little for each. */
  dropFirst(): void
}

/** Entries that end in the same so many milliseconds are dropped together. */
export const slotMs = 10_000

/** What share of a full map makes room at once: one in so many. */
const share = 16

interface Entry<V> {
  readonly value: V
  readonly slot: number
}

/** @param onDropped - told of each entry that {@link ExpiringMap.expire} or {@link ExpiringMap.dropFirst} dropped */
export function createExpiringMap<V>(onDropped: (value: V) => void = () => undefined): ExpiringMap<V> {
  const entries = new Map<string, Entry<V>>()
  const slots = new Map<number, Set<string>>()
  /** Every slot up to this one is empty. */
  let passed = Number.NEGATIVE_INFINITY

  const forget = (key: string): V | undefined => {
    const entry = entries.get(key)
    if (entry === undefined) return undefined
    entries.delete(key)
    const others = slots.get(entry.slot)
    others?.delete(key)
    if (others?.size === 0) slots.delete(entry.slot)
    return entry.value
  }
  const drop = (key: string): void => {
    const value = forget(key)
    if (value !== undefined) onDropped(value)
  }
  const empty = (slot: number): void => {
    for (const key of slots.get(slot) ?? []) drop(key)
  }

  return {
    get size() {
      return entries.size
    },
    get: (key) => entries.get(key)?.value,
    has: (key) => entries.has(key),
    set(key, value, untilMs) {
      forget(key)
      const slot = Math.max(slotOf(untilMs), passed + 1)
      entries.set(key, { value, slot })
      slots.set(slot, (slots.get(slot) ?? new Set()).add(key))
    },
    delete: (key) => forget(key) !== undefined,
    expire(nowMs) {
      const last = slotOf(nowMs) - 1
      if (last <= passed) return
      // Slot by slot in the usual case; after a long pause the slots that there are, if those are fewer.
      if (last - passed <= slots.size) for (let slot = passed + 1; slot <= last; slot++) empty(slot)
      else for (const slot of [...slots.keys()]) if (slot <= last) empty(slot)
      passed = last
    },
    dropFirst() {
      let left = Math.ceil(entries.size / share)
      for (const key of entries.keys()) {
        if (left-- <= 0) return
        drop(key)
      }
    }
  }
}

function slotOf(atMs: number): number {
  return Math.floor(atMs / slotMs)
}
