/** Values that were made lately, by what they were made from. Only for what is the same each time it is made. */
export interface Recent<T> {
  get(key: string, make: () => T): T
}

/** Holds between `max` and twice as many: when the younger half is full, the older one goes as a whole. */
export function createRecent<T>(max: number): Recent<T> {
  let young = new Map<string, T>()
  let old = new Map<string, T>()
  return {
    get(key, make) {
      const known = young.get(key)
      if (known !== undefined) return known
      const value = old.get(key) ?? make()
      if (young.size >= max) {
        old = young
        young = new Map()
      }
      young.set(key, value)
      return value
    }
  }
}
