interface Link<T> {
  value: T | undefined
  before: Link<T> | undefined
  after: Link<T> | undefined
}

/**
 * Values in the order in which they came, each of which leaves by itself. A set would do the same; but the engine replaces the
 * table of a set each time as many have come and gone as it holds, and a table that it has replaced, and that has grown old,
 * keeps what was in it, and all tables after it, until the next full collection: here that is every request.
 */
export class Chain<T> {
  #first: Link<T> | undefined
  #last: Link<T> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @returns what takes the value out; true the first time */
  add(value: T): () => boolean {
    const link: Link<T> = { value, before: this.#last, after: undefined }
    if (this.#last === undefined) this.#first = link
    else this.#last.after = link
    this.#last = link
    this.#size += 1
    return () => this.#takeOut(link)
  }

  values(): T[] {
    return this.#links().map(({ value }) => value as T)
  }

  clear(): void {
    for (const link of this.#links()) this.#takeOut(link)
  }

  #links(): Link<T>[] {
    const all: Link<T>[] = []
    for (let link = this.#first; link !== undefined; link = link.after) all.push(link)
    return all
  }

  /** A link that is out leads to nothing, so that one that has grown old keeps nothing. */
  #takeOut(link: Link<T>): boolean {
    if (link.value === undefined) return false
    const { before, after } = link
    if (before === undefined) this.#first = after
    else before.after = after
    if (after === undefined) this.#last = before
    else after.before = before
    link.value = link.before = link.after = undefined
    this.#size -= 1
    return true
  }
}
