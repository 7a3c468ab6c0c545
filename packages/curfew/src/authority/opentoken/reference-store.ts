import type { Random } from '../../platform/random.ts'
import type { Store } from '../../stores/store.ts'

/** Query parameter of a reference, as agentless applications know it. */
export const referenceParameter = 'REF'

/** How long dropped attributes wait: the browser carries the reference over at once. */
export const referenceMs = 60_000

const referenceBytes = 30
const referenceShape = /^[\w-]{40}$/

export type ReferenceAttributes = Readonly<Record<string, string | readonly string[]>>

/** Leaves attributes for one pick-up by one adapter instance. */
export async function dropReference(
  deps: { readonly store: Store; readonly random: Pick<Random, 'bytes'> },
  adapterId: string,
  attributes: ReferenceAttributes,
  nowMs: number
): Promise<string> {
  const reference = Buffer.from(deps.random.bytes(referenceBytes)).toString('base64url')
  await deps.store.txCreate(keyOf(adapterId, reference), attributes, nowMs + referenceMs)
  return reference
}

/** Exactly one pick-up gets the attributes, and only by the instance they were left for. */
export async function takeReference(store: Store, adapterId: string, reference: string, nowMs: number): Promise<ReferenceAttributes | undefined> {
  if (!referenceShape.test(reference)) return undefined
  return (await store.txTake(keyOf(adapterId, reference), nowMs)).value as ReferenceAttributes | undefined
}

function keyOf(adapterId: string, reference: string): string {
  return `reference:${adapterId}:${reference}`
}
