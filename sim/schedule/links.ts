import type { z } from 'zod'
import type { CallHandler } from '../../packages/curfew/src/cluster/call.ts'
import { groupError } from '../../packages/curfew/src/cluster/group-error.ts'
import type { GroupLinks } from '../../packages/curfew/src/cluster/group-links.ts'
import type { Group } from '../../packages/curfew/src/core/group.ts'
import type { Clock } from '../../packages/curfew/src/platform/clock.ts'
import type { Network } from '../redis/network.ts'

/** A node, as the nodes of other groups reach it. */
export interface LinkEnd {
  readonly host: string
  readonly group: Group
  readonly isAlive: () => boolean
  readonly served: Map<string, { readonly schema: z.ZodType; readonly handler: CallHandler<never> }>
}

export interface LinksOptions {
  readonly clock: Clock
  readonly network: Network
  readonly fraction: () => number
  readonly self: Group
  readonly others: readonly Group[]
  readonly host: string
  readonly isAlive: () => boolean
  /** Nodes of a group that were started, the last one of each host. */
  readonly nodesOf: (group: string) => readonly LinkEnd[]
}

/** How often a message between groups is lost, comes twice, or comes late. */
const fateOf = (fraction: () => number): 'arrives' | 'lost' | 'twice' | 'late' => {
  const dice = fraction()
  return dice < 0.02 ? 'lost' : dice < 0.04 ? 'twice' : dice < 0.08 ? 'late' : 'arrives'
}
const lateMsMax = 2_000

/** Calls between groups, with bodies and answers as JSON and looked at as the product does; proofs and HTTP are left out. */
export function createLinks(options: LinksOptions): { readonly links: Pick<GroupLinks, 'self' | 'others' | 'call' | 'serve'>; readonly end: LinkEnd } {
  const { clock, network, fraction, self, others, host, isAlive, nodesOf } = options
  const end: LinkEnd = { host, group: self, isAlive, served: new Map() }
  const carry = (from: string, to: string, arrive: () => void): void => {
    const fate = fateOf(fraction)
    if (fate === 'lost') return
    const extraMs = fate === 'late' ? fraction() * lateMsMax : 0
    network.channel(from, to).send(arrive, extraMs)
    if (fate === 'twice') network.channel(from, to).send(arrive, fraction() * lateMsMax)
  }
  const call: GroupLinks['call'] = (id, name, body, { answer, timeoutMs = 5_000 }) =>
    new Promise((resolve, reject) => {
      const timer = clock.after(timeoutMs, () => reject(groupError('CURFEW_GROUP_UNREACHABLE', { group: id, why: 'no answer' })))
      // A node that is gone refuses, and the next one is asked.
      const target = nodesOf(id).find((one) => one.isAlive())
      if (target === undefined) return
      const text = JSON.stringify(body)
      carry(host, target.host, () => {
        void serve(target, name, text).then((result) => {
          if (result === undefined || !target.isAlive()) return
          carry(target.host, host, () => {
            timer.cancel()
            resolve(answer.parse(JSON.parse(result)))
          })
        })
      })
    })
  const serve = async (target: LinkEnd, name: string, text: string): Promise<string | undefined> => {
    const served = target.served.get(name)
    if (served === undefined || !target.isAlive()) return undefined
    try {
      const body = served.schema.parse(JSON.parse(text)) as never
      return JSON.stringify(await served.handler(body, { group: self, deadlineMs: clock.nowMs() + 60_000 }))
    } catch {
      // It says that it failed, and the caller tries again: for it that is the same as silence.
      return undefined
    }
  }
  return {
    end,
    links: {
      self,
      others,
      call,
      serve: (name, schema, handler) => void end.served.set(name, { schema, handler: handler as CallHandler<never> })
    }
  }
}
