import type { OidcConnectionConfig } from '../config/schema.ts'
import { browserCheck } from './doctor-browser.ts'
import type { Check } from './doctor-check.ts'
import { type EndpointDeps, judgeClock, judgeReached, reach } from './doctor-endpoint.ts'

/** One OpenID client: the addresses it is told at, its key set, its clock, and what browsers make of its frames. */
export async function clientChecks(deps: EndpointDeps, client: OidcConnectionConfig): Promise<readonly Check[]> {
  const { id, jwksUri } = client
  const ways = waysOf(client)
  const keySet = jwksUri === undefined ? [] : [{ name: 'key set', url: jwksUri }]
  const asked = [...ways.map(({ binding, url }) => ({ name: `logout by ${binding}`, url })), ...keySet]
  const reached = await Promise.all(asked.map(({ url }) => reach(deps, id, url)))
  const browser = browserCheck(deps.baseUrl, {
    id,
    hasServerWay: ways.some(({ binding }) => binding === 'back-channel'),
    services: ways.flatMap(({ binding, url }) => (binding === 'back-channel' ? [] : [{ binding, url }])),
    usesFrames: true,
    framesRefused: new Map(reached.flatMap(({ url, framesRefused }) => (framesRefused === undefined ? [] : [[url, framesRefused] as const])))
  })
  return [
    ...(ways.length > 0 ? [] : [untold(id)]),
    ...reached.map((one, i) => judgeReached(`${id}: ${asked[i]?.name ?? ''}`, one)),
    ...judgeClock(id, reached),
    ...(browser === undefined ? [] : [browser])
  ]
}

interface Way {
  readonly binding: 'back-channel' | 'front-channel' | 'image'
  readonly url: string
}

function waysOf({ logout }: OidcConnectionConfig): readonly Way[] {
  const modes = logout?.modes ?? []
  const back = modes.includes('backChannel') && logout?.backChannelUri !== undefined ? [{ binding: 'back-channel' as const, url: logout.backChannelUri }] : []
  const front = logout?.frontChannelUris ?? []
  return [
    ...back,
    ...(modes.includes('frontChannel') ? front.map((url) => ({ binding: 'front-channel' as const, url })) : []),
    ...(modes.includes('pingFrontChannel') ? front.map((url) => ({ binding: 'image' as const, url })) : [])
  ]
}

function untold(id: string): Check {
  return {
    what: `${id}: logout`,
    verdict: 'warn',
    why: 'it is not told that a session ended: its sessions are shown as not possible',
    fix: 'Add logout.modes when the application takes logout tokens or frames.'
  }
}
