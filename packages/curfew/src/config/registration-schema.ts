import { z } from 'zod'
import { registeredClientsMax } from '../core/limits.ts'
import { id } from './values.ts'

/** `oidc.registration`. */
export const registration = z
  .strictObject({
    open: z.boolean().default(false).describe('Anybody may register a client, without a token.'),
    initialAccessTokens: z
      .array(
        z.strictObject({
          name: id.describe('Shown beside the clients that were registered with it.'),
          token: z
            .string()
            .regex(/^[\w.~+/=-]{16,1024}$/, 'write at least 16 letters, digits, or any of - . _ ~ + / =')
            .describe('From the environment or a file: ${env:NAME}, ${file:path}.')
        })
      )
      .default([])
      .describe('Who has one may register clients.'),
    clientsMax: z.int().min(1).max(registeredClientsMax).default(1_000).describe('Registered clients at once.'),
    perMinuteMax: z.int().min(1).max(10_000).default(30).describe('Requests from one address per minute, at each node.'),
    rotateAccessTokens: z
      .boolean()
      .default(true)
      .describe('A client that changes its registration gets a new registration access token; the old one is good until the new one is used.'),
    rotateSecrets: z.boolean().default(false).describe('A client that changes its registration gets a new secret, too; the old one is worth nothing at once.'),
    scopes: z.array(z.string().min(1)).default(['openid', 'profile', 'email']).describe('Scopes that a registered client may ask for.'),
    softwareStatements: z
      .array(z.strictObject({ issuer: z.string().min(1).max(1_024), jwks: z.strictObject({ keys: z.array(z.record(z.string(), z.unknown())).min(1) }) }))
      .default([])
      .describe('Whose software statements count; those of others are refused.')
  })
  .refine(({ open, initialAccessTokens }) => open || initialAccessTokens.length > 0, {
    path: ['initialAccessTokens'],
    error: 'without open: true and without a token nobody could register'
  })
  .describe('OpenID clients may register themselves (RFC 7591). Absent: they may not.')
