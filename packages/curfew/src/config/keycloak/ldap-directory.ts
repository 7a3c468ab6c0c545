import { isLoopback } from '../../core/loopback.ts'
import { filterProblem } from '../../platform/ldap/filter-text.ts'
import { type DraftSettings, freeId, secretFile } from '../imports/draft.ts'
import { type Part, inner, parts, text, texts } from './realm.ts'
import { createReport, type Report } from '../imports/report.ts'

/** A federation with a directory. */
export interface ImportedDirectory {
  readonly settings?: DraftSettings
  readonly report: Report
}

/** One provider of users as a directory; settings are lists of one there. */
export function ldapDirectory(component: Part, ids: Set<string>): ImportedDirectory {
  const name = text(component, 'name') ?? 'ldap'
  const report = createReport(`user federation ${name}`)
  const kind = text(component, 'providerId') ?? ''
  const config = inner(component, 'config')
  const one = (key: string): string | undefined => texts(config, key)[0]?.trim()
  const refuse = (verdict: 'unsupported' | 'not-needed', note: string): ImportedDirectory => {
    report.say(verdict, kind, note)
    return { report }
  }
  if (kind !== 'ldap') return refuse('unsupported', 'no directory: people come out of LDAP or the users file only')
  if (one('enabled') === 'false') return refuse('not-needed', 'left out: it is switched off there')
  const isStartTls = one('startTls') === 'true'
  const { urls, startTls } = addressesOf(one('connectionUrl') ?? '', isStartTls, report)
  const base = one('usersDn')
  if (urls.length === 0 || base === undefined) return refuse('unsupported', 'no directory: it needs connectionUrl and usersDn')
  const id = freeId([name], ids)
  report.say('imported', 'ldap', `people below ${base}`, `signOn.directories ${id}`)
  const bindDn = one('bindDn')
  const path = `keys/${id}.bind-password`
  if (bindDn !== undefined) report.say('approximated', 'bindCredential', `not copied: write it into ${path}`, 'bindPassword')
  lines(one, component, report)
  const login = one('usernameLDAPAttribute') ?? 'uid'
  return {
    settings: {
      id,
      urls,
      ...(startTls ? { startTls: true } : {}),
      ...(bindDn === undefined ? {} : { bindDn, bindPassword: secretFile(path) }),
      base,
      filter: filterOf(one, report),
      loginAttributes: [login],
      attributes: attributesOf(component),
      ...(one('usePasswordModifyExtendedOp') === 'true' && one('editMode') === 'WRITABLE' ? { passwordChange: 'extendedOperation' } : {})
    },
    report
  }
}

/** Nobody's password goes over the network readable, whatever was there before. */
function addressesOf(text: string, isStartTls: boolean, report: Report): { readonly urls: readonly string[]; readonly startTls: boolean } {
  const urls = text.split(/\s+/).flatMap((one) => {
    const url = URL.parse(one)
    return url !== null && /^ldaps?:$/.test(url.protocol) && url.hostname !== '' ? [`${url.protocol}//${url.host}`] : []
  })
  const plain = urls.filter((url) => url.startsWith('ldap:'))
  const isFar = plain.some((url) => !isLoopback(new URL(url).hostname))
  if (isFar && !isStartTls)
    report.say(
      'approximated',
      'connectionUrl',
      'passwords went over the network readable; here TLS begins on the connection (startTls): the directory has to have it',
      'startTls'
    )
  return { urls, startTls: plain.length === urls.length && plain.length > 0 && (isStartTls || isFar) }
}

function filterOf(one: (key: string) => string | undefined, report: Report): string {
  const classes = (one('userObjectClasses') ?? 'person').split(',').map((name) => `(objectClass=${name.trim()})`)
  const custom = one('customUserSearchFilter')
  const all = [...classes, ...(custom === undefined ? [] : [custom])]
  const filter = all.length === 1 ? (all[0] ?? '') : `(&${all.join('')})`
  if (filterProblem(filter) === undefined) {
    report.say('imported', 'userObjectClasses', filter, 'filter')
    return filter
  }
  report.say('unsupported', 'customUserSearchFilter', 'it is no filter in parentheses: left out', 'filter')
  return classes.length === 1 ? (classes[0] ?? '') : `(&${classes.join('')})`
}

function lines(one: (key: string) => string | undefined, component: Part, report: Report): void {
  if (one('searchScope') === '1') report.say('approximated', 'searchScope', 'one level there; here all that lies below the base is looked at', 'base')
  if (one('allowKerberosAuthentication') === 'true')
    report.say('unsupported', 'allowKerberosAuthentication', 'Kerberos is not there: people type their passwords')
  if (one('vendor') === 'ad')
    report.say(
      'approximated',
      'vendor',
      'Active Directory: passwords can not be changed from here; passwordChanged: { attribute: pwdLastSet, syntax: fileTime } ends sessions after a change elsewhere',
      'passwordChanged'
    )
  if (one('editMode') === 'WRITABLE' && one('usePasswordModifyExtendedOp') !== 'true')
    report.say(
      'unsupported',
      'editMode',
      'nothing is written to the directory; passwords are changed by the extended operation of RFC 3062 only',
      'passwordChange'
    )
  for (const mapper of mappersOf(component)) {
    const kind = text(mapper, 'providerId') ?? ''
    if (kind !== 'user-attribute-ldap-mapper') report.say('unsupported', `mapper ${text(mapper, 'name') ?? ''}`, `${kind}: attributes are read only`)
  }
}

function mappersOf(component: Part): readonly Part[] {
  return parts(inner(component, 'subComponents'), 'org.keycloak.storage.ldap.mappers.LDAPStorageMapper')
}

/** Attribute of the directory to attribute of the user; properties of a user there have other names here. */
function attributesOf(component: Part): DraftSettings {
  const named = mappersOf(component).flatMap((mapper) => {
    const config = inner(mapper, 'config')
    const [from] = texts(config, 'ldap.attribute')
    const [to] = texts(config, 'user.model.attribute')
    if (from === undefined || to === undefined || to === 'username' || !/^[A-Za-z][A-Za-z0-9;.-]{0,63}$/.test(from)) return []
    return [[from, to === 'email' ? 'mail' : to === 'firstName' ? 'givenName' : to === 'lastName' ? 'sn' : to] as const]
  })
  return named.length === 0 ? { mail: 'mail' } : Object.fromEntries(named)
}
