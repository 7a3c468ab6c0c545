import { fileURLToPath } from 'node:url'
import { Registry } from '@prometheus-io/client'
import { composeGateway } from '../packages/curfew/src/cli/compose-gateway.ts'
import { gatewaySettings } from '../packages/curfew/src/cli/gateway-settings.ts'
import { gatewayFileSchema } from '../packages/curfew/src/config/schema.ts'
import { silentLogger } from '../packages/curfew/src/platform/logger.ts'

/** What one gateway of many is started with, as its one argument. */
export interface FollowerOptions {
  readonly issuer: string
  readonly clientSecret: string
  readonly port: number
  readonly target: string
}

/** Domain of the cookie: one serves all gateways. */
export const followerDomain = 'bench.localhost'
export const followerSecret: Uint8Array = Buffer.alloc(32, 5)

/** Configuration of a gateway that follows the feed of an authority, as it stands in a file. */
export function followerConfig({ issuer, clientSecret, port, target }: FollowerOptions) {
  return {
    outbound: { allowPrivate: ['127.0.0.0/8'] },
    gateway: {
      listen: [`127.0.0.1:${port}`],
      provider: { issuer, clientId: 'gate', clientSecret },
      webSessions: [{ name: 'main', audience: 'bench', cookieDomain: followerDomain }],
      applications: [{ id: 'wiki', urls: [`http://wiki.${followerDomain}:${port}`], target }]
    }
  }
}

/** The same, read. */
export function followerFile(options: FollowerOptions) {
  return gatewayFileSchema.parse(followerConfig(options))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = followerFile(JSON.parse(process.argv[2] ?? '{}') as FollowerOptions)
  const composed = composeGateway({
    config: file.gateway,
    settings: gatewaySettings(file.gateway, undefined),
    secret: followerSecret,
    outbound: file.outbound,
    brand: file.brand,
    logger: silentLogger,
    registry: new Registry()
  })
  await composed.start()
  process.on('message', () => process.send?.(composed.context.live.count))
  process.send?.('ready')
}
