/** Values that were made lately, by what they were made from. Only for what is the same each time it is made. */
export interface Recent<T> {
  get(key: string, make: () => T): T
  /** What is there of that key. */
  find(key: string): T | undefined
  keep(key: string, value: T): void
}

/** Holds between `max` and twice as many: when the younger half is full, the older one goes as a whole. To find something in the younger half changes nothing. */
export function createRecent<T>(max: number): Recent<T> {
  let young = new Map<string, T>()
  let old = new Map<string, T>()
  const keep = (key: string, value: T): void => {
    if (young.size >= max) {
      old = young
      young = new Map()
    }
    young.set(key, value)
  }
  const find = (key: string): T | undefined => {
    const known = young.get(key)
    if (known !== undefined) return known
    const value = old.get(key)
    if (value !== undefined) keep(key, value)
    return value
  }
  return {
    find,
    keep,
    get(key, make) {
      const known = find(key)
      if (known !== undefined) return known
      const value = make()
      keep(key, value)
      return value
    }
  }
}
