/** Whose attributes wait, and for whom: one side never takes what it left for the other itself. */
export interface ReferencePlace {
  readonly adapterId: string
  readonly for: 'application' | 'authority'
}

/**
 * What attributes are kept under that one side left for the other. The reference stands before the name of the adapter,
 * because whoever looks for the group in a key takes the first word that is long enough.
 */
export function referenceKey(place: ReferencePlace, reference: string): string {
  return `reference:${place.for}:${reference}:${place.adapterId}`
}

/** The key that former versions left them under, which may still serve on the same store. */
export function formerReferenceKey(place: ReferencePlace, reference: string): string {
  return `reference:${place.for}:${place.adapterId}:${reference}`
}

/** The reference in such a key, which begins with the letter of its group; undefined for another key. */
export function referenceIn(key: string): string | undefined {
  return /^reference:[a-z]+:([\w-]{40}):/.exec(key)?.[1]
}
