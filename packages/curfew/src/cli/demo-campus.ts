import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { loadConfig } from '../config/load.ts'
import type { Logger } from '../platform/logger.ts'
import { compose, type Composition } from './compose.ts'
import { writeInstallation } from './commands/init.ts'
import { demoKeyBits } from './demo-installation.ts'
import { demoMetadata, listenAt } from './demo-metadata.ts'

/** The identity provider upstream of the demo: a second authority, with people of its own. */
export interface CampusOptions {
  readonly folder: string
  readonly port: number
  readonly adminPort: number
  readonly hosts: readonly string[]
  /** The authority of the demo, its only application. */
  readonly hub: { readonly baseUrl: string; readonly metadata: Uint8Array }
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly logger: Logger
}

export const campusUser = { user: 'zoe', password: 'zoe' } as const

export function campusUrl(port: number): string {
  return `http://campus.localhost:${port}`
}

/** Keys and users, once; metadata for the authority that takes its word. */
export async function prepareCampus(folder: string, port: number): Promise<Uint8Array> {
  const baseUrl = campusUrl(port)
  if (!existsSync(join(folder, 'keys'))) await writeInstallation(folder, { baseUrl, organisation: 'Campus', ...campusUser, keyBits: demoKeyBits })
  return demoMetadata(folder, baseUrl)
}

export async function startCampus({ folder, port, adminPort, hosts, hub, environment, logger }: CampusOptions): Promise<Composition> {
  mkdirSync(join(folder, 'peers'), { recursive: true })
  writeFileSync(join(folder, 'peers/hub.xml'), hub.metadata)
  const config = {
    server: { baseUrl: campusUrl(port), listen: listenAt(hosts, port) },
    admin: { listen: [`127.0.0.1:${adminPort}`] },
    saml: { keys: [{ key: 'keys/saml.key.pem', certificate: 'keys/saml.crt.pem' }] },
    sessions: { secretFile: 'keys/session.secret' },
    signOn: { users: 'users.yaml' },
    outbound: { allowPrivate: ['127.0.0.0/8', '::1/128'] },
    brand: { organisation: 'Campus' },
    connections: [
      {
        id: 'hub',
        name: 'Curfew demo',
        homeUrl: `${hub.baseUrl}/`,
        protocol: 'saml',
        metadata: { file: 'peers/hub.xml' },
        nameId: { format: 'persistent' },
        attributes: { uid: 'username', mail: 'mail' }
      }
    ]
  }
  const file = join(folder, 'curfew.yaml')
  writeFileSync(file, `# yaml-language-server: $schema=./config.schema.json\n${stringify(config)}`, { mode: 0o600 })
  const result = loadConfig(file, { environment })
  if (!result.ok) throw new Error(`the demo made a configuration that can not be used: ${JSON.stringify(result.findings)}`)
  const server = await compose(result.loaded, logger)
  await server.start()
  return server
}
