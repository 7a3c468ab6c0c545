import { type NodeAddress, nameOf } from './node-address.ts'
import { confirmedMsMax, type Sentinels } from './sentinels.ts'
import type { Finding } from './start-checks.ts'

/** So many leave a majority when one is away. */
const sentinelsMin = 3

/**
 * What an operator should know of the sentinels: what a majority of them says counts only where all are asked, and where one may
 * be away. They may let nobody ask more than who the primary is; then only their number is judged.
 * @param setting - where they are listed
 */
export async function sentinelFindings(sentinels: Pick<Sentinels, 'told'>, nodes: readonly NodeAddress[], setting: string): Promise<readonly Finding[]> {
  const server = nodes.map(nameOf).join(', ')
  const found: Finding[] = []
  if (nodes.length < sentinelsMin) {
    const what = `fewer than ${sentinelsMin} sentinels are listed: when one of them is away no majority confirms the primary, and nobody is let in`
    found.push({ server, what, fix: `run ${sentinelsMin} sentinels, each on a machine of its own, and list them in ${setting}` })
  }
  const told = await sentinels.told().catch(() => undefined)
  if (told === undefined) return found
  const known = Number(told.get('num-other-sentinels') ?? 0) + 1
  if (known > nodes.length) {
    const what = `there are ${known} sentinels, and ${nodes.length} of them are listed: what these name counts, though they be cut off`
    found.push({ server, what, fix: `list all of them in ${setting}` })
  }
  const downMs = Number(told.get('down-after-milliseconds') ?? confirmedMsMax)
  if (downMs < confirmedMsMax) {
    const what = `down-after-milliseconds is ${downMs}: a copy may take over before a node that is cut off with its primary reads nothing from that any more`
    found.push({ server, what, fix: `set it to ${confirmedMsMax} at least` })
  }
  return found
}
