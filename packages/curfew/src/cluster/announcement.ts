import { z } from 'zod'
import type { Group } from '../core/group.ts'
import type { Clock } from '../platform/clock.ts'
import type { Random } from '../platform/random.ts'
import type { Store } from '../stores/store.ts'
import { groupError } from './group-error.ts'

/** What a group says of itself: its id, its letter and which store is behind it. */
export const announcement = z.strictObject({
  id: z.string().max(36),
  letter: z.string().length(1),
  /** Made at random with the first start on a store: two stores with one group id are told apart by it. */
  store: z.string().max(64)
})
export type Announcement = z.output<typeof announcement>

export interface AnnouncementDeps {
  readonly store: Pick<Store, 'txCreate' | 'txGet' | 'txTake'>
  readonly clock: Clock
  readonly random: Pick<Random, 'bytes'>
}

const ownKey = 'group:own'
/** As good as for ever. */
const keptMs = 100 * 365 * 86_400_000

/**
 * Announces the group in its own store: the first start writes it, every later one compares.
 * @throws CURFEW_GROUP_ANNOUNCED when the store belongs to another group, or the letter has changed
 */
export async function announceOwn({ store, clock, random }: AnnouncementDeps, { id, letter }: Group): Promise<Announcement> {
  const fresh: Announcement = { id, letter, store: Buffer.from(random.bytes(16)).toString('base64url') }
  const known = await keep({ store, clock }, ownKey, fresh, announcement)
  if (known.id !== id) throw groupError('CURFEW_GROUP_ANNOUNCED', { group: id, why: 'this store belongs to another group', announcedAs: known.id })
  if (known.letter !== letter)
    throw groupError('CURFEW_GROUP_ANNOUNCED', { group: id, why: 'this group has another letter', letter, announcedAs: known.letter })
  return known
}

/**
 * Notes what another group said of itself. The first store that has said an id keeps it.
 * @throws CURFEW_GROUP_ANNOUNCED when another store has said the same id before, or the id is one of another letter
 */
export async function noteOther(deps: Pick<AnnouncementDeps, 'store' | 'clock'>, own: Announcement, expected: Group, said: Announcement): Promise<void> {
  if (said.id !== expected.id || said.letter !== expected.letter)
    throw groupError('CURFEW_GROUP_ANNOUNCED', {
      group: said.id,
      why: 'the groups are listed with other letters there',
      letter: said.letter,
      expected: expected.letter
    })
  if (said.id === own.id) {
    if (said.store !== own.store) throw groupError('CURFEW_GROUP_ANNOUNCED', { group: said.id, why: 'another store has announced this id' })
    return
  }
  if (said.store === own.store) throw groupError('CURFEW_GROUP_ANNOUNCED', { group: said.id, why: 'two groups can not share one store', announcedAs: own.id })
  const known = await keep(deps, otherKey(said.id), said.store, z.string())
  if (known !== said.store) throw groupError('CURFEW_GROUP_ANNOUNCED', { group: said.id, why: 'another store has announced this id' })
}

/** Makes room for another store under this id, after the old one was lost for good. Returns whether there was one. */
export async function forgetOther({ store, clock }: Pick<AnnouncementDeps, 'store' | 'clock'>, id: string): Promise<boolean> {
  return (await store.txTake(otherKey(id), clock.nowMs())).value !== undefined
}

function otherKey(id: string): string {
  return `group:other:${id}`
}

/** First writer wins; returns what is kept. */
async function keep<T>({ store, clock }: Pick<AnnouncementDeps, 'store' | 'clock'>, key: string, value: T, schema: z.ZodType<T>): Promise<T> {
  const nowMs = clock.nowMs()
  const { value: result } = await store.txCreate(key, value, nowMs + keptMs)
  return result === 'created' ? value : schema.parse(await store.txGet(key, nowMs))
}
