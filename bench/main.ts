import { benchOidc } from './oidc.ts'
import { benchFeed } from './gateway-feed.ts'
import { benchGateway } from './gateway.ts'
import { benchHub } from './hub.ts'
import { benchOpenToken } from './opentoken.ts'
import { benchRuns } from './runs.ts'
import { benchSaml } from './saml.ts'
import { benchStore } from './store.ts'

/** `npm run bench`: figures as ratios of one run; never a reason for a build to fail. */
for (const bench of [benchSaml, benchOpenToken, benchStore, benchRuns, benchOidc, benchGateway, benchFeed, benchHub]) {
  for (const text of await bench()) console.log(text)
  console.log('')
}
