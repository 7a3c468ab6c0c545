import type { LiveClients } from './live-clients.ts'
import type { RegistrationSettings } from './settings.ts'

/** Dynamic client registration, where it is allowed. */
export interface Registration {
  readonly settings: RegistrationSettings
  readonly clients: LiveClients
}
