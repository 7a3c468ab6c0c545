import type { Entry } from 'ldapts'
import { LdapFailure } from '../platform/ldap/ldap-link.ts'
import { readTime } from '../platform/ldap/time-value.ts'
import type { DirectoryConfig } from '../config/directory-schema.ts'
import { type Check, failedBy } from './doctor-check.ts'
import { directoryPool } from './users-setup.ts'

/** One directory: each address, the account that looks people up, somebody below the base, and what is read of them. */
export async function directoryChecks(settings: DirectoryConfig): Promise<readonly Check[]> {
  const checks = await Promise.all(settings.urls.map((url) => addressCheck({ ...settings, urls: [url] }, url)))
  return checks.flat()
}

async function addressCheck(settings: DirectoryConfig, url: string): Promise<readonly Check[]> {
  const what = `${settings.id}: ${url}`
  try {
    const pool = directoryPool(settings)
    const startedMs = performance.now()
    try {
      const [first, second] = await pool.asService((link) =>
        link.search(settings.base, { filter: settings.filter, attributes: askedOf(settings), entriesMax: 2 })
      )
      const ms = Math.round(performance.now() - startedMs)
      if (first === undefined)
        return [{ what, verdict: 'warn', why: 'it answers, and nobody is there', fix: `Check base and filter of ${settings.id}, and what bindDn may see.` }]
      return [{ what, verdict: 'ok', why: `answers in ${ms} ms, ${second === undefined ? 'one person' : 'people'} found` }, ...readable(settings, first)]
    } finally {
      pool.close()
    }
  } catch (error) {
    if (!(error instanceof LdapFailure)) return [failedBy(what, error, `Check ${settings.id} in signOn.directories.`)]
    return [
      {
        what,
        verdict: 'fail',
        why: `${error.message}: CURFEW_USERS_UNAVAILABLE`,
        fix: 'Correct urls, ca, bindDn or bindPassword, or start the directory. Nobody of it can sign in until then.'
      }
    ]
  }
}

function askedOf({ loginAttributes, passwordChanged }: DirectoryConfig): readonly string[] {
  return [...loginAttributes, ...(passwordChanged === undefined ? [] : [passwordChanged.attribute])]
}

/** What one entry shows, as far as it can be judged by one. */
function readable({ id, loginAttributes: [username = ''], passwordChanged }: DirectoryConfig, entry: Entry): readonly Check[] {
  const text = (name: string): string | undefined => {
    const key = Object.keys(entry).find((one) => one.toLowerCase() === name.toLowerCase())
    const [value] = [key === undefined ? [] : entry[key]].flat()
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const name: readonly Check[] =
    text(username) === undefined
      ? [
          {
            what: `${id}: user name`,
            verdict: 'warn',
            why: `an entry has no readable ${username}`,
            fix: 'Name another attribute first in loginAttributes, or let bindDn read it.'
          }
        ]
      : []
  if (passwordChanged === undefined) return name
  const { attribute, syntax } = passwordChanged
  const value = text(attribute)
  const what = `${id}: ${attribute}`
  if (value === undefined)
    return [
      ...name,
      {
        what,
        verdict: 'warn',
        why: 'an entry does not have it, or bindDn may not read it: a password that is changed elsewhere ends no session',
        fix: `Let bindDn read ${attribute}.`
      }
    ]
  if (readTime(syntax, value) === undefined && value !== '0')
    return [...name, { what, verdict: 'fail', why: `${value} is no ${syntax}`, fix: 'Choose the other passwordChanged.syntax.' }]
  return [...name, { what, verdict: 'ok', why: 'can be read' }]
}
