import { formerReferenceKey, type ReferencePlace, referenceKey } from '../../core/reference-key.ts'
import type { Ids } from '../../platform/ids.ts'
import type { Random } from '../../platform/random.ts'
import type { Store } from '../../stores/store.ts'

/** Query parameter of a reference, as agentless applications know it. */
export const referenceParameter = 'REF'

/** How long dropped attributes wait: the browser carries the reference over at once. */
export const referenceMs = 60_000

const referenceBytes = 30
const referenceShape = /^[\w-]{40}$/

export type ReferenceAttributes = Readonly<Record<string, string | readonly string[]>>

/** Leaves attributes for one pick-up by one adapter instance, or by us. The reference begins with the letter of this group, which has them. */
export async function leaveReference(
  deps: { readonly store: Pick<Store, 'txCreate'>; readonly random: Pick<Random, 'bytes'>; readonly ids: Pick<Ids, 'group'> },
  place: ReferencePlace,
  attributes: ReferenceAttributes,
  nowMs: number
): Promise<string> {
  const reference = deps.ids.group + Buffer.from(deps.random.bytes(referenceBytes)).toString('base64url').slice(1)
  await deps.store.txCreate(referenceKey(place, reference), attributes, nowMs + referenceMs)
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
  const { value } = await store.txTake(referenceKey(place, reference), nowMs)
  return (value ?? (await store.txTake(formerReferenceKey(place, reference), nowMs)).value) as ReferenceAttributes | undefined
}
