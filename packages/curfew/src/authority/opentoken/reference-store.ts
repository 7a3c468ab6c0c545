import type { Random } from '../../platform/random.ts'
import type { Store } from '../../stores/store.ts'

/** Query parameter of a reference, as agentless applications know it. */
export const referenceParameter = 'REF'

/** How long dropped attributes wait: the browser carries the reference over at once. */
export const referenceMs = 60_000

const referenceBytes = 30
const referenceShape = /^[\w-]{40}$/

export type ReferenceAttributes = Readonly<Record<string, string | readonly string[]>>

/** Whose attributes wait, and for whom: one side never takes what it left for the other itself. */
export interface ReferencePlace {
  readonly adapterId: string
  readonly for: 'application' | 'authority'
}

/** Leaves attributes for one pick-up by one adapter instance, or by us. */
export async function leaveReference(
  deps: { readonly store: Pick<Store, 'txCreate'>; readonly random: Pick<Random, 'bytes'> },
  place: ReferencePlace,
  attributes: ReferenceAttributes,
  nowMs: number
): Promise<string> {
  const reference = Buffer.from(deps.random.bytes(referenceBytes)).toString('base64url')
  await deps.store.txCreate(keyOf(place, reference), attributes, nowMs + referenceMs)
  return reference
}

/** Exactly one pick-up gets the attributes, and only at the place where they were left. */
export async function takeReference(
  store: Pick<Store, 'txTake'>,
  place: ReferencePlace,
  reference: string,
  nowMs: number
): Promise<ReferenceAttributes | undefined> {
  if (!referenceShape.test(reference)) return undefined
  return (await store.txTake(keyOf(place, reference), nowMs)).value as ReferenceAttributes | undefined
}

function keyOf(place: ReferencePlace, reference: string): string {
  return `reference:${place.for}:${place.adapterId}:${reference}`
}
