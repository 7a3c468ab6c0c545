/**
 * Values in the order in which they came, each of which leaves by itself. A set would do the same; but the engine replaces the
 * table of a set each time as many have come and gone as it holds, and a table that it has replaced, and that has grown old,
 * keeps what was in it, and all tables after it, until the next full collection: here that is every request.
 */
export interface Chain<T> {
  readonly size: number
  /** @returns what takes the value out; true the first time */
  add(value: T): () => boolean
  values(): T[]
  clear(): void
}

interface Link<T> {
  value: T | undefined
  before: Link<T> | undefined
  after: Link<T> | undefined
}

export function createChain<T>(): Chain<T> {
  const state = { first: undefined as Link<T> | undefined, last: undefined as Link<T> | undefined, size: 0 }
  /** A link that is out leads to nothing, so that one that has grown old keeps nothing. */
  const takeOut = (link: Link<T>): boolean => {
    if (link.value === undefined) return false
    const { before, after } = link
    if (before === undefined) state.first = after
    else before.after = after
    if (after === undefined) state.last = before
    else after.before = before
    link.value = link.before = link.after = undefined
    state.size -= 1
    return true
  }
  const links = (): Link<T>[] => {
    const all: Link<T>[] = []
    for (let link = state.first; link !== undefined; link = link.after) all.push(link)
    return all
  }
  return {
    get size() {
      return state.size
    },
    add(value) {
      const link: Link<T> = { value, before: state.last, after: undefined }
      if (state.last === undefined) state.first = link
      else state.last.after = link
      state.last = link
      state.size += 1
      return () => takeOut(link)
    },
    values: () => links().map(({ value }) => value as T),
    clear() {
      for (const link of links()) takeOut(link)
    }
  }
}
