import { z } from 'zod'
import { redisSchema } from './redis-schema.ts'
import { limitMinutesMax } from '../core/expiry.ts'
import { gateway } from './gateway-schema.ts'
import { sharedSignals } from './shared-signals-schema.ts'

const id = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,39}$/, 'use lower-case letters, digits and dashes, starting with a letter, at most 40')
  .describe('Short name, used in commands, addresses and logs. Example: payroll')
const url = z.url({ protocol: /^https?$/, error: 'write an http or https address, such as https://app.example.com/saml/slo' })
const urlOrPath = z.union([url, z.string().startsWith('/', 'write an address, or a path when the connection has a baseUrl')])
const path = z.string().min(1)
const hostPort = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.*-]+):\d{1,5}$/, 'write host:port, such as 127.0.0.1:9031')
const positive = z.int().min(1)
const minutes = z.union([z.literal(-1), z.int().min(1).max(limitMinutesMax)], { error: `write -1 or minutes from 1 to ${limitMinutesMax}` })
const binding = z.enum(['redirect', 'post', 'soap'])
const algorithm = z.enum(['rsa-sha256', 'rsa-sha384', 'rsa-sha512', 'rsa-pss-sha256', 'ecdsa-sha256', 'ecdsa-sha384'])
const colour = z.string().regex(/^#[0-9a-fA-F]{6}$/, 'write a colour as #rrggbb')

const server = z
  .strictObject({
    baseUrl: url.describe('Origin of the authority as browsers see it. Every address and Destination derives from it.'),
    listen: z.array(hostPort).min(1).default(['127.0.0.1:9031']).describe('Where the runtime listens.'),
    trustedProxies: z.array(z.string()).default([]).describe('Address ranges whose X-Forwarded headers count.'),
    heartbeatMonitoring: z.boolean().default(false).describe('/pf/heartbeat.ping shows figures instead of OK.')
  })
  .describe('The authority as browsers and partners see it.')

const admin = z
  .strictObject({
    listen: z.array(hostPort).min(1).default(['127.0.0.1:9999']).describe('Where the admin API and the metrics listen.'),
    tokenFile: path.optional().describe('File with the token of the admin API. Default: data/admin.token'),
    token: z.string().min(16).optional().describe('The token itself, from the environment: ${env:NAME}.')
  })
  .prefault({})
  .describe('The admin API that the command line uses.')

const store = z
  .strictObject({
    kind: z
      .enum(['sqlite', 'redis', 'memory'])
      .default('sqlite')
      .describe('sqlite: one node. redis: many. memory keeps nothing over a restart and is for tests.'),
    file: path.default('data/curfew.db').describe('Database file of the embedded store.'),
    capacity: positive.default(1_000_000).describe('Most live sessions; beyond it sign-ins are refused and nothing is dropped.'),
    redis: redisSchema.optional()
  })
  .refine((it) => (it.kind === 'redis') === (it.redis !== undefined), { path: ['redis'], error: 'store.redis belongs to kind: redis, and is needed there' })
  .prefault({})
  .describe('Where sessions, runs and deliveries are kept.')

const cluster = z
  .strictObject({
    node: z
      .string()
      .regex(/^\S{1,64}$/, 'write a name without white space')
      .optional()
      .describe('Name of this node; no two live nodes share one. Default: the host name and the first address it listens at.'),
    group: z
      .string()
      .regex(/^\S{1,64}$/, 'write a name without white space')
      .optional()
      .describe('The group of nodes that share the store (node.group.id).'),
    tags: z
      .array(z.string().regex(/^\S{1,64}$/, 'write tags without white space'))
      .max(16)
      .default([])
      .describe('Shown in the status (node.tags).')
  })
  .prefault({})
  .describe('This process among others on the same store.')

const saml = z
  .strictObject({
    entityId: z.string().min(1).max(1024).optional().describe('Entity ID of the identity provider. Default: server.baseUrl'),
    keys: z
      .array(z.strictObject({ key: path, certificate: path, algorithm: algorithm.default('rsa-sha256') }))
      .min(1)
      .describe('Signing keys, PEM files. The first signs, all are published.'),
    clockSkewSeconds: z.int().min(0).max(600).default(60),
    assertionMinutes: z.int().min(1).max(60).default(5).describe('How long an assertion may be used.')
  })
  .describe('The SAML identity provider.')

const sessions = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Authentication sessions: one sign-in serves all applications.'),
    idleMinutes: minutes.default(60).describe('Ends without activity. -1: as long as maxMinutes.'),
    maxMinutes: minutes.default(480).describe('Ends whatever happens. -1: never.'),
    persistent: z.boolean().default(false).describe('People may stay signed in over browser restarts.'),
    perUserMax: z
      .union([z.literal(-1), positive])
      .default(100)
      .describe('More sessions of one user end the oldest, with notice to its applications.'),
    registryMinutes: positive.max(limitMinutesMax).default(1_440).describe('How long the registry remembers what was issued after a session ended, at least.'),
    revocationMinutes: positive.max(limitMinutesMax).default(490).describe('How long a revoked session stays on the revocation list.'),
    revokeOnLogout: z
      .boolean()
      .default(true)
      .describe('Every ending puts the session on the revocation list. false: only the Session Revocation API does, and gateways learn of no other ending.'),
    secretFile: path.describe('File with at least 32 random bytes; cookies, identifiers and pairwise names derive from it.'),
    sources: z
      .record(
        z.string(),
        z.strictObject({ enabled: z.boolean().optional(), idleMinutes: minutes.optional(), maxMinutes: minutes.optional(), persistent: z.boolean().optional() })
      )
      .default({})
      .describe('Other limits for single authentication sources.')
  })
  .refine((s) => s.maxMinutes === -1 || s.idleMinutes === -1 || s.idleMinutes <= s.maxMinutes, {
    path: ['maxMinutes'],
    error: 'maxMinutes must not be shorter than idleMinutes'
  })
  .describe('How long people stay signed in.')

const target = z.strictObject({
  domain: z
    .string()
    .regex(/^(\*\.)?[A-Za-z0-9.-]+(:\d{1,5})?$/, 'write a host name, such as www.example.com or *.example.com')
    .describe('Host; *. in front stands for any sub-domain.'),
  path: z.string().startsWith('/').optional().describe('Only this path and what lies below it.'),
  requireHttps: z.boolean().default(true),
  allowQueryAndFragment: z.boolean().default(false)
})

const redirects = z
  .strictObject({
    validate: z
      .strictObject({
        sso: z.boolean().default(true),
        slo: z.boolean().default(true),
        idpDiscovery: z.boolean().default(true),
        errorResource: z.boolean().default(true)
      })
      .prefault({})
      .describe('false: landing addresses of this use are not looked up in the list; any http or https address is followed.'),
    allow: z
      .array(
        target.extend({
          uses: z
            .array(z.enum(['sso', 'slo', 'idpDiscovery', 'errorResource']))
            .min(1)
            .describe('What the entry is good for.')
        })
      )
      .default([])
      .describe('Allowed landing addresses. logout.targets and signOn.targets are short forms for one use each.')
  })
  .prefault({})
  .describe('Which landing addresses are followed.')

const pingOne = z
  .strictObject({
    prefix: z
      .string()
      .regex(/^\/([A-Za-z0-9_-]+\/)+$/, 'write a path with a slash at both ends, such as /sso/')
      .default('/sso/')
      .describe('What the paths SLO.saml2, initslo and terminatesession begin with.'),
    ownOrigins: z
      .array(url)
      .default(['https://desktop.pingone.com', 'https://sso.connect.pingidentity.com'])
      .describe('Origins that the parameter page may always lead to, beside server.baseUrl.'),
    landingUrl: url.optional().describe('Landing page without a valid page. Default: logout.successUrl.')
  })
  .prefault({})
  .describe('The sign-out addresses of PingOne for Enterprise.')

const idpid = z.string().min(1).max(200).optional().describe('Value of the parameter idpid that means sessions from here. Default: the id.')

const adapterLogout = z
  .strictObject({
    path: z
      .string()
      .regex(/^\/[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/, 'write a path that begins with a slash, such as /logout')
      .describe('Served under /ext.'),
    redirectUrl: url.optional().describe('Where the browser goes afterwards; wins over template.'),
    template: path.optional().describe('File with the text of the page that is shown otherwise.')
  })
  .optional()
  .describe('A path that ends the sessions of this source here, without telling anybody.')

const signOn = z
  .strictObject({
    users: path.optional().describe('File of local users, made by curfew users add. Absent: people sign in at an identity provider only.'),
    sourceId: id.default('form'),
    idpid,
    adapterLogout,
    successUrl: url.optional().describe('Landing page after a sign-in that names none.'),
    targets: z.array(target).default([]).describe('Allowed TargetResource addresses of a sign-in; others are ignored.'),
    sessionState: z.enum(['none', 'globally', 'perAdapter']).default('globally').describe('Who may use the sign-in of the form when sessions are off.'),
    locking: z
      .strictObject({
        attempts: positive.max(1_000).default(5),
        windowMinutes: positive.max(1_440).default(15),
        endsSessions: z.boolean().default(false).describe('A lock ends the sessions of the user, too. Whoever knows the name can then sign that user out.')
      })
      .prefault({})
      .describe('Wrong passwords within the window before an account is locked.'),
    passwordChangeEndsSessions: z.boolean().default(true).describe('A changed or reset password ends the sessions that were opened with the old one.')
  })
  .prefault({})
  .describe('The sign-in form.')

const logout = z
  .strictObject({
    confirm: z.boolean().default(false).describe('Ask before every sign-out that starts at the authority.'),
    successUrl: url.optional().describe('Landing page after a sign-out that everyone confirmed.'),
    errorUrl: url.optional().describe('Landing page after one that not everyone confirmed.'),
    targets: z.array(target).default([]).describe('Allowed TargetResource and InErrorResource addresses; others are ignored.'),
    sp: z
      .strictObject({ confirm: z.boolean().optional(), successUrl: url.optional() })
      .optional()
      .describe('What differs at /sp/startSLO.ping: whether it asks, and its landing page.'),
    attempts: z.int().min(1).max(20).default(4).describe('Server-to-server attempts per application.'),
    retryBaseSeconds: positive.max(3_600).default(10),
    retryCapSeconds: positive.max(86_400).default(300),
    deadlineHours: positive.max(720).default(24).describe('When what is still open becomes final.'),
    sendTimeoutSeconds: positive.max(60).default(5),
    hopTimeoutSeconds: positive.max(60).default(8),
    frameTimeoutSeconds: positive.max(30).default(3),
    patienceSeconds: positive.max(60).default(8).describe('How long whoever started waits before hearing what is known.')
  })
  .prefault({})
  .describe('How sign-outs are carried out.')

const outbound = z
  .strictObject({
    allowPrivate: z.array(z.string()).default([]).describe('Private address ranges that may be reached, such as 10.20.0.0/16.'),
    hosts: z.record(z.string(), z.string()).default({}).describe('Fixed addresses of host names.'),
    perPeerMax: z.int().min(1).max(256).default(16).describe('Requests to one partner at once.')
  })
  .prefault({})
  .describe('Requests that leave the authority.')

const brand = z
  .strictObject({
    organisation: z.string().min(1).max(80).default('Curfew'),
    help: z
      .string()
      .regex(/^(https:\/\/|mailto:)/, 'write an https or mailto address')
      .optional(),
    logo: path.optional().describe('Picture file (SVG or PNG), at most 64 KB.'),
    tokens: z
      .strictObject({ background: colour, surface: colour, text: colour, muted: colour, accent: colour, onAccent: colour, good: colour, bad: colour })
      .partial()
      .optional(),
    messages: path.optional().describe('Folder with <language>.json files that replace texts.'),
    header: path.optional(),
    footer: path.optional()
  })
  .prefault({})
  .describe('How the pages look and speak.')

const partner = {
  id,
  name: z.string().min(1).max(80).optional().describe('Name shown to people.'),
  logoUrl: z.string().optional(),
  homeUrl: url.optional().describe('Where a person opens it.'),
  domains: z
    .array(z.string().regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/, 'write a domain, such as example.com'))
    .optional()
    .describe('The parameter page may lead to these domains, and below, from a session that it takes part in.')
}

/** What any SAML partner has. */
const samlPartner = {
  ...partner,
  protocol: z.literal('saml'),
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
  frames: z.boolean().optional().describe('Its logout works in a hidden frame: it finds sessions without cookies and allows framing.'),
  returnsBrowser: z.boolean().optional().describe('false: known not to send the browser back; it comes last.')
}

const nameIdKind = z.enum(['persistent', 'transient', 'emailAddress', 'unspecified'])

const samlConnection = z
  .strictObject({
    ...samlPartner,
    acs: z
      .array(
        z.strictObject({
          binding: z.literal('post').default('post'),
          url: urlOrPath,
          index: z.int().min(0).max(65_535).optional(),
          default: z.boolean().optional()
        })
      )
      .optional(),
    nameId: z.strictObject({ format: nameIdKind.optional(), attribute: z.string().optional() }).optional(),
    requireSignedAuthnRequests: z.boolean().optional(),
    signResponse: z.boolean().optional()
  })
  .describe('A SAML service provider.')

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

const oidcConnection = z
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
      .enum(['clientSecretBasic', 'clientSecretPost', 'privateKeyJwt', 'none'])
      .optional()
      .describe('Default: clientSecretBasic with a secret, none without.'),
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
          .describe('It is a gateway: the sign-off page loads its logout.png from every host where it was used in the session.'),
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
      .describe('It may have a stream of shared signals. Needs clientSecretBasic.'),
    sessionRevocation: z.boolean().optional().describe('May ask whether sessions are revoked, and revoke them.'),
    sessionManagement: z.boolean().optional().describe('May look at sessions by SRI and by user, extend and end them.')
  })
  .describe('An OpenID Connect client.')

const oidc = z
  .strictObject({
    keys: z
      .array(z.strictObject({ key: path }))
      .optional()
      .describe(
        'Private keys that sign tokens, PEM files. The first of each algorithm signs, all are published and open hints. To roll a key over, add the new one last, later put it first, remove the old one last. Default: those of saml.keys.'
      ),
    sessionValidation: sessionValidation.describe('What the session decides about tokens, for clients that do not say otherwise.')
  })
  .prefault({})
  .describe('The OpenID provider.')

const seconds = (least: number, most: number) => z.int().min(least).max(most)

/** What an OpenToken adapter has in either role. */
const openTokenAdapter = {
  ...partner,
  protocol: z.literal('opentoken'),
  password: z.string().min(8).max(512).describe('Both sides know it; from the environment or a file: ${env:NAME}, ${file:path}.'),
  cipherSuite: z.enum(['aes-128', 'aes-256', '3des']).optional().describe('Default: aes-128. 3des is there for old applications.'),
  transport: z
    .enum(['query', 'cookie', 'form', 'reference'])
    .optional()
    .describe('How tokens travel. Default: form to applications, query from login applications. reference: attributes are picked up server to server.'),
  tokenName: z
    .string()
    .regex(/^[A-Za-z][\w.-]{0,59}$/, 'write a name of letters, digits, dots and dashes')
    .optional()
    .describe('Name of the query parameter, form field or cookie. Default: opentoken.'),
  tokenSeconds: seconds(1, 28_800).optional().describe('How long a token is good for. Default: 300.'),
  sessionSeconds: seconds(1, 259_200).optional().describe('Gives renew-until. Default: 43200.'),
  notBeforeToleranceSeconds: seconds(0, 3_600).optional().describe('How far not-before may lie ahead. Default: 0.'),
  cookie: z
    .strictObject({ domain: z.string(), path: z.string().startsWith('/'), secure: z.boolean(), httpOnly: z.boolean() })
    .partial()
    .optional()
    .describe('The transport cookie. secure and httpOnly are on by default.'),
  logoutService: url.optional().describe('Where browsers are sent to end the session of the application. Absent: it can not be asked.'),
  resumeParameter: z.enum(['both', 'resumePath', 'resume']).optional().describe('Name of the parameter with the resume path. Default: both.'),
  confirmation: z
    .enum(['return', 'answer'])
    .optional()
    .describe('What counts as signed out: the return of the browser (default), or only an answer token, which the SDK gives.'),
  reference: z
    .strictObject({ username: z.string().min(1), password: z.string().min(8) })
    .optional()
    .describe('What the application says at /ext/ref/pickup and /ext/ref/dropoff.'),
  attributes: z
    .record(z.string(), z.string())
    .optional()
    .describe('Attribute of the token: attribute of the user; username is the name, sessionIndex what this application calls the session.')
}

const openTokenConnection = z
  .strictObject({
    ...openTokenAdapter,
    targetUrl: url.describe('Where the application takes tokens.'),
    origins: z.array(url).optional().describe('Further origins of the application that TargetResource may lead to.'),
    subject: z.string().min(1).optional().describe('Attribute that becomes the subject. Default: the user name.')
  })
  .describe('An application by OpenToken (SP adapter instance).')

const openTokenLogin = z
  .strictObject({
    ...openTokenAdapter,
    authenticationService: url.describe('Where browsers are sent to sign in.'),
    adapterLogout,
    targetUrl: url.optional(),
    idpid
  })
  .describe('An application that signs people in by OpenToken (IdP adapter instance).')

const samlIdentityProvider = z
  .strictObject({
    ...samlPartner,
    sso: z
      .array(z.strictObject({ binding: z.enum(['redirect', 'post']), url: urlOrPath }))
      .min(1)
      .optional()
      .describe('Where people are sent to sign in.'),
    nameIdFormat: nameIdKind.optional().describe('Format asked for. Absent: the identity provider chooses.'),
    username: z.string().min(1).optional().describe('SAML attribute that holds the user name. Absent: the NameID.'),
    targetUrl: url.optional().describe('Where a sign-in ends that nobody asked for here.'),
    idpid
  })
  .describe('A SAML identity provider that people may sign in at.')

const logging = z
  .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') })
  .prefault({})
  .describe('Log lines on standard error.')
const isLoopback = (host: string): boolean => host === 'localhost' || host.endsWith('.localhost') || host === '127.0.0.1' || host === '[::1]'

const oidcIdentityProvider = z
  .strictObject({
    ...partner,
    protocol: z.literal('oidc'),
    issuer: url
      .refine((text) => text.startsWith('https:') || isLoopback(new URL(text).hostname), { error: 'write an https address; http is for loopback hosts only' })
      .describe('Issuer identifier, to the letter.'),
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
    targetUrl: url.optional().describe('Where a sign-in ends that names no page.'),
    idpid
  })
  .refine((p) => p.clientSecret !== undefined || p.authentication === undefined || p.authentication === 'none', {
    path: ['clientSecret'],
    error: 'this way to authenticate needs a secret'
  })
  .describe('An OpenID provider that people may sign in at.')

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
