/** A place in a stream of facts that may have several parts: one number for each. */
export interface FactCursor {
  /** Tells a stream from one that began again: what was appended between is in neither. */
  readonly epoch: string
  readonly positions: readonly number[]
}

/** Writes a cursor as the opaque text that others hand back. */
export function writeFactCursor({ epoch, positions }: FactCursor): string {
  return `${epoch}~${positions.map((n) => (n === 0 ? '' : n.toString(36))).join('.')}`
}

/** Undefined for what is not a cursor of this epoch and so many parts. */
export function readFactCursor(text: string, epoch: string, parts: number): FactCursor | undefined {
  const at = text.lastIndexOf('~')
  if (at < 0 || text.slice(0, at) !== epoch) return undefined
  const words = text.slice(at + 1).split('.')
  const positions = words.map((word) => (word === '' ? 0 : Number.parseInt(word, 36)))
  if (words.length !== parts || !words.every((word) => /^[0-9a-z]{0,10}$/.test(word))) return undefined
  return { epoch, positions }
}
