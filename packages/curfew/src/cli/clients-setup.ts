import { type Clients, fixedClients, makeClient } from '../authority/oidc/client.ts'
import { createLiveClients } from '../authority/oidc/registration/live-clients.ts'
import type { Registration } from '../authority/oidc/registration/registration.ts'
import type { RegistrationSettings } from '../authority/oidc/registration/settings.ts'
import type { TokenKey } from '../authority/oidc/settings.ts'
import type { Config } from '../config/schema.ts'
import { createAddressPolicy } from '../platform/addresses.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { requireAddress } from '../platform/outbound.ts'
import { systemRandom } from '../platform/random.ts'
import type { Store } from '../stores/store.ts'
import { settingsOf } from './connections-setup.ts'

export interface OpenedClients {
  readonly clients: Clients
  readonly registration: Registration | undefined
}

/** The clients of the configuration, and where it allows them, those that register themselves. @throws CURFEW_CONFIG_CONNECTION */
export function openClients(
  config: Config,
  deps: { readonly store: Store; readonly clock: Clock; readonly keys: readonly TokenKey[]; readonly logger: Logger }
): OpenedClients {
  const { store, clock, keys, logger } = deps
  const { registration, sessionValidation: validation } = config.oidc
  const configured = fixedClients(
    config.connections.filter((connection) => connection.protocol === 'oidc').map((client) => makeClient(settingsOf(client), keys, validation))
  )
  if (registration === undefined) return { clients: configured, registration: undefined }
  const settings = registrationSettings(registration, config.outbound)
  const clients = createLiveClients(configured, {
    store,
    keys,
    validation,
    clock,
    random: systemRandom,
    scopes: settings.scopes,
    onProblem: (error) => logger.warn({ event: 'registration.failed', err: error }, 'Registered clients could not be read, or one of them can not be served')
  })
  return { clients, registration: { settings, clients } }
}

function registrationSettings(
  { open, softwareStatements, rotateAccessTokens, rotateSecrets, ...rest }: NonNullable<Config['oidc']['registration']>,
  { allowPrivate, hosts }: Config['outbound']
): RegistrationSettings {
  const policy = createAddressPolicy(allowPrivate)
  return {
    ...rest,
    isOpen: open,
    rotatesAccessTokens: rotateAccessTokens,
    rotatesSecrets: rotateSecrets,
    statementIssuers: softwareStatements,
    isReachable(url) {
      try {
        const { hostname } = requireAddress(url, policy)
        const fixed = hosts[hostname]
        return fixed === undefined ? true : policy.isAllowed(fixed)
      } catch {
        return false
      }
    }
  }
}
