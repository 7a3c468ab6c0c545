import { z } from 'zod'
import { accountLinking, idpid, partner } from './partner-schema.ts'
import { presetNames } from './presets.ts'
import { path, positive, url, urlOrPath } from './values.ts'

const binding = z.enum(['redirect', 'post', 'artifact', 'soap'])
/** EndpointIndex of an artifact. */
const endpointIndex = z.int().min(0).max(65_535)

const algorithm = z.enum(['rsa-sha256', 'rsa-sha384', 'rsa-sha512', 'rsa-pss-sha256', 'ecdsa-sha256', 'ecdsa-sha384'])

export const saml = z
  .strictObject({
    entityId: z.string().min(1).max(1024).optional().describe('Entity ID of the identity provider. Default: server.baseUrl'),
    keys: z
      .array(z.strictObject({ key: path, certificate: path, algorithm: algorithm.default('rsa-sha256') }))
      .min(1)
      .describe('Signing keys, PEM files. The first signs, all are published.'),
    decryptionKeys: z
      .array(z.strictObject({ key: path, certificate: path }))
      .max(2)
      .default([])
      .describe(
        'RSA keys that partners encrypt to, PEM files. The first is published, both decrypt: put a new one first and take the old one out when partners have the new metadata.'
      ),
    clockSkewSeconds: z.int().min(0).max(600).default(60),
    assertionMinutes: z.int().min(1).max(60).default(5).describe('How long an assertion may be used.'),
    artifactSeconds: z.int().min(5).max(600).default(60).describe('How long a message waits behind its artifact.')
  })
  .describe('The SAML identity provider.')

/** What any SAML partner has. */
const samlPartner = {
  ...partner,
  protocol: z.literal('saml'),
  preset: z.enum(presetNames).optional().describe('Product of the partner: settings for its known ways, see presets.md. What is written here wins.'),
  metadata: z
    .strictObject({
      file: path.optional(),
      url: url.optional(),
      refreshMinutes: positive.max(10_080).optional(),
      certificate: path.optional().describe('Certificate that signs the metadata.')
    })
    .refine((m) => (m.file === undefined) !== (m.url === undefined), { error: 'give either file or url' })
    .optional()
    .describe('Metadata of the partner; what stands beside it overrides it.'),
  entityId: z.string().min(1).max(1024).optional(),
  baseUrl: url.optional().describe('Relative addresses of this connection resolve against it.'),
  slo: z
    .array(z.strictObject({ binding, url: urlOrPath, responseUrl: urlOrPath.optional() }))
    .optional()
    .describe('Logout endpoints in order of preference.'),
  artifactResolution: z
    .array(z.strictObject({ url: urlOrPath, index: endpointIndex.optional().describe('The index that stands in artifacts. Default: the place in the list.') }))
    .optional()
    .describe('Where the partner exchanges its artifacts for messages, by SOAP.'),
  outgoingBindings: z
    .array(binding)
    .min(1)
    .optional()
    .describe(
      'LogoutRequests go to its endpoints of these bindings only, in this order. Answers to its own, through the browser, go where its metadata or slo says, whatever stands here. Default: slo as written, or all of its metadata, server-to-server first.'
    ),
  incomingBindings: z.array(binding).optional().describe('Bindings that messages of the partner may come by.'),
  profiles: z
    .strictObject({ idpInitiatedSso: z.boolean(), spInitiatedSso: z.boolean(), idpInitiatedSlo: z.boolean(), spInitiatedSlo: z.boolean() })
    .partial()
    .optional()
    .describe('Who may start a sign-in or a sign-out.'),
  attributes: z.record(z.string(), z.string()).optional().describe('SAML attribute name: attribute of the user.'),
  certificates: z.array(path).optional().describe('Signing certificates of the partner, PEM files.'),
  embedCertificate: z.boolean().optional(),
  algorithm: algorithm.optional(),
  encryption: z
    .strictObject({
      content: z.enum(['aes-256-gcm', 'aes-128-gcm']).optional().describe('Default: the first of them in its metadata, else aes-256-gcm.'),
      keyTransport: z.enum(['rsa-oaep', 'rsa-oaep-sha256']).optional().describe('Default: rsa-oaep, which every product reads.'),
      certificate: path.optional().describe('Certificate to encrypt to, PEM file. Default: from its metadata.')
    })
    .optional()
    .describe('How things are encrypted for it, where encrypt is set.'),
  allowCbc: z
    .boolean()
    .optional()
    .describe('It may encrypt with AES-CBC, which carries no proof of its own: read only where a signature covers the cipher text. Default: false.'),
  frames: z.boolean().optional().describe('Its logout works in a hidden frame: it finds sessions without cookies and allows framing.'),
  returnsBrowser: z.boolean().optional().describe('false: known not to send the browser back; it comes last.')
}

const nameIdKind = z.enum(['persistent', 'transient', 'emailAddress', 'unspecified'])

export const samlConnection = z
  .strictObject({
    ...samlPartner,
    acs: z
      .array(
        z.strictObject({
          binding: z.enum(['post', 'artifact']).default('post'),
          url: urlOrPath,
          index: z.int().min(0).max(65_535).optional(),
          default: z.boolean().optional()
        })
      )
      .optional(),
    nameId: z.strictObject({ format: nameIdKind.optional(), attribute: z.string().optional() }).optional(),
    encrypt: z
      .enum(['assertions', 'nameId', 'both'])
      .optional()
      .describe('assertions: as a whole. nameId: the NameID, in assertions and LogoutRequests. both: whole assertions, and the NameID in LogoutRequests.'),
    requireSignedAuthnRequests: z.boolean().optional(),
    signResponse: z.boolean().optional()
  })
  .describe('A SAML service provider.')

export const samlIdentityProvider = z
  .strictObject({
    ...samlPartner,
    sso: z
      .array(z.strictObject({ binding: z.enum(['redirect', 'post', 'artifact']), url: urlOrPath }))
      .min(1)
      .optional()
      .describe('Where people are sent to sign in.'),
    encrypt: z.literal('nameId').optional().describe('The NameID in LogoutRequests to it is encrypted.'),
    responseBinding: z.enum(['post', 'artifact']).optional().describe('How its answers are asked for. Default: post.'),
    nameIdFormat: nameIdKind.optional().describe('Format asked for. Absent: the identity provider chooses.'),
    username: z.string().min(1).optional().describe('SAML attribute that holds the user name. Absent: the NameID.'),
    accountLinking,
    targetUrl: url.optional().describe('Where a sign-in ends that nobody asked for here.'),
    idpid
  })
  .describe('A SAML identity provider that people may sign in at.')
