import { bucketTags, slotOfTag } from '../../../src/stores/redis/slots.ts'
import type { Server } from './servers.ts'

/** The slots that the buckets of a store are in. */
export function slotsOfBuckets(buckets: number): readonly number[] {
  return bucketTags(buckets).map(slotOfTag)
}

/** Gives slots to another primary, with the keys in them, as an operator's tool does: calls go on meanwhile. */
export async function moveSlots(from: Server, to: Server, slots: Iterable<number>): Promise<void> {
  const [source, target] = [String(await from.command('CLUSTER', 'MYID')), String(await to.command('CLUSTER', 'MYID'))]
  for (const slot of slots) {
    await to.command('CLUSTER', 'SETSLOT', String(slot), 'IMPORTING', source)
    await from.command('CLUSTER', 'SETSLOT', String(slot), 'MIGRATING', target)
    for (;;) {
      const names = (await from.command('CLUSTER', 'GETKEYSINSLOT', String(slot), '100')) as readonly string[]
      if (names.length === 0) break
      await from.command('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...names)
    }
    await to.command('CLUSTER', 'SETSLOT', String(slot), 'NODE', target)
    await from.command('CLUSTER', 'SETSLOT', String(slot), 'NODE', target)
  }
}
