import { isLoopback } from '../../core/loopback.ts'
import { filterProblem } from '../../platform/ldap/filter-text.ts'
import { type DraftSettings, secretFile } from '../imports/draft.ts'
import type { Report } from '../imports/report.ts'
import { secondsOf, type Values } from './idp-properties.ts'

const prefix = 'idp.authn.LDAP.'

/** The directory that passwords were checked in, out of ldap.properties. */
export function ldapSettings(values: Values, report: Report): DraftSettings | undefined {
  const get = (name: string): string | undefined => values.get(`${prefix}${name}`) || undefined
  const written = get('ldapURL')
  if (written === undefined) return undefined
  const urls = written.split(/\s+/).flatMap((one) => {
    const url = URL.parse(one)
    return url !== null && /^ldaps?:$/.test(url.protocol) && url.hostname !== '' ? [`${url.protocol}//${url.host}`] : []
  })
  const found = personOf(get, report)
  if (urls.length === 0 || found === undefined) {
    report.say('unsupported', 'ldap', 'no directory: it needs ldapURL and baseDN with userFilter, or dnFormat', 'signOn.directories')
    return undefined
  }
  report.say('imported', `${prefix}ldapURL`, urls.join(' '), 'signOn.directories')
  const isPlain = urls.every((url) => url.startsWith('ldap:'))
  const isFar = urls.some((url) => url.startsWith('ldap:') && !isLoopback(new URL(url).hostname))
  const isStarted = get('useStartTLS') !== 'false'
  if (isFar && !isStarted)
    report.say(
      'approximated',
      `${prefix}useStartTLS`,
      'passwords went over the network readable; here TLS begins on the connection: the directory has to have it',
      'startTls'
    )
  const ca = get('trustCertificates')
  const hasCa = ca !== undefined && (get('sslConfig') ?? 'certificateTrust') === 'certificateTrust'
  if (hasCa) report.say('imported', `${prefix}trustCertificates`, ca, 'ca')
  const bindDn = get('authenticator') === 'bindSearchAuthenticator' || get('bindDN') !== undefined ? get('bindDN') : undefined
  if (bindDn !== undefined) report.say('approximated', `${prefix}bindDNCredential`, 'not copied: write it into keys/ldap.bind-password', 'bindPassword')
  const names = (get('returnAttributes') ?? 'mail').split(/[\s,]+/).filter((name) => /^[A-Za-z][A-Za-z0-9;.-]{0,63}$/.test(name) && name !== '1.1')
  const attributes = Object.fromEntries((names.length === 0 ? ['mail'] : names).map((name) => [name, name]))
  report.say(
    'approximated',
    'attributes',
    'attribute-resolver.xml and attribute-filter.xml are not read: write what the directory gives here, and what each partner is told in attributes of its connection',
    'attributes'
  )
  return {
    id: 'ldap',
    urls,
    ...(isPlain && (isFar || isStarted) ? { startTls: true } : {}),
    ...(hasCa ? { ca } : {}),
    ...(bindDn === undefined ? {} : { bindDn, bindPassword: secretFile('keys/ldap.bind-password') }),
    ...found,
    attributes,
    ...timeOf(get('connectTimeout'), 'connectTimeoutSeconds', report),
    ...timeOf(get('responseTimeout'), 'timeoutSeconds', report)
  }
}

function timeOf(text: string | undefined, setting: string, report: Report): DraftSettings {
  const seconds = secondsOf(text)
  if (seconds === undefined) return {}
  const whole = Math.min(Math.max(1, Math.ceil(seconds)), 60)
  report.say('imported', `${prefix}${setting === 'timeoutSeconds' ? 'responseTimeout' : 'connectTimeout'}`, `${whole} seconds`, setting)
  return { [setting]: whole }
}

type Get = (name: string) => string | undefined

/** Where people are looked for, and by which attributes. */
function personOf(get: Get, report: Report): DraftSettings | undefined {
  const base = get('baseDN')
  const filter = get('userFilter')
  if (base !== undefined && filter !== undefined) {
    const split = splitFilter(filter)
    if (split === undefined) {
      report.say(
        'unsupported',
        `${prefix}userFilter`,
        `${filter.slice(0, 200)}: it can not be taken apart into who may sign in and the names that people type`,
        'filter'
      )
      return undefined
    }
    report.say('imported', `${prefix}userFilter`, `people type ${split.names.join(' or ')}`, 'loginAttributes')
    if (get('subtreeSearch') !== 'true')
      report.say('approximated', `${prefix}subtreeSearch`, 'one level there; here all that lies below the base is looked at', 'base')
    return { base, ...(split.rest === undefined ? {} : { filter: split.rest }), loginAttributes: split.names }
  }
  const [, name, below] = /^([A-Za-z][A-Za-z0-9-]*)=%s,\s*(.+)$/.exec(get('dnFormat') ?? '') ?? []
  if (name === undefined || below === undefined) return undefined
  report.say(
    'approximated',
    `${prefix}dnFormat`,
    'people are looked for first and bind then: it needs a directory that answers without a name, or bindDn',
    'base'
  )
  return { base: below, loginAttributes: [name] }
}

/** `(uid={user})`, `(|(uid={user})(mail={user}))`, or one of them beside other conditions in `(&...)`. */
function splitFilter(filter: string): { readonly names: readonly string[]; readonly rest?: string } | undefined {
  const text = filter.replaceAll(/\s+(?=[()])/g, '').trim()
  const named = /\((?:\|((?:\([A-Za-z][\w.-]*=\{user\}\)){1,8})|([A-Za-z][\w.-]*)=\{user\})\)/.exec(text)
  if (named === null) return undefined
  const names = named[2] === undefined ? [...(named[1] ?? '').matchAll(/\(([^=]+)=/g)].map(([, name = '']) => name) : [named[2]]
  const rest = text.replace(named[0], '')
  if (rest === '') return { names }
  const inner = /^\(&(.*)\)$/.exec(rest)?.[1]
  if (inner === undefined || inner === '' || inner.includes('{user}')) return undefined
  const whole = filterProblem(inner) === undefined ? inner : `(&${inner})`
  return filterProblem(whole) === undefined ? { names, rest: whole } : undefined
}
