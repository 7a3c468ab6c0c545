import { LinkLost } from './link.ts'
import type { Primary } from './primary.ts'
import { type Finding, settingsOf, versionOf } from './start-checks.ts'

/** Something about a server by which gateways tell each other what ended. */
export interface EndingsFinding extends Finding {
  /** It forgets what ended while it runs, or can not hold it at all. */
  readonly isUnfit: boolean
}

/**
 * What an operator should know of a server; what the user of the gateways may not ask is not judged.
 * @throws LinkLost
 */
export async function endingsFindings(primary: Primary): Promise<readonly EndingsFinding[]> {
  const server = primary.name
  const found: EndingsFinding[] = []
  const { isValkey, major, minor } = versionOf(await infoOf(primary))
  const isOld = isValkey ? major < 7 || (major === 7 && minor < 2) : major < 6 || (major === 6 && minor < 2)
  if (isOld) found.push({ server, isUnfit: true, what: `version ${major}.${minor}: Redis 6.2 or Valkey 7.2 is the oldest that works`, fix: 'update it' })
  const setting = settingsOf(primary)
  const policy = await setting('maxmemory-policy')
  if (policy !== undefined && policy !== 'noeviction')
    found.push({ server, isUnfit: true, what: `maxmemory-policy is ${policy}: what ended would be forgotten, and be good again`, fix: 'set noeviction' })
  if ((await setting('appendonly')) === 'no') {
    const what = 'appendonly is no: a server that is restarted has forgotten what ended, and gateways that start after that do not know it'
    found.push({ server, isUnfit: false, what, fix: 'set appendonly yes' })
  }
  return found
}

async function infoOf(primary: Primary): Promise<string> {
  try {
    return String(await primary.read(['INFO', 'server']))
  } catch (error) {
    if (error instanceof LinkLost) throw error
    return ''
  }
}
