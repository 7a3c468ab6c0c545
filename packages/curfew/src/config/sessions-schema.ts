import { z } from 'zod'
import { limitMinutesMax } from '../core/expiry.ts'
import { minutes, path, positive } from './values.ts'

/** How long attributes outlive their session, in minutes. */
export function attributeMinutesOf({
  attributeMinutes,
  registryMinutes
}: {
  readonly attributeMinutes?: number | undefined
  readonly registryMinutes: number
}): number {
  return attributeMinutes ?? Math.max(1_440, registryMinutes)
}

const deviceType = z.enum(['private', 'shared', 'any'])

export const sessions = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Authentication sessions: one sign-in serves all applications.'),
    idleMinutes: minutes.default(60).describe('Ends without activity. -1: as long as maxMinutes.'),
    maxMinutes: minutes.default(480).describe('Ends whatever happens. -1: never.'),
    persistent: z.boolean().default(false).describe('People may stay signed in over browser restarts.'),
    persistentReplaySeconds: z
      .int()
      .min(0)
      .max(3_600)
      .default(300)
      .describe('A persistent cookie without the session cookie opens its session once in this time. 0: always.'),
    deviceType: deviceType.default('private').describe('On which devices a sign-in serves later requests, where signOn.thisIsMyDevice asks.'),
    perUserMax: z
      .union([z.literal(-1), positive])
      .default(100)
      .describe('More sessions of one user end the oldest, with notice to its applications.'),
    hashUserKeys: z
      .boolean()
      .default(false)
      .describe(
        'User keys have SHA-256 (base64url) in the place of the name, in the store, in logs and for the session management API. Choose before the first sign-in: names that applications know users by derive from the key.'
      ),
    registryMinutes: positive.max(limitMinutesMax).default(1_440).describe('How long the registry remembers what was issued after a session ended, at least.'),
    attributeMinutes: positive
      .max(limitMinutesMax)
      .optional()
      .describe(
        'How long after the end of a session applications are still told the attributes of its user when they are signed out; not below registryMinutes (InterReqStateMgmtMapImpl.expiry.mins.attr.map). Default: 1440, or registryMinutes where that is more.'
      ),
    transactionMinutes: positive
      .max(1_440)
      .default(30)
      .describe('How long a sign-in or sign-out in progress waits for the browser (InterReqStateMgmtMapImpl.expiry.mins.state.map).'),
    revocationMinutes: positive.max(limitMinutesMax).default(490).describe('How long a revoked session stays on the revocation list.'),
    revokeOnLogout: z
      .boolean()
      .default(true)
      .describe(
        'Every ending puts the session on the revocation list. false: only the end of a session that a client with pingAccessLogoutCapable was used in, and the Session Revocation API. Gateways learn of no other ending.'
      ),
    secretFile: path.describe('File with at least 32 random bytes; cookies, identifiers and pairwise names derive from it.'),
    sources: z
      .record(
        z.string(),
        z.strictObject({
          enabled: z.boolean().optional(),
          idleMinutes: minutes.optional(),
          maxMinutes: minutes.optional(),
          persistent: z.boolean().optional(),
          deviceType: deviceType.optional()
        })
      )
      .default({})
      .describe('Other limits for single authentication sources: signOn.sourceId, or the id of an identity provider.')
  })
  .refine((s) => s.maxMinutes === -1 || s.idleMinutes === -1 || s.idleMinutes <= s.maxMinutes, {
    path: ['maxMinutes'],
    error: 'maxMinutes must not be shorter than idleMinutes'
  })
  .refine((s) => attributeMinutesOf(s) >= s.registryMinutes, {
    path: ['attributeMinutes'],
    error: 'attributeMinutes must not be shorter than registryMinutes: an application that is signed out may need them'
  })
  .describe('How long people stay signed in.')
