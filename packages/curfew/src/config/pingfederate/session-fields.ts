import { limitMinutesMax } from '../../core/expiry.ts'
import { flag, type Reading, type ShippedKey, whole } from './shipped-key.ts'

/** Documented fields of one resource; those of objects inside with dots. */
export type Fields = Readonly<Record<string, ShippedKey>>

const unit = 'how the console shows it; the value is in minutes'
const applicationNote = 'pages of an account belong to the session of the sign-in: sessions.idleMinutes and sessions.maxMinutes count'

/** The global policy of authentication sessions. */
export const globalFields: Fields = {
  enableSessions: {
    setting: 'sessions.enabled',
    read: flag,
    note: 'the same; with false the Session State of the form counts: signOn.sessionState is none, as there by default'
  },
  persistentSessions: { setting: 'sessions.persistent', read: flag, note: 'the same' },
  hashUniqueUserKeyAttribute: {
    setting: 'sessions.hashUserKeys',
    read: flag,
    note: 'with true callers of the API by user give the base64url of SHA-256'
  },
  idleTimeoutMins: { setting: 'sessions.idleMinutes', read: limit, note: 'the same' },
  idleTimeoutDisplayUnit: { note: unit },
  maxTimeoutMins: { setting: 'sessions.maxMinutes', read: limit, note: 'the same' },
  maxTimeoutDisplayUnit: { note: unit }
}

/** General settings of sessions. */
export const settingsFields: Fields = {
  trackAdapterSessionsForLogout: {
    note: 'no adapter keeps a session beside the one of the sign-in; applications by OpenToken are told where they have a logoutService; sessions of one user are bounded by sessions.perUserMax'
  },
  revokeUserSessionOnLogout: { setting: 'sessions.revokeOnLogout', read: flag, note: 'the same' },
  sessionRevocationLifetime: { setting: 'sessions.revocationMinutes', read: whole(1, limitMinutesMax), note: 'the same' }
}

/** Sessions of the pages of an account. */
export const applicationFields: Fields = { idleTimeoutMins: { note: applicationNote }, maxTimeoutMins: { note: applicationNote } }

/** The policy of one source; its settings are named as they are below `sessions.sources.<id>`. */
export const sourceFields: Fields = {
  id: { note: 'a policy has no id here: it stands below the id of its source' },
  'authenticationSource.type': { note: 'adapters and connections are sources alike' },
  'authenticationSource.sourceRef.id': { note: 'the name of the section: signOn.sourceId, or the id of an identity provider' },
  'authenticationSource.sourceRef.location': { note: 'an address of the admin API there' },
  enableSessions: {
    setting: 'enabled',
    read: flag,
    note: 'the same; with false the Session State of the form counts: signOn.sessionState is none, as there by default'
  },
  persistent: { setting: 'persistent', read: flag, note: 'the same' },
  idleTimeoutMins: { setting: 'idleMinutes', read: limit, note: 'the same' },
  maxTimeoutMins: { setting: 'maxMinutes', read: limit, note: 'the same' },
  timeoutDisplayUnit: { note: unit },
  authnContextSensitive: { note: 'an authentication context that a request demands is always looked at: it is met, or the request fails' },
  userDeviceType: { setting: 'deviceType', read: device, note: 'the same' }
}

function limit(text: string): Reading {
  if (text === '-1') return { kind: 'value', value: -1 }
  const reading = whole(1, limitMinutesMax)(text)
  return reading.kind === 'value' ? reading : { kind: 'unreadable', why: `write -1 or minutes from 1 to ${limitMinutesMax}` }
}

function device(text: string): Reading {
  return ['PRIVATE', 'SHARED', 'ANY'].includes(text)
    ? { kind: 'value', value: text.toLowerCase() }
    : { kind: 'unreadable', why: 'write PRIVATE, SHARED or ANY' }
}
