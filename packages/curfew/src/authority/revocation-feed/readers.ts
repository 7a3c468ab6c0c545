/** Who reads the feed at one process. The places are one limit, which no client uses up for the others. */
export interface Readers {
  /**
   * Takes a place. Where none is free, a client with fewer than another gets the one that was taken last of those of the
   * client with most.
   * @param end - called once when the place goes to another client
   * @returns what gives the place back; undefined where there is none for this client
   */
  enter(clientId: string, end: () => void): (() => void) | undefined
}

export function createReaders(placesMax: number): Readers {
  /** In the order they came. */
  const byClient = new Map<string, Set<() => void>>()
  let taken = 0
  const leave = (clientId: string, end: () => void): void => {
    const own = byClient.get(clientId)
    if (own?.delete(end) !== true) return
    taken -= 1
    if (own.size === 0) byClient.delete(clientId)
  }
  const makeRoom = (count: number): boolean => {
    const [clientId, most] = [...byClient].reduce((a, b) => (b[1].size > a[1].size ? b : a))
    const last = [...most].at(-1)
    // As many as the other has then: it would take the place back at once.
    if (last === undefined || most.size <= count + 1) return false
    leave(clientId, last)
    last()
    return true
  }
  return {
    enter(clientId, given) {
      const count = byClient.get(clientId)?.size ?? 0
      if (taken >= placesMax && !makeRoom(count)) return undefined
      // One of its own: the same may come twice.
      const end = (): void => given()
      const own = byClient.get(clientId) ?? new Set()
      byClient.set(clientId, own.add(end))
      taken += 1
      return () => leave(clientId, end)
    }
  }
}
