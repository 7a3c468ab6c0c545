/** Plays the seeds that it is given, one after the other, and tells what broke. */
import { parentPort } from 'node:worker_threads'
import { kindOf } from './kinds.ts'
import type { Batch, Broke } from './pool.ts'

// A refusal is an everyday thing in a race; its stack would cost more than the race.
Error.stackTraceLimit = 0
parentPort?.on('message', ({ option, from, to }: Batch) => {
  void play({ option, from, to }).then((broke) => parentPort?.postMessage(broke))
})

async function play({ option, from, to }: Batch): Promise<readonly Broke[]> {
  const { play: playOne } = kindOf(option)
  const all: Broke[] = []
  for (let seed = from; seed < to; seed++) {
    const { broken, trace } = await playOne(seed)
    if (broken !== undefined) all.push({ seed, broken, trace })
  }
  return all
}
