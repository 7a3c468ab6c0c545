import { z } from 'zod'
import { gateway } from './gateway-schema.ts'
import { sharedSignals } from './shared-signals-schema.ts'
import { cluster } from './cluster-schema.ts'
import { logout, pingOne, redirects } from './logout-schema.ts'
import { oidc, oidcConnection, oidcIdentityProvider } from './oidc-schema.ts'
import { openTokenConnection, openTokenLogin } from './opentoken-schema.ts'
import { saml, samlConnection, samlIdentityProvider } from './saml-schema.ts'
import { admin, brand, logging, outbound, server } from './server-schema.ts'
import { sessions } from './sessions-schema.ts'
import { signOn } from './sign-on-schema.ts'
import { store } from './store-schema.ts'

/** `curfew.yaml`: the one source of validation, editor completion and documentation. */
export const configSchema = z.strictObject({
  server,
  admin,
  store,
  cluster,
  saml,
  oidc,
  sessions,
  signOn,
  logout,
  redirects,
  pingOne,
  outbound,
  brand,
  connections: z
    .array(z.discriminatedUnion('protocol', [samlConnection, oidcConnection, openTokenConnection]))
    .default([])
    .describe('The applications.'),
  identityProviders: z
    .array(z.discriminatedUnion('protocol', [samlIdentityProvider, oidcIdentityProvider, openTokenLogin]))
    .default([])
    .describe('Upstream identity providers. With none, people sign in here.'),
  gateway: gateway.optional(),
  sharedSignals,
  logging
})

/** The file of a gateway that runs alone: a part of `curfew.yaml`. */
export const gatewayFileSchema = z.strictObject({ gateway, outbound, brand, logging })

/** A checked configuration with every default in place. */
export type Config = z.output<typeof configSchema>
/** What a gateway that runs alone is configured by. */
export type GatewayFileConfig = z.output<typeof gatewayFileSchema>
/** What a person writes. */
export type ConfigInput = z.input<typeof configSchema>
export type SamlConnectionConfig = z.output<typeof samlConnection>
export type OidcConnectionConfig = z.output<typeof oidcConnection>
export type OpenTokenConnectionConfig = z.output<typeof openTokenConnection>
export type OpenTokenLoginConfig = z.output<typeof openTokenLogin>
export type OidcIdentityProviderConfig = z.output<typeof oidcIdentityProvider>
export type SamlIdentityProviderConfig = z.output<typeof samlIdentityProvider>

/** JSON Schema (draft 2020-12) for editors. */
export function configJsonSchema(): object {
  return { $id: 'config.schema.json', title: 'curfew.yaml', ...z.toJSONSchema(configSchema, { io: 'input' }) }
}
