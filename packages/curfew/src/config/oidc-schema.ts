import { z } from 'zod'
import { accountLinking, idpid, partner } from './partner-schema.ts'
import { registration } from './registration-schema.ts'
import { certificateSubject } from './tls-schema.ts'
import { httpsWanted, isConfidential, path, positive, url } from './values.ts'

const tokenAlgorithm = z.enum(['RS256', 'PS256', 'ES256', 'EdDSA'])

const sessionValidation = z
  .strictObject({
    includeSessionId: z.boolean().optional().describe('pi.sri is in ID tokens. Default: true.'),
    checkValidAuthnSession: z.boolean().optional().describe('An access token is worth nothing once its session has ended. Default: true.'),
    checkSessionRevocationStatus: z
      .boolean()
      .optional()
      .describe('An access token is worth nothing once its session is on the revocation list. Default: true.'),
    updateAuthnSessionActivity: z.boolean().optional().describe('Validating an access token counts as activity of the user. Default: false.')
  })
  .optional()

export const oidcConnection = z
  .strictObject({
    ...partner,
    protocol: z.literal('oidc'),
    clientId: z.string().min(1).max(256).optional().describe('Default: the id.'),
    clientSecret: z.string().min(16).optional().describe('From the environment or a file: ${env:NAME}, ${file:path}.'),
    jwks: z
      .strictObject({ keys: z.array(z.record(z.string(), z.unknown())).min(1) })
      .optional()
      .describe('Public keys of the client.'),
    jwksUri: url.optional(),
    authentication: z
      .enum(['clientSecretBasic', 'clientSecretPost', 'privateKeyJwt', 'tlsClientAuth', 'selfSignedTlsClientAuth', 'none'])
      .optional()
      .describe('Default: clientSecretBasic with a secret, none without.'),
    certificateSubject: certificateSubject.optional(),
    certificateBoundAccessTokens: z
      .boolean()
      .optional()
      .describe('Its access tokens are good only with the certificate that it showed when it got them. Default: false.'),
    redirectUris: z.array(z.string().min(1)).min(1).describe('Compared to the letter.'),
    postLogoutRedirectUris: z.array(z.string()).optional().describe('Addresses, or patterns such as https://*.example.com/bye/*.'),
    scopes: z.array(z.string().min(1)).optional().describe('Scopes it may ask for. Default: openid, profile, email.'),
    refreshTokens: z.boolean().optional(),
    accessTokenMinutes: positive.max(1_440).optional(),
    accessTokenFormat: z.enum(['reference', 'jwt']).optional().describe('Opaque, or signed and readable (RFC 9068). Default: reference.'),
    accessTokenAudience: z
      .array(z.string().min(1))
      .optional()
      .describe('Whom a readable access token is for, such as https://api.example.com; needed with jwt.'),
    refreshTokenDays: positive.max(400).optional(),
    offlineGrants: z.enum(['survive', 'end']).optional().describe('What a sign-out does to refresh tokens with offline_access. Default: survive.'),
    idTokenMinutes: positive.max(1_440).optional(),
    idTokenAlgorithm: tokenAlgorithm.optional(),
    subject: z.enum(['public', 'pairwise', 'username']).optional().describe('What sub is: one name for all clients, one for each, or the user name.'),
    consent: z.enum(['none', 'ask']).optional(),
    claims: z.record(z.string(), z.string()).optional().describe('Claim: attribute of the user.'),
    requirePkce: z.boolean().optional(),
    tokenEncryption: z
      .strictObject({
        algorithm: z.enum(['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES']),
        content: z.enum(['A128CBC-HS256', 'A256GCM']).default('A256GCM')
      })
      .optional()
      .describe('ID tokens and logout tokens are encrypted to the first fitting key in jwks.'),
    sessionValidation: sessionValidation.describe('For this client; what is left out is as in oidc.sessionValidation.'),
    logout: z
      .strictObject({
        modes: z
          .array(z.enum(['none', 'pingFrontChannel', 'frontChannel', 'backChannel']))
          .default([])
          .describe('How it is told that a session ended; backChannel is tried first.'),
        frontChannelUris: z.array(url).optional(),
        backChannelUri: url.optional(),
        sessionRequired: z.boolean().optional(),
        trackSessions: z.boolean().optional().describe('Remember it in the sessions it takes part in. Default: true.'),
        tokenSeconds: z.int().min(30).max(600).optional().describe('How long a logout token is good for. Default: 300.'),
        pingAccessLogoutCapable: z
          .boolean()
          .optional()
          .describe(
            'It is a gateway: the sign-off page loads its logout.png from every host where it was used in the session, and the end of that session is on the revocation list whatever sessions.revokeOnLogout says.'
          ),
        picturePath: z.string().startsWith('/', 'write a path').optional().describe('Path of that picture. Default: /pa/oidc/logout.png.')
      })
      .optional(),
    revocationEndsSession: z.boolean().optional().describe('Giving back a refresh token ends the session it was issued in, everywhere.'),
    sharedSignals: z
      .strictObject({
        subject: z
          .enum(['session', 'email'])
          .default('session')
          .describe('session: the sub and sid of this client. email: the address of the user; the receiver takes it for every session of that user.')
      })
      .optional()
      .describe('It may have a stream of shared signals. Needs a client that proves who it is.'),
    revocationFeed: z
      .boolean()
      .optional()
      .describe('May read the revocation list, and nothing else: follow the feed, ask whether one session is on it. Default: as sessionRevocation.'),
    sessionRevocation: z.boolean().optional().describe('May ask whether sessions are revoked, and revoke them.'),
    sessionManagement: z.boolean().optional().describe('May look at sessions by SRI and by user, extend and end them.')
  })
  .describe('An OpenID Connect client.')

export const oidc = z
  .strictObject({
    keys: z
      .array(z.strictObject({ key: path }))
      .optional()
      .describe(
        'Private keys that sign tokens, PEM files. The first of each algorithm signs, all are published and open hints. To roll a key over, add the new one last, later put it first, remove the old one last. Default: those of saml.keys.'
      ),
    sessionValidation: sessionValidation.describe('What the session decides about tokens, for clients that do not say otherwise.'),
    registration: registration.optional()
  })
  .prefault({})
  .describe('The OpenID provider.')

export const oidcIdentityProvider = z
  .strictObject({
    ...partner,
    protocol: z.literal('oidc'),
    issuer: url.refine(isConfidential, { error: httpsWanted }).describe('Issuer identifier, to the letter.'),
    clientId: z.string().min(1).max(512),
    clientSecret: z.string().min(1).optional().describe('From the environment or a file: ${env:NAME}, ${file:path}.'),
    authentication: z.enum(['clientSecretBasic', 'clientSecretPost', 'none']).optional().describe('Default: clientSecretBasic with a secret, none without.'),
    scopes: z.array(z.string().min(1)).optional().describe('Default: openid, profile, email.'),
    username: z.string().min(1).optional().describe('Claim that holds the user name. Absent: sub.'),
    attributes: z.record(z.string(), z.string()).optional().describe('Claim: attribute of the user.'),
    algorithm: z.enum(['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA']).optional().describe('Its tokens are signed so. Absent: by any of these.'),
    refreshMinutes: positive.max(10_080).optional().describe('How often its configuration is read again. Default: 60.'),
    logout: z
      .strictObject({
        rpInitiated: z.boolean().optional().describe('false: its end-session address is not used.'),
        returnsBrowser: z.boolean().optional().describe('false: known not to send the browser back; it comes last.'),
        acceptMissingExp: z.boolean().optional().describe('Take logout tokens without exp.'),
        acceptMissingType: z.boolean().optional().describe('Take logout tokens that are not typed.'),
        acceptMissingIss: z.boolean().optional().describe('Take front-channel logouts with sid and without iss.')
      })
      .optional(),
    accountLinking,
    targetUrl: url.optional().describe('Where a sign-in ends that names no page.'),
    idpid
  })
  .refine((p) => p.clientSecret !== undefined || p.authentication === undefined || p.authentication === 'none', {
    path: ['clientSecret'],
    error: 'this way to authenticate needs a secret'
  })
  .describe('An OpenID provider that people may sign in at.')
