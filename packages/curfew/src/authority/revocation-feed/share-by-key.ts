/** Work for one key that has begun, and the next of it, which has not. */
interface Turn<T> {
  readonly done: Promise<unknown>
  next: Promise<T> | undefined
}

/**
 * The same work, once for all who ask for it before it begins. One at a time for each key: who asks while it is done shares
 * the next, so that nobody is told what was found before the question.
 */
export function shareByKey<K, T>(work: (key: K) => Promise<T>): (key: K) => Promise<T> {
  const underWay = new Map<K, Turn<T>>()
  const begin = (key: K): Promise<T> => {
    const result = work(key)
    const done = result.catch(() => undefined)
    const turn: Turn<T> = { done, next: undefined }
    underWay.set(key, turn)
    void done.then(() => {
      if (turn.next === undefined) underWay.delete(key)
    })
    return result
  }
  return (key) => {
    const turn = underWay.get(key)
    if (turn === undefined) return begin(key)
    turn.next ??= turn.done.then(() => begin(key))
    return turn.next
  }
}
