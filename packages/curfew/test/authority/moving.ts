import assert from 'node:assert/strict'
import type { LogoutRun } from '../../src/core/run.ts'
import type { Kit } from './kit.ts'

/** The latest run of an authority. */
export async function newest({ store }: Pick<Kit, 'store'>): Promise<LogoutRun> {
  return (await store.listRuns({ limit: 1 })).items[0] ?? assert.fail('no run')
}

/**
 * Lets time pass until something holds, but never while a message from server to server is under way: signing it takes
 * real time, of which a busy machine may need any amount, and the clock of the kit would call the answer late.
 */
export async function moving(kit: Pick<Kit, 'store' | 'clock'>, until: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 20_000; turn++) {
    if (await until()) return
    const { items } = await kit.store.listRuns({ limit: 10 })
    if (!items.some(isSending)) kit.clock.advance(250)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  assert.fail(`it took too long: ${JSON.stringify((await kit.store.listRuns({ limit: 1 })).items[0])}`)
}

function isSending({ deliveries }: LogoutRun): boolean {
  return deliveries.some(({ state, channels, channelIndex }) => state === 'sent' && channels[channelIndex]?.kind === 'server')
}
