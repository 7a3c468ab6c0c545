import { type Draft, type DraftEntry, type DraftLine, finished } from '../imports/draft.ts'
import { identityProvider } from './identity-provider.ts'
import { ldapDirectory } from './ldap-directory.ts'
import { type ImportedClient, oidcClient } from './oidc-client.ts'
import { type ExportFile, flag, inner, type Part, parts, readRealm, text, unread } from './realm.ts'
import { createReport } from '../imports/report.ts'
import { samlClient } from './saml-client.ts'
import { sessionKeys, sessionSettings } from './session-settings.ts'
import { type ImportedUser, userAccounts } from './user-accounts.ts'

/** What an export of a realm came to. */
export interface ImportedRealm extends Draft {
  readonly files: Readonly<Record<string, string>>
  /** For a users file; they hold hashes of passwords. */
  readonly users: readonly ImportedUser[]
}

/** Clients that every realm has for its own console and accounts. */
const builtIn = new Set(['account', 'account-console', 'admin-cli', 'broker', 'realm-management', 'security-admin-console'])

/**
 * Turns the export of one realm into settings, and says of everything in it what became of it.
 * Secrets and private keys are neither shown nor copied.
 * @param ids - those that are taken; those of the import are added
 * @throws CURFEW_IMPORT_JSON, CURFEW_IMPORT_REFUSED
 */
export function importKeycloak(files: readonly ExportFile[], ids: Set<string>): ImportedRealm {
  const realm = readRealm(files)
  const { sessions, locking, report } = sessionSettings(realm.fields)
  const clients = parts(realm.fields, 'clients').filter((client) => !isOwn(client))
  const applications = clients.map((client) => clientOf(client, realm.fields, ids))
  const providers = parts(realm.fields, 'identityProviders').map((one) => identityProvider(one, ids))
  const directories = parts(inner(realm.fields, 'components'), 'org.keycloak.storage.UserStorageProvider').map((one) => ldapDirectory(one, ids))
  const accounts = userAccounts(realm.users)
  const connections = entriesOf(applications)
  const identityProviders = entriesOf(providers)
  const found = directories.flatMap(({ settings }) => settings ?? [])
  const signOn = { ...(Object.keys(locking).length === 0 ? {} : { locking }), ...(found.length === 0 ? {} : { directories: found }) }
  const settings = {
    ...(Object.keys(sessions).length === 0 ? {} : { sessions }),
    ...(Object.keys(signOn).length === 0 ? {} : { signOn }),
    ...(connections.length === 0 ? {} : { connections: connections.map((one) => one.settings) }),
    ...(identityProviders.length === 0 ? {} : { identityProviders: identityProviders.map((one) => one.settings) })
  }
  return {
    settings: finished(settings, realm.path),
    comments: {
      '': [`Out of the Keycloak realm ${realm.name}. Merge it into curfew.yaml.`],
      ...commentsAt('connections', connections),
      ...commentsAt('identityProviders', identityProviders)
    },
    lines: [
      ...realmLines(realm.fields),
      ...report.lines,
      ...[...applications, ...providers, ...directories].flatMap((one) => one.report.lines),
      ...accounts.report.lines
    ],
    files: Object.assign({}, ...[...applications, ...providers].map((one) => one.files ?? {})) as Readonly<Record<string, string>>,
    users: accounts.users
  }
}

function isOwn(client: Part): boolean {
  const name = text(client, 'clientId') ?? ''
  return builtIn.has(name) || flag(inner(client, 'attributes'), 'realm_client') === true
}

function clientOf(client: Part, realm: Part, ids: Set<string>): ImportedClient {
  const protocol = text(client, 'protocol') ?? 'openid-connect'
  if (protocol === 'openid-connect') return oidcClient(client, realm, ids)
  if (protocol === 'saml') return samlClient(client, ids)
  const report = createReport(text(client, 'clientId') ?? '')
  report.say('unsupported', 'client', `no connection: its protocol is ${protocol.slice(0, 40)}`)
  return { report }
}

function entriesOf(imported: readonly ImportedClient[]): readonly DraftEntry[] {
  return imported.flatMap(({ entry }) => entry ?? [])
}

function commentsAt(list: string, entries: readonly DraftEntry[]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(entries.map(({ comments }, i) => [`${list}.${i}`, comments]))
}

/** What holds for all clients of the realm. */
function realmLines(realm: Part): readonly DraftLine[] {
  const { lines, say } = createReport('realm')
  const name = text(realm, 'realm') ?? ''
  say(
    'approximated',
    'issuer',
    `it was .../realms/${name}; here it is server.baseUrl: every OpenID client gets the new issuer, and finds the addresses by discovery`,
    'server.baseUrl'
  )
  say('approximated', 'entity ID', `it was .../realms/${name}: write that to keep it, so that SAML partners need new addresses and keys only`, 'saml.entityId')
  say(
    'approximated',
    'sub',
    'it is another value here than the id of Keycloak: clients that know people by it need the user name (subject: username) or the address'
  )
  if ('org.keycloak.keys.KeyProvider' in inner(realm, 'components'))
    say('not-needed', 'keys', 'private keys are not copied: those of saml.keys take their place; partners get the new metadata', 'saml.keys')
  for (const client of parts(realm, 'clients').filter(isOwn)) say('not-needed', `client ${text(client, 'clientId') ?? ''}`, "one of Keycloak's own")
  const mappers = parts(realm, 'identityProviderMappers')
  if (mappers.length > 0) say('unsupported', 'identityProviderMappers', `${mappers.length}: write attributes of the identity provider by hand`, 'attributes')
  const policy = text(realm, 'passwordPolicy')
  if (policy !== undefined)
    say(
      'approximated',
      'passwordPolicy',
      `${policy.slice(0, 200)}: here a new password has a least length (12) and no rules about kinds of characters`,
      'signOn.passwords.lengthMin'
    )
  if (flag(realm, 'registrationAllowed') === true) say('unsupported', 'registrationAllowed', 'nobody makes an account for themselves here')
  if (flag(realm, 'resetPasswordAllowed') === true)
    say('unsupported', 'resetPasswordAllowed', 'there is no mail: the help desk gives a link (curfew users reset)')
  if (flag(realm, 'loginWithEmailAllowed') === true)
    say('unsupported', 'loginWithEmailAllowed', 'people of the users file type their names; of a directory, what loginAttributes names')
  const others = unread(realm, knownFields)
  if (others.length > 0) say('unsupported', 'other settings', `not read: ${others.join(', ')}`)
  return lines
}

const knownFields: ReadonlySet<string> = new Set([
  ...sessionKeys,
  ...[
    'id',
    'realm',
    'displayName',
    'displayNameHtml',
    'enabled',
    'notBefore',
    'clients',
    'identityProviders',
    'identityProviderMappers',
    'components',
    'users'
  ],
  ...[
    'accessTokenLifespan',
    'offlineSessionIdleTimeout',
    'passwordPolicy',
    'registrationAllowed',
    'resetPasswordAllowed',
    'loginWithEmailAllowed',
    'keycloakVersion'
  ],
  ...[
    'sslRequired',
    'internationalizationEnabled',
    'supportedLocales',
    'defaultLocale',
    'eventsEnabled',
    'eventsListeners',
    'enabledEventTypes',
    'adminEventsEnabled'
  ],
  ...['browserSecurityHeaders', 'smtpServer', 'loginTheme', 'accountTheme', 'adminTheme', 'emailTheme', 'scopeMappings', 'clientScopeMappings', 'clientScopes'],
  ...[
    'defaultDefaultClientScopes',
    'defaultOptionalClientScopes',
    'attributes',
    'editUsernameAllowed',
    'duplicateEmailsAllowed',
    'verifyEmail',
    'registrationEmailAsUsername'
  ],
  ...[
    'actionTokenGeneratedByAdminLifespan',
    'actionTokenGeneratedByUserLifespan',
    'accessCodeLifespan',
    'accessCodeLifespanUserAction',
    'defaultSignatureAlgorithm'
  ]
])
