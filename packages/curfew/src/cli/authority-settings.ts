import type { AuthorityContext } from '../authority/context.ts'
import { createCsrf } from '../authority/pages/csrf.ts'
import { createOpenChecks } from '../authority/sign-on/open-checks.ts'
import { makeRedirectPolicy } from '../authority/redirects.ts'
import { groupsOf } from '../config/groups.ts'
import type { Config } from '../config/schema.ts'
import type { RedirectRule } from '../core/redirect.ts'
import { type AuthorityKey, deriveSecret } from '../platform/keys.ts'
import { createLocator } from '../platform/locator.ts'
import { systemRandom } from '../platform/random.ts'
import { encryptionCertificate, ownKeyOf, readSecret } from './key-files.ts'
import { createPageContext, loadBrand } from './pages-setup.ts'

/** The origin that browsers see. */
export function originOf(config: Config): string {
  return new URL(config.server.baseUrl).origin
}

/** Signs the cookies of the authorization endpoint. */
export function cookieSecret(config: Config): string {
  return deriveSecret(readSecret(config.sessions.secretFile), 'authorization cookie').export().toString('base64url')
}

type AuthoritySettings = Omit<
  AuthorityContext,
  | 'users'
  | 'store'
  | 'everywhere'
  | 'handOver'
  | 'signals'
  | 'sharedSignals'
  | 'engine'
  | 'clock'
  | 'ids'
  | 'metrics'
  | 'logger'
  | 'baseUrl'
  | 'connections'
  | 'clients'
  | 'adapters'
  | 'adapterLogouts'
  | 'upstreams'
  | 'random'
  | 'peer'
  | 'oidc'
  | 'fetchKeys'
  | 'clientKeys'
  | 'clientCertificates'
  | 'registration'
  | 'artifacts'
  | 'outbound'
  | 'health'
>

/** What the surfaces need to know of the configuration. @throws CURFEW_CONFIG_FILE, CURFEW_CONFIG_KEY */
export async function authoritySettings(config: Config, keys: readonly AuthorityKey[]): Promise<AuthoritySettings> {
  const master = readSecret(config.sessions.secretFile)
  const brand = loadBrand(config.brand)
  const { clockSkewSeconds, assertionMinutes } = config.saml
  const encryptingTo = encryptionCertificate(config)
  return {
    locator: createLocator([master], systemRandom, groupsOf(config).self.letter),
    secrets: { persistent: deriveSecret(master, 'persistent cookie'), nameId: deriveSecret(master, 'pairwise name') },
    csrf: createCsrf(deriveSecret(master, 'form token')),
    sessions: sessionSettings(config),
    transactionMs: config.sessions.transactionMinutes * 60_000,
    signOn: signOnSettings(config),
    openChecks: createOpenChecks(),
    logout: logoutSettings(config),
    sriRevocationMs: config.sessions.revocationMinutes * 60_000,
    redirects: redirectPolicy(config),
    pingOne: pingOneSettings(config),
    saml: {
      entityId: config.saml.entityId ?? originOf(config),
      keys: keys.map(ownKeyOf),
      clockSkewSeconds,
      assertionMinutes,
      artifacts: artifactSettings(config),
      ...(encryptingTo === undefined ? {} : { encryptionCertificate: encryptingTo })
    },
    organisation: brand.organisation,
    pageContext: createPageContext(brand, systemRandom),
    trustedProxies: config.server.trustedProxies
  }
}

function artifactSettings({ saml, cluster }: Config): AuthorityContext['saml']['artifacts'] {
  const { index, indexes = [index] } = cluster
  return { index, indexes, lifetimeMs: saml.artifactSeconds * 1000 }
}

function sessionSettings({ sessions }: Config): AuthorityContext['sessions'] {
  const { enabled, idleMinutes, maxMinutes, persistent, persistentReplaySeconds, deviceType, sources, hashUserKeys } = sessions
  return { enabled, idleMinutes, maxMinutes, persistent, persistentReplaySeconds, deviceType, sources, hashUserKeys }
}

function signOnSettings({ signOn }: Config): AuthorityContext['signOn'] {
  const { users, directories, sourceId, sessionState, locking, passwords, thisIsMyDevice, passwordChangeEndsSessions, successUrl, targets } = signOn
  return {
    sourceId,
    sessionState,
    locking,
    passwords: { ...passwords, endsSessions: passwordChangeEndsSessions },
    hasForm: users !== undefined || directories.length > 0,
    asksDevice: thisIsMyDevice,
    targets: rulesOf(targets),
    ...(successUrl === undefined ? {} : { successUrl })
  }
}

function rulesOf(targets: Config['logout']['targets']): readonly RedirectRule[] {
  return targets.map(({ path, ...rule }) => ({ ...rule, ...(path === undefined ? {} : { path }) }))
}

function logoutSettings({ logout }: Config): AuthorityContext['logout'] {
  const { confirm, successUrl, errorUrl, targets, sp } = logout
  return {
    confirm,
    targets: rulesOf(targets),
    ...(successUrl === undefined ? {} : { successUrl }),
    ...(errorUrl === undefined ? {} : { errorUrl }),
    ...(sp === undefined ? {} : { sp: present(sp) })
  }
}

function redirectPolicy(config: Config): AuthorityContext['redirects'] {
  const { validate, allow } = config.redirects
  return makeRedirectPolicy({
    signOn: signOnSettings(config),
    logout: logoutSettings(config),
    targetUrls: config.identityProviders.map(({ targetUrl }) => targetUrl),
    validate,
    allow: allow.flatMap(({ uses, ...rule }) => rulesOf([rule]).map((one) => ({ ...one, uses })))
  })
}

function pingOneSettings({ pingOne, signOn, identityProviders }: Config): AuthorityContext['pingOne'] {
  const named = [{ id: signOn.sourceId, idpid: signOn.idpid }, ...identityProviders].flatMap(({ id, idpid }) =>
    idpid === undefined ? [] : [[id, idpid] as const]
  )
  const { prefix, ownOrigins, landingUrl } = pingOne
  return { prefix, ownOrigins, idpids: new Map(named), ...(landingUrl === undefined ? {} : { landingUrl }) }
}

function present<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> }
}
