/** One row of the matrix: a feature, and the tests that show it. */
export interface Suite {
  readonly title: string
  /** Where its test files are: folders and files below `packages/curfew/test`. */
  readonly paths: readonly string[]
}

/** The functional suite: everything that starts an authority and asks it something over its surfaces. */
export const suites: readonly Suite[] = [
  { title: 'SAML identity provider', paths: ['authority/saml-idp'] },
  { title: 'SAML service provider: sign-in at an identity provider upstream', paths: ['authority/saml-sp'] },
  { title: 'SAML artifacts, encryption, keys', paths: ['authority/saml'] },
  { title: 'OpenID provider', paths: ['authority/oidc'] },
  { title: 'OpenID client: sign-in at a provider upstream', paths: ['authority/oidc-rp', 'authority/upstream'] },
  { title: 'OpenToken adapters, adapter logout paths, Reference IDs', paths: ['authority/opentoken', 'authority/ext'] },
  { title: 'Sign-on form, passwords, account locking, session policies', paths: ['authority/sign-on'] },
  {
    title: 'Sign-off pages, landing pages, startSLO, heartbeat',
    paths: ['authority/sign-off', 'authority/ping', 'authority/redirects.test.ts', 'authority/server.it.ts']
  },
  { title: 'PingOne endpoints', paths: ['authority/pingone'] },
  { title: 'Session management API, revocation feed', paths: ['authority/session-management', 'authority/revocation-feed'] },
  { title: 'Shared signals', paths: ['authority/shared-signals'] },
  { title: 'Admin API', paths: ['admin', 'cli/inspect.it.ts'] },
  {
    title: 'Gateway before applications, the authority over real HTTP',
    paths: [
      'gateway/gateway.it.ts',
      'gateway/built-in.it.ts',
      'gateway/back-channel.it.ts',
      'gateway/provider-logout.it.ts',
      'gateway/saml-application.it.ts',
      'gateway/forward-auth.it.ts',
      'gateway/shared-endings.it.ts',
      'gateway/refresh-token.it.ts',
      'gateway/user-refresh.it.ts',
      'gateway/nothing-by-itself.it.ts',
      'gateway/status-health.it.ts',
      'gateway/cookie-domain.it.ts',
      'gateway/mutual-tls.it.ts'
    ]
  },
  { title: 'Attacks', paths: ['attacks'] }
]

/** The suite that a test file belongs to, by its path from the root. */
export function suiteOf(file: string): Suite | undefined {
  return suites.find(({ paths }) => paths.some((path) => file === `packages/curfew/test/${path}` || file.startsWith(`packages/curfew/test/${path}/`)))
}

/** One row of the table of feature limits, with what the replaced product says of each of its modes. */
export interface Feature {
  readonly title: string
  /** Standalone, adaptive, sharing all nodes, state servers, subclusters. */
  readonly replaced: Readonly<Record<'standalone' | 'adaptive' | 'sharing' | 'stateServers' | 'subclusters', string>>
  /** The tests that show it here. */
  readonly isShownBy: (file: string, name: string) => boolean
}

const at =
  (...paths: readonly string[]) =>
  (file: string): boolean =>
    paths.some((path) => file.startsWith(`packages/curfew/test/${path}`))
const slo = at('authority/saml-idp/slo', 'authority/saml/artifact-slo', 'authority/saml-sp/slo')
const backChannel = at('authority/oidc/', 'authority/oidc-rp/logout')
const passwords = at('authority/sign-on/password-', 'authority/shared-signals/credential-change', 'authority/oidc/every-ending')

export const features: readonly Feature[] = [
  {
    title: 'SAML single logout, front channel',
    replaced: { standalone: 'yes', adaptive: 'yes', sharing: 'yes', stateServers: 'yes', subclusters: 'yes, sticky' },
    isShownBy: (file, name) => slo(file) && !/SOAP/i.test(name)
  },
  {
    title: 'SAML single logout by SOAP',
    replaced: { standalone: 'yes', adaptive: '**no**', sharing: 'yes', stateServers: 'yes', subclusters: '**no**' },
    isShownBy: (file, name) => slo(file) && /\bSOAP\b/.test(name)
  },
  {
    title: 'sessions end after a changed or reset password',
    replaced: { standalone: 'yes', adaptive: 'yes', sharing: 'yes', stateServers: 'yes', subclusters: '**no**' },
    isShownBy: (file, name) => passwords(file) && /password|reset/i.test(name)
  },
  {
    title: 'OpenID back-channel logout',
    replaced: { standalone: 'yes', adaptive: 'yes', sharing: 'yes', stateServers: 'yes', subclusters: '**no**' },
    isShownBy: (file, name) => backChannel(file) && /back.?channel|logout token/i.test(name)
  },
  {
    title: 'revocation list',
    replaced: { standalone: 'local', adaptive: 'all engines', sharing: 'all engines', stateServers: 'all engines', subclusters: 'all engines' },
    isShownBy: at('authority/session-management', 'authority/revocation-feed')
  }
]
