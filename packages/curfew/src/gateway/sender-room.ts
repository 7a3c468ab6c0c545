import { LRUCache } from 'lru-cache'

/** Room for what anybody can send: full, it gives up what was not used for longest; what one sender has beyond a share takes the place of its own. */
export interface SenderRoom<T extends {}> {
  /** It counts as used. */
  get(key: string): T | undefined
  /**
   * Does nothing where the key is known: it stays with who brought it first.
   * @param from - absent: it counts for no share
   */
  add(key: string, value: T, from: string | undefined): void
  delete(key: string): void
  /** What one sender has here, with the least used first. */
  of(from: string): Iterable<readonly [key: string, value: T]>
  /** False where something of that size would take the place of what the same sender has. */
  hasRoom(from: string, size?: number): boolean
  readonly count: number
}

export interface SenderRoomSizes<T> {
  readonly sizeMax: number
  /** What one sender may take of that. */
  readonly senderSizeMax: number
  /** Default: each takes one. */
  readonly sizeOf?: (value: T) => number
}

interface Held<T> {
  readonly value: T
  readonly from: string | undefined
  readonly size: number
}

interface Share {
  /** In the order of use. */
  readonly keys: Set<string>
  size: number
}

export function createSenderRoom<T extends {}>({ sizeMax, senderSizeMax, sizeOf = () => 1 }: SenderRoomSizes<T>): SenderRoom<T> {
  const shares = new Map<string, Share>()
  const all = new LRUCache<string, Held<T>>({
    maxSize: sizeMax,
    sizeCalculation: ({ size }) => size,
    dispose({ from, size }, key) {
      const share = from === undefined ? undefined : shares.get(from)
      if (share?.keys.delete(key) !== true) return
      share.size -= size
      if (from !== undefined && share.keys.size === 0) shares.delete(from)
    }
  })
  const hasRoom = (from: string, size = 1): boolean => (shares.get(from)?.size ?? 0) + size <= senderSizeMax
  const countFor = (from: string, key: string, size: number): void => {
    // A set goes on behind what is taken out of it on the way.
    for (const older of shares.get(from)?.keys ?? []) {
      if (hasRoom(from, size)) break
      all.delete(older)
    }
    const share = shares.get(from) ?? { keys: new Set(), size: 0 }
    shares.set(from, share)
    share.keys.add(key)
    share.size += size
  }
  return {
    hasRoom,
    get(key) {
      const held = all.get(key)
      if (held === undefined) return undefined
      const keys = held.from === undefined ? undefined : shares.get(held.from)?.keys
      if (keys?.delete(key) === true) keys.add(key)
      return held.value
    },
    add(key, value, from) {
      if (all.has(key)) return
      const size = sizeOf(value)
      if (from !== undefined) countFor(from, key, size)
      all.set(key, { value, from, size })
    },
    delete: (key) => void all.delete(key),
    *of(from) {
      for (const key of shares.get(from)?.keys ?? []) {
        const held = all.peek(key)
        if (held !== undefined) yield [key, held.value]
      }
    },
    get count() {
      return all.size
    }
  }
}
