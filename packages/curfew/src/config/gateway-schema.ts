import { z } from 'zod'
import { sharedEndingsSchema } from './redis-schema.ts'

const url = z.url({ protocol: /^https?$/, error: 'write an http or https address, such as https://wiki.example.com' })
const hostPort = z.string().regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.*-]+):\d{1,5}$/, 'write host:port, such as 127.0.0.1:3000')
const path = z.string().min(1)
const webPath = z.string().regex(/^\/(?:[A-Za-z0-9._~-]+(?:\/[A-Za-z0-9._~-]+)*)?$/, 'write a path such as /wiki, without a slash at the end')
const minutes = z.int().min(1).max(1_576_800)

/** What only an origin may be: no path, no query. */
const origin = url.refine((text) => URL.parse(text)?.pathname === '/' && !/[?#@]/.test(text), { error: 'write scheme, host and port only' })

const backChannel = z
  .strictObject({
    servers: z.array(origin).max(16).default([]).describe('Scheme, host and port of its servers, in the order they are tried. Default: those of the issuer.'),
    basePath: webPath.optional().describe('In the place of the path of the issuer on these servers.'),
    expectedHostname: z
      .string()
      .regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/, 'write a host name such as sso.example.com')
      .optional()
      .describe('The name that their certificates have. Default: the host of the address.'),
    skipHostnameVerification: z
      .boolean()
      .default(false)
      .describe('Certificates may have any name. Only with trustedCertificates of an authority of your own; otherwise use expectedHostname.'),
    trustedCertificates: path.optional().describe('PEM file of the authorities that vouch for these servers. Default: those of the system.'),
    proxy: z
      .strictObject({
        url: origin.describe('Scheme, host and port.'),
        username: z.string().min(1).optional(),
        password: z.string().min(1).optional().describe('From the environment or a file.')
      })
      .optional()
      .describe('HTTP proxy that every request to the provider goes through.')
  })
  .describe('How the gateway itself reaches the provider, where that is another way than that of browsers.')

const byCertificate = ['tlsClientAuth', 'selfSignedTlsClientAuth'] as const

const provider = z
  .strictObject({
    issuer: url.optional().describe('Issuer of the OpenID provider. Default: server.baseUrl, where the gateway runs inside curfew start.'),
    clientId: z.string().min(1).max(256),
    clientSecret: z.string().min(16).optional().describe('From the environment or a file. Default: that of the connection with this client identifier.'),
    authentication: z
      .enum(['clientSecretBasic', 'clientSecretPost', 'privateKeyJwt', ...byCertificate])
      .default('clientSecretBasic')
      .describe('privateKeyJwt: by the key that /pa/oidc/JWKS publishes. tlsClientAuth, selfSignedTlsClientAuth: by clientCertificate.'),
    clientCertificate: z
      .strictObject({ key: path, certificate: path.describe('The certificate, and those between it and its root.') })
      .optional()
      .describe('PEM files by which the gateway proves itself (RFC 8705). Changed files are taken over without a restart.'),
    scopes: z.array(z.string().min(1)).default(['profile', 'email']).describe('Beside openid.'),
    userInfo: z.boolean().default(true).describe('Ask for claims at the UserInfo endpoint after a sign-in.'),
    refreshTokens: z
      .boolean()
      .default(true)
      .describe('Use the refresh token, where the provider gives one: claims are asked for again also after the access token has expired.'),
    useSingleLogout: z.boolean().default(false).describe('A sign-out here goes on at the provider and ends everything.'),
    logoutRedirectUri: url.optional().describe('Where the browser lands after a sign-out by the provider (pa.oidc.logout.redirectURI).'),
    backChannel: backChannel.optional()
  })
  .describe('Where people sign in.')

const sessionCheck = z
  .strictObject({
    feed: z.boolean().default(true).describe('Follow the revocation feed of the authority. false for other providers.'),
    status: z.boolean().default(false).describe('Ask the authority about single sessions (Validate Session).'),
    statusCacheSeconds: z.int().min(0).max(3_600).default(60).describe('How long an answer about one session counts.'),
    staleSeconds: z.int().min(2).max(3_600).default(10).describe('How old what is known by the feed may be.'),
    whenUnknown: z.enum(['refuse', 'allow']).default('refuse').describe('What happens when nothing young enough is known.')
  })
  .prefault({})
  .describe('How the gateway learns that a session was ended.')

const webSession = z
  .strictObject({
    name: z.string().min(1).max(64),
    audience: z
      .string()
      .regex(/^[A-Za-z0-9_-]{1,32}$/, 'write 1 to 32 letters, digits, dashes and underscores')
      .describe('The cookie is PA. and this.'),
    cookieType: z.enum(['encrypted', 'signed']).default('encrypted'),
    cookieDomain: z
      .string()
      .regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/, 'write a domain such as example.com')
      .optional()
      .describe('Hosts below it share one session. Absent: one per host.'),
    httpOnly: z.boolean().default(true),
    sameSite: z.enum(['lax', 'none', 'disabled']).default('lax'),
    partitioned: z.boolean().default(false),
    idleMinutes: minutes.default(60),
    maxMinutes: minutes.default(240),
    refreshUserSeconds: z
      .union([z.literal(-1), z.int().min(1).max(86_400)])
      .default(60)
      .describe('How old the claims of the UserInfo endpoint may become before they are asked for again. -1: they stay as they were at the sign-in.')
  })
  .describe('A session of the gateway, shared by the applications that name it.')

const application = z
  .strictObject({
    id: z.string().regex(/^[a-z][a-z0-9-]{0,39}$/, 'use lower-case letters, digits and dashes, starting with a letter, at most 40'),
    urls: z.array(origin).min(1).describe('Where browsers find it: scheme, host and port.'),
    contextRoot: webPath.default('/').describe('The part of the paths that is this application.'),
    target: origin.describe('Where the application itself listens.'),
    type: z.enum(['web', 'api']).default('web').describe('api: 401 and a problem document in the place of a redirect.'),
    webSession: z.string().optional().describe('Name of its web session. Default: the first.'),
    headers: z
      .record(z.string().regex(/^[A-Za-z0-9-]{1,60}$/, 'write a header name'), z.string().min(1))
      .default({})
      .describe('Header: claim of the user. Nobody else can set these headers.'),
    anonymous: z.array(webPath).default([]).describe('Paths that need no session, with what lies below them.'),
    preserveHost: z.boolean().default(true).describe('The application sees the host that the browser asked for.'),
    preservation: z.enum(['none', 'post', 'all']).default('post').describe('Requests with a body that wait for the sign-in: none, forms, any.'),
    failOnUnsupportedPreservationContentType: z
      .boolean()
      .default(false)
      .describe(
        'true: a body that preservation does not cover is refused with 415, one that is too large to wait with 413. false: it is dropped, and the person starts anew after the sign-in.'
      ),
    reservedBelowRoot: z.boolean().default(false).describe('The reserved path lies below the context root.'),
    responseTimeoutSeconds: z.int().min(1).max(86_400).default(300)
  })
  .describe('An application behind the gateway.')

const gatewayShape = z.strictObject({
  listen: z.array(hostPort).min(1).default(['127.0.0.1:3000']).describe('Where the gateway listens.'),
  tls: z.strictObject({ key: path, certificate: path }).optional().describe('PEM files. Absent: plain HTTP, behind something that ends TLS.'),
  secretFile: path
    .optional()
    .describe(
      'File with at least 32 random bytes as base64, the same for all gateways. Default: sessions.secretFile, where the gateway runs inside curfew start.'
    ),
  reservedPath: webPath.default('/pa').describe('Where the endpoints of the gateway itself are.'),
  trustedProxies: z
    .array(z.string())
    .default(['127.0.0.0/8', '::1/128'])
    .describe('Address ranges whose X-Forwarded headers count and that may ask for decisions (forward-auth).'),
  forwardAuth: z
    .array(z.enum(['nginx', 'forwarded', 'envoy']))
    .max(3)
    .default([])
    .describe('How another proxy asks for decisions: nginx (auth_request), forwarded (Caddy, Traefik), envoy (ext_authz). Any other way is answered with 404.'),
  heartbeatMonitoring: z.boolean().default(false).describe('/pa/heartbeat.ping shows figures instead of OK.'),
  metricsListen: hostPort.optional().describe('Where a gateway of its own serves /metrics.'),
  shared: sharedEndingsSchema.optional(),
  provider,
  sessionCheck,
  webSessions: z.array(webSession).min(1),
  applications: z.array(application).min(1)
})

/** `gateway` in the configuration. */
export const gateway = gatewayShape.superRefine(crossCheck).describe('The access gateway in front of applications.')

export type GatewayConfig = z.output<typeof gateway>

function crossCheck(config: z.output<typeof gatewayShape>, context: z.core.$RefinementCtx): void {
  const issue = (issuePath: readonly (string | number)[], message: string): void => context.addIssue({ code: 'custom', path: [...issuePath], message })
  const names = new Set<string>()
  config.webSessions.forEach(({ name, audience, idleMinutes, maxMinutes, partitioned, sameSite }, i) => {
    if (names.has(name) || names.has(`audience ${audience}`)) issue(['webSessions', i, 'name'], 'give each web session a name and an audience of its own')
    names.add(name).add(`audience ${audience}`)
    if (idleMinutes > maxMinutes) issue(['webSessions', i, 'idleMinutes'], 'idleMinutes must not be longer than maxMinutes')
    if (partitioned && sameSite !== 'none') issue(['webSessions', i, 'partitioned'], 'browsers keep a partitioned cookie with sameSite none only')
  })
  const places = new Set<string>()
  config.applications.forEach((one, i) => {
    const session = config.webSessions.find(({ name }) => name === one.webSession) ?? (one.webSession === undefined ? config.webSessions[0] : undefined)
    if (session === undefined) return issue(['applications', i, 'webSession'], 'name one of webSessions')
    one.urls.forEach((text, j) => {
      const { hostname, host, protocol } = new URL(text)
      const { cookieDomain, sameSite, partitioned } = session
      if (places.has(`${host} ${one.contextRoot}`)) issue(['applications', i, 'urls', j], 'another application has this host and context root')
      places.add(`${host} ${one.contextRoot}`)
      if (cookieDomain !== undefined && hostname !== cookieDomain && !hostname.endsWith(`.${cookieDomain}`))
        issue(['applications', i, 'urls', j], `this host does not lie below the cookie domain ${cookieDomain}`)
      if (sameSite === 'none' && protocol === 'http:') issue(['applications', i, 'urls', j], 'sameSite none needs https')
      if (partitioned && protocol === 'http:') issue(['applications', i, 'urls', j], 'a partitioned cookie needs https')
    })
  })
  const { authentication, backChannel: back, clientCertificate } = config.provider
  const isByCertificate = byCertificate.some((one) => one === authentication)
  if (isByCertificate && clientCertificate === undefined)
    issue(['provider', 'clientCertificate'], `name the key and the certificate that ${authentication} proves the gateway by`)
  if (!isByCertificate && clientCertificate !== undefined)
    issue(['provider', 'authentication'], `write tlsClientAuth or selfSignedTlsClientAuth, or take clientCertificate out: ${authentication} uses none`)
  if (back?.skipHostnameVerification === true && back.trustedCertificates === undefined)
    context.addIssue({
      code: 'custom',
      path: ['provider', 'backChannel', 'skipHostnameVerification'],
      message: 'write expectedHostname with the name that the certificates have, or add trustedCertificates of an authority of your own',
      params: { code: 'CURFEW_CONFIG_HOSTNAME_UNVERIFIED' }
    })
  if (back?.proxy?.password !== undefined && back.proxy.username === undefined)
    issue(['provider', 'backChannel', 'proxy', 'username'], 'name the user that the password belongs to')
  if (authentication === 'clientSecretPost' && (config.sessionCheck.feed || config.sessionCheck.status))
    issue(['provider', 'authentication'], 'the session check needs clientSecretBasic, privateKeyJwt or a certificate')
}
