import { limitMinutesMax } from '../../core/expiry.ts'
import type { DraftSettings } from '../imports/draft.ts'
import type { Property } from '../imports/properties.ts'
import type { Report } from '../imports/report.ts'

/** Values of the property files by name; where a name stands twice, the last one counts. */
export type Values = ReadonlyMap<string, string>

/** Replaces `%{name}` and `%{name:otherwise}`; nothing else is evaluated. */
export function valuesOf(properties: readonly Property[], home: string): Values {
  const raw = new Map([['idp.home', home], ...properties.map(({ key, value }) => [key, value] as const)])
  const resolve = (text: string, depth: number): string =>
    depth > 8
      ? text
      : text.replace(/%\{([\w.-]{1,100})(?::([^}]{0,200}))?\}/g, (whole, name: string, otherwise?: string) =>
          raw.has(name) ? resolve(raw.get(name) ?? '', depth + 1) : (otherwise ?? whole)
        )
  return new Map([...raw].map(([key, value]) => [key, resolve(value, 0).trim()]))
}

/** An ISO 8601 duration, or milliseconds as older versions have it. */
export function secondsOf(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  if (/^\d{1,12}$/.test(text)) return Number(text) / 1_000
  try {
    return Temporal.Duration.from(text).total({ unit: 'seconds', relativeTo: '2026-01-01' })
  } catch {
    return undefined
  }
}

/** Entity ID, sessions and logout out of idp.properties. */
export function idpSettings(values: Values, report: Report): DraftSettings {
  const entityId = values.get('idp.entityID')
  if (entityId !== undefined) report.say('imported', 'idp.entityID', entityId, 'saml.entityId')
  const skew = secondsOf(values.get('idp.policy.clockSkew'))
  const skewSeconds = skew === undefined ? undefined : Math.min(Math.max(0, Math.floor(skew)), 600)
  if (skewSeconds !== undefined) report.say('imported', 'idp.policy.clockSkew', `${skewSeconds} seconds`, 'saml.clockSkewSeconds')
  const sessions = sessionsOf(values, report)
  const saml = { ...(entityId === undefined ? {} : { entityId }), ...(skewSeconds === undefined ? {} : { clockSkewSeconds: skewSeconds }) }
  const isAsked = flagOf(values, 'idp.logout.promptUser') === true
  if (isAsked) report.say('imported', 'idp.logout.promptUser', 'people are asked before every sign-out that starts here', 'logout.confirm')
  plainLines(values, report)
  return {
    ...(Object.keys(saml).length === 0 ? {} : { saml }),
    ...(Object.keys(sessions).length === 0 ? {} : { sessions }),
    ...(sessions['enabled'] === false ? { signOn: { sessionState: 'none' } } : {}),
    ...(isAsked ? { logout: { confirm: true } } : {})
  }
}

function flagOf(values: Values, name: string): boolean | undefined {
  const value = values.get(name)?.toLowerCase()
  return value === 'true' ? true : value === 'false' ? false : undefined
}

function sessionsOf(values: Values, report: Report): DraftSettings {
  const isOff = flagOf(values, 'idp.session.enabled') === false
  if (isOff) report.say('imported', 'idp.session.enabled', 'what is off stays off', 'sessions.enabled')
  const idleMinutes = minutesOf(values, 'idp.session.timeout', 'sessions.idleMinutes', report)
  const maxMinutes = minutesOf(values, 'idp.authn.defaultLifetime', 'sessions.maxMinutes', report)
  if (maxMinutes !== undefined)
    report.say(
      'approximated',
      'idp.authn.defaultLifetime',
      'there the sign-in ended then and the session went on; here the session ends, and every application is told',
      'sessions.maxMinutes'
    )
  const isTurned = idleMinutes !== undefined && maxMinutes !== undefined && idleMinutes > maxMinutes
  if (isTurned) report.say('approximated', 'idp.session.timeout', 'it is more than the lifetime of a sign-in: cut to that', 'sessions.idleMinutes')
  return {
    ...(isOff ? { enabled: false } : {}),
    ...(idleMinutes === undefined ? {} : { idleMinutes: isTurned ? maxMinutes : idleMinutes }),
    ...(maxMinutes === undefined ? {} : { maxMinutes })
  }
}

function minutesOf(values: Values, name: string, setting: string, report: Report): number | undefined {
  const value = values.get(name)
  if (value === undefined) return undefined
  const seconds = secondsOf(value)
  if (seconds === undefined || seconds <= 0) {
    report.say('unsupported', name, 'it is no duration: the default counts', setting)
    return undefined
  }
  const minutes = Math.min(Math.max(1, Math.floor(seconds / 60)), limitMinutesMax)
  report.say(minutes * 60 === seconds ? 'imported' : 'approximated', name, `${value} is ${minutes} minutes`, setting)
  return minutes
}

const keysNote = 'private keys are not copied: to keep the key that partners know, copy both files yourself, readable by this server only'

/** Properties without a setting, or with one that a person writes. */
const notes: Readonly<Record<string, readonly ['imported' | 'approximated' | 'unsupported' | 'not-needed', string, string?]>> = {
  'idp.session.StorageService': ['not-needed', 'sessions are in the store of this server, never in the browser', 'store'],
  'idp.storage.htmlLocalStorage': ['not-needed', 'sessions are in the store of this server, never in the browser', 'store'],
  'idp.session.consistentAddress': ['unsupported', 'a session is not bound to an address: proxies and phones change it'],
  'idp.session.slop': ['not-needed', 'what was issued is remembered for as long as registryMinutes says', 'sessions.registryMinutes'],
  'idp.session.defaultSPlifetime': ['not-needed', 'an application takes part until its session ends here'],
  'idp.logout.elaboration': ['not-needed', 'the sign-off page always names every application'],
  'idp.signing.key': ['approximated', keysNote, 'saml.keys'],
  'idp.signing.cert': ['approximated', keysNote, 'saml.keys'],
  'idp.encryption.key': ['approximated', keysNote, 'saml.decryptionKeys'],
  'idp.encryption.cert': ['approximated', keysNote, 'saml.decryptionKeys'],
  'idp.encryption.optional': ['not-needed', 'encrypted for partners whose connection says encrypt, and for nobody else'],
  'idp.scope': ['unsupported', 'no attribute is scoped: put whole values (user@example.org) into the directory or the users file', 'attributes'],
  'idp.persistentId.sourceAttribute': [
    'approximated',
    'persistent identifiers are made here and differ from those: partners that know people by them have to be told',
    'nameId.format'
  ],
  'idp.persistentId.generator': [
    'approximated',
    'persistent identifiers are made here and differ from those: partners that know people by them have to be told',
    'nameId.format'
  ],
  'idp.artifact.endpointIndex': ['approximated', 'write it as cluster.index, one for each node', 'cluster.index'],
  'idp.consent.StorageService': ['unsupported', 'there is no consent by attribute; an OpenID client may have consent: ask']
}

const idpKnown: ReadonlySet<string> = new Set([
  ...Object.keys(notes),
  ...['idp.home', 'idp.entityID', 'idp.policy.clockSkew', 'idp.logout.promptUser', 'idp.session.enabled', 'idp.session.timeout', 'idp.authn.defaultLifetime'],
  ...[
    'idp.session.trackSPSessions',
    'idp.session.secondaryServiceIndex',
    'idp.logout.authenticated',
    'idp.authn.flows',
    'idp.additionalProperties',
    'idp.searchForProperties'
  ]
])

function plainLines(values: Values, report: Report): void {
  for (const [name, [verdict, note, setting]] of Object.entries(notes))
    if (values.has(name) && values.get(name) !== '') report.say(verdict, name, note, setting)
  for (const name of ['idp.session.trackSPSessions', 'idp.session.secondaryServiceIndex']) {
    const value = flagOf(values, name)
    if (value === true) report.say('imported', name, 'always so: every application of a session is remembered, and found by its SessionIndex')
    if (value === false)
      report.say(
        'approximated',
        name,
        'there no application was signed out by it; here every one is told: profiles.idpInitiatedSlo: false of a connection keeps it out',
        'profiles'
      )
  }
  const isAuthenticated = flagOf(values, 'idp.logout.authenticated')
  if (isAuthenticated === true) report.say('imported', 'idp.logout.authenticated', 'always so: logout messages have to be signed')
  if (isAuthenticated === false)
    report.say('approximated', 'idp.logout.authenticated', 'logout messages without a signature are refused: have the partner sign them')
  const flows = values.get('idp.authn.flows')?.split('|') ?? []
  for (const flow of flows.filter((one) => one !== 'Password' && one !== ''))
    report.say(
      'unsupported',
      `idp.authn.flows ${flow.slice(0, 40)}`,
      'people type a password here, or sign in at an identity provider (SAML of authn/SAML: identityProviders)'
    )
  const others = [...values.keys()].filter(
    (name) =>
      name.startsWith('idp.') &&
      !idpKnown.has(name) &&
      !/\.(LDAP|ldaptive)\./.test(name) &&
      !name.startsWith('idp.ldaptive') &&
      !name.startsWith('idp.pool.LDAP')
  )
  if (others.length > 0)
    report.say('unsupported', 'other properties', `not read: ${others.map((name) => name.replaceAll(/\p{Cc}/gu, ' ').slice(0, 80)).join(', ')}`)
}
