import { failovers } from './failover/failovers.ts'
import { race } from './race.ts'
import { simulateRegions } from './regions.ts'
import { schedules } from './schedule/schedules.ts'
import { simulate } from './simulate.ts'
import { createTrace, type Trace } from './trace.ts'

/** What one seed came to. */
export interface Played {
  /** The rule that did not hold. */
  readonly broken: string | undefined
  readonly trace: readonly string[]
}

/** One kind of simulation: the option that asks for it, and what one seed of it is called. */
export interface Kind {
  readonly option: string
  readonly what: string
  readonly play: (seed: number) => Promise<Played>
}

export const kinds: readonly Kind[] = [
  { option: 'seeds', what: 'seeds', play: (seed) => simulate({ seed }) },
  { option: 'race', what: 'races', play: (seed) => judged((trace) => race({ seed, ...trace })) },
  { option: 'failovers', what: 'failovers', play: (seed) => failovers({ seed }) },
  { option: 'schedules', what: 'schedules of cuts', play: (seed) => schedules({ seed }) },
  { option: 'regions', what: 'schedules', play: (seed) => judged((trace) => simulateRegions({ seed, ...trace })) }
]

/** One seed gives the same every time: only where it breaks a rule it is played again, for its trace. */
export async function judged(play: (traced: { readonly trace?: Trace }) => Promise<void>): Promise<Played> {
  try {
    await play({})
    return { broken: undefined, trace: [] }
  } catch (error) {
    const trace = createTrace()
    const again = await play({ trace }).then(
      () => 'nothing, the second time',
      (second: unknown) => String(second)
    )
    return { broken: String(error), trace: [...trace.lines(), `BROKEN: ${again}`] }
  }
}

/** @throws RangeError when no simulation has this option */
export function kindOf(option: string): Kind {
  const kind = kinds.find((one) => one.option === option)
  if (kind === undefined) throw new RangeError(`there is no simulation "${option}", only ${kinds.map((one) => one.option).join(', ')}`)
  return kind
}
