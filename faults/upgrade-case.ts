import { setTimeout as pause } from 'node:timers/promises'
import { addressesOf } from '../packages/curfew/src/core/session.ts'
import type { Store } from '../packages/curfew/src/stores/store.ts'
import type { FaultCase } from './cases.ts'
import type { Node } from './crew.ts'
import type { Ticket } from './events.ts'
import { formerProgram } from './former.ts'
import { createWorld, type World } from './world.ts'

/** How long two versions work beside each other, in milliseconds. */
const besideMs = 3_000
/** The format goes up when the name of the last former node is over, and the others have given their next word. */
const formatMs = 3_000

/** What the nodes are on, in turn. */
const stores = ['cluster', 'single'] as const

/** Two nodes of the last version that wrote the former format, replaced one after the other by nodes of this one. */
const play: FaultCase['play'] = async (rounds, place, onRound) => {
  const { script } = formerProgram()
  for (let round = 0; round < rounds; round += 1) {
    const world = await createWorld({ ...place, store: stores[round % stores.length] ?? 'cluster' })
    try {
      const former = await Promise.all([world.start('a', { script }), world.start('b', { script })])
      const verdict = await world.round(upgrade)
      const unfound = await missingByAddress(world.store, openedBy(former))
      if (unfound > 0) console.log(`  ${unfound} sessions are not found by their address`)
      onRound({ ...verdict, lost: verdict.lost + unfound })
    } finally {
      await world.close()
    }
  }
}

async function upgrade(world: World): Promise<void> {
  for (const name of ['a', 'b']) {
    const node = await world.retire(name)
    await node.order({ what: 'stop' })
    await world.start(name)
    await pause(besideMs)
  }
  await pause(formatMs)
}

function openedBy(nodes: readonly Node[]): readonly Ticket[] {
  return nodes.flatMap(({ events }) => events.flatMap((event) => (event.kind === 'acknowledged' && event.what === 'opened' ? [event.ticket] : [])))
}

/** The newer format has what the former one did not write: sessions by address. Those that live are found. */
async function missingByAddress(store: Store, tickets: readonly Ticket[]): Promise<number> {
  let missing = 0
  for (const { id } of tickets) {
    const session = await store.getSession(id)
    if (session === undefined || session.end !== undefined) continue
    for (const address of addressesOf(session)) if (!(await store.findByAddress(address)).some((one) => one.id === id)) missing += 1
  }
  return missing
}

export const upgradeCases: readonly FaultCase[] = [
  {
    id: 'rolling-upgrade',
    what: 'nodes are replaced one after the other by a version with another stored format',
    sees: '`curfew cluster status` shows both versions, then one; the format goes up with the last former node',
    play
  }
]
