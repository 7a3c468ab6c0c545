import { benchColdStart } from './cold-start.ts'
import { benchBulk } from './bulk.ts'
import { benchClosing } from './gateway-closing.ts'
import { benchFeed } from './gateway-feed.ts'
import { benchFullGateway } from './gateway-full.ts'
import { benchGateway } from './gateway.ts'
import { benchGatewayPeers } from './gateway-peers.ts'
import { benchMixedClosing } from './mixed-closing.ts'
import { benchHub } from './hub.ts'
import { benchOidc } from './oidc.ts'
import { benchOpenToken } from './opentoken.ts'
import { benchRevocationList } from './revocation-list.ts'
import { benchRuns } from './runs.ts'
import { benchCluster } from './cluster.ts'
import { benchRedisStore } from './redis-store.ts'
import { benchSaml } from './saml.ts'
import { benchSignIns } from './sign-ins.ts'
import { benchSimplesamlphp } from './simplesamlphp.ts'
import { benchSize } from './size.ts'
import { benchStore } from './store.ts'

/** What can be measured, in the order of a whole run. */
const benches: ReadonlyMap<string, () => Promise<readonly string[]>> = new Map([
  ['saml', benchSaml],
  ['opentoken', benchOpenToken],
  ['store', benchStore],
  ['redis', benchRedisStore],
  ['cluster', benchCluster],
  ['size', benchSize],
  ['runs', benchRuns],
  ['bulk', benchBulk],
  ['sign-ins', benchSignIns],
  ['simplesamlphp', benchSimplesamlphp],
  ['oidc', benchOidc],
  ['gateway', benchGateway],
  ['full', () => benchFullGateway()],
  ['closing', benchClosing],
  ['mixed', benchMixedClosing],
  ['peers', benchGatewayPeers],
  ['feed', benchFeed],
  ['list', () => benchRevocationList()],
  ['hub', benchHub],
  ['cold-start', benchColdStart]
])

const asked = process.argv.slice(2)
const unknown = asked.find((name) => !benches.has(name))
if (unknown !== undefined) {
  if (unknown !== '--help') console.log(`Nothing is measured by the name ${unknown}.`)
  console.log(`npm run bench -- [name...]   measures all, or those named: ${[...benches.keys()].join(', ')}`)
  console.log('Figures are ratios of one run, for a quiet machine; they never fail a build.')
  process.exitCode = unknown === '--help' ? 0 : 2
} else {
  for (const [name, bench] of benches) {
    if (asked.length > 0 && !asked.includes(name)) continue
    if (process.stderr.isTTY) process.stderr.write(`measuring ${name} ...\n`)
    for (const text of await bench()) console.log(text)
    console.log('')
  }
}
