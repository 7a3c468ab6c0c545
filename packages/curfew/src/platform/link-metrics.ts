import { Counter, Gauge, Histogram, type Registry } from '@prometheus-io/client'

/** Figures of the links between groups. */
export interface LinkFigures {
  called(call: { readonly group: string; readonly name: string; readonly result: 'answered' | 'failed'; readonly durationMs: number }): void
  served(call: { readonly group: string; readonly name: string; readonly result: 'answered' | 'refused' | 'failed' }): void
  isUp(group: string, up: boolean): void
}

/** Creates them in the registry of the server. */
export function createLinkFigures(registry: Registry): LinkFigures {
  const registers = [registry]
  const calls = new Counter({
    name: 'curfew_group_calls_total',
    help: 'Calls to other groups, by what became of them.',
    labelNames: ['group', 'call', 'result'],
    registers
  })
  const seconds = new Histogram({
    name: 'curfew_group_call_seconds',
    help: 'Duration of one call to another group.',
    labelNames: ['group', 'call'],
    buckets: [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
    registers
  })
  const answered = new Counter({
    name: 'curfew_group_calls_served_total',
    help: 'Calls of other groups, by what became of them.',
    labelNames: ['group', 'call', 'result'],
    registers
  })
  const up = new Gauge({ name: 'curfew_group_up', help: '1 while the other group answers.', labelNames: ['group'], registers })
  return {
    called({ group, name, result, durationMs }) {
      calls.inc({ group, call: name, result })
      seconds.observe({ group, call: name }, durationMs / 1000)
    },
    served: ({ group, name, result }) => answered.inc({ group, call: name, result }),
    isUp: (group, isUp) => up.set({ group }, isUp ? 1 : 0)
  }
}
