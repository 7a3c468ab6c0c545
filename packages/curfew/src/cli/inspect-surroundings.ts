import { createPublicKey, type KeyObject } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { certificateBase64, CurfewError, isCurfewError, type PeerKeys, verificationKeyFromCertificate } from '@curfew/codecs'
import type { SamlPartner } from '../authority/saml/connection.ts'
import { type ConnectionsSettings, openConnections } from '../authority/saml/connections.ts'
import type { OwnKey } from '../authority/saml/settings.ts'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/schema.ts'
import { systemClock } from '../platform/clock.ts'
import { createLocator, type Locator } from '../platform/locator.ts'
import { systemRandom } from '../platform/random.ts'
import { type CommandContext, configPath } from './context.ts'

/** What a configuration says about the authority that a message belongs to; read from files alone. */
export interface Surroundings {
  readonly config: Config
  readonly baseUrl: string
  readonly entityId: string
  readonly own: PeerKeys
  readonly skewSeconds: number
  readonly partners: readonly SamlPartner[]
  /** Ids of partners that could not be read, with the reason. */
  readonly unread: ReadonlyMap<string, string>
  /** Opens a SessionIndex or `sid`; absent where this user may not read the secret. */
  readonly locator?: Locator
}

/** Reads the configuration that the options name. Undefined where there is none, or one with findings, which is said. */
export async function surroundingsOf(context: CommandContext): Promise<Surroundings | undefined> {
  const path = configPath(context)
  if (context.options.config === undefined && !existsSync(path)) return undefined
  const result = loadConfig(path, { environment: context.environment })
  if (!result.ok) {
    context.terminal.error(`${path} is not used here: ${result.findings.length} ${result.findings.length === 1 ? 'finding' : 'findings'}. See: curfew validate`)
    return undefined
  }
  const { config } = result.loaded
  const baseUrl = new URL(config.server.baseUrl).origin
  const entityId = config.saml.entityId ?? baseUrl
  const certificates = config.saml.keys.map((key) => readFileSync(key.certificate, 'utf8'))
  const locator = readLocator(config)
  return {
    config,
    baseUrl,
    entityId,
    own: { entityId, keys: certificates.map(verificationKeyFromCertificate) },
    skewSeconds: config.saml.clockSkewSeconds,
    ...(await readPartners(config, certificates)),
    ...(locator === undefined ? {} : { locator })
  }
}

/** Every partner on its own: one that can't be read must not hide the others. */
async function readPartners(config: Config, certificates: readonly string[]): Promise<Pick<Surroundings, 'partners' | 'unread'>> {
  const partners: SamlPartner[] = []
  const unread = new Map<string, string>()
  const ownKeys = config.saml.keys.map((key, i): OwnKey => publicHalf(certificates[i] ?? '', key.algorithm))
  const settings: readonly (ConnectionsSettings & { readonly id: string })[] = [
    ...config.connections.flatMap((one) => (one.protocol === 'saml' ? [{ id: one.id, applications: [one], identityProviders: [] }] : [])),
    ...config.identityProviders.flatMap((one) => (one.protocol === 'saml' ? [{ id: one.id, applications: [], identityProviders: [one] }] : []))
  ]
  for (const one of settings) {
    try {
      await using live = await openConnections(
        offline(ownKeys, (id, error) => unread.set(id, reasonOf(error))),
        one
      )
      partners.push(...live.all())
    } catch (error) {
      unread.set(one.id, reasonOf(error))
    }
  }
  return { partners, unread }
}

function offline(ownKeys: readonly OwnKey[], onProblem: (id: string, error: unknown) => void): Parameters<typeof openConnections>[0] {
  return {
    clock: systemClock,
    ownKeys,
    readFile: async (path) => readFileSync(path),
    fetchMetadata: async (url) => {
      throw new CurfewError('CURFEW_OUTBOUND_UNREACHABLE', { url, why: 'nothing is fetched here' })
    },
    onProblem
  }
}

/** A key of this authority where nothing is signed: the private half is neither needed nor read. */
export function publicHalf(certificate: string, algorithm: OwnKey['algorithm']): OwnKey {
  const key: KeyObject = createPublicKey(certificate)
  return { key, algorithm, certificate: certificateBase64(certificate) }
}

function readLocator(config: Config): Locator | undefined {
  try {
    return createLocator([Buffer.from(readFileSync(config.sessions.secretFile, 'utf8').trim(), 'base64')], systemRandom)
  } catch {
    return undefined
  }
}

function reasonOf(error: unknown): string {
  if (!isCurfewError(error)) return error instanceof Error ? error.message : String(error)
  return error.code === 'CURFEW_OUTBOUND_UNREACHABLE' ? 'its metadata comes from an address, and nothing is fetched here' : `${error.code}: ${error.message}`
}

/** The partners behind an entity ID: one entity may be an application and an identity provider. */
export function partnersOf(surroundings: Surroundings | undefined, entityId: string | undefined): readonly SamlPartner[] {
  return surroundings?.partners.filter((partner) => partner.entityId === entityId) ?? []
}
